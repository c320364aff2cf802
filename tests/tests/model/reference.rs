//! The model of the database: maps in memory with the expected content.

use std::collections::BTreeMap;

use koan_backup::prelude::*;
use koan_backup::provider::WriteCounts;
use proptest::prelude::*;
use proptest_state_machine::ReferenceStateMachine;

use super::step::{BackupChoice, Columns, RestoreStep, Set, Step, any_rows, any_step};

pub(super) type Table = BTreeMap<i64, Columns>;
pub(super) type Tables = BTreeMap<Set, Table>;

/// The expected content, and the outcome of the last step.
#[derive(Clone, Debug)]
pub(super) struct Model {
    pub(super) tables: Tables,
    pub(super) backups: Vec<ModelBackup>,
    pub(super) outcome: Outcome,
    /// Whether the last step wrote something that was rolled back when the step was refused.
    pub(super) rolled_back: bool,
}

/// A backup with the content that it must restore.
#[derive(Clone, Debug)]
pub(super) struct ModelBackup {
    name: &'static str,
    /// The content, or `None` if the backup failed. A failed backup is recorded as well.
    pub(super) tables: Option<Tables>,
}

/// The outcome of a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Inserted,
    Updated,
    /// This number of rows was deleted.
    Deleted(usize),
    Dropped,
    BackedUp,
    /// The verification selected the backup with this index, which is valid.
    Valid(usize),
    /// The verification selected the backup with this index, which had failed.
    Failed(usize),
    /// The restore selected the backup with this index, and ended with these counts.
    Restored(usize, WriteCounts),
    /// The step was refused, and has changed nothing.
    Refused(ErrorKind),
}

impl ReferenceStateMachine for Model {
    type State = Self;
    type Transition = Step;

    fn init_state() -> BoxedStrategy<Self> {
        let tables =
            (any_rows(), any_rows(), prop::option::of(any_rows())).prop_map(|(root, archive, annex)| {
                let annex = annex.map(|rows| (Set::Annex, rows));
                [(Set::Root, root), (Set::Archive, archive)].into_iter().chain(annex).collect()
            });
        let model =
            |tables| Self { tables, backups: Vec::new(), outcome: Outcome::Deleted(0), rolled_back: false };
        tables.prop_map(model).boxed()
    }

    fn transitions(state: &Self) -> BoxedStrategy<Step> {
        any_step(state.backups.len()).boxed()
    }

    fn preconditions(state: &Self, step: &Step) -> bool {
        match step {
            Step::Write(set, ..) | Step::Delete(set, ..) => state.tables.contains_key(set),
            Step::Verify(BackupChoice::Number(number))
            | Step::Restore(RestoreStep { choice: BackupChoice::Number(number), .. }) => {
                *number < state.backups.len()
            }
            Step::Drop => state.tables.contains_key(&Set::Annex),
            _ => true,
        }
    }

    fn apply(mut state: Self, step: &Step) -> Self {
        state.rolled_back = false;
        let outcome = match step {
            Step::Write(set, key, columns) => {
                let known = state.tables.entry(*set).or_default().insert(*key, columns.clone());
                Ok(if known.is_some() { Outcome::Updated } else { Outcome::Inserted })
            }
            Step::Delete(set, from, to) => {
                let table = state.tables.entry(*set).or_default();
                let before = table.len();
                table.retain(|key, _| key < from || key > to);
                Ok(Outcome::Deleted(before - table.len()))
            }
            Step::Drop => {
                state.tables.remove(&Set::Annex);
                Ok(Outcome::Dropped)
            }
            Step::Backup { name, only_set } => state.back_up(name, *only_set),
            Step::Verify(choice) => state.verify(choice),
            Step::Restore(options) => state.restore(options),
        };
        state.outcome = outcome.unwrap_or_else(Outcome::Refused);
        state
    }
}

impl Model {
    fn back_up(&mut self, name: &'static str, only_set: Option<Set>) -> Result<Outcome, ErrorKind> {
        let tables = selected(&self.tables, only_set);
        self.backups.push(ModelBackup { name, tables: tables.clone().ok() });
        tables.map(|_| Outcome::BackedUp)
    }

    fn verify(&self, choice: &BackupChoice) -> Result<Outcome, ErrorKind> {
        let number = self.find(choice, |_| true)?;
        Ok(if self.backups[number].tables.is_some() {
            Outcome::Valid(number)
        } else {
            Outcome::Failed(number)
        })
    }

    /// Returns the index of a backup. A name selects the newest backup of this name for which `accept`
    /// returns `true`.
    fn find(&self, choice: &BackupChoice, accept: impl Fn(&ModelBackup) -> bool) -> Result<usize, ErrorKind> {
        match choice {
            BackupChoice::Number(number) => Ok(*number),
            BackupChoice::Newest(name) => {
                let found = self.backups.iter().rposition(|backup| backup.name == *name && accept(backup));
                found.ok_or(ErrorKind::NotFound)
            }
        }
    }

    fn restore(&mut self, options: &RestoreStep) -> Result<Outcome, ErrorKind> {
        let number = self.find(&options.choice, |backup| backup.tables.is_some())?;
        let archived = self.backups[number].tables.as_ref().ok_or(ErrorKind::Incompatible)?;
        let sets = selected(archived, options.only_set)?;
        if options.target_set.is_some() && sets.len() > 1 {
            return Err(ErrorKind::Configuration);
        }
        let (mut tables, mut counts) = (self.tables.clone(), WriteCounts::default());
        let targets = sets.into_iter().map(|(set, records)| (options.target_set.unwrap_or(set), records));
        let targets: Vec<_> = targets.collect();
        if !options.create_missing && targets.iter().any(|(set, _)| !tables.contains_key(set)) {
            return Err(ErrorKind::Incompatible);
        }
        for (set, records) in targets {
            let written = write(tables.entry(set).or_default(), &records, options);
            self.rolled_back = written.is_err() && !options.dry_run && tables != self.tables;
            counts.add(&written?);
        }
        if !options.dry_run {
            self.tables = tables;
        }
        Ok(Outcome::Restored(number, counts))
    }
}

/// Returns the tables of the selected sets.
fn selected(tables: &Tables, only_set: Option<Set>) -> Result<Tables, ErrorKind> {
    match only_set {
        None => Ok(tables.clone()),
        Some(set) => match tables.get(&set) {
            Some(table) => Ok([(set, table.clone())].into()),
            None => Err(ErrorKind::NotFound),
        },
    }
}

/// Writes the records of one set, and returns the counts.
fn write(table: &mut Table, records: &Table, options: &RestoreStep) -> Result<WriteCounts, ErrorKind> {
    let mut counts = WriteCounts::default();
    let before = table.clone();
    if options.replace {
        table.clear();
        counts.deleted = before.keys().filter(|key| !records.contains_key(key)).map(|_| 1).sum();
    }
    for (key, columns) in records {
        match (before.get(key), options.mode) {
            (None, _) => counts.inserted += 1,
            (Some(_), ConflictMode::Fail) if !options.replace => return Err(ErrorKind::Conflict),
            (Some(_), ConflictMode::Keep) if !options.replace => {
                counts.kept += 1;
                continue;
            }
            (Some(known), _) if known == columns => counts.unchanged += 1,
            (Some(_), _) => counts.updated += 1,
        }
        table.insert(*key, columns.clone());
    }
    Ok(counts)
}

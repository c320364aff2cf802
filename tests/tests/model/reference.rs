//! The model of the database: maps in memory with the expected content.

use std::collections::BTreeMap;

use koan_backup::prelude::*;
use koan_backup::provider::WriteCounts;
use proptest::prelude::*;
use proptest_state_machine::ReferenceStateMachine;

use super::step::{Columns, Restoring, Set, Step, Which, any_rows, any_step};

pub(super) type Table = BTreeMap<i64, Columns>;
pub(super) type Tables = BTreeMap<Set, Table>;

/// The expected content, and the outcome of the last step.
#[derive(Clone, Debug)]
pub(super) struct Model {
    pub(super) tables: Tables,
    pub(super) backups: Vec<Kept>,
    pub(super) ended: Ended,
    /// Whether the last step wrote something that was rolled back when the step was refused.
    pub(super) undone: bool,
}

/// A backup with the content that it must restore.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    name: &'static str,
    /// The content, or `None` if the backup failed. A failed backup is recorded as well.
    pub(super) tables: Option<Tables>,
}

/// The outcome of a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    Inserted,
    Updated,
    /// This number of rows was deleted.
    Deleted(usize),
    Dropped,
    BackedUp,
    /// A verification found this backup, and it is valid.
    Valid(usize),
    /// A verification found this backup, which had failed.
    Failed(usize),
    /// A restore from this backup ended with these counts.
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
        let model = |tables| Self { tables, backups: Vec::new(), ended: Ended::Deleted(0), undone: false };
        tables.prop_map(model).boxed()
    }

    fn transitions(state: &Self) -> BoxedStrategy<Step> {
        any_step(state.backups.len()).boxed()
    }

    fn preconditions(state: &Self, step: &Step) -> bool {
        match step {
            Step::Write(set, ..) | Step::Delete(set, ..) => state.tables.contains_key(set),
            Step::Verify(Which::Number(number))
            | Step::Restore(Restoring { which: Which::Number(number), .. }) => *number < state.backups.len(),
            Step::Drop => state.tables.contains_key(&Set::Annex),
            _ => true,
        }
    }

    fn apply(mut state: Self, step: &Step) -> Self {
        state.undone = false;
        let ended = match step {
            Step::Write(set, key, columns) => {
                let known = state.tables.entry(*set).or_default().insert(*key, columns.clone());
                Ok(if known.is_some() { Ended::Updated } else { Ended::Inserted })
            }
            Step::Delete(set, from, to) => {
                let table = state.tables.entry(*set).or_default();
                let before = table.len();
                table.retain(|key, _| key < from || key > to);
                Ok(Ended::Deleted(before - table.len()))
            }
            Step::Drop => {
                state.tables.remove(&Set::Annex);
                Ok(Ended::Dropped)
            }
            Step::Backup { name, only } => state.back_up(name, *only),
            Step::Verify(which) => state.verify(which),
            Step::Restore(restoring) => state.restore(restoring),
        };
        state.ended = ended.unwrap_or_else(Ended::Refused);
        state
    }
}

impl Model {
    fn back_up(&mut self, name: &'static str, only: Option<Set>) -> Result<Ended, ErrorKind> {
        let tables = selected(&self.tables, only);
        self.backups.push(Kept { name, tables: tables.clone().ok() });
        tables.map(|_| Ended::BackedUp)
    }

    fn verify(&self, which: &Which) -> Result<Ended, ErrorKind> {
        let number = self.find(which, |_| true)?;
        Ok(if self.backups[number].tables.is_some() { Ended::Valid(number) } else { Ended::Failed(number) })
    }

    /// Returns the index of a backup. A name selects the newest backup of this name for which `accept`
    /// returns `true`.
    fn find(&self, which: &Which, accept: impl Fn(&Kept) -> bool) -> Result<usize, ErrorKind> {
        match which {
            Which::Number(number) => Ok(*number),
            Which::Newest(name) => {
                let found = self.backups.iter().rposition(|backup| backup.name == *name && accept(backup));
                found.ok_or(ErrorKind::NotFound)
            }
        }
    }

    fn restore(&mut self, restoring: &Restoring) -> Result<Ended, ErrorKind> {
        let number = self.find(&restoring.which, |backup| backup.tables.is_some())?;
        let archived = self.backups[number].tables.as_ref().ok_or(ErrorKind::Incompatible)?;
        let parts = selected(archived, restoring.only)?;
        if restoring.to.is_some() && parts.len() > 1 {
            return Err(ErrorKind::Configuration);
        }
        let (mut tables, mut counts) = (self.tables.clone(), WriteCounts::default());
        let targets = parts.into_iter().map(|(set, records)| (restoring.to.unwrap_or(set), records));
        let targets: Vec<_> = targets.collect();
        if !restoring.create_missing && targets.iter().any(|(set, _)| !tables.contains_key(set)) {
            return Err(ErrorKind::Incompatible);
        }
        for (set, records) in targets {
            let written = write(tables.entry(set).or_default(), &records, restoring);
            self.undone = written.is_err() && !restoring.dry_run && tables != self.tables;
            counts.add(&written?);
        }
        if !restoring.dry_run {
            self.tables = tables;
        }
        Ok(Ended::Restored(number, counts))
    }
}

/// Returns the tables of the selected sets.
fn selected(tables: &Tables, only: Option<Set>) -> Result<Tables, ErrorKind> {
    match only {
        None => Ok(tables.clone()),
        Some(set) => match tables.get(&set) {
            Some(table) => Ok([(set, table.clone())].into()),
            None => Err(ErrorKind::NotFound),
        },
    }
}

/// Writes the records of one set, and returns the counts.
fn write(table: &mut Table, records: &Table, restoring: &Restoring) -> Result<WriteCounts, ErrorKind> {
    let mut counts = WriteCounts::default();
    let before = table.clone();
    if restoring.replace {
        table.clear();
        counts.deleted = before.keys().filter(|key| !records.contains_key(key)).map(|_| 1).sum();
    }
    for (key, columns) in records {
        match (before.get(key), restoring.mode) {
            (None, _) => counts.inserted += 1,
            (Some(_), ConflictMode::Fail) if !restoring.replace => return Err(ErrorKind::Conflict),
            (Some(_), ConflictMode::Keep) if !restoring.replace => {
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

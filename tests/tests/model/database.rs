//! The database that is compared with the model.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use koan_backup::prelude::*;
use koan_backup::{BackupId, archive::Manifest};
use koan_backup_tests::reported_restore::restore_or_reported;
use proptest_state_machine::StateMachineTest;
use rusqlite::{Connection, params};
use serde::{Deserialize, Serialize};
use tokio::runtime::Runtime;

use super::reference::{Model, Outcome, Table, Tables};
use super::step::{BackupChoice, Columns, RestoreStep, Set, Step};

#[derive(Debug, Serialize, Deserialize, Entity)]
#[entity(table = "note")]
struct Note {
    id: i64,
    title: String,
    active: bool,
    amount: f64,
    remark: Option<String>,
}

const INDEXES: [(&str, &str); 2] = [
    ("archived_by_amount", "CREATE INDEX archived_by_amount ON \"note#archive\" (amount)"),
    ("note_by_title", "CREATE INDEX note_by_title ON note (title, active)"),
];

/// Returns the statement that creates the table of a set, as SQLite stores it.
fn create(set: Set) -> String {
    let columns =
        "id INTEGER PRIMARY KEY, title TEXT NOT NULL, active BOOLEAN NOT NULL, amount NOT NULL, remark TEXT";
    format!("CREATE TABLE \"{}\" ({columns})", set.table())
}

pub(super) struct Database {
    runtime: Runtime,
    koan: Koan,
    connection: Connection,
    /// The ids of the backups in the order in which they were made.
    ids: Vec<BackupId>,
    _directory: tempfile::TempDir,
}

impl StateMachineTest for Database {
    type SystemUnderTest = Self;
    type Reference = Model;

    fn init_test(model: &Model) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("notes.db");
        let connection = Connection::open(&path).expect("a database");
        connection.busy_timeout(Duration::from_secs(10)).expect("the setting is accepted");
        // The database need not survive a crash, and WAL mode syncs less often.
        connection
            .execute_batch("PRAGMA synchronous = OFF; PRAGMA journal_mode = WAL")
            .expect("the setting is accepted");
        for (set, table) in &model.tables {
            connection.execute_batch(&create(*set)).expect("a table");
            for (key, columns) in table {
                assert_eq!(write(&connection, *set, *key, columns), Outcome::Inserted);
            }
        }
        for (_, index) in INDEXES {
            connection.execute_batch(index).expect("an index");
        }
        let runtime = Runtime::new().expect("a runtime");
        let koan = Koan::builder()
            .provider(Sqlite::open(&path).expect("opened"))
            .named_storage("memory", Storage::memory());
        let koan = runtime.block_on(koan.build()).expect("a context");
        Self { runtime, koan, connection, ids: Vec::new(), _directory: directory }
    }

    fn apply(mut database: Self, model: &Model, step: Step) -> Self {
        let step_kind = kind(&step, model);
        let outcome = match step {
            Step::Write(set, key, columns) => write(&database.connection, set, key, &columns),
            Step::Delete(set, from, to) => database.delete(set, from, to),
            Step::Drop => {
                let sql = format!("DROP TABLE \"{}\"", Set::Annex.table());
                database.connection.execute_batch(&sql).expect("dropped");
                Outcome::Dropped
            }
            Step::Backup { name, only_set } => database.back_up(name, only_set),
            Step::Verify(choice) => database.verify(&choice, model),
            Step::Restore(options) => database.restore(&options),
        };
        assert_eq!(outcome, model.outcome);
        *lock().entry(step_kind).or_default() += 1;
        database
    }

    fn check_invariants(database: &Self, model: &Model) {
        assert_eq!(database.tables(), model.tables);
        let tables = model.tables.keys().map(|set| (set.table().to_owned(), create(*set)));
        let indexes = INDEXES.map(|(name, sql)| (name.to_owned(), sql.to_owned()));
        assert_eq!(database.schema(), tables.chain(indexes).collect());
        let listed: Vec<_> =
            database.listed().into_iter().map(|backup| (backup.id, backup.status.is_complete())).collect();
        let known = database.ids.iter().zip(&model.backups);
        let known: Vec<_> = known.rev().map(|(id, backup)| (*id, backup.tables.is_some())).collect();
        assert_eq!(listed, known, "the list must contain every backup, the newest first");
    }
}

impl Database {
    fn delete(&self, set: Set, from: i64, to: i64) -> Outcome {
        let sql = format!("DELETE FROM \"{}\" WHERE id BETWEEN ?1 AND ?2", set.table());
        Outcome::Deleted(self.connection.execute(&sql, [from, to]).expect("deleted"))
    }

    fn back_up(&mut self, name: &str, only_set: Option<Set>) -> Outcome {
        // Each backup has its own series, so that records that the model deleted are not reported as a loss.
        let mut backup = self.koan.backup(name).series(format!("step-{}", self.ids.len()));
        if let Some(set) = only_set {
            backup = backup.set(set.name());
        }
        match self.runtime.block_on(backup.into_future()) {
            Ok(report) => {
                assert_eq!(report.warnings(), [] as [String; 0]);
                self.ids.push(report.id());
                Outcome::BackedUp
            }
            Err(error) => {
                self.ids.extend(self.listed().first().map(|failed| failed.id));
                Outcome::Refused(error.kind())
            }
        }
    }

    fn listed(&self) -> Vec<Manifest> {
        self.runtime.block_on(self.koan.backups()).expect("listed")
    }

    fn verify(&self, choice: &BackupChoice, model: &Model) -> Outcome {
        match self.runtime.block_on(self.koan.verify(self.backup(choice)).into_future()) {
            Ok(report) => {
                let number = self.number(report.id);
                let Some(known) = &model.backups[number].tables else {
                    assert!(!report.is_valid());
                    return Outcome::Failed(number);
                };
                assert!(report.is_valid(), "{:?}", report.issues());
                let checked =
                    report.entities.iter().map(|entity| (entity.set.as_str(), entity.records_checked));
                let known = known.iter().map(|(set, table)| {
                    (set.name(), table.len().try_into().expect("the record count fits into u64"))
                });
                assert_eq!(checked.collect::<BTreeMap<_, _>>(), known.collect::<BTreeMap<_, u64>>());
                Outcome::Valid(number)
            }
            Err(error) => Outcome::Refused(error.kind()),
        }
    }

    fn restore(&self, options: &RestoreStep) -> Outcome {
        let restore = || {
            let mut restore = self
                .koan
                .restore(self.backup(&options.choice))
                .on_conflict(options.mode)
                .level(options.level);
            if options.replace {
                restore = restore.replace_existing();
            }
            if let Some(set) = options.only_set {
                restore = restore.set(set.name());
            }
            if let Some(set) = options.target_set {
                restore = restore.to_set(set.name());
            }
            if options.create_missing {
                restore = restore.create_missing();
            }
            if options.dry_run {
                restore = restore.dry_run();
            }
            restore
        };
        match self.runtime.block_on(restore_or_reported(restore)) {
            Ok(report) => Outcome::Restored(self.number(report.id), report.counts()),
            Err(error) => Outcome::Refused(error.kind()),
        }
    }

    fn backup(&self, choice: &BackupChoice) -> BackupRef {
        match choice {
            BackupChoice::Newest(name) => (*name).into(),
            BackupChoice::Number(number) => self.ids[*number].into(),
        }
    }

    fn number(&self, id: BackupId) -> usize {
        self.ids.iter().position(|known| *known == id).expect("a backup that this test made")
    }

    /// Returns the stored rows of every set that has a table.
    fn tables(&self) -> Tables {
        let names = self.schema();
        let sets = [Set::Root, Set::Archive, Set::Annex].into_iter();
        let found = sets.filter(|set| names.contains_key(set.table()));
        found.map(|set| (set, self.table(set))).collect()
    }

    /// Returns tables and indexes by their names, with the statements that create them.
    fn schema(&self) -> BTreeMap<String, String> {
        let sql = "SELECT name, sql FROM sqlite_schema";
        rows(&self.connection, sql, |row| Ok((row.get(0)?, row.get(1)?))).into_iter().collect()
    }

    fn table(&self, set: Set) -> Table {
        let sql = format!("SELECT id, title, active, amount, remark FROM \"{}\"", set.table());
        let rows = rows(&self.connection, &sql, |row| {
            Ok((row.get(0)?, [row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?]))
        });
        rows.into_iter().collect()
    }
}

/// Updates the row of a key, or inserts it if there is none.
fn write(connection: &Connection, set: Set, key: i64, [title, active, amount, remark]: &Columns) -> Outcome {
    let table = set.table();
    let row = params![key, title, active, amount, remark];
    let update =
        format!("UPDATE \"{table}\" SET title = ?2, active = ?3, amount = ?4, remark = ?5 WHERE id = ?1");
    if connection.execute(&update, row).expect("updated") > 0 {
        return Outcome::Updated;
    }
    let insert = format!("INSERT INTO \"{table}\" VALUES (?1, ?2, ?3, ?4, ?5)");
    connection.execute(&insert, row).expect("inserted");
    Outcome::Inserted
}

fn rows<T>(
    connection: &Connection,
    sql: &str,
    read: impl FnMut(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
) -> Vec<T> {
    let mut statement = connection.prepare(sql).expect(sql);
    let rows = statement.query_map([], read).expect("rows");
    rows.map(|row| row.expect("a row")).collect()
}

/// The number of steps of each kind that were executed. The kind includes the outcome.
static STEP_COUNTS: Mutex<BTreeMap<&'static str, u32>> = Mutex::new(BTreeMap::new());

/// The kinds of steps that occur in every run of the usual size.
const KINDS: [&str; 16] = [
    "insert",
    "update",
    "delete",
    "drop",
    "backup",
    "backup refused",
    "verify",
    "verify without a backup",
    "restore overwrite",
    "restore keep",
    "restore fail",
    "restore with replacement",
    "restore to another set",
    "restore refused",
    "restore rolled back",
    "dry run",
];

/// Returns the kind of a step, which depends on its outcome in the model.
fn kind(step: &Step, model: &Model) -> &'static str {
    match (step, &model.outcome) {
        (_, Outcome::Inserted) => "insert",
        (_, Outcome::Updated) => "update",
        (_, Outcome::Deleted(_)) => "delete",
        (_, Outcome::Dropped) => "drop",
        (_, Outcome::BackedUp) => "backup",
        (_, Outcome::Valid(_)) => "verify",
        (_, Outcome::Failed(_)) => "verify of a failed backup",
        (Step::Verify(_), Outcome::Refused(_)) => "verify without a backup",
        (_, Outcome::Refused(_)) if model.rolled_back => "restore rolled back",
        (Step::Restore(_), Outcome::Refused(_)) => "restore refused",
        (_, Outcome::Refused(_)) => "backup refused",
        (Step::Restore(options), Outcome::Restored(..)) => match options {
            RestoreStep { dry_run: true, .. } => "dry run",
            RestoreStep { replace: true, .. } => "restore with replacement",
            RestoreStep { mode: ConflictMode::Fail, .. } => "restore fail",
            RestoreStep { mode: ConflictMode::Keep, .. } => "restore keep",
            RestoreStep { target_set: Some(_), .. } => "restore to another set",
            RestoreStep { .. } => "restore overwrite",
        },
        (_, Outcome::Restored(..)) => unreachable!("only a restore ends with `Restored`"),
    }
}

fn lock() -> MutexGuard<'static, BTreeMap<&'static str, u32>> {
    STEP_COUNTS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns the counts of the executed steps as text, for the output of the run.
pub(super) fn step_counts() -> String {
    let mut text = String::new();
    for (kind, count) in lock().iter() {
        let _ = write!(text, "{}{count} {kind}", if text.is_empty() { "" } else { ", " });
    }
    text
}

/// Asserts that every kind of step occurred, because a kind that never occurs is not tested.
pub(super) fn assert_every_kind_occurred() {
    let counts = lock();
    let missing: Vec<_> = KINDS.iter().filter(|kind| !counts.contains_key(**kind)).collect();
    assert!(missing.is_empty(), "these kinds of steps never occurred: {missing:?}");
}

//! A database in a temporary directory, with functions that read and restore one table.

use koan_backup_core::{
    ConflictMode, Entity, Result, SetName,
    entity::{EntityCodec, Record},
    provider::{
        Finding, Provider as _, ReadRequest, RecordSink, RestoreTarget, SessionIntent, SessionOptions,
        Severity, Snapshot, WriteCounts,
    },
};
use rusqlite::Connection;
use serde_json::Value as Json;
use tempfile::TempDir;

use crate::Sqlite;

/// A database file, with a provider and with a connection for the queries of the test.
pub(super) struct Database {
    _directory: TempDir,
    pub(super) sql: Connection,
    pub(super) provider: Sqlite,
}

/// The result of reading an entity.
#[derive(Clone, Debug)]
pub(super) struct EntityBackup {
    pub(super) lines: Vec<String>,
    pub(super) physical: Option<Json>,
    pub(super) warnings: Vec<String>,
}

impl Database {
    /// Creates a database and runs the statements `sql`.
    pub(super) fn new(sql: &str) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("test.db");
        let connection = Connection::open(&path).expect("a database");
        connection.execute_batch("PRAGMA foreign_keys = OFF").expect("a setting");
        connection.execute_batch(sql).expect("valid SQL");
        let provider = Sqlite::open(&path).expect("a database");
        Self { _directory: directory, sql: connection, provider }
    }

    /// Uses an existing database file.
    pub(super) fn at(path: &std::path::Path, provider: Sqlite) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        Self { _directory: directory, sql: Connection::open(path).expect("a database"), provider }
    }

    /// Closes the database and opens it again.
    pub(super) fn reopened(self) -> Self {
        let path = self.provider.path().to_owned();
        let Self { _directory, sql, provider } = self;
        drop((sql, provider));
        let provider = Sqlite::open(&path).expect("a database");
        Self { _directory, sql: Connection::open(&path).expect("a database"), provider }
    }

    /// Runs statements.
    pub(super) fn run(&self, sql: &str) {
        self.sql.execute_batch(sql).expect("valid SQL");
    }

    /// Returns the value of a query with one row.
    pub(super) fn value<T: rusqlite::types::FromSql>(&self, query: &str) -> T {
        self.sql.query_row(query, [], |row| row.get(0)).expect("one row")
    }

    /// Returns each row of a table as text, with the storage class and the literal of each value.
    pub(super) fn dump(&self, table: &str) -> Vec<String> {
        let table = table.replace('"', "\"\"");
        let statement = self.sql.prepare(&format!("SELECT * FROM \"{table}\"")).expect("a table");
        let columns = statement.column_names().into_iter().map(|column| column.replace('"', "\"\""));
        let columns: Vec<String> = columns.map(|column| format!("\"{column}\"")).collect();
        let terms: Vec<String> =
            columns.iter().map(|column| format!("typeof({column}) || ' ' || quote({column})")).collect();
        let query =
            format!("SELECT {} FROM \"{table}\" ORDER BY {}", terms.join(" || ', ' || "), columns.join(", "));
        let mut statement = self.sql.prepare(&query).expect("a table");
        statement.query_map([], |row| row.get(0)).expect("rows").collect::<Result<_, _>>().expect("text")
    }

    /// Returns the names of all objects of the schema, each with its SQL.
    pub(super) fn schema(&self) -> Vec<(String, Option<String>)> {
        let mut statement =
            self.sql.prepare("SELECT name, sql FROM sqlite_schema ORDER BY name").expect("a schema");
        statement
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
            .expect("rows")
            .collect::<Result<_, _>>()
            .expect("text")
    }

    pub(super) async fn snapshot(&self) -> Box<dyn Snapshot> {
        self.provider.snapshot().await.expect("a snapshot")
    }

    /// Reads the default set of an entity.
    pub(super) async fn backup<T: Entity>(&self) -> Result<EntityBackup> {
        backup_of::<T>(self.snapshot().await.as_ref(), SetName::root()).await
    }

    /// Restores a backup of an entity.
    pub(super) async fn restore<T: Entity>(
        &self,
        backup: &EntityBackup,
        options: &SessionOptions,
    ) -> Result<WriteCounts> {
        self.restore_set::<T>(backup, SetName::root(), options).await
    }

    /// Restores a backup of an entity into a set, or performs a dry run. If a restore fails, asserts that
    /// viability or a dry run reported the error before.
    pub(super) async fn restore_set<T: Entity>(
        &self,
        backup: &EntityBackup,
        set: SetName,
        options: &SessionOptions,
    ) -> Result<WriteCounts> {
        if options.intent == SessionIntent::Compare {
            return self.run_session::<T>(backup, set, options).await;
        }
        let target = target::<T>(backup, set.clone());
        let findings = self.provider.assess(&[target], options).await.expect("an assessment");
        let dry_run_result = self.run_session::<T>(backup, set.clone(), &dry_run(options.clone())).await;
        let result = self.run_session::<T>(backup, set, options).await;
        match &result {
            Err(error) => {
                let is_reported = findings.iter().any(|finding| finding.severity == Severity::Error);
                assert!(
                    is_reported || dry_run_result.is_err(),
                    "the restore failed, but neither viability nor a dry run reported the error: {}",
                    error.chain()
                );
            }
            Ok(counts) => assert_eq!(
                dry_run_result.as_ref().ok(),
                Some(counts),
                "the dry run returned other counts than the restore: {dry_run_result:?}"
            ),
        }
        result
    }

    /// Restores a backup in one session, without the assertions of [`restore_set`](Self::restore_set).
    async fn run_session<T: Entity>(
        &self,
        backup: &EntityBackup,
        set: SetName,
        options: &SessionOptions,
    ) -> Result<WriteCounts> {
        let mut session = self.provider.begin_restore(options).await?;
        let mut writer = session.begin(target::<T>(backup, set)).await?;
        for records in records::<T>(backup).chunks(2) {
            writer.write(records.to_vec().into()).await?;
        }
        let counts = writer.finish().await?;
        match options.intent {
            SessionIntent::Apply => drop(session.commit().await?),
            SessionIntent::Compare => {
                session.check_constraints().await?;
                session.rollback().await?;
            }
        }
        Ok(counts)
    }

    /// Returns the findings of viability about a restore of a backup.
    pub(super) async fn assess<T: Entity>(
        &self,
        backup: &EntityBackup,
        options: &SessionOptions,
    ) -> Vec<Finding> {
        self.provider.assess(&[target::<T>(backup, SetName::root())], options).await.expect("an assessment")
    }
}

/// Reads a set of an entity.
pub(super) async fn backup_of<T: Entity>(snapshot: &dyn Snapshot, set: SetName) -> Result<EntityBackup> {
    read(snapshot, ReadRequest::all(codec::<T>(), set)).await
}

/// Reads the requested records.
pub(super) async fn read(snapshot: &dyn Snapshot, request: ReadRequest) -> Result<EntityBackup> {
    let (sink, mut chunks) = RecordSink::channel(request.entity.clone(), 2);
    let collect = async {
        let mut lines = Vec::new();
        while let Some(chunk) = chunks.recv().await {
            lines
                .extend(chunk.records().map(|line| String::from_utf8(line.to_vec()).expect("JSON is UTF-8")));
        }
        lines
    };
    let (summary, lines) = tokio::join!(snapshot.read(request, sink), collect);
    let summary = summary?;
    Ok(EntityBackup { lines, physical: summary.physical, warnings: summary.warnings })
}

pub(super) fn codec<T: Entity>() -> EntityCodec {
    EntityCodec::new(T::descriptor())
}

pub(super) fn target<T: Entity>(backup: &EntityBackup, set: SetName) -> RestoreTarget {
    let mut target = RestoreTarget::new(codec::<T>(), set);
    target.physical = backup.physical.clone();
    target
}

pub(super) fn records<T: Entity>(backup: &EntityBackup) -> Vec<Record> {
    let codec = codec::<T>();
    backup.lines.iter().map(|line| codec.decode(line.as_bytes()).expect("a record")).collect()
}

/// Creates a backup without a physical form, like the backup of another kind of database.
pub(super) fn without_physical_form(lines: &[&str]) -> EntityBackup {
    EntityBackup {
        lines: lines.iter().map(|&line| line.to_owned()).collect(),
        physical: None,
        warnings: Vec::new(),
    }
}

pub(super) fn overwrite() -> SessionOptions {
    SessionOptions::default()
}

pub(super) fn replace() -> SessionOptions {
    let mut options = SessionOptions::default();
    options.replace_existing = true;
    options
}

pub(super) fn conflict(mode: ConflictMode) -> SessionOptions {
    let mut options = SessionOptions::default();
    options.conflict = mode;
    options
}

pub(super) fn dry_run(mut options: SessionOptions) -> SessionOptions {
    options.intent = SessionIntent::Compare;
    options
}

pub(super) fn create_missing_tables() -> SessionOptions {
    let mut options = SessionOptions::default();
    options.create_missing = true;
    options
}

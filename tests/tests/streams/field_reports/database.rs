//! An event store in a database file of SQLite, and contexts that back it up to memory.

use koan_backup::EventTables;
use koan_backup::prelude::*;
use rusqlite::Connection;
use tempfile::TempDir;

/// The object name of the event streams.
pub(super) const OBJECT: &str = "order";

/// The database, with a connection of the application.
pub(super) struct Database {
    folder: TempDir,
    sql: Connection,
}

impl Database {
    pub(super) fn new(sql: &str) -> Self {
        let folder = tempfile::tempdir().expect("a directory");
        let database = Connection::open(folder.path().join("shop.db")).expect("a database");
        database.execute_batch(sql).expect("valid SQL");
        Self { folder, sql: database }
    }

    pub(super) async fn koan(&self, tables: EventTables) -> Koan {
        let database = Sqlite::open(self.folder.path().join("shop.db")).expect("a database");
        let builder = Koan::builder()
            .only_registered()
            .register_raw(OBJECT)
            .provider(database.event_store(tables))
            .state_directory(self.folder.path().join("state"))
            .storage(Storage::memory());
        builder.build().await.expect("a context")
    }

    pub(super) fn run(&self, sql: &str) {
        self.sql.execute_batch(sql).expect("valid SQL");
    }

    /// Returns the first column of each row as text.
    pub(super) fn column(&self, query: &str) -> Vec<String> {
        let mut statement = self.sql.prepare(query).expect("valid SQL");
        let rows = statement.query_map([], |row| row.get::<_, rusqlite::types::Value>(0)).expect("rows");
        rows.map(|value| match value.expect("a value") {
            rusqlite::types::Value::Integer(number) => number.to_string(),
            rusqlite::types::Value::Text(text) => text,
            other => panic!("neither a number nor text: {other:?}"),
        })
        .collect()
    }

    /// Returns each row of a table as text, in an order of its own.
    pub(super) fn dump(&self, table: &str) -> Vec<String> {
        let statement = self.sql.prepare(&format!("SELECT * FROM {table}")).expect("a table");
        let columns: Vec<String> =
            statement.column_names().into_iter().map(|column| format!("quote({column})")).collect();
        self.column(&format!("SELECT {} AS line FROM {table} ORDER BY line", columns.join(" || ',' || ")))
    }
}

//! Databases with an event store.

use koan_backup::prelude::*;
use koan_backup::{EventTables, KoanBuilder};
use koan_backup_tests::postgres::Server;
use rusqlite::Connection;
use tempfile::TempDir;

/// A database.
pub(super) enum Database {
    Sqlite(TempDir),
    Postgres(Server),
}

impl Database {
    /// Returns one database of each kind.
    pub(super) fn each() -> [Self; 2] {
        let sqlite = Self::Sqlite(tempfile::tempdir().expect("a directory"));
        // A backup does not block the application.
        sqlite.run("PRAGMA journal_mode = WAL");
        [sqlite, Self::Postgres(Server::start())]
    }

    fn connect(folder: &TempDir) -> Connection {
        Connection::open(folder.path().join("shop.db")).expect("a database")
    }

    pub(super) fn run(&self, sql: &str) {
        match self {
            Self::Sqlite(folder) => Self::connect(folder).execute_batch(sql).expect("valid SQL"),
            Self::Postgres(server) => drop(server.psql("postgres", sql)),
        }
    }

    /// Returns the lines of a query that selects one text.
    pub(super) fn lines(&self, query: &str) -> Vec<String> {
        match self {
            Self::Sqlite(folder) => {
                let connection = Self::connect(folder);
                let mut statement = connection.prepare(query).expect("valid SQL");
                let rows = statement.query_map([], |row| row.get(0)).expect("rows");
                rows.collect::<Result<_, _>>().expect("text")
            }
            Self::Postgres(server) => server.psql("postgres", query).lines().map(str::to_owned).collect(),
        }
    }

    /// Adds the database to a context, with its event store.
    pub(super) fn add_to(&self, builder: KoanBuilder, tables: EventTables) -> KoanBuilder {
        match self {
            Self::Sqlite(folder) => {
                let path = folder.path().join("shop.db");
                builder.provider(Sqlite::open(path).expect("a database").event_store(tables))
            }
            Self::Postgres(server) => {
                let address = server.address_of("postgres", "postgres");
                builder.provider(Postgres::connect(&address).expect("an address").event_store(tables))
            }
        }
    }
}

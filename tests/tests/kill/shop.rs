//! The SQLite database of the killed jobs: two tables with a foreign key, and with indexes that a fast
//! restore rebuilds.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use koan_backup::Event;
use koan_backup::prelude::*;
use rusqlite::Connection;
use serde::{Deserialize, Serialize};

use super::harness::JobEffect;

pub(super) const NAME: &str = "nightly";

#[derive(Debug, Serialize, Deserialize, Entity)]
pub(super) struct User {
    pub(super) id: i64,
    pub(super) email: String,
    pub(super) active: bool,
}

#[derive(Debug, Serialize, Deserialize, Entity)]
pub(super) struct Purchase {
    pub(super) id: i64,
    pub(super) user_id: i64,
    pub(super) amount: f64,
    pub(super) note: Option<String>,
}

/// Creates the tables. Users have even ids, so that a test can add users with odd ids.
const SCHEMA: &str = "
    CREATE TABLE user (id INTEGER PRIMARY KEY AUTOINCREMENT, email TEXT NOT NULL, active BOOLEAN NOT NULL);
    CREATE TABLE purchase (id INTEGER PRIMARY KEY, user_id INTEGER NOT NULL REFERENCES user(id),
        amount NOT NULL, note TEXT);
    CREATE UNIQUE INDEX user_by_email ON user (email);
    CREATE INDEX user_that_is_active ON user (email DESC) WHERE active;
    CREATE INDEX purchase_of_user ON purchase (user_id, amount);
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)
    INSERT INTO user SELECT 2 * i, 'user-' || i || '@example.org', i % 3 = 0 FROM n;
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
    INSERT INTO purchase SELECT i, 2 * (i % 1000) + 2, iif(i % 2, i, i + 0.5),
        iif(i % 7, hex(randomblob(300)), NULL) FROM n;";

/// Creates a listener that calls `on_last_record` when both entities are completed.
pub(super) fn after_the_last_entity(on_last_record: fn()) -> impl Fn(&Event) + Send + Sync + 'static {
    after_the_last_of(2, on_last_record)
}

/// Creates a listener that calls `on_last_record` when this number of parts of an archive are completed.
pub(super) fn after_the_last_of(
    parts: usize,
    on_last_record: fn(),
) -> impl Fn(&Event) + Send + Sync + 'static {
    let open = AtomicUsize::new(parts);
    move |event| {
        if matches!(event, Event::EntityCompleted { .. }) && open.fetch_sub(1, Ordering::Relaxed) == 1 {
            on_last_record();
        }
    }
}

/// A database and a directory for backups, in one folder.
#[derive(Clone, Debug)]
pub(super) struct Shop(PathBuf);

impl Shop {
    /// Creates a shop. Every other folder uses a write-ahead log.
    pub(super) fn open(folder: &Path, number: u32) -> Self {
        let shop = Self(folder.to_owned());
        shop.sql(if number.is_multiple_of(2) {
            "PRAGMA journal_mode = DELETE"
        } else {
            "PRAGMA journal_mode = WAL"
        });
        shop.sql(SCHEMA);
        shop
    }

    /// Builds the context of the application in a folder.
    pub(super) async fn context(folder: &Path) -> Koan {
        let shop = Self(folder.to_owned());
        Koan::builder()
            .provider(Sqlite::open(shop.database()).expect("opened"))
            .storage(Storage::local(shop.storage()).expect("a directory"))
            .build()
            .await
            .expect("a context")
    }

    pub(super) fn folder(&self) -> &Path {
        &self.0
    }

    pub(super) fn storage(&self) -> PathBuf {
        self.0.join("backups")
    }

    pub(super) fn sql(&self, sql: &str) {
        self.connection().execute_batch(sql).expect(sql);
    }

    /// Returns whether a rollback journal exists, so that the next process that opens the database rolls back
    /// a transaction.
    pub(super) fn has_journal(&self) -> bool {
        std::fs::metadata(self.0.join("shop.db-journal")).is_ok_and(|journal| journal.len() > 0)
    }

    /// Returns every value of every table with its storage class, and the schema. Equal dumps mean equal
    /// databases.
    pub(super) fn dump(&self) -> Dump {
        let connection = self.connection();
        let check: String =
            connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).expect("checked");
        assert_eq!(check, "ok");
        let violations = connection.prepare("PRAGMA foreign_key_check").expect("a statement").exists([]);
        assert!(!violations.expect("checked"), "rows violate a foreign key");
        let mut lines = Vec::new();
        for (table, columns) in [
            ("sqlite_schema", "type, name, tbl_name, sql"),
            ("sqlite_sequence", "name, seq"),
            ("user", "id, email, active"),
            ("purchase", "id, user_id, amount, note"),
        ] {
            let quoted: Vec<_> =
                columns.split(", ").map(|column| format!("typeof({column}) || quote({column})")).collect();
            let sql = format!("SELECT {} FROM {table} ORDER BY {columns}", quoted.join(" || ' ' || "));
            let mut statement = connection.prepare(&sql).expect("a statement");
            let rows = statement.query_map([], |row| row.get::<_, String>(0)).expect("rows");
            lines.extend(rows.map(|row| format!("{table} {}", row.expect("a row"))));
        }
        Dump(lines)
    }

    fn connection(&self) -> Connection {
        Connection::open(self.database()).expect("a database")
    }

    fn database(&self) -> PathBuf {
        self.0.join("shop.db")
    }
}

/// Restores all records at the level `fast`. This is the restore that is killed.
pub(super) async fn restore_all(koan: &Koan, on_last_record: fn()) {
    let restore = koan.restore(NAME).replace_existing().level(RestoreLevel::Fast);
    let _ = restore.on_event(after_the_last_entity(on_last_record)).await.expect("restored");
}

/// Makes every lease in a storage expire, as if time had passed. A killed process must leave every lease file
/// complete.
pub(super) fn expire_leases(storage: &Path) {
    // Temporary files of leases may be incomplete. They have another extension and are skipped.
    let leases = files_below(&storage.join("leases"))
        .into_iter()
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"));
    for lease in leases {
        let content = std::fs::read(&lease).expect("readable");
        let mut content: serde_json::Value =
            serde_json::from_slice(&content).unwrap_or_else(|error| panic!("{}: {error}", lease.display()));
        content["expiresAt"] = "2000-01-01T00:00:00Z".into();
        std::fs::write(&lease, content.to_string()).expect("written");
    }
}

/// Makes every lease in a storage expire and every file old, as if days had passed.
pub(super) fn make_files_old(storage: &Path) {
    expire_leases(storage);
    for file in files_below(storage) {
        let file = std::fs::File::options().write(true).open(file).expect("a file");
        file.set_modified(SystemTime::now() - Duration::from_secs(3 * 86_400)).expect("a time");
    }
}

/// Returns all files below a folder.
pub(super) fn files_below(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.map(|entry| entry.expect("readable").path());
    paths.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}

/// The content of a database as lines of text.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Dump(pub(super) Vec<String>);

impl Dump {
    /// Returns whether this dump equals the dump from before a restore or the archived dump. Panics if it
    /// equals neither.
    pub(super) fn effect(&self, before: &Self, archived: &Self) -> JobEffect {
        if self == before {
            JobEffect::NotApplied
        } else if self == archived {
            JobEffect::Applied
        } else {
            panic!(
                "the database has neither the content before the restore nor the archived content: compared with the \
                 former, it also contains {}; compared with the latter, it also contains {} and lacks {}",
                self.additional_lines(before),
                self.additional_lines(archived),
                archived.additional_lines(self)
            );
        }
    }

    /// Describes the lines that this dump contains and the other dump does not: the first of these lines, and
    /// the number of further lines.
    pub(super) fn additional_lines(&self, other: &Self) -> String {
        let known: std::collections::BTreeSet<_> = other.0.iter().collect();
        let mut additional = self.0.iter().filter(|line| !known.contains(line));
        match additional.next() {
            None => "nothing".to_owned(),
            Some(first) => format!("{first:.120} and {} more", additional.count()),
        }
    }
}

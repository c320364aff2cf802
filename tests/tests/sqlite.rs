//! End-to-end tests with SQLite and the local disk: the usual operations of an application and their
//! failures.

use std::path::PathBuf;

use koan_backup::prelude::*;
use koan_backup::{archive::BackupStatus, provider::Severity};
use koan_backup_tests::reported_restore::restore_as_reported;
use rusqlite::Connection;
use serde::{Deserialize, Serialize};

koan_backup::entity_backup_scope!(mode = All);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Entity)]
#[entity(table = "users")]
struct User {
    id: i64,
    email: String,
    active: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Entity)]
struct Purchase {
    id: i64,
    user_id: i64,
    note: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Entity)]
#[entity(key = "purchase_id, line")]
struct PurchaseLine {
    purchase_id: i64,
    line: i64,
    amount: f64,
}

const SCHEMA: &str = "
    CREATE TABLE users (id INTEGER PRIMARY KEY AUTOINCREMENT, email TEXT NOT NULL UNIQUE, active BOOLEAN NOT NULL);
    CREATE TABLE Purchase (id INTEGER PRIMARY KEY, user_id INTEGER NOT NULL REFERENCES users(id) ON DELETE CASCADE, note TEXT);
    CREATE INDEX purchase_of_user ON Purchase (user_id);
    CREATE TABLE purchase_line (purchase_id INTEGER NOT NULL REFERENCES Purchase(id), line INTEGER NOT NULL,
        amount REAL NOT NULL, PRIMARY KEY (purchase_id, line)) WITHOUT ROWID;
    CREATE TABLE log (entry TEXT);
    CREATE TRIGGER users_are_logged AFTER INSERT ON users BEGIN INSERT INTO log VALUES ('user'); END;
    INSERT INTO users (id, email, active) VALUES (1, 'a@example.org', 1), (2, 'b@example.org', 0), (7, 'c@example.org', 1);
    INSERT INTO Purchase VALUES (1, 1, NULL), (2, 7, 'gift');
    INSERT INTO purchase_line VALUES (1, 1, 0.1), (1, 2, 1e300), (2, 1, -5.0);
    DELETE FROM log;";

struct Shop {
    directory: tempfile::TempDir,
    koan: Koan,
}

impl Shop {
    async fn open() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        Connection::open(directory.path().join("shop.db"))
            .expect("a database")
            .execute_batch(SCHEMA)
            .expect("a schema");
        let koan = context(directory.path().join("shop.db"), directory.path().join("backups")).await;
        Self { directory, koan }
    }

    /// Executes statements with foreign keys disabled.
    fn sql(&self, sql: &str) {
        self.connection().execute_batch(&format!("PRAGMA foreign_keys = OFF; {sql}")).expect(sql);
    }

    fn connection(&self) -> Connection {
        Connection::open(self.directory.path().join("shop.db")).expect("a database")
    }

    fn count(&self, table: &str) -> i64 {
        let sql = format!("SELECT count(*) FROM {table}");
        self.connection().query_row(&sql, [], |row| row.get(0)).expect("a count")
    }

    /// Returns every value of every table with its storage class. Equal dumps mean equal databases.
    fn dump(&self) -> Vec<String> {
        let connection = self.connection();
        let mut lines = Vec::new();
        for (table, columns) in [
            ("users", "id, email, active"),
            ("Purchase", "id, user_id, note"),
            ("purchase_line", "purchase_id, line, amount"),
            ("log", "entry"),
            ("sqlite_master", "type, name, sql"),
        ] {
            let quoted: Vec<_> =
                columns.split(", ").map(|column| format!("typeof({column}) || quote({column})")).collect();
            let sql = format!("SELECT {} FROM {table} ORDER BY {columns}", quoted.join(" || "));
            let mut statement = connection.prepare(&sql).expect("a statement");
            let rows = statement.query_map([], |row| row.get::<_, String>(0)).expect("rows");
            lines.extend(rows.map(|row| format!("{table} {}", row.expect("a row"))));
        }
        lines
    }
}

async fn context(database: PathBuf, storage: PathBuf) -> Koan {
    Koan::builder()
        .provider(Sqlite::open(database).expect("opened"))
        .storage(Storage::local(storage).expect("a directory"))
        .build()
        .await
        .expect("a context")
}

#[tokio::test]
async fn the_boot_report_names_tables_and_columns_in_no_entity() {
    let shop = Shop::open().await;
    shop.sql("ALTER TABLE users ADD COLUMN phone TEXT");
    let koan = context(shop.directory.path().join("shop.db"), shop.directory.path().join("backups")).await;
    let inventory = koan.inventory();
    let warnings = &inventory.warnings;
    assert!(
        warnings.iter().any(|warning| warning == "table `log` of `main` belongs to no entity"),
        "{warnings:?}"
    );
    let phone = "column `phone` of `main.users` has no field in User";
    assert!(warnings.iter().any(|warning| warning == phone), "{warnings:?}");
}

#[tokio::test]
async fn rows_indexes_and_triggers_are_restored_as_they_were() {
    let shop = Shop::open().await;
    let before = shop.dump();
    let backup =
        shop.koan.backup("nightly").description("every night").tags(["nightly"]).await.expect("a backup");
    assert_eq!(backup.status(), BackupStatus::Completed, "{:?}", backup.warnings());
    assert!(shop.koan.verify(backup.id()).await.expect("verified").is_valid());
    shop.sql("PRAGMA foreign_keys = ON; DELETE FROM purchase_line; DELETE FROM users WHERE id = 1;
              UPDATE users SET email = 'x@example.org' WHERE id = 2; INSERT INTO users VALUES (9, 'new@example.org', 1);
              DELETE FROM log;");
    let report = shop.koan.restore("nightly").replace_existing().await.expect("restored");
    assert_eq!(report.record_count(), 8);
    assert_eq!(shop.dump(), before);
    let second = shop.koan.backup("second").await.expect("a backup");
    for (before, after) in backup.manifest().entities.iter().zip(&second.manifest().entities) {
        assert_eq!(before.content_hash, after.content_hash, "{}", before.entity);
        assert_eq!(before.record_set_hash, after.record_set_hash, "{}", before.entity);
    }
}

#[tokio::test]
async fn a_value_is_restored_in_its_physical_form() {
    let shop = Shop::open().await;
    shop.sql("UPDATE users SET active = 'true' WHERE id = 1; UPDATE users SET active = 'no' WHERE id = 2;");
    let before = shop.dump();
    let _ = shop.koan.backup("nightly").await.expect("a backup");
    shop.sql("DELETE FROM users");
    let _ = shop.koan.restore("nightly").await.expect("restored");
    shop.sql("DELETE FROM log");
    assert_eq!(shop.dump(), before);
}

#[tokio::test]
async fn the_short_functions_use_the_installed_context() {
    let shop = Shop::open().await;
    shop.koan.install();
    let _ = User::backup_to("daily-users").await.expect("a backup");
    shop.sql("UPDATE users SET active = 0");
    let _ = User::restore_from("daily-users").await.expect("restored");
    assert_eq!(shop.koan.data::<User>().get(&7).await.expect("read").map(|user| user.active), Some(true));
    assert_eq!(User::backups().await.expect("listed").len(), 1);
    assert!(Purchase::backups().await.expect("listed").is_empty());
    let _ = Backup::all("system").await.expect("a backup");
    let _ = Backup::by_provider("main-only", ["main"]).await.expect("a backup");
    let _ = Restore::all("system").await.expect("restored");
    let error = Backup::by_provider("other", ["other"]).await.expect_err("no such provider");
    assert!(
        error.to_string().contains("no provider has the name or kind `other`; the known names are `main`"),
        "{error}"
    );
}

#[tokio::test]
async fn by_default_a_restore_overwrites_existing_rows_and_keeps_other_rows() {
    let shop = Shop::open().await;
    let _ = shop.koan.backup("nightly").await.expect("a backup");
    shop.sql(
        "UPDATE users SET email = 'changed@example.org' WHERE id = 1; DELETE FROM users WHERE id = 2;
              INSERT INTO users VALUES (9, 'new@example.org', 1); DELETE FROM log;",
    );
    let dry_run = shop.koan.restore("nightly").entity::<User>().dry_run().await.expect("compared");
    let dry_counts = dry_run.counts();
    assert_eq!(
        (dry_counts.inserted, dry_counts.updated, dry_counts.unchanged, dry_counts.deleted),
        (1, 1, 1, 0)
    );
    assert_eq!(shop.count("users WHERE email = 'changed@example.org'"), 1, "a dry run must write nothing");
    let counts = shop.koan.restore("nightly").entity::<User>().await.expect("restored").counts();
    assert_eq!(counts, dry_counts, "the restore must have the counts of the dry run");
    assert_eq!(shop.count("users"), 4);
    assert_eq!(shop.count("users WHERE email = 'changed@example.org'"), 0);
    assert_eq!(shop.count("log"), 0, "triggers of the application must not fire");
}

#[tokio::test]
async fn keep_does_not_change_existing_rows_and_fail_rolls_everything_back() {
    let shop = Shop::open().await;
    let _ = shop.koan.backup("nightly").await.expect("a backup");
    shop.sql("UPDATE users SET email = 'changed@example.org' WHERE id = 1; DELETE FROM users WHERE id = 2;");
    let restore = || shop.koan.restore("nightly").entity::<User>();
    let before = shop.dump();
    let error = restore_as_reported(|| restore().on_conflict(ConflictMode::Fail))
        .await
        .expect_err("the record exists");
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(error.to_string().contains("User") && error.to_string().contains("id=1"), "{error}");
    assert_eq!(shop.dump(), before);
    let counts = restore().on_conflict(ConflictMode::Keep).await.expect("restored").counts();
    assert_eq!((counts.inserted, counts.kept), (1, 2));
    assert_eq!(shop.count("users WHERE email = 'changed@example.org'"), 1);
}

#[tokio::test]
async fn a_row_that_cannot_be_decoded_fails_the_backup_with_entity_and_key_in_the_error() {
    let shop = Shop::open().await;
    shop.sql("UPDATE users SET active = 'perhaps' WHERE id = 7");
    let error = shop.koan.backup("nightly").await.expect_err("the value is not a boolean");
    assert_eq!(error.kind(), ErrorKind::Record);
    let text = error.chain();
    assert!(text.contains("User") && text.contains("id=7") && text.contains("active"), "{text}");
    assert!(!text.contains("perhaps"), "the error must not contain the content of a record: {text}");
    let partial = shop.koan.backup("partial").continue_on_error().await.expect("a report");
    assert_eq!(partial.status(), BackupStatus::Failed);
    assert_eq!(shop.koan.restore(partial.id()).allow_partial().await.expect("restored").entities.len(), 2);
}

#[tokio::test]
async fn a_violated_constraint_rolls_the_restore_back_with_constraint_and_key_in_the_error() {
    let shop = Shop::open().await;
    let _ = shop.koan.backup("nightly").await.expect("a backup");
    // The record before the failing one is written first, and must be rolled back.
    shop.sql("DELETE FROM users WHERE id IN (1, 2); INSERT INTO users VALUES (20, 'b@example.org', 1);");
    let before = shop.dump();
    let error = restore_as_reported(|| shop.koan.restore("nightly").entity::<User>())
        .await
        .expect_err("another row has the address");
    assert_eq!(error.kind(), ErrorKind::Constraint);
    let text = error.chain();
    assert!(text.contains("users.email") && text.contains("id=2"), "{text}");
    assert!(!text.contains("b@example.org"), "the error must not contain the content of a record: {text}");
    assert_eq!(shop.dump(), before);

    shop.sql("DELETE FROM users; DELETE FROM purchase_line; DELETE FROM Purchase;");
    let before = shop.dump();
    let error = restore_as_reported(|| shop.koan.restore("nightly").entity::<Purchase>())
        .await
        .expect_err("users are missing");
    assert_eq!(error.kind(), ErrorKind::Constraint);
    assert!(error.chain().contains("Purchase") && error.chain().contains("users"), "{error:?}");
    assert_eq!(shop.dump(), before);
}

#[tokio::test]
async fn a_restore_that_is_dropped_before_its_end_leaves_the_database_unchanged() {
    let shop = Shop::open().await;
    shop.sql(
        "WITH RECURSIVE n(i) AS (SELECT 100 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
         INSERT INTO users SELECT i, i || '@example.org', 1 FROM n",
    );
    let _ = shop.koan.backup("nightly").await.expect("a backup");
    shop.sql("UPDATE users SET active = 0");
    let before = shop.dump();
    let (sender, receiver) = tokio::sync::oneshot::channel();
    let sender = std::sync::Mutex::new(Some(sender));
    let restore = shop.koan.restore("nightly").batch_size(100).on_event(move |event| {
        if matches!(event, koan_backup::Event::BatchRestored { records: 5000.., .. })
            && let Some(sender) = sender.lock().expect("the lock is not poisoned").take()
        {
            let _ = sender.send(());
        }
    });
    tokio::select! {
        _ = receiver => {}
        result = restore.into_future() => panic!("the restore completed before it could be dropped: {result:?}"),
    }
    koan_backup_tests::wait::until_sync("the restore has released the database", || {
        shop.connection().execute_batch("BEGIN IMMEDIATE; ROLLBACK").is_ok()
    })
    .await;
    assert_eq!(shop.dump(), before);
}

#[tokio::test]
async fn viability_reports_errors_of_a_restore_without_writing() {
    let shop = Shop::open().await;
    let _ = shop.koan.backup("nightly").await.expect("a backup");
    assert!(shop.koan.restore("nightly").viability().await.expect("assessed").is_viable());
    shop.sql("ALTER TABLE purchase_line RENAME TO lines");
    let before = shop.schema();
    let viability = shop.koan.restore("nightly").viability().await.expect("assessed");
    assert!(!viability.is_viable());
    let finding = viability
        .findings
        .iter()
        .find(|finding| finding.severity == Severity::Error)
        .expect("an error finding");
    assert_eq!(finding.entity.as_deref(), Some("PurchaseLine"));
    assert_eq!(viability.record_count, 8);
    let error =
        restore_as_reported(|| shop.koan.restore("nightly")).await.expect_err("the restore is not viable");
    assert!(error.to_string().contains("nothing was written"), "{error}");
    assert_eq!(shop.schema(), before);
    let _ = shop.koan.restore("nightly").create_missing().await.expect("restored");
    assert_eq!(shop.count("PurchaseLine"), 3);
}

impl Shop {
    fn schema(&self) -> Vec<String> {
        let connection = self.connection();
        let mut statement = connection
            .prepare("SELECT name || sql FROM sqlite_master WHERE sql NOT NULL ORDER BY 1")
            .expect("a statement");
        let rows = statement.query_map([], |row| row.get::<_, String>(0)).expect("rows");
        rows.map(|row| row.expect("a row")).collect()
    }
}

#[tokio::test]
async fn the_application_can_insert_rows_after_a_restore() {
    let shop = Shop::open().await;
    let _ = shop.koan.backup("nightly").await.expect("a backup");
    shop.sql("DELETE FROM users; DELETE FROM sqlite_sequence;");
    let _ = shop.koan.restore("nightly").entity::<User>().await.expect("restored");
    shop.sql("INSERT INTO users (email, active) VALUES ('next@example.org', 1)");
    assert_eq!(shop.count("users WHERE id > 7 AND email = 'next@example.org'"), 1);
}

#[tokio::test]
async fn related_tables_are_consistent_despite_concurrent_writes() {
    let shop = Shop::open().await;
    shop.sql(
        "PRAGMA journal_mode = WAL; CREATE TABLE Balance (id INTEGER PRIMARY KEY, cents INTEGER NOT NULL);
         DELETE FROM purchase_line; DELETE FROM Purchase;
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
         INSERT INTO Purchase SELECT i, 1, NULL FROM n;
         INSERT INTO purchase_line SELECT id, 1, 1.0 FROM Purchase;",
    );
    let path = shop.directory.path().join("shop.db");
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let stopped = std::sync::Arc::clone(&stop);
    let written = std::sync::Arc::new(std::sync::atomic::AtomicU64::new(0));
    let writes = std::sync::Arc::clone(&written);
    let writer = std::thread::spawn(move || {
        let connection = Connection::open(path).expect("a database");
        connection.busy_timeout(koan_backup_tests::wait::HANG_TIMEOUT).expect("the setting is accepted");
        let mut added = 0;
        // Each transaction inserts a purchase together with its line.
        while !stopped.load(std::sync::atomic::Ordering::Relaxed) {
            added += 1;
            let id = 3000 + added;
            connection
                .execute_batch(&format!(
                    "BEGIN; INSERT INTO Purchase VALUES ({id}, 1, NULL); INSERT INTO purchase_line VALUES ({id}, 1, 1.0); COMMIT"
                ))
                .expect("written");
            writes.store(added, std::sync::atomic::Ordering::SeqCst);
        }
    });
    for _ in 0..10 {
        let (commits, once) = (std::sync::Arc::clone(&written), std::sync::Once::new());
        let backup = shop.koan.backup("busy").entity::<Purchase>().entity::<PurchaseLine>();
        // The other thread commits writes between the first batch and the last.
        let backup = backup.batch_size(500).on_event(move |event| {
            if matches!(event, koan_backup::Event::BatchRead { .. }) {
                once.call_once(|| {
                    let count = || commits.load(std::sync::atomic::Ordering::SeqCst);
                    let before = count();
                    koan_backup_tests::wait::until_blocking("the writer commits", || count() > before + 1);
                });
            }
        });
        let backup = backup.await.expect("a backup");
        let counts: Vec<_> = backup.manifest().entities.iter().map(|entity| entity.item_count).collect();
        assert_eq!(counts[0], counts[1], "each purchase must have its line");
    }
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    writer.join().expect("joined");
}

#[tokio::test]
async fn a_table_that_is_altered_during_a_backup_does_not_change_it_and_the_next_backup_reports_what_is_missing()
 {
    let shop = Shop::open().await;
    shop.sql("PRAGMA journal_mode = WAL");
    let expected = content_hashes(&shop.koan.backup("before").await.expect("a backup"));
    let path = shop.directory.path().join("shop.db");
    let altered = std::sync::Once::new();
    let backup = shop
        .koan
        .backup("altered")
        .on_event(move |event| {
            // The snapshot is open, and no table has been read yet.
            if matches!(event, koan_backup::Event::BackupStarted { .. }) {
                altered.call_once(|| {
                    Connection::open(&path)
                        .expect("a database")
                        .execute_batch("ALTER TABLE Purchase DROP COLUMN note; DROP TABLE purchase_line")
                        .expect("altered");
                });
            }
        })
        .await
        .expect("the snapshot does not change");
    // The backup contains everything, but a restore into the altered tables would fail.
    assert_eq!(backup.status(), BackupStatus::CompletedWithWarnings);
    assert!(
        backup.warnings().iter().all(|warning| warning.contains("as it is now would fail")),
        "{:?}",
        backup.warnings()
    );
    assert_eq!(content_hashes(&backup), expected);

    let error = shop.koan.backup("after").await.expect_err("a table is missing");
    let text = error.chain();
    assert!(text.contains("there is no table `PurchaseLine`"), "{text}");
    let backup = shop.koan.backup("after").entity::<Purchase>().await.expect("`note` is optional");
    assert_eq!(backup.status(), BackupStatus::CompletedWithWarnings);
    let missing = "field `note` of Purchase has no column in table `Purchase`";
    assert!(backup.warnings().iter().any(|warning| warning.contains(missing)), "{:?}", backup.warnings());
}

fn content_hashes(backup: &koan_backup::report::BackupReport) -> Vec<Option<String>> {
    backup.manifest().entities.iter().map(|entity| entity.content_hash.clone()).collect()
}

//! A shop whose backups can be made to fail.

use std::time::Duration;

use koan_backup::notify::{Notifier, NotifierBuilder, Target};
use koan_backup::prelude::*;
use koan_backup::report::BackupReport;
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

koan_backup::entity_backup_scope!(mode = All);

#[derive(Clone, Debug, Serialize, Deserialize, Entity)]
pub(crate) struct Item {
    id: i64,
    name: String,
}

/// The directory of a database and of a storage.
pub(crate) struct Shop(TempDir);

impl Shop {
    pub(crate) fn new() -> Self {
        let shop = Self(tempfile::tempdir().expect("a directory"));
        shop.sql(&create(10));
        shop
    }

    fn sql(&self, statements: &str) {
        let database = rusqlite::Connection::open(self.0.path().join("shop.db")).expect("the database opens");
        database.execute_batch(statements).expect("the statements succeed");
    }

    /// Makes each backup fail until [`repair`](Self::repair) is called.
    pub(crate) fn break_down(&self) {
        self.sql("update Item set id = 'not a number' where id = 1");
    }

    pub(crate) fn repair(&self) {
        self.sql("drop table Item");
        self.sql(&create(10));
    }

    /// Deletes nine tenths of the records, of which the next backup warns.
    pub(crate) fn lose_most_records(&self) {
        self.sql("delete from Item where id > 1");
    }

    /// Builds a context that a notifier observes.
    pub(crate) async fn koan(&self, notifier: &Notifier) -> Koan {
        let koan = Koan::builder()
            .provider(Sqlite::open(self.0.path().join("shop.db")).expect("the database opens"))
            .storage(Storage::local(self.0.path().join("backups")).expect("the storage opens"))
            .state_directory(self.0.path().join("state"))
            .application("shop")
            .environment("test")
            .observe(notifier.listener())
            .build()
            .await
            .expect("a context");
        notifier.attach(&koan).await.expect("the catalog is read");
        koan
    }
}

fn create(count: u32) -> String {
    let rows: Vec<_> = (1..=count).map(|id| format!("({id}, 'item {id}')")).collect();
    format!(
        "create table Item (id, name text not null, primary key (id)); insert into Item values {}",
        rows.join(", ")
    )
}

/// Returns a builder that repeats a delivery at once.
pub(crate) fn impatient() -> NotifierBuilder {
    Notifier::builder().retry_delay(Duration::ZERO)
}

/// Starts a notifier with one target, whose name is `target`.
pub(crate) fn notifier(target: impl Into<Target>) -> Notifier {
    impatient().target("target", target).start().expect("the notifier starts")
}

/// Makes a backup that must succeed.
pub(crate) async fn made(koan: &Koan, name: &str) -> BackupReport {
    koan.backup(name).await.unwrap_or_else(|error| panic!("the backup `{name}` is made: {error:?}"))
}

/// Makes a backup that must succeed, whose report is not needed.
pub(crate) async fn succeed(koan: &Koan, name: &str) {
    assert!(made(koan, name).await.is_complete(), "`{name}` is complete");
}

/// Makes a backup that must fail.
pub(crate) async fn fail(koan: &Koan, name: &str) -> Error {
    koan.backup(name).await.expect_err("the backup fails")
}

//! Tests the comparison of two backups record by record, which does not depend on the order in which the
//! records were read.

use std::sync::{Arc, Mutex};

use age::secrecy::ExposeSecret as _;
use age::x25519::Identity;
use koan_backup::prelude::*;
use koan_backup::{
    BackupId, CancellationToken,
    report::{BackupDiff, Change, EntityDiff},
};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Entity)]
#[entity_backup]
struct Invoice {
    id: i64,
    total: i64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Entity)]
#[entity(key = "name")]
#[entity_backup(encrypt)]
struct Guest {
    name: String,
    age: i64,
}

/// `Invoice` after it was renamed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Entity)]
#[entity(alias = "Invoice", table = "invoice")]
#[entity_backup]
struct Bill {
    id: i64,
    total: i64,
}

struct Shop {
    koan: Koan,
    database: rusqlite::Connection,
    folder: tempfile::TempDir,
    identity: Identity,
}

/// Creates a context for the database in a folder, with or without the private key of its backups.
async fn koan(folder: &std::path::Path, identity: &Identity, with_key: bool) -> Koan {
    let recipients = Recipients::keys([identity.to_public().to_string()]).expect("a recipient");
    let builder = Koan::builder().only_registered().register::<Invoice>().register::<Guest>();
    let builder = builder
        .provider(Sqlite::open(folder.join("shop.db")).expect("a database"))
        .storage(Storage::local(folder.join("backups")).expect("a folder"))
        .encrypt_to(recipients);
    let builder =
        if with_key { builder.keys(Keys::text(identity.to_string().expose_secret())) } else { builder };
    builder.build().await.expect("a context")
}

async fn shop() -> Shop {
    let folder = tempfile::tempdir().expect("a folder");
    let database = rusqlite::Connection::open(folder.path().join("shop.db")).expect("a database");
    let tables = "CREATE TABLE invoice (id INTEGER PRIMARY KEY, total INTEGER NOT NULL);
        CREATE TABLE guest (name TEXT PRIMARY KEY NOT NULL, age INTEGER NOT NULL);
        INSERT INTO invoice VALUES (1, 10), (2, 20), (3, 30);
        INSERT INTO guest VALUES ('ann', 30), ('bob', 40);";
    database.execute_batch(tables).expect("tables");
    let identity = Identity::generate();
    Shop { koan: koan(folder.path(), &identity, true).await, database, folder, identity }
}

impl Shop {
    /// Executes SQL that changes the database, and creates a backup.
    async fn backup(&self, changes: &str) -> BackupId {
        self.database.execute_batch(changes).expect("changed");
        self.koan.backup("nightly").await.expect("a backup").id()
    }
}

/// Returns the numbers of added, removed, changed and unchanged records of an entity.
fn counts(diff: &BackupDiff, entity: &str) -> [u64; 4] {
    let EntityDiff { added, removed, changed, unchanged, not_compared, .. } =
        diff.entities.iter().find(|diff| diff.entity == entity).expect("compared");
    assert_eq!(not_compared.as_deref(), None);
    [*added, *removed, *changed, *unchanged]
}

#[tokio::test]
async fn added_removed_and_changed_records_are_reported_by_key() {
    let shop = shop().await;
    let before = shop.backup("").await;
    let same = shop.backup("").await;
    let none = shop.koan.diff(before, same).await.expect("compared");
    assert!(none.is_empty());
    assert_eq!((counts(&none, "Invoice"), counts(&none, "Guest")), ([0, 0, 0, 3], [0, 0, 0, 2]));

    let long = "x".repeat(100);
    let changes = format!(
        "DELETE FROM invoice WHERE id = 1; UPDATE invoice SET total = 21 WHERE id = 2;
         INSERT INTO invoice VALUES (-4, 40);
         UPDATE guest SET age = 31 WHERE name = 'ann'; INSERT INTO guest VALUES ('{long}1', 1), ('{long}2', 2);"
    );
    let after = shop.backup(&changes).await;
    let differences = Arc::new(Mutex::new(Vec::new()));
    let list = Arc::clone(&differences);
    let diff = shop.koan.diff(before, after).on_difference(move |difference| {
        let entry = (difference.entity.clone(), difference.change, difference.key.clone());
        list.lock().expect("no thread panicked").push(entry);
    });
    let diff = diff.await.expect("compared");
    assert_eq!((diff.before, diff.after), (before, after));
    assert_eq!((counts(&diff, "Invoice"), counts(&diff, "Guest")), ([1, 1, 1, 1], [2, 0, 1, 1]));
    assert!(!diff.is_empty());
    let mut differences = differences.lock().expect("no thread panicked").clone();
    differences.retain(|(_, _, key)| !key.contains("xxx"));
    differences.sort_by(|a, b| (&a.0, &a.2).cmp(&(&b.0, &b.2)));
    let expected = [
        ("Guest", Change::Changed, "name=\"ann\""),
        ("Invoice", Change::Added, "id=-4"),
        ("Invoice", Change::Removed, "id=1"),
        ("Invoice", Change::Changed, "id=2"),
    ];
    assert_eq!(
        differences,
        expected.map(|(entity, change, key)| (entity.to_owned(), change, key.to_owned()))
    );

    let reversed = shop.koan.diff(after, before).entities(["Invoice"]).await.expect("compared");
    assert_eq!((counts(&reversed, "Invoice"), reversed.entities.len()), ([1, 1, 1, 1], 1));
    let error = shop.koan.diff(before, after).entities(["Invoce"]).await.expect_err("no such entity");
    assert!(error.to_string().contains("`Invoice`"), "{error:?}");
}

#[tokio::test]
async fn the_records_of_an_entity_that_one_backup_lacks_are_added_or_removed() {
    let shop = shop().await;
    let both = shop.backup("").await;
    let invoices = shop.koan.backup("invoices").entity::<Invoice>().await.expect("a backup").id();
    let diff = shop.koan.diff(both, invoices).await.expect("compared");
    assert_eq!((counts(&diff, "Invoice"), counts(&diff, "Guest")), ([0, 0, 0, 3], [0, 2, 0, 0]));
    let diff = shop.koan.diff(invoices, both).await.expect("compared");
    assert_eq!(counts(&diff, "Guest"), [2, 0, 0, 0]);
}

#[tokio::test]
async fn entities_that_cannot_be_decrypted_are_not_reported_as_equal() {
    let shop = shop().await;
    let before = shop.backup("").await;
    let after = shop.backup("UPDATE guest SET age = 99").await;
    let locked = koan(shop.folder.path(), &shop.identity, false).await;
    let diff = locked.diff(before, after).await.expect("compared");
    assert!(!diff.is_empty());
    let guest =
        diff.entities.iter().find(|diff| diff.entity == "Guest").expect("the report contains the entity");
    assert!(guest.not_compared.as_ref().is_some_and(|reason| reason.contains("Guest")), "{guest:?}");
    assert_eq!(counts(&diff, "Invoice"), [0, 0, 0, 3]);
    let token = CancellationToken::new();
    token.cancel();
    let error = shop.koan.diff(before, after).cancel_on(token).await.expect_err("cancelled");
    assert_eq!(error.kind(), ErrorKind::Cancelled);
}

#[tokio::test]
async fn more_records_than_fit_into_memory_are_compared_in_partitions() {
    let shop = shop().await;
    let many = "WITH RECURSIVE n(i) AS (SELECT 10 UNION ALL SELECT i + 1 FROM n WHERE i < 270000)
        INSERT INTO invoice SELECT i, i FROM n;";
    let before = shop.backup(many).await;
    let after = shop
        .backup("UPDATE invoice SET total = 0 WHERE id % 90000 = 0; DELETE FROM invoice WHERE id = 77777;")
        .await;
    let diff = shop.koan.diff(before, after).entities(["Invoice"]).await.expect("compared");
    let rows = 270_000 - 9 + 3;
    assert_eq!(counts(&diff, "Invoice"), [0, 1, 3, rows - 4]);
}

/// Returns why an entity was not compared.
fn reason(diff: &BackupDiff, entity: &str) -> String {
    let found = diff.entities.iter().find(|diff| diff.entity == entity).expect("the report has the entity");
    found.not_compared.clone().expect("the entity was not compared")
}

#[tokio::test]
async fn a_selected_entity_that_neither_backup_contains_is_not_compared() {
    let shop = shop().await;
    let mut backup_ids = Vec::new();
    for _ in 0..2 {
        let report = shop.koan.backup("invoices").entity::<Invoice>().await.expect("a backup");
        backup_ids.push(report.id());
    }
    let diff = shop.koan.diff(backup_ids[0], backup_ids[1]).entities(["Guest"]).await.expect("compared");
    assert_eq!(reason(&diff, "Guest"), "neither backup contains the entity");
    assert!(!diff.is_empty(), "backups without a compared entity are not equal: {diff:?}");
}

#[tokio::test]
async fn an_entity_that_failed_in_both_backups_is_not_compared() {
    let shop = shop().await;
    shop.database.execute_batch("DROP TABLE guest").expect("dropped");
    let mut backup_ids = Vec::new();
    for _ in 0..2 {
        let report = shop.koan.backup("nightly").continue_on_error().await.expect("a backup of the rest");
        backup_ids.push(report.id());
    }
    let diff = shop.koan.diff(backup_ids[0], backup_ids[1]).await.expect("compared");
    assert!(reason(&diff, "Guest").starts_with("the entity failed in backup "), "{diff:?}");
    assert!(!diff.is_empty(), "a failed entity is not equal: {diff:?}");
    assert_eq!(counts(&diff, "Invoice"), [0, 0, 0, 3]);
}

#[tokio::test]
async fn an_entity_is_compared_across_its_names() {
    let shop = shop().await;
    let before = shop.backup("").await;
    let renamed = Koan::builder()
        .only_registered()
        .register::<Bill>()
        .provider(Sqlite::open(shop.folder.path().join("shop.db")).expect("a database"))
        .storage(Storage::local(shop.folder.path().join("backups")).expect("a folder"));
    let renamed = renamed.build().await.expect("a context");
    shop.database.execute_batch("UPDATE invoice SET total = 21 WHERE id = 2").expect("changed");
    let after = renamed.backup("nightly").await.expect("a backup").id();
    for name in ["Bill", "Invoice"] {
        let diff = renamed.diff(before, after).entities([name]).await.expect("compared");
        assert_eq!((counts(&diff, "Bill"), diff.entities.len()), ([0, 0, 1, 2], 1), "{name}");
        let diff = renamed.diff(before, before).entities([name]).await.expect("compared");
        assert_eq!((counts(&diff, "Invoice"), diff.entities.len()), ([0, 0, 0, 3], 1), "{name}");
    }
}

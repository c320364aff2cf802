//! A backup that could not be restored into its own database reports this in its warnings, in its report and
//! in the next boot report.
#![cfg(unix)]

use std::path::Path;

use koan_backup::prelude::*;
use koan_backup::{
    Entity,
    archive::BackupStatus,
    entity::{ScopeDeclaration, ScopeMode},
    provider::Provider,
};
use koan_backup_tests::postgres::Server;
use koan_backup_tests::reported_restore::restore_as_reported;
use serde::{Deserialize, Serialize};

static SCOPE: ScopeDeclaration = ScopeDeclaration {
    module_path: module_path!(),
    file: file!(),
    line: line!(),
    mode: ScopeMode::All,
    encrypt_by_default: None,
    include_schema_by_default: None,
};

#[derive(Serialize, Deserialize, Entity)]
struct Sound {
    id: i64,
    name: String,
}

/// An entity whose table has a column `code` that is NOT NULL, has no default, and belongs to no field.
#[derive(Serialize, Deserialize, Entity)]
struct Partial {
    id: i64,
    name: String,
}

/// An entity whose key is computed by the database.
#[derive(Serialize, Deserialize, Entity)]
#[entity(key = "code")]
struct Computed {
    name: String,
    code: String,
}

/// An entity whose table has a row that is older than a constraint, and violates it.
#[derive(Serialize, Deserialize, Entity)]
struct Older {
    id: i64,
    amount: i64,
}

async fn context<T: Entity>(provider: impl Provider, backups: &Path) -> Result<Koan, Error> {
    Koan::builder()
        .only_registered()
        .register_scope(&SCOPE)
        .register::<T>()
        .provider(provider)
        .storage(Storage::local(backups)?)
        .build()
        .await
}

/// Makes a backup, and asserts that its restore is refused exactly if a warning of the backup predicts the
/// refusal. The parameter `expected` is a part of this warning.
async fn assert_assessment<T: Entity, P: Provider>(provider: impl Fn() -> P, expected: Option<&str>) {
    let backups = tempfile::tempdir().expect("a directory");
    let koan = context::<T>(provider(), backups.path()).await.expect("a context");
    assert!(koan.inventory().last_backup.is_empty());
    let report = koan.backup("nightly").await.expect("a backup");
    let restored = restore_as_reported(|| koan.restore(report.id())).await;
    let replaced = restore_as_reported(|| koan.restore(report.id()).replace_existing()).await;
    let warnings = &report.manifest().warnings;
    let Some(expected) = expected else {
        assert_eq!((report.status(), warnings.len()), (BackupStatus::Completed, 0), "{warnings:?}");
        let _ = restored.expect("restored");
        return;
    };
    replaced.map(drop).expect_err("the backup has a warning that the restore is refused");
    assert_eq!(report.status(), BackupStatus::CompletedWithWarnings);
    let is_expected = |warning: &String| {
        warning.contains(expected) && warning.contains("a restore into `main` as it is now would fail")
    };
    assert!(warnings.iter().any(is_expected), "{warnings:?}");
    let stored = &koan.backups().await.expect("listed")[0].warnings;
    assert_eq!(stored, warnings);
    let next_koan = context::<T>(provider(), backups.path()).await.expect("a second context");
    let inventory = next_koan.inventory();
    let boot_warnings = &inventory.last_backup;
    assert!(
        boot_warnings.iter().any(|warning| is_expected(warning) && warning.contains("`nightly`")),
        "{boot_warnings:?}"
    );
    let builder = Koan::builder().only_registered().register_scope(&SCOPE).register::<Sound>();
    let builder = builder.provider(Memory::new()).deny_uncovered();
    let builder = builder.storage(Storage::local(backups.path()).expect("a directory"));
    builder.build().await.expect("a warning of a backup must not be treated as uncovered data");
}

#[tokio::test]
async fn postgres_backups_that_cannot_be_restored_contain_the_reason_as_a_warning() {
    let server = Server::start();
    server.sql(
        "CREATE TABLE sound (id BIGINT PRIMARY KEY, name TEXT NOT NULL, code TEXT NOT NULL DEFAULT 'x');
         INSERT INTO sound VALUES (1, 'a');
         CREATE TABLE partial (id BIGINT PRIMARY KEY, name TEXT NOT NULL, code TEXT NOT NULL);
         INSERT INTO partial VALUES (1, 'a', 'b');
         CREATE TABLE computed (name TEXT NOT NULL, code TEXT GENERATED ALWAYS AS (name || '!') STORED PRIMARY KEY);
         INSERT INTO computed VALUES ('a');
         CREATE TABLE older (id BIGINT PRIMARY KEY, amount BIGINT NOT NULL);
         INSERT INTO older VALUES (1, -1), (2, 1);
         ALTER TABLE older ADD CONSTRAINT amount_is_positive CHECK (amount > 0) NOT VALID;",
    );
    let provider = || Postgres::connect(server.address()).expect("an address");
    assert_assessment::<Partial, _>(provider, Some("`code`")).await;
    assert_assessment::<Computed, _>(provider, Some("`code`")).await;
    assert_assessment::<Older, _>(provider, Some("`amount_is_positive`")).await;
    server.sql("DELETE FROM older WHERE amount < 0");
    assert_assessment::<Older, _>(provider, None).await;
}

#[tokio::test]
async fn postgres_backups_that_can_be_restored_have_no_warning() {
    let server = Server::start();
    server.sql(
        "CREATE TABLE sound (id BIGINT PRIMARY KEY, name TEXT NOT NULL);
         INSERT INTO sound VALUES (1, 'a');
         CREATE ROLE reader LOGIN;
         GRANT SELECT ON sound TO reader;",
    );
    assert_assessment::<Sound, _>(|| Postgres::connect(server.address()).expect("an address"), None).await;
    // A role that makes backups does not need the privileges to restore them.
    let backups = tempfile::tempdir().expect("a directory");
    let reader = Postgres::connect(server.address_of("reader", "test")).expect("an address");
    let koan = context::<Sound>(reader, backups.path()).await.expect("a context");
    let report = koan.backup("nightly").await.expect("a backup");
    assert!(report.manifest().warnings.is_empty(), "{:?}", report.manifest().warnings);
    restore_as_reported(|| koan.restore("nightly"))
        .await
        .map(drop)
        .expect_err("the role is not permitted to write");
}

#[tokio::test]
async fn a_missing_select_privilege_is_reported_at_the_start() {
    let server = Server::start();
    server.sql(
        "CREATE TABLE sound (id BIGINT PRIMARY KEY, name TEXT NOT NULL);
         CREATE TABLE older (id BIGINT PRIMARY KEY, amount BIGINT NOT NULL, secret TEXT);
         CREATE ROLE reader LOGIN;
         GRANT SELECT (id, amount) ON older TO reader;",
    );
    let backups = tempfile::tempdir().expect("a directory");
    let reader = || Postgres::connect(server.address_of("reader", "test")).expect("an address");
    let koan = context::<Sound>(reader(), backups.path()).await.expect("a context");
    let warnings = koan.inventory().warnings.join("\n");
    assert!(
        warnings.contains("Sound") && warnings.contains("is not permitted to read table `sound`"),
        "{warnings}"
    );
    koan.backup("nightly").await.map(drop).expect_err("the role is not permitted to read the table");
    let koan = context::<Older>(reader(), backups.path()).await.expect("a context");
    let warnings = koan.inventory().warnings.join("\n");
    assert!(!warnings.contains("Older cannot be backed up"), "{warnings}");
}

#[tokio::test]
async fn sqlite_backups_that_cannot_be_restored_contain_the_reason_as_a_warning() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("shop.db");
    rusqlite::Connection::open(&path)
        .expect("opened")
        .execute_batch(
            "CREATE TABLE sound (id INTEGER PRIMARY KEY, name TEXT NOT NULL, code TEXT NOT NULL DEFAULT 'x');
             INSERT INTO sound VALUES (1, 'a', 'b');
             CREATE TABLE partial (id INTEGER PRIMARY KEY, name TEXT NOT NULL, code TEXT NOT NULL);
             INSERT INTO partial VALUES (1, 'a', 'b');
             CREATE TABLE computed (name TEXT NOT NULL, code TEXT NOT NULL GENERATED ALWAYS AS (name || '!') STORED);
             INSERT INTO computed VALUES ('a');",
        )
        .expect("tables");
    let provider = || Sqlite::open(&path).expect("opened");
    assert_assessment::<Partial, _>(provider, Some("`code`")).await;
    assert_assessment::<Computed, _>(provider, Some("`code`")).await;
    assert_assessment::<Sound, _>(provider, None).await;
}

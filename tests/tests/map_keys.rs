//! Verifies that no error and no warning shows the keys of a flattened map, because they are content of the
//! record.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use koan_backup::prelude::*;
use koan_backup::{
    archive::BackupStatus,
    entity::{ScopeDeclaration, ScopeMode},
    provider::Provider,
};
use koan_backup_tests::unsampled::Unsampled;
use serde::{Deserialize, Serialize};

const SECRET: &str = "s3cret-name";

static SCOPE: ScopeDeclaration = ScopeDeclaration {
    module_path: module_path!(),
    file: file!(),
    line: line!(),
    mode: ScopeMode::All,
    encrypt_by_default: None,
    include_schema_by_default: None,
};

#[derive(Serialize, Deserialize, Entity)]
struct Sets {
    id: i64,
    #[serde(flatten)]
    rest: HashMap<String, HashSet<Unsampled>>,
}

#[derive(Serialize, Deserialize, Entity)]
struct Numbers {
    id: i64,
    #[serde(flatten)]
    rest: HashMap<String, f32>,
}

async fn context<T: Entity>(provider: impl Provider, backups: &Path) -> Koan {
    let builder = Koan::builder().only_registered().register_scope(&SCOPE).register::<T>();
    let builder = builder.provider(provider);
    builder.storage(Storage::local(backups).expect("a directory")).build().await.expect("a context")
}

#[tokio::test]
async fn the_error_for_a_collection_in_another_order_does_not_contain_its_map_key() {
    let folder = tempfile::tempdir().expect("a directory");
    let koan = context::<Sets>(Memory::new(), folder.path()).await;
    let words = (0..40).map(Unsampled::numbered).collect();
    let record = Sets { id: 7, rest: [(SECRET.to_owned(), words)].into() };
    koan.data::<Sets>().upsert_many([record]).await.expect("written");
    let error = koan.backup("nightly").await.expect_err("the order of the collection differs").chain();
    assert!(error.contains("Sets") && error.contains("HashSet") && !error.contains(SECRET), "{error}");
}

#[tokio::test]
async fn messages_about_a_lossy_or_refused_value_do_not_contain_its_map_key() {
    let folder = tempfile::tempdir().expect("a directory");
    let data = folder.path().join("data");
    std::fs::create_dir_all(&data).expect("created");
    let koan =
        context::<Numbers>(JsonFiles::lines(&data).expect("opened"), &folder.path().join("backups")).await;
    let record = Numbers { id: 1, rest: [(SECRET.to_owned(), 1.5)].into() };
    koan.data::<Numbers>().upsert_many([record]).await.expect("written");
    let file = std::fs::read_dir(&data).expect("listed").map(|entry| entry.expect("an entry").path());
    let file = file
        .map(|entity_folder| entity_folder.join("root.jsonl"))
        .find(|path| path.exists())
        .expect("a file of lines");
    let line = std::fs::read_to_string(&file).expect("readable");
    let write = |value: &str| std::fs::write(&file, line.replace("1.5", value)).expect("written");
    write("0.12345678901234");
    let backup = koan.backup("lossy").await.expect("a backup");
    assert_eq!((backup.item_count(), backup.status()), (1, BackupStatus::CompletedWithWarnings));
    let warnings = backup.warnings().join("\n");
    assert!(
        warnings.contains("fields that the type does not declare") && !warnings.contains(SECRET),
        "{warnings}"
    );
    write("\"text\"");
    let error = koan.backup("refused").await.expect_err("the text is not a number").chain();
    assert!(error.contains("Numbers") && !error.contains(SECRET), "{error}");
}

#[tokio::test]
async fn a_map_key_without_a_column_is_refused_and_not_shown() {
    let folder = tempfile::tempdir().expect("a directory");
    let path = folder.path().join("shop.db");
    let sql = "CREATE TABLE numbers (id INTEGER PRIMARY KEY, known REAL)";
    rusqlite::Connection::open(&path).expect("a database").execute_batch(sql).expect("a table");
    let koan = context::<Numbers>(Sqlite::open(&path).expect("opened"), &folder.path().join("backups")).await;
    let record = |name: &str| Numbers { id: 1, rest: [(name.to_owned(), 1.5)].into() };
    let error = koan.data::<Numbers>().upsert_many([record(SECRET)]).await.expect_err("no column").chain();
    assert!(error.contains("Numbers") && error.contains("no column") && !error.contains(SECRET), "{error}");
    koan.data::<Numbers>().upsert_many([record("known")]).await.expect("written");
}

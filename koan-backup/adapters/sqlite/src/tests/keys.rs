//! Tests that a key is found in every form in which it can be stored.

use koan_backup_core::{
    ErrorKind, SetName,
    provider::{ReadRequest, Severity},
    value::Value,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::fixture::{Database, codec, overwrite, read, replace, without_physical_form};
use koan_backup::Entity;

#[derive(Serialize, Deserialize, Entity)]
#[entity(name = "SqliteTestUuidKey", table = "k")]
struct Keyed {
    #[entity(key)]
    uid: Uuid,
    name: String,
}

const UPPER: &str = "'67E55044-10B1-426F-9247-BB680E5FE0C8'";
const LOWER: &str = "'67e55044-10b1-426f-9247-bb680e5fe0c8'";
const MIXED: &str = "'67e55044-10B1-426f-9247-bb680e5fe0c8'";

fn database(literals: &[&str]) -> Database {
    let database = Database::new("CREATE TABLE k (uid PRIMARY KEY, name TEXT)");
    for literal in literals {
        database.run(&format!("INSERT INTO k VALUES ({literal}, 'x')"));
    }
    database
}

async fn errors(database: &Database, backup: &super::fixture::EntityBackup) -> Vec<String> {
    let found = database.assess::<Keyed>(backup, &overwrite()).await;
    let errors = found.into_iter().filter(|finding| finding.severity == Severity::Error);
    errors.map(|finding| finding.message).collect()
}

#[tokio::test]
async fn a_key_whose_form_differs_from_the_archive_is_reported_before_the_restore() {
    let backup = database(&[LOWER]).backup::<Keyed>().await.expect("the entity is backed up");
    let live = database(&[UPPER]);
    let found = errors(&live, &backup).await;
    assert!(found.len() == 1 && found[0].contains("`uid`") && found[0].contains("text:UUID"), "{found:?}");
    assert!(live.assess::<Keyed>(&backup, &replace()).await.is_empty());
    live.run(&format!("UPDATE k SET uid = {LOWER}"));
    assert_eq!(errors(&live, &backup).await, [""; 0]);
}

#[tokio::test]
async fn a_key_column_with_several_forms_is_reported() {
    let other = "'00000000-0000-0000-0000-00000000000a'";
    let line = r#"{"uid":"67e55044-10b1-426f-9247-bb680e5fe0c8","name":"y"}"#;
    for live in [database(&[UPPER, other]), database(&[MIXED])] {
        let found = errors(&live, &without_physical_form(&[line])).await;
        assert!(found.len() == 1 && found[0].contains("several forms"), "{found:?}");
        assert!(live.assess::<Keyed>(&without_physical_form(&[line]), &replace()).await.is_empty());
    }
    // A UUID that consists of digits has the same text in upper case and in lower case.
    let live = database(&[LOWER, "'00000000-0000-0000-0000-000000000001'"]);
    assert_eq!(errors(&live, &without_physical_form(&[line])).await, [""; 0]);
}

#[tokio::test]
async fn numeric_keys_of_every_storage_class_are_compared_by_value() {
    #[derive(Serialize, Deserialize, Entity)]
    #[entity(name = "SqliteTestNumberKey", table = "n")]
    struct Numbered {
        id: i64,
    }
    let live = Database::new("CREATE TABLE n (id PRIMARY KEY); INSERT INTO n VALUES (7), (8.0)");
    let backup = live.backup::<Numbered>().await.expect("the entity is backed up");
    assert!(live.assess::<Numbered>(&backup, &overwrite()).await.is_empty());
    live.run("UPDATE n SET id = CAST(CAST(id AS INTEGER) AS TEXT)");
    let found = live.assess::<Numbered>(&backup, &overwrite()).await;
    assert!(found.iter().any(|finding| finding.severity == Severity::Error), "{found:?}");
}

#[tokio::test]
async fn a_backup_fails_if_a_key_cannot_be_written_back_byte_for_byte() {
    let error = database(&[MIXED]).backup::<Keyed>().await.expect_err("letters of both cases");
    assert_eq!(error.kind(), ErrorKind::Record);
    assert!(error.to_string().contains("`uid`") && error.to_string().contains("letter case"), "{error}");
}

#[tokio::test]
async fn a_record_is_found_by_its_key_after_many_rows_with_another_form() {
    let filler: Vec<String> =
        (0..100).map(|index| format!("'00000000-0000-0000-0000-{index:011}a'")).collect();
    let uid = Uuid::parse_str("67e55044-10b1-426f-9247-bb680e5fe0c8").expect("the UUID is valid");
    for literal in [UPPER, LOWER, MIXED, "x'67e5504410b1426f9247bb680e5fe0c8'"] {
        let live = database(&filler.iter().map(String::as_str).chain([literal]).collect::<Vec<_>>());
        let key = vec![Value::Uuid(uid.into_bytes())];
        let request = ReadRequest::one(codec::<Keyed>(), SetName::root(), key);
        let backup = read(live.snapshot().await.as_ref(), request).await.expect("the entity is backed up");
        assert_eq!(backup.lines.len(), 1, "{literal}");
    }
}

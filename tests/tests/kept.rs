//! Tests that a backup reports values that a type changes, duplicate keys, and mistyped names.

use koan_backup::archive::BackupStatus;
use koan_backup::prelude::*;
use koan_backup_tests::reported_restore::restore_as_reported;
use rusqlite::Connection;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

koan_backup::entity_backup_scope!(mode = All);

#[derive(Debug, Serialize, Deserialize)]
struct Address {
    street: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    Active,
    #[serde(other)]
    Unknown,
}

#[derive(Debug, Serialize, Deserialize, Entity)]
struct Member {
    id: i64,
    address: Address,
    status: Status,
    fee: Decimal,
    extra: serde_json::Value,
}

#[derive(Debug, Serialize, Deserialize, Entity)]
#[entity(key = "word")]
struct Word {
    word: String,
    meaning: String,
}

/// Creates a database, executes SQL in it, and builds a context.
async fn open(sql: &str) -> (tempfile::TempDir, Koan) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("club.db");
    Connection::open(&path)
        .expect("a database")
        .execute_batch(&format!(
            "CREATE TABLE member (id INTEGER PRIMARY KEY, address TEXT NOT NULL, status TEXT NOT NULL,
                 fee NOT NULL, extra TEXT NOT NULL);
             CREATE TABLE word (word TEXT, meaning TEXT NOT NULL); {sql}"
        ))
        .expect("a schema");
    let koan = Koan::builder()
        .provider(Sqlite::open(&path).expect("opened"))
        .storage(Storage::memory())
        .build()
        .await
        .expect("a context");
    (directory, koan)
}

#[tokio::test]
async fn values_that_a_type_preserves_cause_no_warning() {
    let (_directory, koan) = open(
        r#"INSERT INTO member VALUES (1, '{"street":"a"}', 'active', '1.50', '{"a":[1.0,null],"b":1}');"#,
    )
    .await;
    let backup = koan.backup("kept").await.expect("a backup");
    assert_eq!(backup.warnings(), [] as [String; 0]);
    assert_eq!(backup.status(), BackupStatus::Completed);
}

#[tokio::test]
async fn values_that_a_type_does_not_preserve_are_counted_and_reported_with_field_and_key() {
    let (_directory, koan) = open(
        r#"INSERT INTO member VALUES (1, '{"street":"a"}', 'active', '1', '1');
           INSERT INTO member VALUES
               (2, '{"street":"a","zip":"s3cret"}', 'suspended', 1.5e-30, '12345678901234567890123');
           INSERT INTO member VALUES
               (3, '{"street":"a","zip":"s3cret"}', 'active', '0.12345678901234567890123456789012345',
                '{"a":1,"a":2}');"#,
    )
    .await;
    let backup = koan.backup("lossy").await.expect("a backup");
    assert_eq!(backup.status(), BackupStatus::CompletedWithWarnings);
    let assert_warning = |field: &str, count: u64| {
        let records = if count == 1 { "record" } else { "records" };
        let start = format!(
            "Member: in {count} {records}, the first with key `id=2`, the type does not preserve all data in \
             `{field}`;"
        );
        assert!(
            backup.warnings().iter().any(|warning| warning.starts_with(&start)),
            "{:?}",
            backup.warnings()
        );
    };
    assert_warning("address", 2);
    assert_warning("status", 1);
    assert_warning("fee", 2);
    assert_warning("extra", 2);
    assert!(
        !format!("{:?}", backup.manifest()).contains("s3cret"),
        "the manifest contains content of a record"
    );
}

#[tokio::test]
async fn the_error_for_a_row_that_its_type_refuses_contains_the_key_but_no_content() {
    let (_directory, koan) =
        open(r#"INSERT INTO member VALUES (4, '{"street":["s3cret"]}', 'active', '1', '1');"#).await;
    let error = koan.backup("refused").await.expect_err("the street is a list instead of text");
    assert_eq!(error.kind(), ErrorKind::Record);
    let text = error.chain();
    assert!(text.contains("Member `id=4`") && text.contains("address"), "{text}");
    assert!(!text.contains("s3cret"), "the error contains content of a record: {text}");
}

#[tokio::test]
async fn two_records_with_the_same_key_fail_the_backup() {
    let (_directory, koan) = open("INSERT INTO word VALUES ('x', 'one'), ('y', 'two'), ('x', 'three')").await;
    let error = koan.backup("words").await.expect_err("one of the two records would be lost");
    assert_eq!(error.kind(), ErrorKind::Record);
    assert!(error.to_string().contains("has a duplicate key"), "{error}");
    let (_directory, koan) = open("INSERT INTO word VALUES (NULL, 'one')").await;
    let error = koan.backup("words").await.expect_err("a key cannot be NULL");
    assert!(error.kind() == ErrorKind::Record && error.chain().contains("word"), "{error:?}");
}

#[tokio::test]
async fn a_selection_of_unknown_sets_or_entities_is_refused() {
    let (_directory, koan) = open("").await;
    let _ = koan.backup("all").await.expect("a backup");
    let error = koan.backup("typo").set("archvie").await.expect_err("no such set");
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let error =
        koan.backup("both").set("root").set("archvie").await.expect_err("one of the sets does not exist");
    assert!(error.to_string().contains("archvie"), "{error}");
    let selection = koan.backup("filtered").entity::<Member>().entity::<Word>();
    let error = selection
        .filter(|entity| entity.name() == "Word")
        .await
        .expect_err("the filter excludes a selected entity");
    assert!(error.to_string().contains("`Member` is selected explicitly"), "{error}");
    let error = restore_as_reported(|| koan.restore("all").exclude(["Memebr"]).replace_existing())
        .await
        .expect_err("mistyped");
    assert!(error.to_string().contains("no entity has the name `Memebr`"), "{error}");
    let error = restore_as_reported(|| koan.restore("all").set("archvie")).await.expect_err("no such set");
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let error = restore_as_reported(|| koan.restore("all").entities(["Word", "Wrod"]))
        .await
        .expect_err("one of the entities does not exist");
    assert!(error.to_string().contains("does not contain `Wrod`"), "{error}");
    let error = restore_as_reported(|| koan.restore("all").exclude(["Word", "Member"]))
        .await
        .expect_err("all entities are excluded");
    assert!(error.to_string().contains("anything that is selected"), "{error}");
}

#[tokio::test]
async fn the_length_of_a_description_is_limited() {
    let (_directory, koan) = open("").await;
    let error = koan.backup("long").description("x".repeat(70_000)).await.expect_err("too long");
    assert_eq!(error.kind(), ErrorKind::Configuration);
    assert!(koan.backups().await.expect("listed").is_empty());
}

/// A number whose deserialization panics if it is 13.
#[derive(Debug)]
struct Fragile(i64);

impl Serialize for Fragile {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i64(self.0)
    }
}

impl<'de> Deserialize<'de> for Fragile {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = i64::deserialize(deserializer)?;
        assert_ne!(number, 13, "this type has a defect");
        Ok(Self(number))
    }
}

mod fragile {
    use super::*;

    #[derive(Debug, Serialize, Deserialize, Entity)]
    #[entity_backup(enabled = false, reason = "only in the test of panics")]
    pub(super) struct Panicky {
        pub(super) id: i64,
        pub(super) number: Fragile,
    }
}

#[test]
fn a_record_whose_type_panics_is_refused() {
    use koan_backup::entity::EntityCodec;
    let codec = EntityCodec::new(fragile::Panicky::descriptor());
    assert!(codec.check(br#"{"id":1,"number":12}"#).is_ok());
    let error = codec.check(br#"{"id":1,"number":13}"#).expect_err("the type panics");
    assert!(error.to_string().contains("panicked"), "{error}");
}

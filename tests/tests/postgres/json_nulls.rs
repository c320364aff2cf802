//! JSON `null` and SQL NULL are the same `null` in a record, and both are restored as they were.

use age::secrecy::ExposeSecret as _;
use koan_backup::prelude::*;
use koan_backup_tests::postgres::{Server, installed_versions};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::fixture::koan;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Part {
    word: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
#[entity_backup]
struct Mixed {
    id: i64,
    json: Option<Json>,
    jsonb: Option<Json>,
    part: Option<Part>,
    checked: Option<Json>,
    words: Option<Json>,
    list: Option<Vec<Option<Json>>>,
    parts: Vec<Option<Part>>,
    plain: Option<Json>,
}

const TABLE: &str = "CREATE DOMAIN checked AS jsonb CHECK (VALUE <> '0');
    CREATE TABLE mixed (id bigint PRIMARY KEY, json json, jsonb jsonb, part jsonb, checked checked, words text, list jsonb[],
        parts json[] NOT NULL DEFAULT '{}', plain jsonb)";

const ROWS: &str = r#"INSERT INTO mixed VALUES
    (1, NULL, 'null', NULL, NULL, 'null', '{"null",NULL,"1"}', '{}', NULL),
    (2, 'null', NULL, 'null', 'null', NULL, '{NULL,"null"}', '{"null",NULL}', NULL),
    (3, '[null]', '{"a": null}', '{"word": null}', '[]', '7', NULL, '{NULL,"{\"word\":null}","null"}', '1'),
    (4, NULL, 'null', 'null', NULL, 'null', '{}', '{NULL}', '2'),
    (5, NULL, NULL, NULL, 'null', NULL, '{"null","null",NULL,NULL,"null","[null]"}', '{}', NULL),
    (6, 'null', 'null', 'null', 'null', 'null', '{NULL,NULL}', '{"null"}', '[null]')"#;

/// Checks that restores of each kind restore both forms of null.
async fn assert_restores(server: &Server, koan: &Koan, name: &str) {
    let dump = || server.sql("SELECT x::text FROM mixed x ORDER BY id");
    let before = dump();
    let report = koan.restore(name).dry_run().await.expect("compared");
    assert_eq!(report.entities[0].counts.unchanged, report.entities[0].records);
    server.sql("DELETE FROM mixed WHERE id IN (2, 5); UPDATE mixed SET json = '1', jsonb = NULL, list = '{}' WHERE id IN (1, 6)");
    let _ = koan.restore(name).await.expect("restored");
    assert_eq!(dump(), before, "a merging restore must restore both forms of null");
    server.sql("UPDATE mixed SET jsonb = CASE WHEN jsonb IS NULL THEN 'null' ELSE jsonb END");
    let _ = koan.restore(name).replace_existing().await.expect("restored");
    assert_eq!(dump(), before, "a replacing restore must restore both forms of null");
    server.sql("TRUNCATE mixed");
    let _ = koan.restore(name).batch_size(2).await.expect("restored");
    assert_eq!(dump(), before, "a restore into an empty table must restore both forms of null");
}

#[tokio::test(flavor = "multi_thread")]
async fn null_and_json_null_in_one_column_are_both_restored_as_they_were() {
    for version in installed_versions() {
        let server = Server::of_version(version);
        server.sql(TABLE);
        server.sql(ROWS);
        let koan = koan(&server, |builder| builder.register::<Mixed>()).await;
        let backup = koan.backup("mixed").await.expect("a backup");
        assert_eq!(backup.warnings(), [] as [String; 0]);
        assert_restores(&server, &koan, "mixed").await;
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
#[entity_backup]
struct Document {
    id: i64,
    json: Option<Json>,
    jsonb: Option<Json>,
}

#[tokio::test(flavor = "multi_thread")]
async fn nulls_of_many_blocks_are_restored_in_both_formats_of_copy() {
    let server = Server::start();
    server.sql(
        "CREATE TABLE document (id bigint PRIMARY KEY, json json, jsonb jsonb);
        INSERT INTO document SELECT i, CASE i % 3 WHEN 0 THEN 'null'::json WHEN 1 THEN NULL ELSE to_json(repeat('x', 90)) END,
            CASE WHEN i * 7919 % 11 < 5 THEN 'null'::jsonb END FROM generate_series(1, 100000) i",
    );
    let koan = koan(&server, |builder| builder.register::<Document>()).await;
    let _ = koan.backup("many").await.expect("a backup");
    let hash = || server.sql("SELECT md5(string_agg(x::text, ',' ORDER BY id)) FROM document x");
    let before = hash();
    server.sql("TRUNCATE document");
    let _ = koan.restore("many").batch_size(700).await.expect("restored");
    assert_eq!(hash(), before);
    server.sql("UPDATE document SET jsonb = CASE WHEN jsonb IS NULL THEN 'null'::jsonb END");
    let _ = koan.restore("many").await.expect("restored");
    assert_eq!(hash(), before);
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
#[entity_backup(encrypt)]
struct Secret {
    id: i64,
    value: Option<Json>,
}

#[tokio::test(flavor = "multi_thread")]
async fn the_null_forms_of_an_encrypted_entity_are_encrypted() {
    let server = Server::start();
    server.sql("CREATE TABLE secret (id bigint PRIMARY KEY, value jsonb); INSERT INTO secret VALUES (1, NULL), (2, 'null'), (3, NULL)");
    let identity = age::x25519::Identity::generate();
    let recipients = Recipients::keys([identity.to_public().to_string()]).expect("a recipient");
    let keys = Keys::text(identity.to_string().expose_secret());
    let koan = koan(&server, |builder| builder.register::<Secret>().encrypt_to(recipients).keys(keys)).await;
    let _ = koan.backup("nightly").await.expect("a backup");
    server.sql("TRUNCATE secret");
    let _ = koan.restore("nightly").await.expect("restored");
    assert_eq!(
        server.sql("SELECT string_agg(coalesce(value::text, '-'), '' ORDER BY id) FROM secret"),
        "-null-"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_into_another_database_reports_that_json_null_is_not_preserved() {
    let folder = tempfile::tempdir().expect("a directory");
    let server = Server::start();
    server.sql(
        "CREATE TABLE document (id bigint PRIMARY KEY, json json, jsonb jsonb NOT NULL);
        INSERT INTO document VALUES (1, NULL, 'null'), (2, 'null', '1')",
    );
    let file = folder.path().join("other.db");
    let sqlite = rusqlite::Connection::open(&file).expect("a database");
    sqlite
        .execute_batch("CREATE TABLE document (id INTEGER PRIMARY KEY, json TEXT, jsonb TEXT NOT NULL)")
        .expect("a table");
    let with_storage = |builder: koan_backup::KoanBuilder| {
        let storage = Storage::local(folder.path().join("backups")).expect("a directory");
        builder.only_registered().register::<Document>().storage(storage)
    };
    let postgres =
        with_storage(Koan::builder()).provider(Postgres::connect(server.address()).expect("an address"));
    let postgres = postgres.build().await.expect("a context");
    let sqlite_koan = with_storage(Koan::builder()).provider(Sqlite::open(&file).expect("opened"));
    let sqlite_koan = sqlite_koan.build().await.expect("a context");
    let _ = postgres.backup("from-postgres").await.expect("a backup");
    let report = sqlite_koan.restore("from-postgres").await.expect("restored");
    let is_loss_reported = |report: &koan_backup::report::RestoreReport, column: &str| {
        report.findings.iter().any(|finding| {
            finding.severity == koan_backup::provider::Severity::Warning
                && finding
                    .message
                    .contains(&format!("column `{column}` of table `document` contained JSON `null`"))
        })
    };
    assert!(
        is_loss_reported(&report, "json") && !is_loss_reported(&report, "jsonb"),
        "{:?}",
        report.findings
    );
    sqlite.execute_batch("UPDATE document SET json = 'null' WHERE id = 1").expect("changed");
    let _ = sqlite_koan.backup("from-sqlite").await.expect("a backup");
    let report = postgres.restore("from-sqlite").await.expect("restored");
    assert!(is_loss_reported(&report, "json"), "{:?}", report.findings);
    let report = sqlite_koan.restore("from-sqlite").await.expect("restored");
    assert!(!is_loss_reported(&report, "json"), "{:?}", report.findings);
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
#[entity_backup]
#[entity(table = "often")]
struct Often {
    id: i64,
    value: Option<Json>,
    list: Option<Vec<Option<Json>>>,
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_fails_with_the_column_if_it_alternates_between_null_and_json_null_too_often() {
    let server = Server::start();
    server.sql("CREATE TABLE often (id bigint PRIMARY KEY, value jsonb, list jsonb[])");
    let koan = koan(&server, |builder| builder.register::<Often>()).await;
    let runs = "INSERT INTO often SELECT i, CASE i % 2 WHEN 0 THEN 'null'::jsonb END FROM generate_series(1, 1048577) i";
    // The physical form of each list has about ten thousand bytes.
    let lists = "INSERT INTO often SELECT i, NULL, (SELECT array_agg(CASE WHEN (n + i * (n / 2 % 3)) % 2 = 0 THEN 'null'::jsonb END)
        || array_fill('null'::jsonb, ARRAY[i]) FROM generate_series(1, 4000) n) FROM generate_series(1, 1200) i";
    let (runs, lists) =
        ((runs, "`value`", "make the column NOT NULL"), (lists, "`list`", "only NULL or only JSON `null`"));
    for (rows, column, remedy) in [runs, lists] {
        server.sql(&format!("TRUNCATE often; {rows}"));
        let error = koan.backup("nightly").await.expect_err(column).chain();
        assert!(error.contains("Often") && error.contains(column) && error.contains(remedy), "{error}");
        assert!(error.contains("alternates between NULL and JSON `null`"), "{error}");
    }
    // The proposed remedy works.
    server.sql("UPDATE often SET list = NULL");
    let _ = koan.backup("nightly").await.expect("a backup");
}

//! Values of 64 MiB.

use koan_backup::prelude::*;
use koan_backup_tests::postgres::Server;
use serde::{Deserialize, Serialize};

use super::fixture::koan;

const VALUE_BYTES: usize = 64 << 20;

#[derive(Clone, PartialEq, Serialize, Deserialize, Entity)]
#[entity_backup]
struct Scan {
    id: i64,
    #[serde(with = "koan_backup::serde::base64")]
    content: Vec<u8>,
    #[serde(default, with = "koan_backup::serde::base64")]
    preview: Option<Vec<u8>>,
}

#[derive(Clone, Serialize, Deserialize, Entity)]
#[entity_backup]
#[entity(table = "scan", name = "BulkyScan")]
struct Bulky {
    id: i64,
    content: Vec<u8>,
}

const SCANS: &str = "CREATE TABLE scan (id bigint PRIMARY KEY, content bytea NOT NULL, preview bytea);
    INSERT INTO scan SELECT 1, string_agg(sha256(g::text::bytea), NULL), NULL FROM generate_series(1, 2097152) g;
    INSERT INTO scan VALUES (2, '', '\\xfbefff')";
const DIGESTS: &str = "SELECT id, length(content), sha256(content), preview FROM scan ORDER BY id";

#[tokio::test(flavor = "multi_thread")]
async fn bytes_of_64_mib_are_backed_up_verified_and_restored_as_base64() {
    let server = Server::start();
    server.sql(SCANS);
    let before = server.sql(DIGESTS);
    assert!(before.contains(&VALUE_BYTES.to_string()), "{before}");
    let koan = koan(&server, |builder| builder.register::<Scan>()).await;
    assert!(koan.inventory().notes.is_empty(), "{:?}", koan.inventory().notes);
    let backup = koan.backup("nightly").await.expect("a backup");
    assert!(koan.verify(backup.id()).await.expect("verified").is_valid());
    server.sql("DELETE FROM scan WHERE id = 1; UPDATE scan SET content = 'x', preview = NULL");
    let _ = koan.restore("nightly").await.expect("restored");
    assert_eq!(server.sql(DIGESTS), before);
    let report = koan.restore("nightly").dry_run().await.expect("compared");
    assert_eq!(report.entities[0].counts.unchanged, 2, "{report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_as_a_list_of_numbers_are_reported_at_the_start_and_refused_with_field_and_key_if_too_large() {
    let server = Server::start();
    server.sql(SCANS);
    let koan = koan(&server, |builder| builder.register::<Bulky>()).await;
    let notes = koan.inventory().notes.join("\n");
    assert!(notes.contains("BulkyScan") && notes.contains("koan_backup::serde::base64"), "{notes}");
    let error =
        koan.backup("nightly").await.expect_err("the value is too large for a list of numbers").chain();
    for part in ["`id=1`", "field `content` has 67108864 bytes", "koan_backup::serde::base64"] {
        assert!(error.contains(part), "{part} is not in {error}");
    }
}

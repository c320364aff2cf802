//! The error identifies the record that the server refuses, at any position of the record in the data.

use age::secrecy::ExposeSecret as _;
use age::x25519::Identity;
use koan_backup::prelude::*;
use koan_backup_tests::postgres::Server;
use koan_backup_tests::reported_restore::restore_as_reported;
use serde::{Deserialize, Serialize};

use super::fixture::koan;

#[derive(Clone, Debug, Serialize, Deserialize, Entity)]
#[entity(table = "page", key = "id")]
#[entity_backup]
struct Page {
    id: i64,
    text: String,
}

#[derive(Clone, Debug, Serialize, Deserialize, Entity)]
#[entity(table = "letter", key = "id")]
#[entity_backup(encrypt)]
struct Letter {
    id: i64,
    text: String,
}

#[tokio::test(flavor = "multi_thread")]
async fn the_error_names_the_refused_record_at_any_position_in_the_data() {
    let server = Server::start();
    server.sql("CREATE TABLE page (id bigint PRIMARY KEY, text text NOT NULL)");
    // The table has more records than one COPY statement transfers.
    server.sql("INSERT INTO page SELECT number, repeat(md5(number::text), 2000) FROM generate_series(1, 1200) AS number");
    let koan = koan(&server, |builder| builder.register::<Page>()).await;
    let _ = koan.backup("nightly").await.expect("a backup");
    let pages = server.sql("SELECT md5(string_agg(id || text, ',' ORDER BY id)) FROM page");

    // The server refuses the first record, a record in the middle, or the last record.
    for id in [1, 642, 1200] {
        server.sql(&format!("TRUNCATE page; ALTER TABLE page ADD CONSTRAINT never CHECK (id <> {id})"));
        // With this batch size, a block contains several batches.
        let error = restore_as_reported(|| koan.restore("nightly").batch_size(5))
            .await
            .expect_err("the server refuses one record");
        let text = error.chain();
        assert!(text.contains(&format!("Page `id={id}`")) && text.contains("never"), "{id}: {text}");
        assert!(
            !text.contains("is not confirmed"),
            "the restore was rolled back, so the error must not say that the rollback is not confirmed: {text}"
        );
        assert_eq!(server.sql("SELECT count(*) FROM page"), "0");
        server.sql("ALTER TABLE page DROP CONSTRAINT never");
    }
    let _ = koan.restore("nightly").await.expect("restored");
    assert_eq!(server.sql("SELECT md5(string_agg(id || text, ',' ORDER BY id)) FROM page"), pages);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_error_of_a_direct_write_names_the_refused_record() {
    let server = Server::start();
    server.sql("CREATE TABLE page (id bigint PRIMARY KEY, text text NOT NULL CHECK (text <> 's3cret'))");
    let koan = koan(&server, |builder| builder.register::<Page>()).await;
    let page = |id| Page { id, text: if id == 150 { "s3cret".to_owned() } else { "long".repeat(16_000) } };
    let text = koan
        .data::<Page>()
        .upsert_many((1..=200).map(page))
        .await
        .expect_err("the server refuses one record")
        .chain();
    assert!(text.contains("Page `id=150`") && !text.contains("s3cret"), "{text}");
    assert_eq!(server.sql("SELECT count(*) FROM page"), "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_record_of_an_encrypted_entity_is_identified_only_by_its_entity() {
    let server = Server::start();
    server.sql("CREATE TABLE letter (id bigint PRIMARY KEY, text text NOT NULL)");
    server.sql("INSERT INTO letter SELECT number, 's3cret' FROM generate_series(1, 9) AS number");
    let identity = Identity::generate();
    let recipient = Recipients::keys([identity.to_public().to_string()]).expect("a public key");
    let key = identity.to_string();
    let koan = koan(&server, |builder| {
        builder.register::<Letter>().encrypt_to(recipient).keys(Keys::text(key.expose_secret()))
    })
    .await;
    let _ = koan.backup("nightly").await.expect("a backup");
    server.sql("TRUNCATE letter; ALTER TABLE letter ADD CONSTRAINT never CHECK (id <> 7)");
    let text = restore_as_reported(|| koan.restore("nightly").batch_size(2))
        .await
        .expect_err("the server refuses one record")
        .chain();
    // The error shows the entity of the record but hides its key.
    assert!(text.contains("refused Letter `id=(hidden)`") && text.contains("never"), "{text}");
    assert_eq!(server.sql("SELECT count(*) FROM letter"), "0");
}

//! Streams of records.

use std::sync::Arc;

use futures::TryStreamExt as _;
use koan_backup::prelude::*;
use koan_backup::{CancellationToken, SetName};
use koan_backup_tests::archive_surgery::Vault;
use koan_backup_tests::faulty_store::{Failure, Fault, FaultyStore, Operation};
use koan_backup_tests::scripted::Scripted;
use object_store::memory::InMemory;
use serde::{Deserialize, Serialize};

use crate::shop::{Card, Customer, Shop};

async fn read(stream: koan_backup::report::RecordStream) -> koan_backup::Result<String> {
    let chunks: Vec<_> = stream.try_collect().await?;
    Ok(String::from_utf8(chunks.concat()).expect("text"))
}

#[tokio::test]
async fn the_records_of_an_entity_are_streamed_as_lines() {
    let shop = Shop::new(30_000);
    let koan = shop.koan().await;
    let _ = koan.backup("nightly").await.expect("a backup");
    let stream = koan.records("nightly").entity("Customer").await.expect("opened");
    assert_eq!((stream.entity(), stream.item_count()), ("Customer", 30_000));
    let size = stream.size_bytes();
    let chunks: Vec<_> = stream.try_collect().await.expect("read");
    assert!(chunks.len() > 1, "the records arrive in several chunks");
    assert!(
        chunks.iter().all(|chunk: &bytes::Bytes| chunk.ends_with(b"\n")),
        "each chunk has complete lines"
    );
    let text = String::from_utf8(chunks.concat()).expect("text");
    assert_eq!(u64::try_from(text.len()).expect("small"), size);
    assert!(text.lines().all(|line| serde_json::from_str::<Customer>(line).is_ok()));
    let cards = read(koan.records("nightly").entity("Card").await.expect("opened")).await.expect("read");
    assert!(cards.lines().all(|line| serde_json::from_str::<Card>(line).is_ok()), "{cards}");

    let locked = shop.koan_without_keys().await;
    let error = locked.records("nightly").entity("Card").await.expect_err("a key is missing");
    assert_eq!(error.kind(), ErrorKind::Encryption);
    let error = koan.records("nightly").entity("Nobody").await.expect_err("no such entity");
    assert!(error.to_string().contains("it contains"), "{error}");
    let error = koan.records("nightly").entity("Card").set("x").await.expect_err("no such set");
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let error = koan.records("nightly").await.expect_err("no entity is set");
    assert_eq!(error.kind(), ErrorKind::Configuration);
}

/// An entity with named sets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Entity)]
#[entity_backup]
struct Event {
    id: i64,
}

#[tokio::test]
async fn a_set_is_selected_by_its_name() {
    let (database, vault) = (Scripted::default(), Vault::default());
    let tenant = SetName::new("tenant").expect("a set");
    database.put(&SetName::root(), &Event { id: 1 });
    database.put(&tenant, &Event { id: 2 });
    let koan = Koan::builder()
        .only_registered()
        .register::<Event>()
        .provider(database)
        .named_storage("vault", vault.storage());
    let koan = koan.build().await.expect("a context");
    let _ = koan.backup("nightly").await.expect("a backup");
    let root = read(koan.records("latest").entity("Event").await.expect("opened")).await.expect("read");
    assert_eq!(root, "{\"id\":1}\n");
    let named = read(koan.records("latest").entity("Event").set("tenant").await.expect("opened")).await;
    assert_eq!(named.expect("read"), "{\"id\":2}\n");
}

#[tokio::test]
async fn a_damaged_archive_ends_the_stream_with_an_error() {
    let shop = Shop::new(30_000);
    let store = FaultyStore::over(Arc::new(InMemory::new()));
    let koan = shop.builder().named_storage("faulty", store.storage()).encrypt_to(shop.recipients());
    let koan = koan.build().await.expect("a context");
    let _ = koan.backup("nightly").to_profile("faulty").await.expect("a backup");
    let open = || koan.records("nightly").from_profile("faulty").entity("Customer");
    let stream = open().await.expect("opened");
    store.fail([Fault::always(Operation::Get, "archives/", Failure::Zeros).after(1)]);
    let error = read(stream).await.expect_err("the content was replaced");
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{}", error.chain());
    store.resume();
    let token = CancellationToken::new();
    let stream = open().cancel_on(token.clone()).await.expect("opened");
    token.cancel();
    assert_eq!(read(stream).await.expect_err("cancelled").kind(), ErrorKind::Cancelled);
}

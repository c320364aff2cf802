//! Event stores in a context.

use koan_backup::event_store::NewEvent;
use koan_backup::event_store::conformance::provider_of;
use koan_backup::prelude::*;
use koan_backup::provider::SessionOptions;
use koan_backup::{Memory, MemoryEvents};
use koan_backup_tests::state_directory::state_directory;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Entity)]
#[entity_backup]
struct Customer {
    id: i64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Entity)]
#[entity(provider = "events")]
#[entity_backup]
struct Misplaced {
    id: i64,
}

fn builder() -> koan_backup::KoanBuilder {
    let builder = Koan::builder().only_registered().state_directory(state_directory());
    builder.storage(Storage::memory())
}

#[tokio::test]
async fn an_event_store_is_a_provider_beside_the_provider_of_entities() {
    let store = MemoryEvents::new();
    store.append("order", "1", [NewEvent::new("OrderPlaced", &20).expect("JSON")]).expect("appended");
    let koan = builder().register::<Customer>().provider(Memory::new()).event_store(store.clone());
    let koan = koan.named_event_store("archive", MemoryEvents::new()).build().await.expect("a context");
    let providers: Vec<_> = koan.capabilities().providers.into_iter().map(|provider| provider.name).collect();
    assert_eq!(providers, ["main", "events", "archive"]);
    koan.data::<Customer>().upsert_many([Customer { id: 1 }]).await.expect("written");
    let backup = koan.backup("nightly").await.expect("the entities are backed up");
    assert_eq!(backup.item_count(), 1);
    assert_eq!(store.events("order", "1").len(), 1);
}

#[tokio::test]
async fn two_event_stores_with_the_same_name_are_refused() {
    let built = builder().register::<Customer>().provider(Memory::new());
    let built = built.event_store(MemoryEvents::new()).event_store(MemoryEvents::new()).build().await;
    let error = built.expect_err("the name `events` is not unique");
    assert!(error.to_string().contains("`events`"), "{error}");
}

#[tokio::test]
async fn an_entity_of_an_event_store_is_not_covered() {
    let koan = builder().register::<Misplaced>().provider(Memory::new()).event_store(MemoryEvents::new());
    let error = koan.deny_uncovered().build().await.expect_err("an event store contains no entities");
    let text = error.chain();
    assert!(text.contains("is an event store, which cannot contain `Misplaced`"), "{text}");
    assert!(text.contains("KoanBuilder::provider"), "{text}");
}

#[tokio::test]
async fn an_event_store_refuses_entities() {
    let provider = provider_of(MemoryEvents::new());
    let entity = || koan_backup::entity::EntityCodec::new(<Customer as koan_backup::Entity>::descriptor());
    let snapshot = provider.snapshot().await.expect("a snapshot");
    let root = koan_backup::SetName::root();
    let refused = [
        snapshot.count(&entity(), &root).await.expect_err("it contains no entities"),
        snapshot.sets(&entity()).await.expect_err("it contains no entities"),
    ];
    for error in refused {
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    }
    let mut session = provider.begin_restore(&SessionOptions::default()).await.expect("a session");
    let target = koan_backup::provider::RestoreTarget::new(entity(), root);
    let error = session.begin(target).await.expect_err("it contains no entities");
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
}

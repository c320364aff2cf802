//! The default provider of entities beside a store that contains only event streams.

use koan_backup::prelude::*;
use koan_backup::{Memory, MemoryEvents};

use super::Customer;

#[tokio::test]
async fn a_store_of_event_streams_is_not_the_default_provider_of_entities() {
    let builder = Koan::builder().only_registered().register::<Customer>().storage(Storage::memory());
    let builder = builder.event_store(MemoryEvents::new()).named_provider("library", Memory::new());
    let koan = builder.build().await.expect("a context");
    let providers: Vec<_> = koan.capabilities().providers.into_iter().map(|provider| provider.name).collect();
    assert_eq!(providers, ["library", "events"], "the first provider is the default");
}

//! The provider of event streams: the selected one, the only one with an event store, or the default.

use koan_backup::KoanBuilder;
use koan_backup::event_store::RawStream;
use koan_backup::prelude::*;
use koan_backup_tests::scripted::Scripted;

use super::event_store::{COUNT, WithEvents};
use super::{CartEvent, Customer, PriceEvent, builder};

/// Builds a context of `CartEvent` and returns the provider of its streams, or the error.
async fn provider_of_cart(builder: KoanBuilder) -> Result<String, String> {
    match builder.register_stream::<CartEvent>().build().await {
        Ok(koan) => Ok(koan.inventory().included[0].provider.clone().expect("the streams have a provider")),
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Configuration);
            Err(error.to_string())
        }
    }
}

#[tokio::test]
async fn the_only_provider_with_an_event_store_contains_the_streams() {
    let builder = builder().provider(Scripted::default()).named_provider("events", WithEvents::of(&[]));
    assert_eq!(provider_of_cart(builder).await, Ok("events".to_owned()));
}

#[tokio::test]
async fn the_default_provider_contains_the_streams_if_several_have_an_event_store() {
    let builder = builder().named_provider("old", WithEvents::of(&[])).provider(WithEvents::of(&[]));
    assert_eq!(provider_of_cart(builder).await, Ok("main".to_owned()));
}

#[tokio::test]
async fn several_event_stores_beside_the_default_provider_are_ambiguous() {
    let stores = || {
        let builder = builder().provider(Scripted::default());
        builder.named_provider("a", WithEvents::of(&[])).named_provider("b", WithEvents::of(&[]))
    };
    let error = provider_of_cart(stores()).await.expect_err("two event stores");
    assert!(
        error.contains("the event streams `cart`, declared at tests/tests/event_types/main.rs:"),
        "{error}"
    );
    assert!(error.contains("can belong to each of the event stores `a`, `b`"), "{error}");
    assert!(error.contains("select one with `#[event_stream(provider = \"…\")]`"), "{error}");
    let error = stores().register_raw("legacy").build().await.expect_err("two event stores").to_string();
    assert!(error.contains("`RawStream::new(\"legacy\").provider(\"…\")`"), "{error}");
    let koan = stores().register_raw(RawStream::new("legacy").provider("b")).build().await;
    let koan = koan.expect("a provider is selected");
    assert_eq!(koan.inventory().included[0].provider.as_deref(), Some("b"));
}

#[tokio::test]
async fn covered_streams_need_an_event_store_and_excluded_ones_need_no_provider() {
    let error = provider_of_cart(builder().provider(Scripted::default())).await.expect_err("no event store");
    assert!(error.contains("need an event store, and no provider has one"), "{error}");
    assert!(error.contains("`.event_store(…)`"), "{error}");
    assert!(error.contains("`#[entity_backup(enabled = false, reason = \"…\")]`"), "{error}");
    let excluded = builder().register::<Customer>().register_stream::<PriceEvent>();
    let koan = excluded.provider(Scripted::default()).build().await.expect("excluded streams need none");
    assert_eq!(koan.inventory().excluded[0].entity, "price");
}

#[tokio::test]
async fn a_selected_provider_must_exist_and_have_an_event_store() {
    let raw = |provider: &str| {
        let builder = builder().provider(Scripted::default()).named_provider("events", WithEvents::of(&[]));
        builder.register_raw(RawStream::new("invoice").provider(provider))
    };
    let error = raw("evnts").build().await.expect_err("the provider does not exist").to_string();
    assert!(error.contains("select provider `evnts`, which does not exist"), "{error}");
    assert!(error.contains("did you mean `events`?"), "{error}");
    let error = raw("main").build().await.expect_err("the provider has no event store").to_string();
    assert!(error.contains("select provider `main`, which has no event store"), "{error}");
    assert!(error.contains("the providers with an event store are `events`"), "{error}");
    let koan = raw("events").build().await.expect("the provider has an event store");
    assert_eq!(koan.inventory().included[0].provider.as_deref(), Some("events"));
}

/// Returns what the records of each part are counted under.
async fn parts(provider: WithEvents) -> Vec<(String, u64)> {
    let koan = builder().register_stream::<CartEvent>().provider(provider).build().await.expect("a context");
    let counts = koan.record_counts().await.expect("the records are counted");
    counts.into_iter().map(|(name, count)| (name, count.expect("a count"))).collect()
}

#[tokio::test]
async fn each_part_that_the_event_store_has_is_counted_through_it() {
    let of = |names: &[&str]| names.iter().map(|&name| (name.to_owned(), COUNT)).collect::<Vec<_>>();
    assert_eq!(parts(WithEvents::of(&[])).await, of(&["cart", "cart.documents", "cart.snapshots"]));
    assert_eq!(parts(WithEvents::of(&[]).with_events_only()).await, of(&["cart"]));
}

#[tokio::test]
async fn capabilities_list_the_streams_with_those_of_their_store() {
    let builder = builder().register::<Customer>().register_stream::<CartEvent>();
    let koan = builder.provider(WithEvents::of(&[])).named_provider("other", Scripted::default());
    let capabilities = koan.build().await.expect("a context").capabilities();
    assert_eq!(capabilities.entities.keys().collect::<Vec<_>>(), ["Customer"]);
    let cart = &capabilities.event_streams["cart"];
    assert_eq!(cart.full_type_name, "event_types::CartEvent");
    assert_eq!((cart.provider.as_str(), cart.encrypt), ("main", false));
    assert!(cart.event_store.documents && cart.event_store.snapshots, "{cart:?}");
    let providers = |name| {
        let providers = capabilities.providers_of([name]);
        providers.iter().map(|provider| provider.name.clone()).collect::<Vec<_>>()
    };
    assert_eq!(providers("cart.snapshots"), ["main"]);
    assert_eq!(providers("unknown"), ["main", "other"]);
    let mut json = serde_json::to_value(&capabilities).expect("serialized");
    assert_eq!(
        serde_json::from_value::<koan_backup::report::ContextCapabilities>(json.clone()).ok(),
        Some(capabilities)
    );
    json.as_object_mut().expect("an object").remove("eventStreams");
    let older: koan_backup::report::ContextCapabilities =
        serde_json::from_value(json).expect("that of an older version");
    assert!(older.event_streams.is_empty());
}

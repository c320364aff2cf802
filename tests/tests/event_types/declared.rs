//! Event types in the inventory, the boot report and the names of declarations.

use koan_backup::entity::{
    EntityDeclaration, EntityDescriptor, FieldDeclaration, ScopeDeclaration, ScopeMode, Shape,
};
use koan_backup::prelude::*;
use koan_backup::report::DeclarationKind;
use koan_backup_tests::log::Log;
use koan_backup_tests::scripted::Scripted;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::event_store::WithEvents;
use super::{CartEvent, Customer, ORDER_LINE, OrderEvent, PriceEvent, builder, recipients, scope};

#[test]
fn linked_event_types_are_entries_beside_the_entities_with_the_policy_of_their_attribute_or_scope() {
    let inventory = Inventory::linked().expect("an inventory");
    let included: Vec<_> = inventory.included.iter().map(ToString::to_string).collect();
    assert_eq!(
        included,
        [
            "Customer → encrypt=false, schema=true (via scope)",
            "cart → event stream of CartEvent, encrypt=false, schema=true (via scope)",
            "order → event stream of OrderEvent, encrypt=true, schema=true, kept 30 days (via #[entity_backup])",
        ]
    );
    let excluded: Vec<_> = inventory.excluded.iter().map(|entry| (&*entry.entity, &*entry.reason)).collect();
    assert_eq!(excluded, [("price", "recomputed each night")]);
    let kinds: Vec<_> = inventory.included.iter().map(|entry| entry.kind).collect();
    let streams = DeclarationKind::EventStream;
    assert_eq!(kinds, [DeclarationKind::Entity, streams, streams]);
    assert_eq!(inventory.excluded[0].kind, streams);
    assert!(!inventory.included.iter().any(koan_backup::report::IncludedEntity::is_raw));
    inventory.assert_covered();
}

#[test]
fn the_parts_of_streams_have_the_policy_of_their_object_name() {
    let inventory = Inventory::linked().expect("an inventory");
    let policy = inventory.policy("order").expect("it is covered");
    assert!(policy.encrypt);
    for part in ["order.documents", "order.snapshots"] {
        assert_eq!(inventory.policy(part), Some(policy), "{part}");
    }
    for unknown in ["order.", "order.events", "orders", "Customer.documents", "price", "price.documents"] {
        assert_eq!(inventory.policy(unknown), None, "{unknown}");
    }
}

#[test]
fn the_json_of_an_entry_of_streams_has_a_kind_and_that_of_an_entity_has_none() {
    let inventory = serde_json::to_value(Inventory::linked().expect("an inventory")).expect("JSON");
    assert_eq!(
        inventory["included"][2],
        json!({
            "entity": "order", "kind": "eventStream", "crate": "event_types",
            "location": format!("tests/tests/event_types/main.rs:{ORDER_LINE}"),
            "typePath": "event_types::OrderEvent", "keyType": "(String, String, u64)", "sets": [],
            "policy": { "encrypt": true, "includeSchema": true, "retentionDays": 30, "source": "attribute" }
        })
    );
    assert_eq!(inventory["included"][0].get("kind"), None);
    assert_eq!(inventory["excluded"][0]["kind"], "eventStream");
    let crates = json!([{
        "name": "event_types", "entityCount": 4, "includedCount": 3, "excludedCount": 1, "uncoveredCount": 0,
        "streamCount": 3, "hasScope": true
    }]);
    assert_eq!(inventory["crates"], crates);
}

#[tokio::test]
async fn the_boot_report_lists_streams_and_counts_them_by_crate() {
    let (log, guard) = Log::capture();
    let koan = builder()
        .register::<Customer>()
        .register_stream::<OrderEvent>()
        .register_stream::<PriceEvent>()
        .provider(WithEvents::of(&[]))
        .encrypt_to(recipients())
        .build()
        .await
        .expect("a context");
    drop(guard);
    assert_eq!(koan.inventory().included[1].provider.as_deref(), Some("main"));
    let lines = log.lines();
    for expected in [
        " INFO koan::backup: inventory: 2 included, 0 uncovered, 1 excluded",
        " INFO koan::backup:   order → event stream of OrderEvent, encrypt=true, schema=true, kept 30 days (via #[entity_backup])",
        " INFO koan::backup:   price → excluded: \"recomputed each night\"",
        " INFO koan::backup: crates: event_types (1 entity, 2 event streams)",
    ] {
        assert!(lines.iter().any(|line| line == expected), "{expected}\n{lines:#?}");
    }
}

#[tokio::test]
async fn only_registered_ignores_linked_streams_and_a_registered_type_is_added_once() {
    let koan =
        builder().register::<Customer>().provider(Scripted::default()).build().await.expect("a context");
    assert_eq!(koan.inventory().included.len(), 1, "{:?}", koan.inventory());
    let twice = builder().register_stream::<CartEvent>().register_stream::<CartEvent>();
    let koan = twice.expect_crates(["event-types"]).provider(WithEvents::of(&[])).build().await;
    let koan = koan.expect("a program may have event types and no entities");
    let names: Vec<_> = koan.inventory().included.iter().map(|entry| entry.entity.clone()).collect();
    assert_eq!(names, ["cart"]);
}

#[tokio::test]
async fn streams_must_be_encrypted_if_their_policy_requires_it() {
    let builder = builder().register_stream::<OrderEvent>().provider(WithEvents::of(&[]));
    let error = builder.build().await.expect_err("there are no recipients");
    assert_eq!(error.kind(), ErrorKind::Encryption);
    assert!(error.to_string().starts_with("`order` must be encrypted"), "{error}");
}

#[tokio::test]
async fn uncovered_streams_are_reported_need_no_provider_and_can_fail_the_start() {
    static NONE: ScopeDeclaration = scope("event_types", ScopeMode::None, None);
    let builder = || {
        let builder = Koan::builder().only_registered().register_scope(&NONE).storage(Storage::memory());
        builder.register::<Customer>().register_stream::<CartEvent>().provider(Scripted::default())
    };
    let koan = builder().build().await.expect("a context");
    let inventory = koan.inventory();
    let uncovered: Vec<_> =
        inventory.uncovered.iter().map(|entry| (&*entry.entity, entry.kind, &*entry.why)).collect();
    let expected = [
        ("Customer", DeclarationKind::Entity, "scope: None"),
        ("cart", DeclarationKind::EventStream, "scope: None"),
    ];
    assert_eq!(uncovered, expected);
    let warnings = koan.capabilities().warnings;
    assert!(warnings.contains(&"event stream `cart` has no backup coverage".to_owned()), "{warnings:?}");
    let error = builder().deny_uncovered().build().await.expect_err("streams are uncovered");
    assert!(error.to_string().contains("cart → no backup coverage (scope: None)"), "{error}");
}

/// Returns the error of a builder whose declarations are invalid.
async fn refused(builder: koan_backup::KoanBuilder) -> String {
    let error = builder.provider(WithEvents::of(&[])).build().await.expect_err("the names are refused");
    error.to_string()
}

#[tokio::test]
async fn two_declarations_with_one_name_are_an_error_that_names_both_places() {
    let text = refused(builder().register_stream::<CartEvent>().register_raw("cart")).await;
    assert!(text.starts_with("two declarations of event streams have the object name `cart`: "), "{text}");
    assert!(text.contains("`event_types::CartEvent` at tests/tests/event_types/main.rs:"), "{text}");
    assert!(text.contains("`koan_backup::event_store::StreamEvent` at "), "{text}");
    assert!(text.contains("event_types/declared.rs:"), "{text}");

    let text = refused(builder().register::<Customer>().register_raw("buyer")).await;
    assert!(text.starts_with("an entity and a part of event streams have the name `buyer`: "), "{text}");
    assert!(text.contains("`event_types::Customer` at tests/tests/event_types/main.rs:"), "{text}");
    assert!(text.contains("`koan_backup::event_store::StreamEvent` at "), "{text}");

    let text = refused(builder().register::<CartSnapshot>().register_raw("basket")).await;
    assert!(text.contains("the name `basket.snapshots`: "), "{text}");
    assert!(text.contains("#[entity(name = \"…\")]"), "{text}");
}

/// An entity with the name of a part.
#[derive(Debug, Serialize, Deserialize)]
struct CartSnapshot {
    id: i64,
}

impl Entity for CartSnapshot {
    type Key = i64;

    fn key(&self) -> i64 {
        self.id
    }

    fn descriptor() -> &'static EntityDescriptor {
        const FIELDS: &[FieldDeclaration] = &[FieldDeclaration::new::<i64>("id", "i64").key()];
        static DESCRIPTOR: EntityDescriptor = EntityDescriptor::new::<CartSnapshot>(EntityDeclaration {
            name: "basket.snapshots",
            aliases: &[],
            table: None,
            provider: None,
            route: None,
            module_path: module_path!(),
            ident: "CartSnapshot",
            file: file!(),
            line: line!(),
            key_type: "i64",
            policy: None,
            shape: Shape::Struct(FIELDS),
        });
        &DESCRIPTOR
    }
}

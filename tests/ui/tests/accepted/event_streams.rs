//! Every form of an event type.

use koan_backup::EventStream;
use koan_backup::entity::PolicyDeclaration;
use koan_backup::event_store::{EventLayout, StreamPart};
use serde::Deserialize;

#[derive(Deserialize, EventStream)]
#[event_stream(object = "order")]
enum OrderEvent {
    Placed { customer: i64 },
    Shipped(String),
    Cancelled,
}

#[derive(Deserialize, EventStream)]
#[serde(tag = "type", content = "payload")]
#[event_stream(object = "invoice", tag = "type", content = "payload")]
#[event_stream(provider = "billing")]
#[entity_backup(encrypt, retention_days = 30)]
enum InvoiceEvent {
    Issued { amount: i64 },
    Paid,
}

#[derive(Deserialize, EventStream)]
#[serde(tag = "type")]
#[event_stream(object = "Einkäufe/2", tag = "type", content = "data")]
enum InternallyTagged {
    Bought { data: i64 },
}

#[derive(Deserialize, EventStream)]
#[serde(untagged)]
#[event_stream(object = "untagged", tag = "type", content = "data", crate = koan_backup)]
enum Untagged {
    Bought { data: i64 },
}

#[derive(Deserialize, EventStream)]
#[event_stream(object = "reading", tag = "type", content = "data")]
struct Reading {
    r#type: String,
    data: f64,
}

#[derive(Deserialize)]
struct Changed<T> {
    value: T,
}

#[derive(Deserialize, EventStream)]
#[serde(transparent)]
#[event_stream(object = "price", crate = "::koan_backup")]
#[entity_backup(enabled = false, reason = "recomputed each night")]
struct PriceChanged(Changed<i64>);

#[derive(Deserialize, EventStream)]
#[event_stream(object = "r#type")]
struct r#Raw;

macro_rules! event_types {
    ($($name:ident = $object:literal $body:tt)*) => {
        $(
            #[derive(Deserialize, EventStream)]
            #[event_stream(object = $object)]
            enum $name $body
        )*
    };
}

event_types! {
    CartEvent = "cart" { Filled { items: Vec<String> }, Emptied }
    WishEvent = "wish" { Made(String) }
}

#[test]
fn is_accepted() {
    let order = OrderEvent::descriptor();
    assert_eq!(order.object(), "order");
    assert_eq!(order.declaration().layout, EventLayout::InPayload);
    assert_eq!(order.declaration().policy, None);
    assert_eq!(order.declaration().provider, None);
    let names = StreamPart::ALL.map(|part| (order.part(part).name(), order.part(part).type_path()));
    let path = |suffix: &str| format!("{}::OrderEvent{suffix}", module_path!());
    assert_eq!(
        names,
        [
            ("order", path("")),
            ("order.documents", path(".documents")),
            ("order.snapshots", path(".snapshots"))
        ]
    );
    assert!(order.part(StreamPart::Events).location().contains("event_streams.rs:"));

    let invoice = InvoiceEvent::descriptor().declaration();
    assert_eq!(invoice.layout, EventLayout::Beside { tag: "type", content: "payload" });
    assert_eq!(invoice.provider, Some("billing"));
    let policy =
        PolicyDeclaration { encrypt: Some(true), retention_days: Some(30), ..PolicyDeclaration::default() };
    assert_eq!(invoice.policy, Some(policy));

    let price = PriceChanged::descriptor().declaration();
    assert_eq!(price.policy.and_then(|policy| policy.reason), Some("recomputed each night"));
    let others = [
        InternallyTagged::descriptor(),
        Untagged::descriptor(),
        Reading::descriptor(),
        Raw::descriptor(),
        CartEvent::descriptor(),
        WishEvent::descriptor(),
    ];
    assert_eq!(
        others.map(|streams| streams.object()),
        ["Einkäufe/2", "untagged", "reading", "r#type", "cart", "wish"]
    );
    assert_eq!(Raw::descriptor().declaration().part_idents[0], "Raw");
}

#[test]
fn each_type_is_registered_once() {
    let linked = koan_backup::__private::STREAMS.iter().map(|streams| streams.object());
    let orders = linked.filter(|object| *object == "order").count();
    assert_eq!(orders, 1);
}

//! Declared event types in the inventory, their providers, and the coverage of event stores.

mod coverage;
mod declared;
mod default_provider;
mod event_store;
mod providers;
mod raw;

use koan_backup::entity::{ScopeDeclaration, ScopeMode};
use koan_backup::prelude::*;
use koan_backup::{KoanBuilder, Recipients};
use serde::{Deserialize, Serialize};

koan_backup::entity_backup_scope!(mode = All);

#[derive(Debug, Serialize, Deserialize, Entity)]
#[entity(alias = "buyer")]
struct Customer {
    id: i64,
}

/// The line of the derive of `OrderEvent`.
const ORDER_LINE: u32 = line!() + 1;
#[derive(Deserialize, EventStream)]
#[event_stream(object = "order")]
#[entity_backup(encrypt, retention_days = 30)]
enum OrderEvent {
    Placed { customer: i64 },
    Cancelled,
}

#[derive(Deserialize, EventStream)]
#[event_stream(object = "cart")]
enum CartEvent {
    Filled(Vec<String>),
}

#[derive(Deserialize, EventStream)]
#[event_stream(object = "price", provider = "absent")]
#[entity_backup(enabled = false, reason = "recomputed each night")]
struct PriceEvent {
    price: i64,
}

/// The scope of this crate, for contexts that ignore what the linker collected.
static SCOPE: ScopeDeclaration = scope("event_types", ScopeMode::All, None);

const fn scope(
    module_path: &'static str,
    mode: ScopeMode,
    encrypt_by_default: Option<bool>,
) -> ScopeDeclaration {
    ScopeDeclaration {
        module_path,
        file: "src/lib.rs",
        line: 1,
        mode,
        encrypt_by_default,
        include_schema_by_default: None,
    }
}

/// Returns a builder that knows nothing but the scope of this crate.
fn builder() -> KoanBuilder {
    Koan::builder().only_registered().register_scope(&SCOPE).storage(Storage::memory())
}

/// Returns recipients for encrypted streams.
fn recipients() -> Recipients {
    Recipients::key("age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p").expect("a public key")
}

#[test]
fn events_have_fields() {
    let OrderEvent::Placed { customer } = (OrderEvent::Placed { customer: 7 }) else { unreachable!() };
    assert_eq!((customer, PriceEvent { price: 1 }.price), (7, 1));
    assert!(!matches!(OrderEvent::Cancelled, OrderEvent::Placed { .. }));
    assert!(matches!(CartEvent::Filled(Vec::new()), CartEvent::Filled(items) if items.is_empty()));
}

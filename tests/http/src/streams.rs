//! The event streams of the shop, for tests that need them.

use std::error::Error;

use koan_backup::encryption::KeyPair;
use koan_backup::event_store::{JsonText, NewEvent, RawStream};
use koan_backup::prelude::*;
use koan_backup::{KoanBuilder, MemoryEvents};

/// The object id of a patient, whose streams are encrypted.
pub const PATIENT: &str = "patient-4711";

/// Returns an event store with the orders `order-1` to `order-3` and a patient. Each order has two events, and the first
/// one a snapshot.
///
/// # Errors
/// An event is no JSON.
pub fn event_store() -> Result<MemoryEvents, Box<dyn Error>> {
    let store = MemoryEvents::new();
    for id in ["order-1", "order-2", "order-3"] {
        store.append("order", id, [NewEvent::new("OrderPlaced", &20)?, NewEvent::new("OrderPaid", &20)?])?;
    }
    store.add_snapshot("order", "order-1", "state", JsonText::exact(r#"{"paid":true}"#)?)?;
    store.append("patient", PATIENT, [NewEvent::new("Admitted", &"by ambulance")?])?;
    Ok(store)
}

/// Adds an event store, the object names `order` and `patient`, and a key for the patients.
///
/// # Errors
/// The key is not valid.
pub fn with_streams(builder: KoanBuilder, store: &MemoryEvents) -> Result<KoanBuilder> {
    let pair = KeyPair::generate();
    Ok(builder
        .event_store(store.clone())
        .register_raw("order")
        .register_raw(RawStream::new("patient").encrypt())
        .encrypt_to(Recipients::key(pair.public_key())?)
        .keys(Keys::text(pair.key_file().to_string())))
}

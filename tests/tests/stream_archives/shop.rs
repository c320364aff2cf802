//! An event store in memory with orders, and a context that backs it up.

use age::secrecy::ExposeSecret as _;
use age::x25519::Identity;
use koan_backup::event_store::StreamEvent;
use koan_backup::prelude::*;
use koan_backup::{KoanBuilder, MemoryEvents};
use koan_backup_tests::archive_surgery::{Stored, Vault, Zip};
pub(super) use koan_backup_tests::order_events::{event, json};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, EventStream)]
#[event_stream(object = "order")]
#[entity_backup]
pub(super) enum OrderEvent {
    Placed { total: u64 },
    Paid,
    Shipped { to: String },
}

#[derive(Serialize, Deserialize, EventStream)]
#[event_stream(object = "patient")]
#[entity_backup(encrypt)]
pub(super) enum PatientEvent {
    Admitted { name: String },
}

/// A text that must not be on the disk unencrypted, and an id that must not be either.
pub(super) const SECRET: &str = "Confidential name";
pub(super) const SECRET_ID: &str = "patient-4711";

/// An event store, a storage profile in memory, and a key pair.
pub(super) struct Shop {
    pub(super) events: MemoryEvents,
    pub(super) vault: Vault,
    identity: Identity,
}

impl Shop {
    /// Returns a shop with three orders: one with a terminated stream, snapshots and chunks, one with text that is not
    /// compact, and an empty one; and with one encrypted patient.
    pub(super) fn new() -> Self {
        let events = MemoryEvents::new();
        for id in ["order-1", "order-2", "order-2 (copy)"] {
            events.append("order", id, [event("Placed", r#"{"Placed":{"total":1}}"#)]).expect("appended");
        }
        events.append("order", "order-1", [event("Paid", r#""Paid""#)]).expect("appended");
        events.add_snapshot("order", "order-1", "state", json(r#"{ "paid" : true }"#)).expect("a snapshot");
        events.terminate("order", "order-1", "moved").expect("terminated");
        events.continue_as("order", "order-1", "order-1-continued").expect("continued");
        let shipped = (0..5).map(|number| event("Shipped", &format!(r#"{{"Shipped":{{"to":"{number}"}}}}"#)));
        events.append("order", "order-1", shipped).expect("appended");
        events.add_snapshot("order", "order-1", "state", json("{\"paid\":true}")).expect("a snapshot");
        events.divide("order", "order-1", 2).expect("chunks");
        let text = "{ \"Placed\" :\n {\"total\": 20}}";
        events.append("order", "order-2", [event("Placed", text)]).expect("appended");
        let admitted = format!(r#"{{"Admitted":{{"name":"{SECRET}"}}}}"#);
        events.append("patient", SECRET_ID, [event("Admitted", &admitted)]).expect("appended");
        Self { events, vault: Vault::default(), identity: Identity::generate() }
    }

    pub(super) fn builder(&self) -> KoanBuilder {
        let recipients = Recipients::key(self.identity.to_public().to_string()).expect("a key");
        Koan::builder()
            .only_registered()
            .register_stream::<OrderEvent>()
            .register_stream::<PatientEvent>()
            .storage(self.vault.storage())
            .encrypt_to(recipients)
            .keys(Keys::text(self.identity.to_string().expose_secret().to_owned()))
    }

    pub(super) async fn koan(&self) -> Koan {
        self.koan_for(&self.events).await
    }

    /// Returns a context with another event store, which has the same storage and keys.
    pub(super) async fn koan_for(&self, events: &MemoryEvents) -> Koan {
        self.builder().event_store(events.clone()).build().await.expect("a context")
    }
}

/// Returns the events of all orders.
pub(super) fn orders(events: &MemoryEvents) -> Vec<StreamEvent> {
    ["order-1", "order-2", "order-2 (copy)", "order-3"]
        .iter()
        .flat_map(|id| events.events("order", id))
        .collect()
}

/// Returns the content of an entry of an archive.
pub(super) fn content(stored: &Stored, entry: &str) -> Vec<u8> {
    Zip::read(&stored.archive).entry(entry).content()
}

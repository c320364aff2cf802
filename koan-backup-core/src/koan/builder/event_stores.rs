//! The settings of a context for stores that contain only event streams.

use super::KoanBuilder;
use crate::provider::event_store::{EventStore, EventStoreProvider};

/// The name of the provider that [`KoanBuilder::event_store`] adds.
const DEFAULT_EVENT_STORE: &str = "events";

impl KoanBuilder {
    /// Adds a store of event streams, which contains no entities, with the name `events`. Event types that select no
    /// provider are in this store, if no provider of entities contains events.
    ///
    /// A database that contains events beside its entities is a [provider](Self::provider).
    ///
    /// ```
    /// use koan_backup::event_store::NewEvent;
    /// use koan_backup::prelude::*;
    /// use koan_backup::{Memory, MemoryEvents};
    /// # koan_backup_shop::run(async |_| {
    /// # let recipients = Recipients::keys([koan_backup_shop::key_pair().0])?;
    ///
    /// let orders = MemoryEvents::new();
    /// orders.append("order", "order-17", [NewEvent::new("OrderPlaced", &20)?])?;
    /// let koan = Koan::builder()
    ///     .provider(Memory::new())
    ///     .event_store(orders)
    ///     .storage(Storage::memory())
    /// #   .encrypt_to(recipients)
    ///     .build()
    ///     .await?;
    /// # Ok(())
    /// # });
    /// ```
    pub fn event_store(self, store: impl EventStore) -> Self {
        self.named_event_store(DEFAULT_EVENT_STORE, store)
    }

    /// Adds a store of event streams with another name, for the event types that select it with
    /// `#[event_stream(provider = "…")]`.
    pub fn named_event_store(mut self, name: impl Into<String>, store: impl EventStore) -> Self {
        let name = name.into();
        self.event_stores.insert(name.clone());
        self.named_provider(name, EventStoreProvider::new(store))
    }
}

//! A provider with an event store in which only object names and counts are known.

use std::sync::{Arc, Mutex, PoisonError};

use futures::StreamExt as _;
use koan_backup::entity::EntityCodec;
use koan_backup::event_store::{
    Batches, EventReader, EventStoreCapabilities, OpenedStreams, StreamEvent, StreamPart, StreamSnapshot,
};
use koan_backup::provider::{
    Capabilities, Consistency, Finding, Provider, ProviderDescription, ReadRequest, ReadSummary, RecordSink,
    RestoreSession, RestoreTarget, SessionOptions, Snapshot,
};
use koan_backup::{Error, ErrorKind, Result, SetName};
use koan_backup_tests::scripted::Scripted;

/// A provider with an event store.
#[derive(Clone, Debug)]
pub(super) struct WithEvents {
    entities: Scripted,
    capabilities: EventStoreCapabilities,
    listing: Arc<Mutex<Listing>>,
    described: Arc<Mutex<Vec<String>>>,
}

/// What the event store answers when its object names are listed.
#[derive(Clone, Debug)]
pub(super) enum Listing {
    Names(Vec<&'static str>),
    Fails,
    Hangs,
}

/// The number of records of each part.
pub(super) const COUNT: u64 = 7;

impl WithEvents {
    /// Returns a provider whose event store has all parts and contains these object names.
    pub(super) fn of(names: &[&'static str]) -> Self {
        let mut capabilities = EventStoreCapabilities::default();
        capabilities.documents = true;
        capabilities.snapshots = true;
        Self {
            entities: Scripted::default(),
            capabilities,
            listing: Arc::new(Mutex::new(Listing::Names(names.to_vec()))),
            described: Arc::default(),
        }
    }

    /// Returns the provider with an event store that has neither documents nor snapshots.
    pub(super) fn with_events_only(self) -> Self {
        Self { capabilities: EventStoreCapabilities::default(), ..self }
    }

    /// Sets what the event store answers from now on.
    pub(super) fn answer(&self, listing: Listing) {
        *self.listing.lock().unwrap_or_else(PoisonError::into_inner) = listing;
    }

    /// Returns the names of the entities that the provider was asked to describe.
    pub(super) fn described(&self) -> Vec<String> {
        self.described.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait::async_trait]
impl Provider for WithEvents {
    fn kind(&self) -> &'static str {
        "scripted"
    }

    fn capabilities(&self) -> Capabilities {
        self.entities.capabilities()
    }

    fn event_store(&self) -> Option<EventStoreCapabilities> {
        Some(self.capabilities)
    }

    async fn describe(&self, entities: &[EntityCodec]) -> Result<ProviderDescription> {
        let names = entities.iter().map(|entity| entity.name().to_owned());
        self.described.lock().unwrap_or_else(PoisonError::into_inner).extend(names);
        self.entities.describe(entities).await
    }

    async fn snapshot(&self) -> Result<Box<dyn Snapshot>> {
        let listing = self.listing.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Ok(Box::new(SnapshotWithEvents {
            entities: self.entities.snapshot().await?,
            events: ListedEvents { listing },
        }))
    }

    async fn assess(&self, targets: &[RestoreTarget], options: &SessionOptions) -> Result<Vec<Finding>> {
        self.entities.assess(targets, options).await
    }

    async fn begin_restore(&self, options: &SessionOptions) -> Result<Box<dyn RestoreSession>> {
        self.entities.begin_restore(options).await
    }
}

#[derive(Debug)]
struct SnapshotWithEvents {
    entities: Box<dyn Snapshot>,
    events: ListedEvents,
}

#[async_trait::async_trait]
impl Snapshot for SnapshotWithEvents {
    fn consistency(&self) -> Consistency {
        self.entities.consistency()
    }

    fn events(&self) -> Option<&dyn EventReader> {
        Some(&self.events)
    }

    async fn sets(&self, entity: &EntityCodec) -> Result<Vec<SetName>> {
        self.entities.sets(entity).await
    }

    async fn read(&self, request: ReadRequest, sink: RecordSink) -> Result<ReadSummary> {
        self.entities.read(request, sink).await
    }

    async fn count(&self, entity: &EntityCodec, set: &SetName) -> Result<u64> {
        assert_eq!(entity.descriptor().stream_part(), None, "the records of streams are counted as events");
        self.entities.count(entity, set).await
    }
}

/// Events of which only the object names and the counts are known.
#[derive(Debug)]
struct ListedEvents {
    listing: Listing,
}

#[async_trait::async_trait]
impl EventReader for ListedEvents {
    async fn object_names(&self) -> Result<Vec<String>> {
        match &self.listing {
            Listing::Names(names) => Ok(names.iter().map(|&name| name.to_owned()).collect()),
            Listing::Fails => Err(Error::new(ErrorKind::Provider, "no such table: events")),
            Listing::Hangs => std::future::pending().await,
        }
    }

    async fn object_ids(&self, _: &str, _: Option<&str>, _: usize) -> Result<Vec<String>> {
        Ok(Vec::new())
    }

    async fn open(&self, _: &str, _: &str) -> Result<Option<OpenedStreams>> {
        Ok(None)
    }

    async fn events(&self, _: &OpenedStreams, _: &str) -> Result<Batches<'_, StreamEvent>> {
        Ok(futures::stream::empty().boxed())
    }

    async fn snapshots(&self, _: &OpenedStreams) -> Result<Batches<'_, StreamSnapshot>> {
        Ok(futures::stream::empty().boxed())
    }

    async fn count(&self, _: &str, _: StreamPart) -> Result<u64> {
        Ok(COUNT)
    }
}

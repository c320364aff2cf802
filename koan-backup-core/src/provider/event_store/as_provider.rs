//! An event store as a provider without entities.

use std::fmt;

use async_trait::async_trait;

use super::{EventReader, EventStore, EventStoreCapabilities, EventStoreSession, EventWriter};
use crate::entity::EntityCodec;
use crate::foundation::consistency::Consistency;
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::foundation::id::SetName;
use crate::provider::{
    Capabilities, CommitReport, EntityCoverage, Finding, Provider, ProviderDescription, ReadRequest,
    ReadSummary, RecordSink, RestoreSession, RestoreTarget, SessionOptions, Severity, Snapshot, TargetWriter,
};
use crate::storage::machine_state::MachineState;

/// A provider that contains an event store and no entities.
pub(crate) struct EventStoreProvider<S> {
    store: S,
}

impl<S: EventStore> EventStoreProvider<S> {
    /// Returns the provider of an event store.
    pub(crate) fn new(store: S) -> Self {
        Self { store }
    }
}

impl<S: EventStore> fmt::Debug for EventStoreProvider<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.store.fmt(f)
    }
}

#[async_trait]
impl<S: EventStore> Provider for EventStoreProvider<S> {
    fn kind(&self) -> &'static str {
        self.store.kind()
    }

    fn source(&self) -> Option<String> {
        self.store.source()
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            bulk_upsert: true,
            bulk_delete: true,
            atomic_restore: true,
            snapshot_reads: self.store.consistency() == Consistency::Snapshot,
            ordered_reads: true,
            ..Capabilities::default()
        }
    }

    fn event_store(&self) -> Option<EventStoreCapabilities> {
        Some(self.store.capabilities())
    }

    async fn attach(&self, state: &MachineState) -> Result<()> {
        self.store.attach(state).await
    }

    async fn describe(&self, entities: &[EntityCodec]) -> Result<ProviderDescription> {
        self.store.reader().await?;
        let coverage = |entity: &EntityCodec| EntityCoverage {
            problem: Some(no_entities(self.kind(), entity).to_string()),
            ..EntityCoverage::new(entity.name())
        };
        Ok(ProviderDescription {
            version: self.kind().to_owned(),
            entities: entities.iter().map(coverage).collect(),
            ..ProviderDescription::default()
        })
    }

    async fn snapshot(&self) -> Result<Box<dyn Snapshot>> {
        Ok(Box::new(EventSnapshot {
            kind: self.kind(),
            consistency: self.store.consistency(),
            events: self.store.reader().await?,
        }))
    }

    async fn assess(&self, targets: &[RestoreTarget], _: &SessionOptions) -> Result<Vec<Finding>> {
        let finding = |target: &RestoreTarget| {
            let entity = target.entity.name();
            Finding::new(Severity::Error, entity, no_entities(self.kind(), &target.entity).to_string())
        };
        Ok(targets.iter().map(finding).collect())
    }

    async fn begin_restore(&self, options: &SessionOptions) -> Result<Box<dyn RestoreSession>> {
        let events = self.store.begin_restore(options.intent).await?;
        Ok(Box::new(EventSession { kind: self.kind(), events }))
    }
}

/// Returns the error that an event store contains no entities.
fn no_entities(kind: &str, entity: &EntityCodec) -> Error {
    let text =
        format!("the provider of kind `{kind}` is an event store, which cannot contain `{}`", entity.name());
    Error::new(ErrorKind::Unsupported, text)
        .with_help("add a provider for entities with `KoanBuilder::provider`")
}

#[derive(Debug)]
struct EventSnapshot {
    kind: &'static str,
    consistency: Consistency,
    events: Box<dyn EventReader>,
}

#[async_trait]
impl Snapshot for EventSnapshot {
    fn consistency(&self) -> Consistency {
        self.consistency
    }

    fn events(&self) -> Option<&dyn EventReader> {
        Some(self.events.as_ref())
    }

    async fn sets(&self, entity: &EntityCodec) -> Result<Vec<SetName>> {
        Err(no_entities(self.kind, entity))
    }

    async fn read(&self, request: ReadRequest, _: RecordSink) -> Result<ReadSummary> {
        Err(no_entities(self.kind, &request.entity))
    }

    async fn count(&self, entity: &EntityCodec, _: &SetName) -> Result<u64> {
        Err(no_entities(self.kind, entity))
    }
}

#[derive(Debug)]
struct EventSession {
    kind: &'static str,
    events: Box<dyn EventStoreSession>,
}

#[async_trait]
impl RestoreSession for EventSession {
    async fn begin<'s>(&'s mut self, target: RestoreTarget) -> Result<Box<dyn TargetWriter + 's>> {
        Err(no_entities(self.kind, &target.entity))
    }

    fn events(&mut self) -> Option<&mut dyn EventWriter> {
        Some(self.events.writer())
    }

    async fn commit(self: Box<Self>) -> Result<CommitReport> {
        self.events.commit().await?;
        Ok(CommitReport::default())
    }

    async fn rollback(self: Box<Self>) -> Result<()> {
        self.events.rollback().await
    }
}

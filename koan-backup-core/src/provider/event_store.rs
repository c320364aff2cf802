//! The port to event stores. A provider of entities can contain one, and [`EventStore`] is the port to a store that
//! contains nothing else.
//!
//! An event store contains *streams*. A stream belongs to one aggregate, which an object name and an object id
//! identify. The events of a stream have versions from 0 without gaps. A terminated stream was closed; another stream
//! of the same aggregate may continue it.

#[cfg(feature = "conformance")]
pub mod conformance;

mod as_provider;
mod batches;
mod documents;
mod masked;
mod new_event;
mod opened;
mod order;
mod reader;
mod records;
mod writer;

use std::fmt;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

pub(crate) use self::as_provider::EventStoreProvider;
pub use self::batches::{BatchValue, Batches, batches};
pub use self::documents::{check_document, is_terminated, record_version};
pub(crate) use self::masked::{MaskedReader, MaskedSession, MaskedWriter, StoreErrors};
pub use self::new_event::NewEvent;
pub use self::opened::{OpenedStream, OpenedStreams, StreamState};
pub(crate) use self::order::{OrderCheck, RecordPosition, Start};
pub use self::reader::EventReader;
pub(crate) use self::records::StreamRecords;
pub use self::writer::{
    EventKey, EventWriter, PositionedEvent, RemovedObject, SnapshotKey, StreamHead, StreamHeads,
};

use super::SessionIntent;
use crate::foundation::consistency::Consistency;
use crate::foundation::error::Result;
use crate::storage::machine_state::MachineState;

/// What an event store can contain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct EventStoreCapabilities {
    /// Whether the store has a document for each aggregate.
    pub documents: bool,
    /// Whether the store has snapshots of aggregates.
    pub snapshots: bool,
    /// Whether the store has room for one snapshot of each aggregate only.
    pub single_snapshot: bool,
    /// Whether an aggregate can have terminated streams.
    pub terminated_streams: bool,
    /// Whether the store assigns each event a position among all its events.
    pub positions: bool,
}

/// A store that contains event streams and no entities. Implement it for a store of your own, and add it with
/// [`KoanBuilder::event_store`](crate::KoanBuilder::event_store).
///
/// Implementers must not do blocking work on the async threads. Every future may be dropped at any time: the work that it
/// started then stops or is rolled back.
#[async_trait]
pub trait EventStore: fmt::Debug + Send + Sync + 'static {
    /// Returns the kind of store, for example `memory`.
    fn kind(&self) -> &'static str;

    /// Returns the identity of the store, without credentials. Returns `None` if the store has no identity that can be
    /// compared.
    fn source(&self) -> Option<String> {
        None
    }

    /// Returns what the store can contain.
    fn capabilities(&self) -> EventStoreCapabilities;

    /// Returns the guarantee of a [reader](Self::reader) for several streams. Each stream alone is always read at one
    /// version.
    fn consistency(&self) -> Consistency;

    /// Compares the location of the store with its record in the state directory of this machine, and records the location.
    /// This method is called when a context is built, before any other method. Implement it if a missing location, for
    /// example a directory, does not lead to an error by itself.
    ///
    /// # Errors
    /// The location was recorded earlier, and is now missing or empty.
    async fn attach(&self, state: &MachineState) -> Result<()> {
        let _ = state;
        Ok(())
    }

    /// Begins to read the store.
    ///
    /// # Errors
    /// The store cannot be read.
    async fn reader(&self) -> Result<Box<dyn EventReader>>;

    /// Begins a restore. None of its changes is visible before [`EventStoreSession::commit`], and dropping the session
    /// rolls it back. With [`SessionIntent::Compare`], the session is only read.
    ///
    /// # Errors
    /// The store cannot be written.
    async fn begin_restore(&self, intent: SessionIntent) -> Result<Box<dyn EventStoreSession>>;
}

/// One restore into an [`EventStore`].
#[async_trait]
pub trait EventStoreSession: fmt::Debug + Send {
    /// Returns the writer of this session.
    fn writer(&mut self) -> &mut dyn EventWriter;

    /// Makes all changes of the session visible and durable.
    ///
    /// # Errors
    /// The store fails, or was changed by others in a way that contradicts the session. Nothing was changed then.
    async fn commit(self: Box<Self>) -> Result<()>;

    /// Discards all changes of the session.
    ///
    /// # Errors
    /// The store could not confirm that nothing was changed.
    async fn rollback(self: Box<Self>) -> Result<()>;
}

//! The port to vector stores. A provider of entities can contain one, and [`VectorStore`] is the port to a store that
//! contains nothing else.
//!
//! A vector store contains *collections*: classes, indexes or tables. A collection contains at most one vector for each
//! record and each of its *embeddings*, together with the key of the record and a *payload*.

#[cfg(feature = "conformance")]
pub mod conformance;

mod entry;
mod place;
mod reader;
mod writer;

use std::fmt;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

pub use self::entry::StoredVector;
pub use self::place::{CollectionInfo, Exactness, Metric, VectorPlace};
pub use self::reader::VectorReader;
pub use self::writer::VectorWriter;

use super::SessionIntent;
use crate::entity::vector::VectorForm;
use crate::foundation::consistency::Consistency;
use crate::foundation::error::Result;

/// What a vector store can contain.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct VectorStoreCapabilities {
    /// The forms of vectors.
    pub forms: Vec<VectorForm>,
    /// The metrics with which a collection can be created.
    pub metrics: Vec<Metric>,
    /// Whether a collection can contain several vectors of one record, each with a name.
    pub named_vectors: bool,
    /// Whether the store keeps the content hash, the model and the time of a vector, for example as properties.
    pub origin: bool,
    /// Whether the store keeps a payload beside a vector.
    pub payload: bool,
    /// Whether a session is a transaction, so that a restore is visible completely or not at all.
    pub transactions: bool,
}

/// A store that contains vectors and no entities.
///
/// Implementers must not do blocking work on the async threads. Every future may be dropped at any time: the work that it
/// started then stops.
#[async_trait]
pub trait VectorStore: fmt::Debug + Send + Sync + 'static {
    /// Returns the kind of store, for example `memory`.
    fn kind(&self) -> &'static str;

    /// Returns the identity of the store, without credentials. Returns `None` if the store has no identity that can be
    /// compared.
    fn source(&self) -> Option<String> {
        None
    }

    /// Returns what the store can contain.
    fn capabilities(&self) -> VectorStoreCapabilities;

    /// Returns the guarantee of a [reader](Self::reader) for several collections.
    fn consistency(&self) -> Consistency;

    /// Begins to read the store.
    ///
    /// # Errors
    /// The store cannot be read.
    async fn reader(&self) -> Result<Box<dyn VectorReader>>;

    /// Begins a restore. With [`SessionIntent::Compare`], the session is only read.
    ///
    /// # Errors
    /// The store cannot be written.
    async fn begin_restore(&self, intent: SessionIntent) -> Result<Box<dyn VectorStoreSession>>;
}

/// One restore into a [`VectorStore`].
///
/// In a store with [transactions](VectorStoreCapabilities::transactions), no change is visible before
/// [`commit`](Self::commit), and dropping the session rolls it back. In other stores each change is visible immediately
/// and remains.
#[async_trait]
pub trait VectorStoreSession: fmt::Debug + Send {
    /// Returns the writer of this session.
    fn writer(&mut self) -> &mut dyn VectorWriter;

    /// Makes all changes of the session visible and durable.
    ///
    /// # Errors
    /// The store fails, or was changed by others in a way that contradicts the session. In a store with transactions,
    /// nothing was changed then.
    async fn commit(self: Box<Self>) -> Result<()>;

    /// Discards all changes of the session, or confirms that there were none.
    ///
    /// # Errors
    /// Changes remain, or the store could not confirm that nothing was changed.
    async fn rollback(self: Box<Self>) -> Result<()>;
}

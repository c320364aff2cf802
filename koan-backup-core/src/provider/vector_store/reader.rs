//! Reading a vector store.

use std::fmt;

use async_trait::async_trait;

use super::{CollectionInfo, StoredVector, VectorPlace};
use crate::foundation::error::Result;
use crate::provider::event_store::Batches;

/// Reads a vector store.
#[async_trait]
pub trait VectorReader: fmt::Debug + Send + Sync {
    /// Returns the names of all collections, sorted.
    ///
    /// # Errors
    /// The store cannot be read.
    async fn collections(&self) -> Result<Vec<String>>;

    /// Returns what the store says about the vectors in a place. Returns `None` if the collection does not exist, or has no
    /// vector of this name.
    ///
    /// # Errors
    /// The store cannot be read, or keeps vectors there in a form that cannot be preserved.
    async fn describe(&self, place: &VectorPlace) -> Result<Option<CollectionInfo>>;

    /// Returns the number of records that have a vector in a place. A missing collection contains none.
    ///
    /// # Errors
    /// The store cannot be read.
    async fn count(&self, place: &VectorPlace) -> Result<u64>;

    /// Reads all vectors in a place, each key once, in batches of bounded size and in the order of the keys' JSON, or in
    /// another order that is the same for each read. A missing collection contains none.
    ///
    /// # Errors
    /// The store cannot be read, a page of it is incomplete, or a value cannot be preserved: a NaN or infinite component, a
    /// missing key. The error names the key, if it is known.
    async fn vectors(&self, place: &VectorPlace) -> Result<Batches<'_, StoredVector>>;
}

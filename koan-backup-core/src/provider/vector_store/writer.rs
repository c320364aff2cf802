//! Writing a vector store within a restore.

use std::fmt;

use async_trait::async_trait;

use super::{CollectionInfo, Metric, StoredVector, VectorPlace};
use crate::entity::vector::{RecordKey, VectorForm};
use crate::foundation::error::Result;

/// Writes a vector store within a restore. It reads what the restore has written already.
///
/// # What implementers must guarantee
/// - A method that returns a number returns what the store reported, and not what it was asked to do.
/// - A vector that a method has written is found by the methods that read, in this session and after its commit.
/// - If a method fails, its error names the keys that the store refused, if it says which.
#[async_trait]
pub trait VectorWriter: fmt::Debug + Send {
    /// Returns what the store says about the vectors in a place, as
    /// [`VectorReader::describe`](super::VectorReader::describe) does.
    ///
    /// # Errors
    /// The store cannot be read.
    async fn describe(&mut self, place: &VectorPlace) -> Result<Option<CollectionInfo>>;

    /// Creates a place for vectors of this form, dimension and metric. The collection is created if it does not exist.
    ///
    /// # Errors
    /// The place exists, the store does not support the form or the metric, or it cannot be written.
    async fn create(
        &mut self,
        place: &VectorPlace,
        form: VectorForm,
        dimension: usize,
        metric: Metric,
    ) -> Result<()>;

    /// Returns the number of records that have a vector in a place.
    ///
    /// # Errors
    /// The store cannot be read.
    async fn count(&mut self, place: &VectorPlace) -> Result<u64>;

    /// Returns the vectors of those of these records that have one, in any order.
    ///
    /// # Errors
    /// The store cannot be read.
    async fn get(&mut self, place: &VectorPlace, keys: &[RecordKey]) -> Result<Vec<StoredVector>>;

    /// Adds or replaces the vectors of records, each with its payload as a whole. Other named vectors of these records
    /// remain. Returns the number of written vectors.
    ///
    /// # Errors
    /// The place does not exist, the store refuses a vector, or cannot represent a value beside it.
    async fn put(&mut self, place: &VectorPlace, vectors: Vec<StoredVector>) -> Result<u64>;

    /// Removes the vectors of records. Returns the number of removed vectors.
    ///
    /// # Errors
    /// The store cannot be written.
    async fn remove(&mut self, place: &VectorPlace, keys: &[RecordKey]) -> Result<u64>;
}

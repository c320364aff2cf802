//! The store, and what a test does to it.

use std::sync::Arc;

use async_trait::async_trait;
use koan_backup_core::Result;
use koan_backup_core::provider::{Consistency, SessionIntent};
use koan_backup_core::vector_store::{
    CollectionInfo, Metric, StoredVector, VectorForm, VectorPlace, VectorReader, VectorStore,
    VectorStoreCapabilities, VectorStoreSession,
};

use super::content::SharedContent;
use super::reader::MemoryReader;
use super::session::MemoryVectorSession;

/// A vector store in memory, for tests. All clones of a store share its content, which is dropped with the last clone.
///
/// A reader reads one point in time. A session is a transaction: its commit fails if a place that it has read or written was
/// changed by others.
///
/// ```
/// use koan_backup::MemoryVectors;
/// use koan_backup::vector_store::{RecordKey, StoredVector, VectorPlace, VectorValue};
///
/// # fn main() -> koan_backup::Result<()> {
/// let store = MemoryVectors::new();
/// let place = VectorPlace::in_collection("Media");
/// store.create(&place, 3)?;
/// let embedding = VectorValue::Float32([0.1, 0.2, -0.3].into());
/// store.put(&place, StoredVector::new(RecordKey::from(7), embedding))?;
/// assert_eq!(store.vectors(&place).len(), 1);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct MemoryVectors {
    content: SharedContent,
    capabilities: VectorStoreCapabilities,
}

impl Default for MemoryVectors {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryVectors {
    /// Creates an empty store that can contain everything.
    pub fn new() -> Self {
        let mut capabilities = VectorStoreCapabilities::default();
        capabilities.forms =
            vec![VectorForm::Float32, VectorForm::Float16, VectorForm::Bits, VectorForm::Sparse];
        capabilities.metrics = vec![
            Metric::Cosine,
            Metric::L2,
            Metric::L1,
            Metric::InnerProduct,
            Metric::Hamming,
            Metric::Jaccard,
        ];
        capabilities.named_vectors = true;
        capabilities.origin = true;
        capabilities.payload = true;
        capabilities.transactions = true;
        Self::with_capabilities(capabilities)
    }

    /// Creates an empty store that can contain only what `capabilities` says.
    pub fn with_capabilities(capabilities: VectorStoreCapabilities) -> Self {
        Self { content: SharedContent::default(), capabilities }
    }

    /// Creates a place for vectors of 32-bit floats, with the cosine distance.
    ///
    /// # Errors
    /// The place exists.
    pub fn create(&self, place: &VectorPlace, dimension: usize) -> Result<()> {
        let info = CollectionInfo {
            form: VectorForm::Float32,
            dimension: Some(dimension),
            metric: Some(Metric::Cosine),
            exactness: koan_backup_core::vector_store::Exactness::Exact,
        };
        Arc::make_mut(&mut self.content.lock()).create(place, info)
    }

    /// Adds or replaces the vector of a record.
    ///
    /// # Errors
    /// The place does not exist, or the vector does not fit.
    pub fn put(&self, place: &VectorPlace, vector: StoredVector) -> Result<()> {
        let mut content = self.content.lock();
        Arc::make_mut(&mut content).get_mut(place)?.put(place, &self.capabilities, vector)
    }

    /// Returns the vectors in a place, in the order of the keys' JSON.
    pub fn vectors(&self, place: &VectorPlace) -> Vec<StoredVector> {
        let content = self.content.current();
        content.get(place).map(|place| place.vectors.values().cloned().collect()).unwrap_or_default()
    }
}

#[async_trait]
impl VectorStore for MemoryVectors {
    fn kind(&self) -> &'static str {
        "memory"
    }

    fn capabilities(&self) -> VectorStoreCapabilities {
        self.capabilities.clone()
    }

    fn consistency(&self) -> Consistency {
        Consistency::Snapshot
    }

    async fn reader(&self) -> Result<Box<dyn VectorReader>> {
        Ok(Box::new(MemoryReader(self.content.current())))
    }

    async fn begin_restore(&self, intent: SessionIntent) -> Result<Box<dyn VectorStoreSession>> {
        let (content, capabilities) = (self.content.clone(), self.capabilities.clone());
        Ok(Box::new(MemoryVectorSession::new(content, capabilities, intent)))
    }
}

//! The vector store that a case examines.

use std::sync::Arc;

use futures::TryStreamExt as _;

use super::sample::{DIMENSION, failed, require_equal, require_vectors};
use crate::entity::vector::VectorForm;
use crate::foundation::error::Result;
use crate::provider::SessionIntent;
use crate::provider::vector_store::{
    Exactness, Metric, StoredVector, VectorPlace, VectorReader, VectorStore, VectorStoreCapabilities,
    VectorStoreSession, VectorWriter,
};

/// A vector store that was empty at the start of the case.
pub(super) struct Subject {
    store: Arc<dyn VectorStore>,
    pub(super) capabilities: VectorStoreCapabilities,
}

/// A session of the store.
pub(super) struct Writing(Box<dyn VectorStoreSession>);

impl Subject {
    pub(super) fn new(store: Arc<dyn VectorStore>) -> Self {
        let capabilities = store.capabilities();
        Self { store, capabilities }
    }

    pub(super) fn store(&self) -> &dyn VectorStore {
        &*self.store
    }

    pub(super) async fn read(&self) -> Result<Box<dyn VectorReader>> {
        self.store.reader().await
    }

    pub(super) async fn begin(&self) -> Result<Writing> {
        self.store.begin_restore(SessionIntent::Apply).await.map(Writing)
    }

    /// Returns the place of most cases.
    pub(super) fn place() -> VectorPlace {
        VectorPlace::in_collection("KoanMedia")
    }

    /// Returns a metric that the store supports for vectors of a form.
    pub(super) fn metric(&self, form: VectorForm) -> Result<Metric> {
        let of_bits = |metric: &Metric| matches!(metric, Metric::Hamming | Metric::Jaccard);
        let metrics = self.capabilities.metrics.iter();
        let mut metrics = metrics.copied().filter(|metric| of_bits(metric) == (form == VectorForm::Bits));
        metrics
            .next()
            .ok_or_else(|| failed(format!("the store has no metric for vectors of the form {form:?}")))
    }

    /// Returns the form of most cases.
    pub(super) fn form(&self) -> Result<VectorForm> {
        let first = self.capabilities.forms.first().copied();
        first.ok_or_else(|| failed("the store declares no form of vectors".to_owned()))
    }

    /// Creates the place of most cases, for vectors of 32-bit floats, and returns how exactly it keeps them.
    pub(super) async fn create(&self) -> Result<Exactness> {
        self.create_at(&Self::place(), VectorForm::Float32).await
    }

    pub(super) async fn create_at(&self, place: &VectorPlace, form: VectorForm) -> Result<Exactness> {
        let mut writing = self.begin().await?;
        writing.writer().create(place, form, DIMENSION, self.metric(form)?).await?;
        writing.commit().await?;
        let described = self.read().await?.describe(place).await?;
        let described = described.ok_or_else(|| failed("a created place is not described".to_owned()))?;
        Ok(described.exactness)
    }

    /// Writes vectors and commits.
    pub(super) async fn write(&self, place: &VectorPlace, vectors: Vec<StoredVector>) -> Result<()> {
        let count = u64::try_from(vectors.len()).unwrap_or(u64::MAX);
        let mut writing = self.begin().await?;
        let written = writing.writer().put(place, vectors).await?;
        require_equal("the number of written vectors", &written, &count)?;
        writing.commit().await
    }

    /// Checks that a new reader returns exactly these vectors.
    pub(super) async fn require(
        &self,
        place: &VectorPlace,
        expected: Vec<StoredVector>,
        exactness: Exactness,
    ) -> Result<()> {
        let reader = self.read().await?;
        let count = u64::try_from(expected.len()).unwrap_or(u64::MAX);
        require_equal("the count", &reader.count(place).await?, &count)?;
        require_vectors(all(&*reader, place).await?, expected, exactness)
    }
}

impl Writing {
    pub(super) fn writer(&mut self) -> &mut dyn VectorWriter {
        self.0.writer()
    }

    pub(super) async fn commit(self) -> Result<()> {
        self.0.commit().await
    }

    pub(super) async fn rollback(self) -> Result<()> {
        self.0.rollback().await
    }
}

/// Reads all batches. A batch must not be empty.
pub(super) async fn all(reader: &dyn VectorReader, place: &VectorPlace) -> Result<Vec<StoredVector>> {
    let batches: Vec<Vec<StoredVector>> = reader.vectors(place).await?.try_collect().await?;
    if batches.iter().any(Vec::is_empty) {
        return Err(failed("a batch is empty".to_owned()));
    }
    Ok(batches.into_iter().flatten().collect())
}

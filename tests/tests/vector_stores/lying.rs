//! Vector stores that violate one requirement each. The suite must find every violation.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use koan_backup::event_store::Batches;
use koan_backup::provider::conformance::CaseOutcome;
use koan_backup::provider::{Consistency, SessionIntent};
use koan_backup::vector_store::{
    CollectionInfo, Metric, RecordKey, StoredVector, VectorForm, VectorPayload, VectorPlace, VectorReader,
    VectorStore, VectorStoreCapabilities, VectorStoreSession, VectorValue, VectorWriter, conformance,
};
use koan_backup::{MemoryVectors, Result};

/// How a store violates its contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Violation {
    /// The export ends after the first page.
    ReadsOnePage,
    /// The first vector of the second page is read twice.
    RepeatsVectors,
    /// Each read has another order.
    ChangesOrder,
    /// All vectors are in one batch.
    JoinsBatches,
    /// Each component is rounded to three digits.
    RoundsComponents,
    /// Vectors are normalised.
    Normalises,
    /// The sign of -0 is lost.
    LosesSignOfZero,
    /// Keys are compared as text without their type.
    MixesKeys,
    /// The payload is not stored.
    LosesPayload,
    /// A payload is joined with the earlier one.
    JoinsPayloads,
    /// The model is not stored.
    LosesModel,
    /// The reader returns current data.
    ReadsCurrentData,
    /// The number of written vectors is that of the call.
    AddsTwice,
    /// A named vector is stored as the only one.
    IgnoresNames,
    /// A removal reports each requested key.
    CountsRequestedRemovals,
    /// A removal does nothing.
    NeverRemoves,
    /// Vectors are committed when they are written.
    CommitsEarly,
    /// A rollback commits.
    CommitsRollbacks,
    /// A session reads the committed data only.
    ReadsNoOwnChanges,
    /// A dry run writes.
    WritesInDryRun,
    /// An error names no key.
    NamesNoKey,
    /// Vectors that the store refuses are omitted without an error.
    OmitsRefused,
    /// The metric is not described.
    LosesMetric,
    /// The collection is created when it is written.
    CreatesImplicitly,
    /// A place that exists is created again, and emptied.
    CreatesAgain,
    /// A rollback does not undo, and reports success.
    ReportsRollback,
    /// The store does not declare what it contains, and accepts it.
    DeclaresNothing,
}

/// A store that violates one requirement and forwards all other work to a store in memory.
#[derive(Clone, Debug)]
struct LyingStore {
    violation: Violation,
    memory: MemoryVectors,
}

impl LyingStore {
    fn new(violation: Violation) -> Self {
        Self { violation, memory: MemoryVectors::new() }
    }
}

#[async_trait]
impl VectorStore for LyingStore {
    fn kind(&self) -> &'static str {
        "lying"
    }

    fn capabilities(&self) -> VectorStoreCapabilities {
        let mut capabilities = self.memory.capabilities();
        match self.violation {
            Violation::DeclaresNothing => {
                capabilities.forms.truncate(1);
                (capabilities.origin, capabilities.payload) = (false, false);
            }
            Violation::ReportsRollback => capabilities.transactions = false,
            _ => {}
        }
        capabilities
    }

    fn consistency(&self) -> Consistency {
        Consistency::Snapshot
    }

    async fn reader(&self) -> Result<Box<dyn VectorReader>> {
        let memory = self.memory.reader().await?;
        let reads = std::sync::atomic::AtomicUsize::new(0);
        Ok(Box::new(LyingReader { store: self.clone(), memory, reads }))
    }

    async fn begin_restore(&self, intent: SessionIntent) -> Result<Box<dyn VectorStoreSession>> {
        let intent = match self.violation {
            Violation::WritesInDryRun => SessionIntent::Apply,
            _ => intent,
        };
        let memory = Some(self.memory.begin_restore(intent).await?);
        Ok(Box::new(LyingSession { store: self.clone(), memory }))
    }
}

#[derive(Debug)]
struct LyingReader {
    store: LyingStore,
    memory: Box<dyn VectorReader>,
    reads: std::sync::atomic::AtomicUsize,
}

impl LyingReader {
    async fn current(&self) -> Result<Option<Box<dyn VectorReader>>> {
        match self.store.violation {
            Violation::ReadsCurrentData => self.store.memory.reader().await.map(Some),
            _ => Ok(None),
        }
    }

    fn place(&self, place: &VectorPlace) -> VectorPlace {
        place_of(self.store.violation, place)
    }
}

fn place_of(violation: Violation, place: &VectorPlace) -> VectorPlace {
    match violation {
        Violation::IgnoresNames => VectorPlace::in_collection(&place.collection),
        _ => place.clone(),
    }
}

fn described(violation: Violation, info: Option<CollectionInfo>) -> Option<CollectionInfo> {
    match violation {
        Violation::LosesMetric => info.map(|info| CollectionInfo { metric: None, ..info }),
        _ => info,
    }
}

#[async_trait]
impl VectorReader for LyingReader {
    async fn collections(&self) -> Result<Vec<String>> {
        self.memory.collections().await
    }

    async fn describe(&self, place: &VectorPlace) -> Result<Option<CollectionInfo>> {
        Ok(described(self.store.violation, self.memory.describe(&self.place(place)).await?))
    }

    async fn count(&self, place: &VectorPlace) -> Result<u64> {
        match self.current().await? {
            Some(current) => current.count(place).await,
            None => self.memory.count(&self.place(place)).await,
        }
    }

    async fn vectors(&self, place: &VectorPlace) -> Result<Batches<'_, StoredVector>> {
        let violation = self.store.violation;
        if let Some(current) = self.current().await? {
            let batches: Vec<_> = current.vectors(place).await?.try_collect().await?;
            return Ok(stream::iter(batches.into_iter().map(Ok)).boxed());
        }
        let batches: Vec<Vec<_>> = self.memory.vectors(&self.place(place)).await?.try_collect().await?;
        let mut all: Vec<StoredVector> = batches.iter().flatten().cloned().collect();
        let read = self.reads.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        match violation {
            Violation::ReadsOnePage => all.truncate(1_000),
            Violation::RepeatsVectors if all.len() > 1_000 => all.insert(1_000, all[1_000].clone()),
            Violation::ChangesOrder if read > 0 => all.reverse(),
            Violation::JoinsBatches if !all.is_empty() => return Ok(stream::iter([Ok(all)]).boxed()),
            _ => {}
        }
        for vector in &mut all {
            change(violation, vector);
        }
        let batches: Vec<_> = all.chunks(500).map(|batch| Ok(batch.to_vec())).collect();
        Ok(stream::iter(batches).boxed())
    }
}

/// Changes a vector as the store would.
fn change(violation: Violation, vector: &mut StoredVector) {
    let components = |change: &dyn Fn(f32) -> f32, vector: &mut StoredVector| {
        if let VectorValue::Float32(values) = &vector.embedding {
            vector.embedding = VectorValue::Float32(values.iter().map(|value| change(*value)).collect());
        }
    };
    match violation {
        Violation::RoundsComponents => components(&|value| (value * 1_000.0).round() / 1_000.0, vector),
        Violation::LosesSignOfZero => components(&|value| value + 0.0, vector),
        Violation::Normalises => {
            if let VectorValue::Float32(values) = &vector.embedding {
                let length = values.iter().map(|value| value * value).sum::<f32>().sqrt();
                components(&|value| value / length, vector);
            }
        }
        Violation::LosesPayload => vector.payload = VectorPayload::new(),
        Violation::LosesModel => vector.model_id = None,
        _ => {}
    }
}

#[derive(Debug)]
struct LyingSession {
    store: LyingStore,
    memory: Option<Box<dyn VectorStoreSession>>,
}

impl LyingSession {
    fn writer(&mut self) -> &mut dyn VectorWriter {
        self.memory.as_mut().expect("the session is open").writer()
    }

    /// Commits what was written, and begins another session.
    async fn commit_now(&mut self) -> Result<()> {
        let session = self.memory.take().expect("the session is open");
        session.commit().await?;
        self.memory = Some(self.store.memory.begin_restore(SessionIntent::Apply).await?);
        Ok(())
    }
}

#[async_trait]
impl VectorWriter for LyingSession {
    async fn describe(&mut self, place: &VectorPlace) -> Result<Option<CollectionInfo>> {
        let place = place_of(self.store.violation, place);
        Ok(described(self.store.violation, self.writer().describe(&place).await?))
    }

    async fn create(
        &mut self,
        place: &VectorPlace,
        form: VectorForm,
        dimension: usize,
        metric: Metric,
    ) -> Result<()> {
        let place = &place_of(self.store.violation, place);
        let exists = self.writer().describe(place).await?.is_some();
        match self.store.violation {
            Violation::IgnoresNames if exists => Ok(()),
            Violation::CreatesAgain if exists => {
                let vectors = self.store.memory.vectors(place);
                let keys: Vec<_> = vectors.into_iter().map(|vector| vector.key).collect();
                self.writer().remove(place, &keys).await?;
                self.commit_now().await
            }
            _ => self.writer().create(place, form, dimension, metric).await,
        }
    }

    async fn count(&mut self, place: &VectorPlace) -> Result<u64> {
        let place = place_of(self.store.violation, place);
        if self.store.violation == Violation::ReadsNoOwnChanges {
            return self.store.memory.reader().await?.count(&place).await;
        }
        self.writer().count(&place).await
    }

    async fn get(&mut self, place: &VectorPlace, keys: &[RecordKey]) -> Result<Vec<StoredVector>> {
        let violation = self.store.violation;
        let place = place_of(violation, place);
        let mut found = match violation {
            Violation::ReadsNoOwnChanges => {
                let all = self.store.memory.vectors(&place).into_iter();
                all.filter(|vector| keys.contains(&vector.key)).collect()
            }
            _ => self.writer().get(&place, keys).await?,
        };
        found.iter_mut().for_each(|vector| change(violation, vector));
        Ok(found)
    }

    async fn put(&mut self, place: &VectorPlace, mut vectors: Vec<StoredVector>) -> Result<u64> {
        let violation = self.store.violation;
        let place = &place_of(violation, place);
        let count = u64::try_from(vectors.len()).expect("a few");
        match violation {
            Violation::MixesKeys => {
                for vector in &mut vectors {
                    let text = vector.key.as_json().trim_matches('"').to_owned();
                    vector.key = RecordKey::from(text.as_str());
                }
            }
            Violation::JoinsPayloads => {
                let keys: Vec<_> = vectors.iter().map(|vector| vector.key.clone()).collect();
                for existing in self.writer().get(place, &keys).await? {
                    let vector = vectors
                        .iter_mut()
                        .find(|vector| vector.key == existing.key)
                        .expect("it was requested");
                    for (name, json) in existing.payload.iter() {
                        if vector.payload.get(name).is_none() {
                            vector.payload.insert(name, json.get()).expect("JSON");
                        }
                    }
                }
            }
            Violation::AddsTwice => {
                self.writer().put(place, vectors).await?;
                return Ok(count + 1);
            }
            Violation::CreatesImplicitly if self.writer().describe(place).await?.is_none() => {
                self.writer().create(place, VectorForm::Float32, 8, Metric::Cosine).await?;
            }
            Violation::OmitsRefused => {
                vectors.retain(|vector| vector.embedding.is_finite() && vector.embedding.dimension() == 8)
            }
            _ => {}
        }
        let written = self.writer().put(place, vectors).await;
        let written = match violation {
            Violation::NamesNoKey => {
                written.map_err(|error| koan_backup::Error::new(error.kind(), "refused"))
            }
            Violation::OmitsRefused => written.map(|_| count),
            _ => written,
        };
        if violation == Violation::CommitsEarly && written.is_ok() {
            self.commit_now().await?;
        }
        written
    }

    async fn remove(&mut self, place: &VectorPlace, keys: &[RecordKey]) -> Result<u64> {
        let violation = self.store.violation;
        let place = &place_of(violation, place);
        let requested = u64::try_from(keys.iter().collect::<BTreeSet<_>>().len()).expect("a few");
        match violation {
            Violation::NeverRemoves => Ok(self.writer().get(place, keys).await?.len() as u64),
            Violation::CountsRequestedRemovals => self.writer().remove(place, keys).await.map(|_| requested),
            _ => self.writer().remove(place, keys).await,
        }
    }
}

#[async_trait]
impl VectorStoreSession for LyingSession {
    fn writer(&mut self) -> &mut dyn VectorWriter {
        self
    }

    async fn commit(self: Box<Self>) -> Result<()> {
        self.memory.expect("the session is open").commit().await
    }

    async fn rollback(self: Box<Self>) -> Result<()> {
        let memory = self.memory.expect("the session is open");
        match self.store.violation {
            Violation::CommitsRollbacks | Violation::ReportsRollback => memory.commit().await,
            _ => memory.rollback().await,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_violates_a_requirement_does_not_conform() {
    let pages = "more vectors than a page are read, each key once";
    let forms = "vectors of each declared form are read as they were written";
    for (violation, found) in [
        (Violation::ReadsOnePage, pages),
        (Violation::RepeatsVectors, pages),
        (Violation::ChangesOrder, "two reads have the same order"),
        (Violation::JoinsBatches, "a batch contains about a mebibyte"),
        (Violation::RoundsComponents, forms),
        (Violation::Normalises, forms),
        (
            Violation::LosesSignOfZero,
            "extreme components are preserved as exactly as the store says, or refused",
        ),
        (Violation::MixesKeys, "keys of every kind are distinct"),
        (Violation::LosesPayload, "a payload is preserved"),
        (Violation::JoinsPayloads, "a payload is preserved"),
        (Violation::LosesModel, "content hash, model and time are preserved"),
        (Violation::ReadsCurrentData, "a reader with snapshot consistency reads one point in time"),
        (Violation::AddsTwice, "a vector that exists is replaced"),
        (Violation::IgnoresNames, "named vectors of a collection are separate"),
        (Violation::CountsRequestedRemovals, "vectors are removed by key, and the removal is counted"),
        (Violation::NeverRemoves, "vectors are removed by key, and the removal is counted"),
        (Violation::CommitsEarly, "nothing of a session is visible before its commit"),
        (Violation::CommitsRollbacks, "a session that was rolled back or dropped leaves nothing"),
        (Violation::ReadsNoOwnChanges, "a session reads what it has written"),
        (Violation::WritesInDryRun, "a dry run writes nothing"),
        (Violation::NamesNoKey, "a vector with another dimension is refused by name"),
        (Violation::NamesNoKey, "a component that is NaN or infinite is refused by name"),
        (Violation::OmitsRefused, "a vector with another dimension is refused by name"),
        (Violation::OmitsRefused, "a component that is NaN or infinite is refused by name"),
        (Violation::LosesMetric, "a created place is described and listed"),
        (Violation::CreatesImplicitly, "a place that does not exist contains nothing"),
        (Violation::CreatesAgain, "a place that exists is not created again"),
        (Violation::ReportsRollback, "a rollback that leaves changes is an error"),
        (Violation::DeclaresNothing, "content hash, model and time are refused"),
        (Violation::DeclaresNothing, "a payload is refused"),
        (Violation::DeclaresNothing, "a form or metric that is not declared is refused"),
    ] {
        let empty = async || Ok(Arc::new(LyingStore::new(violation)) as _);
        let conformance = conformance::run_where(|name| name == found, empty).await.expect("a store");
        let case = conformance.cases.iter().find(|case| case.name == found).expect("the case exists");
        assert!(matches!(case.outcome, CaseOutcome::Failed(_)), "{violation:?}: {conformance}");
    }
}

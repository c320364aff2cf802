//! Writing a copy of the content.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use koan_backup_core::provider::SessionIntent;
use koan_backup_core::vector_store::{
    CollectionInfo, Exactness, Metric, RecordKey, StoredVector, VectorForm, VectorPlace,
    VectorStoreCapabilities, VectorStoreSession, VectorWriter,
};
use koan_backup_core::{Error, ErrorKind, Result};

use super::content::{Content, SharedContent};
use super::reader::{count, describe};

/// A restore. It changes a copy of the content, and the commit applies the changed places to the current content.
#[derive(Debug)]
pub(super) struct MemoryVectorSession {
    current: SharedContent,
    capabilities: VectorStoreCapabilities,
    intent: SessionIntent,
    before: Arc<Content>,
    after: Content,
    /// The places that were read or written.
    used: BTreeSet<VectorPlace>,
    state: SessionState,
}

/// Whether a session can be committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SessionState {
    Intact,
    /// A change failed.
    Failed,
}

impl MemoryVectorSession {
    pub(super) fn new(
        current: SharedContent,
        capabilities: VectorStoreCapabilities,
        intent: SessionIntent,
    ) -> Self {
        let before = current.current();
        let after = Content::clone(&before);
        Self {
            current,
            capabilities,
            intent,
            before,
            after,
            used: BTreeSet::new(),
            state: SessionState::Intact,
        }
    }

    /// Performs a change of a place. After an error, the session cannot be committed.
    fn change<T>(&mut self, place: &VectorPlace, change: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        self.used.insert(place.clone());
        let refused = |kind, why: &str| {
            let text = format!("collection `{}` cannot be written, because {why}", place.collection);
            Err(Error::new(kind, text).with_help("begin a new restore"))
        };
        let result = if self.state == SessionState::Failed {
            refused(ErrorKind::Conflict, "a change of the session failed")
        } else if self.intent == SessionIntent::Compare {
            refused(ErrorKind::Unsupported, "the session is a dry run")
        } else {
            change(self)
        };
        if result.is_err() {
            self.state = SessionState::Failed;
        }
        result
    }
}

#[async_trait]
impl VectorWriter for MemoryVectorSession {
    async fn describe(&mut self, place: &VectorPlace) -> Result<Option<CollectionInfo>> {
        self.used.insert(place.clone());
        Ok(describe(&self.after, place))
    }

    async fn create(
        &mut self,
        place: &VectorPlace,
        form: VectorForm,
        dimension: usize,
        metric: Metric,
    ) -> Result<()> {
        self.change(place, |session| {
            let VectorStoreCapabilities { forms, metrics, named_vectors, .. } = &session.capabilities;
            let is_supported = forms.contains(&form)
                && metrics.contains(&metric)
                && (place.vector.is_none() || *named_vectors);
            if !is_supported {
                let text = format!(
                    "the store cannot contain vectors of the form {form:?} with the metric {metric:?} in `{}`",
                    place.collection
                );
                return Err(Error::new(ErrorKind::Unsupported, text).with_help("use another store"));
            }
            let dimension = Some(dimension);
            let info = CollectionInfo { form, dimension, metric: Some(metric), exactness: Exactness::Exact };
            session.after.create(place, info)
        })
    }

    async fn count(&mut self, place: &VectorPlace) -> Result<u64> {
        self.used.insert(place.clone());
        Ok(count(&self.after, place))
    }

    async fn get(&mut self, place: &VectorPlace, keys: &[RecordKey]) -> Result<Vec<StoredVector>> {
        self.used.insert(place.clone());
        let Some(found) = self.after.get(place) else { return Ok(Vec::new()) };
        Ok(keys.iter().filter_map(|key| found.vectors.get(key)).cloned().collect())
    }

    async fn put(&mut self, place: &VectorPlace, vectors: Vec<StoredVector>) -> Result<u64> {
        self.change(place, |session| {
            let written = u64::try_from(vectors.len()).unwrap_or(u64::MAX);
            let found = session.after.get_mut(place)?;
            for vector in vectors {
                found.put(place, &session.capabilities, vector)?;
            }
            Ok(written)
        })
    }

    async fn remove(&mut self, place: &VectorPlace, keys: &[RecordKey]) -> Result<u64> {
        self.change(place, |session| {
            if session.after.get(place).is_none() {
                return Ok(0);
            }
            let vectors = &mut session.after.get_mut(place)?.vectors;
            let removed = keys.iter().filter(|key| vectors.remove(*key).is_some()).count();
            Ok(u64::try_from(removed).unwrap_or(u64::MAX))
        })
    }
}

#[async_trait]
impl VectorStoreSession for MemoryVectorSession {
    fn writer(&mut self) -> &mut dyn VectorWriter {
        self
    }

    async fn commit(self: Box<Self>) -> Result<()> {
        if self.state == SessionState::Failed {
            let text = "a change of this session failed, so the session cannot be committed";
            return Err(Error::new(ErrorKind::Conflict, text).with_help("begin a new restore"));
        }
        if self.intent == SessionIntent::Compare {
            return Ok(());
        }
        let mut current = self.current.lock();
        for place in &self.used {
            let is_same = match (self.before.get(place), current.get(place)) {
                (None, None) => true,
                (Some(before), Some(now)) => Arc::ptr_eq(before, now),
                _ => false,
            };
            if !is_same {
                let text =
                    format!("collection `{}` was changed by others during the restore", place.collection);
                return Err(Error::new(ErrorKind::Conflict, text).with_help("repeat the restore"));
            }
        }
        let content = Arc::make_mut(&mut current);
        self.used.iter().for_each(|place| content.set(place, &self.after));
        Ok(())
    }

    async fn rollback(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}

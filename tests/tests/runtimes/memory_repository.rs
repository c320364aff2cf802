//! A repository in the form that an application would write.

use std::collections::BTreeMap;
use std::sync::Mutex;

use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use koan_backup::{Entity, Repository, RepositoryError};

/// A repository in memory that stores records by the text of their keys.
pub(super) struct MemoryRepository<T>(Mutex<BTreeMap<String, T>>);

impl<T> Default for MemoryRepository<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

#[async_trait]
impl<T: Entity + Clone> Repository<T> for MemoryRepository<T> {
    fn all(&self) -> BoxStream<'_, Result<T, RepositoryError>> {
        let records: Vec<_> =
            self.0.lock().expect("the lock is not poisoned").values().cloned().map(Ok).collect();
        stream::iter(records).boxed()
    }

    async fn upsert_many(&self, records: Vec<T>) -> Result<(), RepositoryError> {
        for record in records {
            self.0
                .lock()
                .expect("the lock is not poisoned")
                .insert(serde_json::to_string(&record.key())?, record);
        }
        Ok(())
    }
}

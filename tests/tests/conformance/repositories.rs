//! Repositories as an application would write them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use koan_backup::conformance::{Line, Pair, Specimen};
use koan_backup::{Provider, Repositories, Repository, RepositoryError};

use crate::conforms;

/// Records by the text of their keys.
pub(super) struct Shelf<T> {
    records: Mutex<BTreeMap<String, T>>,
    deletes: bool,
}

impl<T> Shelf<T> {
    pub(super) fn new(deletes: bool) -> Self {
        Self { records: Mutex::default(), deletes }
    }
}

fn key<T: koan_backup::Entity>(record: &T) -> Result<String, RepositoryError> {
    Ok(serde_json::to_string(&record.key())?)
}

#[async_trait]
impl<T: koan_backup::Entity + Clone> Repository<T> for Shelf<T> {
    fn all(&self) -> BoxStream<'_, Result<T, RepositoryError>> {
        let records: Vec<_> = self.records.lock().expect("sound").values().cloned().map(Ok).collect();
        stream::iter(records).boxed()
    }

    async fn upsert_many(&self, records: Vec<T>) -> Result<(), RepositoryError> {
        for record in records {
            self.records.lock().expect("sound").insert(key(&record)?, record);
        }
        Ok(())
    }

    fn deletes(&self) -> bool {
        self.deletes
    }

    async fn delete_many(&self, records: Vec<T>) -> Result<(), RepositoryError> {
        for record in records {
            self.records.lock().expect("sound").remove(&key(&record)?).ok_or("it is not there")?;
        }
        Ok(())
    }
}

fn shelves(deletes: bool) -> Arc<dyn Provider> {
    let repositories = Repositories::new()
        .with::<Specimen>(Shelf::new(deletes))
        .with::<Pair>(Shelf::new(deletes))
        .with::<Line>(Shelf::new(deletes));
    Arc::new(repositories)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn repositories_conform() {
    for deletes in [false, true] {
        let conformance = conforms(async || Ok(shelves(deletes))).await;
        assert!(conformance.passed() > 15, "{conformance}");
    }
}

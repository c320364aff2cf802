//! Repositories like those that an application writes.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use chrono::NaiveDate;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use koan_backup::prelude::*;
use koan_backup::provider::conformance::{Line, Pair, Specimen};
use koan_backup::{
    CancellationToken, Event, Repositories, Repository, RepositoryError,
    entity::{ScopeDeclaration, ScopeMode},
    provider::Provider,
};
use serde::{Deserialize, Serialize};

use crate::conforms;

/// A repository in memory. It stores each record under its key, which is written as JSON text.
pub(super) struct MemoryRepository<T> {
    records: Mutex<BTreeMap<String, T>>,
    /// Whether the repository can delete records.
    deletes: bool,
}

impl<T> MemoryRepository<T> {
    pub(super) fn new(deletes: bool) -> Self {
        Self { records: Mutex::default(), deletes }
    }
}

/// Returns the key of a record as JSON text.
pub(super) fn key<T: koan_backup::Entity>(record: &T) -> Result<String, RepositoryError> {
    Ok(serde_json::to_string(&record.key())?)
}

#[async_trait]
impl<T: koan_backup::Entity + Clone> Repository<T> for MemoryRepository<T> {
    fn all(&self) -> BoxStream<'_, Result<T, RepositoryError>> {
        let records: Vec<_> = self.records.lock().expect("not poisoned").values().cloned().map(Ok).collect();
        stream::iter(records).boxed()
    }

    async fn upsert_many(&self, records: Vec<T>) -> Result<(), RepositoryError> {
        for record in records {
            self.records.lock().expect("not poisoned").insert(key(&record)?, record);
        }
        Ok(())
    }

    fn deletes(&self) -> bool {
        self.deletes
    }

    async fn delete_many(&self, records: Vec<T>) -> Result<(), RepositoryError> {
        for record in records {
            self.records
                .lock()
                .expect("not poisoned")
                .remove(&key(&record)?)
                .ok_or("the record does not exist")?;
        }
        Ok(())
    }
}

/// Creates a provider with an empty repository for each entity of the conformance suite.
fn empty_repositories(deletes: bool) -> Arc<dyn Provider> {
    let repositories = Repositories::new()
        .with::<Specimen>(MemoryRepository::new(deletes))
        .with::<Pair>(MemoryRepository::new(deletes))
        .with::<Line>(MemoryRepository::new(deletes));
    Arc::new(repositories)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn repositories_conform() {
    for deletes in [false, true] {
        let conformance = conforms(async || Ok(empty_repositories(deletes))).await;
        assert!(conformance.passed() > 15, "{conformance}");
    }
}

/// The backup scope of the entities of the suite, which another crate defines: all of these entities are
/// backed up.
pub(super) static SCOPE: ScopeDeclaration = ScopeDeclaration {
    module_path: "koan_backup_core",
    file: file!(),
    line: line!(),
    mode: ScopeMode::All,
    encrypt_by_default: None,
    include_schema_by_default: None,
};

async fn context(
    lines: &Arc<MemoryRepository<Line>>,
    pairs: &Arc<MemoryRepository<Pair>>,
    backups: &Path,
) -> Koan {
    let repositories = Repositories::new()
        .with(SharedRepository(Arc::clone(lines)))
        .with(SharedRepository(Arc::clone(pairs)));
    let builder = Koan::builder().only_registered().register::<Line>().register::<Pair>();
    builder
        .register_scope(&SCOPE)
        .provider(repositories)
        .storage(Storage::local(backups).expect("a directory"))
        .build()
        .await
        .expect("a context")
}

#[tokio::test]
async fn the_error_of_a_restore_without_transactions_names_the_entities_that_were_written() {
    let (lines, pairs) = (Arc::new(MemoryRepository::new(false)), Arc::new(MemoryRepository::new(false)));
    let line = Line { id: 1, content: "one".to_owned() };
    let pair = Pair { owner: "a".to_owned(), number: 1, content: "first".to_owned() };
    lines.upsert_many(vec![line]).await.expect("written");
    pairs.upsert_many(vec![pair]).await.expect("written");
    let backups = tempfile::tempdir().expect("a directory");
    let koan = context(&lines, &pairs, backups.path()).await;
    let backup = koan.backup("nightly").await.expect("a backup");
    assert_eq!(backup.item_count(), 2);

    lines.records.lock().expect("not poisoned").clear();
    let error = koan.restore("nightly").on_conflict(ConflictMode::Fail).await.expect_err("the pair exists");
    assert_eq!(error.kind(), ErrorKind::Conflict);
    let message = error.chain();
    assert!(
        message.contains("the rollback of provider `main` is not confirmed")
            && message.contains("records of Line were written"),
        "{message}"
    );
    assert_eq!(lines.records.lock().expect("not poisoned").len(), 1);

    let error = koan.restore("nightly").replace_existing().await.expect_err("the repository cannot delete");
    assert!(error.chain().contains("cannot delete records"), "{error:?}");
    let error = koan.restore("nightly").set("root").to_set("archive").await.expect_err("there are no sets");
    assert!(error.chain().contains("does not support sets"), "{error:?}");
    let checked = koan.restore("nightly").viability().await.expect("assessed");
    assert!(
        checked.findings.iter().any(|finding| finding.message.contains("no transactions")),
        "{checked:?}"
    );
}

#[tokio::test]
async fn a_cancelled_restore_without_transactions_names_the_entities_that_were_written() {
    let (lines, pairs) = (Arc::new(MemoryRepository::new(false)), Arc::new(MemoryRepository::new(false)));
    let all = (0..30).map(|id| Line { id, content: "one".to_owned() }).collect();
    lines.upsert_many(all).await.expect("written");
    let backups = tempfile::tempdir().expect("a directory");
    let koan = context(&lines, &pairs, backups.path()).await;
    let _ = koan.backup("nightly").await.expect("a backup");
    lines.records.lock().expect("not poisoned").clear();
    let token = CancellationToken::new();
    let cancel = token.clone();
    let restore = koan.restore("nightly").batch_size(10).cancel_on(token).on_event(move |event| {
        if matches!(event, Event::BatchRestored { records: 10, .. }) {
            cancel.cancel();
        }
    });
    let error = restore.await.expect_err("cancelled");
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    assert!(error.chain().contains("records of Line were written"), "{error:?}");
    assert_ne!(lines.records.lock().expect("not poisoned").len(), 0);
}

#[tokio::test]
async fn duplicate_keys_fail_a_backup_even_if_the_records_are_not_adjacent() {
    let line = |id| Ok(Line { id, content: "one".to_owned() });
    let builder = Koan::builder().only_registered().register::<Line>().register_scope(&SCOPE);
    let repositories =
        Repositories::new().with(FixedRepository(Mutex::new(vec![line(7), line(1), line(2), line(7)])));
    let builder = builder.provider(repositories).named_storage("memory", Storage::memory());
    let koan = builder.build().await.expect("a context");
    let error = koan.backup("nightly").await.expect_err("one of the two records would be lost");
    assert_eq!(error.kind(), ErrorKind::Record);
    assert!(error.chain().contains("Line `id=7`") && error.chain().contains("duplicate key"), "{error:?}");
}

#[tokio::test]
async fn a_repository_that_fails_during_a_read_fails_the_backup() {
    let line = Ok(Line { id: 1, content: "one".to_owned() });
    let broken = FixedRepository(Mutex::new(vec![line, Err("the connection was lost".into())]));
    let koan = {
        let builder = Koan::builder().only_registered().register::<Line>().register_scope(&SCOPE);
        let builder = builder.provider(Repositories::new().with(broken));
        builder.named_storage("memory", Storage::memory()).build().await.expect("a context")
    };
    let error = koan.backup("nightly").await.expect_err("the connection is lost");
    assert_eq!(error.kind(), ErrorKind::Provider);
    assert!(error.chain().contains("repository of `Line`"), "{error:?}");
    assert!(koan.backups().await.expect("listed").iter().all(|manifest| manifest.archive.is_none()));
}

#[derive(Serialize, Deserialize, Entity)]
#[entity_backup]
struct Visit {
    id: i64,
    day: NaiveDate,
}

#[tokio::test]
async fn a_record_that_no_restore_could_write_fails_the_backup() {
    // `chrono` writes and reads the year 12345 as `+12345`. No adapter accepts a date of that year as a
    // value.
    let visit = |id, year| Ok(Visit { id, day: NaiveDate::from_ymd_opt(year, 1, 1).expect("a date") });
    let koan = {
        let builder = Koan::builder().only_registered().register::<Visit>();
        let repository = FixedRepository(Mutex::new(vec![visit(1, 2024), visit(2, 12_345)]));
        let builder = builder.provider(Repositories::new().with(repository));
        builder.named_storage("memory", Storage::memory()).build().await.expect("a context")
    };
    let error = koan.backup("nightly").await.expect_err("no restore could write the record");
    assert_eq!(error.kind(), ErrorKind::Record);
    let message = error.chain();
    assert!(
        message.contains("record 2 of Visit") && message.contains("day") && !message.contains("12345"),
        "{message}"
    );
    assert!(koan.backups().await.expect("listed").iter().all(|manifest| manifest.archive.is_none()));
}

/// A repository that the test and the context share.
struct SharedRepository<T>(Arc<MemoryRepository<T>>);

#[async_trait]
impl<T: koan_backup::Entity + Clone> Repository<T> for SharedRepository<T> {
    fn all(&self) -> BoxStream<'_, Result<T, RepositoryError>> {
        self.0.all()
    }

    async fn upsert_many(&self, records: Vec<T>) -> Result<(), RepositoryError> {
        self.0.upsert_many(records).await
    }
}

/// A read-only repository that returns the given records and errors once.
struct FixedRepository<T>(Mutex<Vec<Result<T, RepositoryError>>>);

#[async_trait]
impl<T: koan_backup::Entity> Repository<T> for FixedRepository<T> {
    fn all(&self) -> BoxStream<'_, Result<T, RepositoryError>> {
        stream::iter(std::mem::take(&mut *self.0.lock().expect("not poisoned"))).boxed()
    }

    async fn upsert_many(&self, _: Vec<T>) -> Result<(), RepositoryError> {
        Err("the repository is read-only".into())
    }
}

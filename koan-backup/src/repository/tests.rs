//! Repositories of a database that takes keys for one that differ.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use futures::StreamExt as _;
use futures::stream::{self, BoxStream};
use koan_backup_core::{
    EntityCodec, Provider as _, ReadRequest, Record, RecordSink, RestoreTarget, Result, SessionIntent,
    SessionOptions, SetName, WriteCounts,
};
use serde::{Deserialize, Serialize};

use super::{Repositories, Repository, RepositoryError};
use crate::Entity;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
#[entity(name = "RepositoryTestMail", crate = "crate")]
struct Mail {
    #[entity(key)]
    email: String,
    n: i64,
}

/// What the database does with the key of a row that is there, and whether the repository says how it compares.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Folding {
    KeepsSpelling,
    TakesSpelling,
}

/// A database that ignores the case of e-mail addresses.
#[derive(Clone)]
struct Folded {
    rows: Arc<Mutex<BTreeMap<String, Mail>>>,
    folding: Folding,
    declares: bool,
    drops: Option<i64>,
}

#[async_trait]
impl Repository<Mail> for Folded {
    fn all(&self) -> BoxStream<'_, Result<Mail, RepositoryError>> {
        let rows: Vec<_> = self.rows.lock().expect("sound").values().cloned().map(Ok).collect();
        stream::iter(rows).boxed()
    }

    async fn upsert_many(&self, records: Vec<Mail>) -> Result<(), RepositoryError> {
        let mut rows = self.rows.lock().expect("sound");
        for record in records.into_iter().filter(|record| Some(record.n) != self.drops) {
            match rows.get_mut(&record.email.to_lowercase()) {
                Some(row) if self.folding == Folding::KeepsSpelling => row.n = record.n,
                Some(row) => *row = record,
                None => drop(rows.insert(record.email.to_lowercase(), record)),
            }
        }
        Ok(())
    }

    fn comparable_key(&self, record: &Mail) -> Option<String> {
        self.declares.then(|| record.email.to_lowercase())
    }

    fn deletes(&self) -> bool {
        true
    }

    async fn delete_many(&self, records: Vec<Mail>) -> Result<(), RepositoryError> {
        let mut rows = self.rows.lock().expect("sound");
        records.iter().for_each(|record| drop(rows.remove(&record.email.to_lowercase())));
        Ok(())
    }
}

fn folded(rows: &[(&str, i64)], folding: Folding, declares: bool) -> Folded {
    let rows = rows.iter().map(|&(email, n)| (email.to_lowercase(), Mail { email: email.to_owned(), n }));
    Folded { rows: Arc::new(Mutex::new(rows.collect())), folding, declares, drops: None }
}

fn options(replace_existing: bool, intent: SessionIntent) -> SessionOptions {
    let mut options = SessionOptions::default();
    (options.replace_existing, options.intent) = (replace_existing, intent);
    options
}

async fn restore(
    repository: &Folded,
    records: &[(&str, i64)],
    options: &SessionOptions,
) -> Result<WriteCounts> {
    let codec = EntityCodec::new(Mail::descriptor());
    let records: Vec<Record> = records
        .iter()
        .map(|&(email, n)| codec.record(&Mail { email: email.to_owned(), n }).expect("a record"))
        .collect();
    let mut session = Repositories::new().with(repository.clone()).begin_restore(options).await?;
    session.begin(RestoreTarget::new(codec, SetName::root())).await?;
    session.write(records).await?;
    let counts = session.end().await?;
    session.commit().await.map(|()| counts)
}

fn rows(repository: &Folded) -> Vec<(String, i64)> {
    repository.rows.lock().expect("sound").values().map(|row| (row.email.clone(), row.n)).collect()
}

const THERE: [(&str, i64); 2] = [("A@x", 1), ("gone@x", 2)];

#[tokio::test]
async fn replacing_in_a_database_that_folds_keys_never_removes_what_was_just_written() {
    for folding in [Folding::KeepsSpelling, Folding::TakesSpelling] {
        for declares in [false, true] {
            let repository = folded(&THERE, folding, declares);
            let ended = restore(&repository, &[("a@x", 5)], &options(true, SessionIntent::Apply)).await;
            let found = rows(&repository);
            assert!(found.iter().any(|(email, n)| email.eq_ignore_ascii_case("a@x") && *n == 5), "{found:?}");
            if declares {
                let counts = ended.expect("restored");
                assert_eq!((counts.inserted, counts.updated, counts.deleted), (0, 1, 1));
                assert_eq!(found.len(), 1);
            } else if folding == Folding::KeepsSpelling {
                let error = ended.expect_err("the key is not there").to_string();
                assert!(error.contains("a@x") && error.contains("comparable_key"), "{error}");
                assert_eq!(found.len(), 2, "nothing was removed");
            }
        }
    }
}

#[tokio::test]
async fn two_records_that_the_database_makes_one_are_refused_by_name() {
    let both = [("a@x", 5), ("b@x", 6), ("A@x", 7)];
    for folding in [Folding::KeepsSpelling, Folding::TakesSpelling] {
        for replacing in [false, true] {
            for intent in [SessionIntent::Apply, SessionIntent::Compare] {
                let repository = folded(&THERE, folding, true);
                let error =
                    restore(&repository, &both, &options(replacing, intent)).await.expect_err("one key");
                assert!(error.to_string().contains("A@x"), "{error}");
                assert_eq!(rows(&repository).len(), 2, "nothing was written");
            }
            let repository = folded(&THERE, folding, false);
            let error = restore(&repository, &both, &options(replacing, SessionIntent::Apply)).await;
            let error = error.expect_err("one of them is not there").to_string();
            assert!(error.to_lowercase().contains("a@x"), "{error}");
        }
    }
}

#[tokio::test]
async fn a_dry_run_of_keys_in_another_spelling_counts_what_a_restore_counts() {
    for replacing in [false, true] {
        let repository = folded(&THERE, Folding::TakesSpelling, true);
        let records = [("a@X", 1), ("new@x", 3)];
        let told = restore(&repository, &records, &options(replacing, SessionIntent::Compare))
            .await
            .expect("compared");
        let done = restore(&repository, &records, &options(replacing, SessionIntent::Apply))
            .await
            .expect("restored");
        assert_eq!(told, done);
        assert_eq!((done.inserted, done.updated), (1, 1));
        let again = restore(&repository, &records, &options(replacing, SessionIntent::Apply))
            .await
            .expect("restored");
        assert_eq!((again.unchanged, again.inserted, again.updated), (2, 0, 0));
    }
}

#[tokio::test]
async fn a_record_that_the_repository_drops_is_named() {
    let mut repository = folded(&THERE, Folding::TakesSpelling, false);
    repository.drops = Some(9);
    let records = [("b@x", 8), ("c@x", 9)];
    let error =
        restore(&repository, &records, &options(false, SessionIntent::Apply)).await.expect_err("dropped");
    assert!(error.to_string().contains("c@x"), "{error}");
}

#[tokio::test]
async fn a_backup_of_keys_that_the_database_takes_for_one_is_refused() {
    let repository = folded(&[], Folding::TakesSpelling, true);
    let row = |email: &str| Mail { email: email.to_owned(), n: 1 };
    // As after an import past the database's own index.
    let odd = [("1", row("a@x")), ("2", row("b@x")), ("3", row("A@x"))];
    repository.rows.lock().expect("sound").extend(odd.map(|(key, row)| (key.to_owned(), row)));
    let codec = EntityCodec::new(Mail::descriptor());
    let snapshot = Repositories::new().with(repository.clone()).snapshot().await.expect("a snapshot");
    let (sink, mut chunks) = RecordSink::channel(codec.clone(), 10);
    let read = snapshot.read(ReadRequest::all(codec, SetName::root()), sink);
    let (read, ()) = tokio::join!(read, async { while chunks.recv().await.is_some() {} });
    let error = read.expect_err("one would be lost").to_string();
    assert!(error.contains("A@x") || error.contains("a@x"), "{error}");
}

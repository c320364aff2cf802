//! Tests of repositories whose database considers different keys to be equal.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use futures::StreamExt as _;
use futures::stream::{self, BoxStream};
use koan_backup_core::{
    Result, SetName,
    entity::{EntityCodec, Record},
    provider::{
        Provider as _, ReadRequest, RecordSink, RestoreTarget, SessionIntent, SessionOptions, WriteCounts,
    },
};
use serde::{Deserialize, Serialize};

use super::{Repositories, Repository, RepositoryError};
use koan_backup::Entity;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
#[entity(name = "RepositoryTestMail")]
struct Mail {
    #[entity(key)]
    email: String,
    n: i64,
}

/// What the database does with the spelling of a key when a record is overwritten.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Folding {
    /// The spelling of the existing key remains.
    KeepsSpelling,
    /// The spelling of the new record replaces it.
    ReplacesSpelling,
}

/// A database that ignores the case of e-mail addresses.
#[derive(Clone)]
struct CaseFoldingMails {
    rows: Arc<Mutex<BTreeMap<String, Mail>>>,
    folding: Folding,
    /// Whether the repository implements `comparable_key`.
    declares_key: bool,
    /// The value of `n` of the records that are discarded.
    discarded: Option<i64>,
    fault: Option<Fault>,
}

/// A fault of a repository.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    /// The repository inserts new records, and ignores records whose key exists.
    IgnoresExisting,
    /// The repository writes other values.
    Changes,
    /// The repository deletes no record.
    KeepsAll,
    /// The repository deletes one record too many.
    DeletesMore,
}

#[async_trait]
impl Repository<Mail> for CaseFoldingMails {
    fn all(&self) -> BoxStream<'_, Result<Mail, RepositoryError>> {
        let rows: Vec<_> = self
            .rows
            .lock()
            .expect("no test panicked while it held the lock")
            .values()
            .cloned()
            .map(Ok)
            .collect();
        stream::iter(rows).boxed()
    }

    async fn upsert_many(&self, records: Vec<Mail>) -> Result<(), RepositoryError> {
        let mut rows = self.rows.lock().expect("no test panicked while it held the lock");
        for record in records.into_iter().filter(|record| Some(record.n) != self.discarded) {
            let record = match self.fault {
                Some(Fault::Changes) => Mail { n: record.n.min(6), ..record },
                _ => record,
            };
            match rows.get_mut(&record.email.to_lowercase()) {
                Some(_) if self.fault == Some(Fault::IgnoresExisting) => {}
                Some(row) if self.folding == Folding::KeepsSpelling => row.n = record.n,
                Some(row) => *row = record,
                None => drop(rows.insert(record.email.to_lowercase(), record)),
            }
        }
        Ok(())
    }

    fn comparable_key(&self, record: &Mail) -> Option<String> {
        self.declares_key.then(|| record.email.to_lowercase())
    }

    fn deletes(&self) -> bool {
        true
    }

    async fn delete_many(&self, records: Vec<Mail>) -> Result<(), RepositoryError> {
        let mut rows = self.rows.lock().expect("no test panicked while it held the lock");
        if self.fault == Some(Fault::KeepsAll) {
            return Ok(());
        }
        records.iter().for_each(|record| drop(rows.remove(&record.email.to_lowercase())));
        if self.fault == Some(Fault::DeletesMore) {
            rows.pop_first();
        }
        Ok(())
    }
}

fn mails(rows: &[(&str, i64)], folding: Folding, declares_key: bool) -> CaseFoldingMails {
    let rows = rows.iter().map(|&(email, n)| (email.to_lowercase(), Mail { email: email.to_owned(), n }));
    let rows = Arc::new(Mutex::new(rows.collect()));
    CaseFoldingMails { rows, folding, declares_key, discarded: None, fault: None }
}

fn options(replace_existing: bool, intent: SessionIntent) -> SessionOptions {
    let mut options = SessionOptions::default();
    (options.replace_existing, options.intent) = (replace_existing, intent);
    options
}

async fn restore(
    repository: &CaseFoldingMails,
    records: &[(&str, i64)],
    options: &SessionOptions,
) -> Result<WriteCounts> {
    let codec = EntityCodec::new(Mail::descriptor());
    let records: Vec<Record> = records
        .iter()
        .map(|&(email, n)| {
            codec.record(&Mail { email: email.to_owned(), n }).expect("the type serializes as a record")
        })
        .collect();
    let mut session = Repositories::new().with(repository.clone()).begin_restore(options).await?;
    let mut writer = session.begin(RestoreTarget::new(codec, SetName::root())).await?;
    writer.write(records.into()).await?;
    let counts = writer.finish().await?;
    session.commit().await.map(|_| counts)
}

fn rows(repository: &CaseFoldingMails) -> Vec<(String, i64)> {
    repository
        .rows
        .lock()
        .expect("no test panicked while it held the lock")
        .values()
        .map(|row| (row.email.clone(), row.n))
        .collect()
}

/// The existing records of each test.
const EXISTING: [(&str, i64); 2] = [("A@x", 1), ("gone@x", 2)];

#[tokio::test]
async fn replacing_in_a_database_that_folds_keys_never_deletes_written_records() {
    for folding in [Folding::KeepsSpelling, Folding::ReplacesSpelling] {
        for declares_key in [false, true] {
            let repository = mails(&EXISTING, folding, declares_key);
            let result = restore(&repository, &[("a@x", 5)], &options(true, SessionIntent::Apply)).await;
            let found = rows(&repository);
            assert!(found.iter().any(|(email, n)| email.eq_ignore_ascii_case("a@x") && *n == 5), "{found:?}");
            if declares_key {
                let counts = result.expect("the restore succeeds");
                assert_eq!((counts.inserted, counts.updated, counts.deleted), (0, 1, 1));
                assert_eq!(found.len(), 1);
            } else if folding == Folding::KeepsSpelling {
                let error = result.expect_err("the written key does not exist").to_string();
                assert!(error.contains("a@x") && error.contains("comparable_key"), "{error}");
                assert_eq!(found.len(), 2, "a record was deleted");
            }
        }
    }
}

#[tokio::test]
async fn the_error_for_records_with_keys_that_the_database_considers_equal_contains_a_key() {
    let records = [("a@x", 5), ("b@x", 6), ("A@x", 7)];
    for folding in [Folding::KeepsSpelling, Folding::ReplacesSpelling] {
        for replacing in [false, true] {
            for intent in [SessionIntent::Apply, SessionIntent::Compare] {
                let repository = mails(&EXISTING, folding, true);
                let result = restore(&repository, &records, &options(replacing, intent)).await;
                let error = result.expect_err("the keys are duplicates");
                assert!(error.to_string().contains("A@x"), "{error}");
                assert_eq!(rows(&repository).len(), 2, "a record was written");
            }
            let repository = mails(&EXISTING, folding, false);
            let result = restore(&repository, &records, &options(replacing, SessionIntent::Apply)).await;
            let error = result.expect_err("one of the records is missing").to_string();
            assert!(error.to_lowercase().contains("a@x"), "{error}");
        }
    }
}

#[tokio::test]
async fn a_dry_run_with_other_key_spellings_has_the_same_counts_as_a_restore() {
    for replacing in [false, true] {
        let repository = mails(&EXISTING, Folding::ReplacesSpelling, true);
        let records = [("a@X", 1), ("new@x", 3)];
        let dry_run = restore(&repository, &records, &options(replacing, SessionIntent::Compare))
            .await
            .expect("the dry run succeeds");
        let restored = restore(&repository, &records, &options(replacing, SessionIntent::Apply))
            .await
            .expect("the restore succeeds");
        assert_eq!(dry_run, restored);
        assert_eq!((restored.inserted, restored.updated), (1, 1));
        let second = restore(&repository, &records, &options(replacing, SessionIntent::Apply))
            .await
            .expect("the restore succeeds");
        assert_eq!((second.unchanged, second.inserted, second.updated), (2, 0, 0));
    }
}

#[tokio::test]
async fn the_error_contains_the_key_of_a_record_that_the_repository_discards() {
    let mut repository = mails(&EXISTING, Folding::ReplacesSpelling, false);
    repository.discarded = Some(9);
    let records = [("b@x", 8), ("c@x", 9)];
    let error = restore(&repository, &records, &options(false, SessionIntent::Apply))
        .await
        .expect_err("a record was discarded");
    assert!(error.to_string().contains("c@x"), "{error}");
}

#[tokio::test]
async fn a_backup_with_keys_that_the_database_considers_equal_is_refused() {
    let repository = mails(&[], Folding::ReplacesSpelling, true);
    let row = |email: &str| Mail { email: email.to_owned(), n: 1 };
    // The database contains equal keys, for example because an import did not use its unique index.
    let with_duplicate = [("1", row("a@x")), ("2", row("b@x")), ("3", row("A@x"))];
    repository
        .rows
        .lock()
        .expect("no test panicked while it held the lock")
        .extend(with_duplicate.map(|(key, row)| (key.to_owned(), row)));
    let codec = EntityCodec::new(Mail::descriptor());
    let snapshot =
        Repositories::new().with(repository.clone()).snapshot().await.expect("the snapshot is taken");
    let (sink, mut chunks) = RecordSink::channel(codec.clone(), 10);
    let read = snapshot.read(ReadRequest::all(codec, SetName::root()), sink);
    let (read, ()) = tokio::join!(read, async { while chunks.recv().await.is_some() {} });
    let error = read.expect_err("the keys are duplicates").to_string();
    assert!(error.contains("A@x") || error.contains("a@x"), "{error}");
}

#[tokio::test]
async fn the_error_contains_the_key_of_a_record_that_the_repository_skips_or_changes() {
    for fault in [Fault::IgnoresExisting, Fault::Changes] {
        for declares_key in [false, true] {
            for replacing in [false, true] {
                let mut repository = mails(&EXISTING, Folding::ReplacesSpelling, declares_key);
                repository.fault = Some(fault);
                // The first record exists with another value; the second one is new.
                let records = [("A@x", 7), ("b@x", 6)];
                let result = restore(&repository, &records, &options(replacing, SessionIntent::Apply)).await;
                let error = result.expect_err("the record differs from the written record");
                assert_eq!(error.kind(), koan_backup_core::ErrorKind::Constraint);
                let text = error.to_string();
                assert!(text.contains("email=\"A@x\"") && text.contains("other values"), "{text}");
                assert!(rows(&repository).len() >= 2, "a record was deleted");
            }
        }
    }
}

#[tokio::test]
async fn the_error_contains_the_key_of_a_record_that_the_repository_does_not_delete_or_deletes_wrongly() {
    for (fault, key) in [(Fault::KeepsAll, "gone@x"), (Fault::DeletesMore, "A@x")] {
        let mut repository = mails(&EXISTING, Folding::ReplacesSpelling, false);
        repository.fault = Some(fault);
        for records in [[("A@x", 1), ("b@x", 6)], [("A@x", 2), ("b@x", 6)]] {
            let result = restore(&repository, &records, &options(true, SessionIntent::Apply)).await;
            let error = result.expect_err("the deleted records differ from the requested records");
            assert_eq!(error.kind(), koan_backup_core::ErrorKind::Constraint);
            let text = error.to_string();
            assert!(text.contains(key) && text.contains("delete_many"), "{text}");
            repository = mails(&EXISTING, Folding::ReplacesSpelling, false);
            repository.fault = Some(fault);
        }
    }
}

/// A record whose values a database may return in another form.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
#[entity(name = "RepositoryTestPrice")]
struct Price {
    id: i64,
    amount: rust_decimal::Decimal,
    factor: f64,
    at: chrono::DateTime<chrono::FixedOffset>,
    details: serde_json::Value,
    parts: Vec<rust_decimal::Decimal>,
}

/// A database that returns values in its own form: decimals with four digits, no negative zero, and instants
/// in UTC. It adds `rounding` to an instant before it truncates it to microseconds.
struct Ledger {
    rows: Mutex<Vec<Price>>,
    rounding: i64,
}

#[async_trait]
impl Repository<Price> for Ledger {
    fn all(&self) -> BoxStream<'_, Result<Price, RepositoryError>> {
        stream::iter(
            self.rows.lock().expect("no test panicked while it held the lock").clone().into_iter().map(Ok),
        )
        .boxed()
    }

    async fn upsert_many(&self, records: Vec<Price>) -> Result<(), RepositoryError> {
        self.rows.lock().expect("no test panicked while it held the lock").extend(records.into_iter().map(
            |mut record| {
                record.amount.rescale(4);
                record.factor += 0.0;
                record.parts.iter_mut().for_each(|part| part.rescale(4));
                let rounded = record.at + chrono::TimeDelta::nanoseconds(self.rounding);
                let micros = rounded.timestamp_micros();
                record.at = chrono::DateTime::from_timestamp_micros(micros)
                    .expect("the time is in range")
                    .fixed_offset();
                record
            },
        ));
        Ok(())
    }
}

#[tokio::test]
async fn values_that_are_returned_in_another_form_are_equal_to_the_written_values() {
    let price = Price {
        id: 1,
        amount: "1.5".parse().expect("the text is a decimal"),
        factor: -0.0,
        at: "2024-02-29T12:00:00.123456789+02:00".parse().expect("the text is an instant"),
        details: serde_json::json!({"b": [1.0, 2], "a": "é"}),
        parts: vec![
            "1.50".parse().expect("the text is a decimal"),
            "2".parse().expect("the text is a decimal"),
        ],
    };
    let codec = EntityCodec::new(Price::descriptor());
    let record = codec.record(&price).expect("the type serializes as a record");
    let apply = options(false, SessionIntent::Apply);
    for (rounding, is_equal) in [(0, true), (500, true), (999, true), (1500, false), (-1000, false)] {
        let provider = Repositories::new().with(Ledger { rows: Mutex::default(), rounding });
        let mut session = provider.begin_restore(&apply).await.expect("the session begins");
        let target = RestoreTarget::new(codec.clone(), SetName::root());
        let mut writer = session.begin(target).await.expect("the target begins");
        writer.write(vec![record.clone()].into()).await.expect("the repository accepts the record");
        let finished = writer.finish().await;
        assert_eq!(finished.ok().map(|counts| counts.inserted), is_equal.then_some(1), "{rounding}");
    }
}

/// A record with a field that the database fills.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
#[entity(name = "RepositoryTestVersioned")]
struct Versioned {
    id: i64,
    name: String,
    version: i64,
}

/// A database that increments the version of each written record and truncates its name to `length`.
struct VersioningDatabase {
    rows: Mutex<BTreeMap<i64, Versioned>>,
    maintained: &'static [&'static str],
    length: usize,
}

#[async_trait]
impl Repository<Versioned> for VersioningDatabase {
    fn all(&self) -> BoxStream<'_, Result<Versioned, RepositoryError>> {
        let rows: Vec<_> = self
            .rows
            .lock()
            .expect("no test panicked while it held the lock")
            .values()
            .cloned()
            .map(Ok)
            .collect();
        stream::iter(rows).boxed()
    }

    async fn upsert_many(&self, records: Vec<Versioned>) -> Result<(), RepositoryError> {
        self.rows.lock().expect("no test panicked while it held the lock").extend(records.into_iter().map(
            |mut record| {
                record.version += 1;
                record.name.truncate(self.length);
                (record.id, record)
            },
        ));
        Ok(())
    }

    fn maintained_fields(&self) -> &[&str] {
        self.maintained
    }
}

#[tokio::test]
async fn the_error_contains_each_changed_field_that_is_not_maintained_and_no_other_field() {
    for (maintained, length, changed, other) in [
        (&["version"][..], 9, None, ""),
        (&[], 9, Some("`version`"), "`name`"),
        (&["version"], 2, Some("`name`"), "`version`"),
        (&["name"], 2, Some("`version`"), "`name`"),
    ] {
        let codec = EntityCodec::new(Versioned::descriptor());
        let record = codec
            .record(&Versioned { id: 1, name: "content".into(), version: 7 })
            .expect("the type serializes as a record");
        let database = VersioningDatabase { rows: Mutex::default(), maintained, length };
        let provider = Repositories::new().with(database);
        let apply = options(false, SessionIntent::Apply);
        let mut session = provider.begin_restore(&apply).await.expect("the session begins");
        let mut writer =
            session.begin(RestoreTarget::new(codec, SetName::root())).await.expect("the target begins");
        writer.write(vec![record].into()).await.expect("the repository accepts the record");
        let result = writer.finish().await;
        let Some(changed) = changed else {
            assert_eq!(result.expect("all compared fields are equal").inserted, 1);
            continue;
        };
        let text = result.expect_err("a value was changed").to_string();
        assert!(text.contains(changed) && text.contains("maintained_fields"), "{text}");
        assert!(!text.contains(other) && !text.contains("content"), "{text}");
    }
}

#[tokio::test]
async fn a_maintained_field_that_does_not_exist_or_belongs_to_the_key_is_a_problem_at_the_start() {
    for maintained in [&["versoin"][..], &["version", "id"]] {
        let codec = EntityCodec::new(Versioned::descriptor());
        let database = VersioningDatabase { rows: Mutex::default(), maintained, length: 9 };
        let provider = Repositories::new().with(database);
        let description = provider.describe(&[codec]).await.expect("the provider is described");
        let problem = description.entities[0].problem.clone().unwrap_or_default();
        assert!(problem.contains(maintained[maintained.len() - 1]), "{maintained:?}: {problem}");
    }
}

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

/// Whether the database keeps the spelling of an existing key or takes that of the new record.
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
    fault: Option<Fault>,
}

/// What a repository does wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    /// Inserts records, and ignores those whose key exists.
    IgnoresExisting,
    /// Writes another value.
    Changes,
    /// Removes nothing.
    KeepsAll,
    /// Removes one record too many.
    RemovesMore,
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
        self.declares.then(|| record.email.to_lowercase())
    }

    fn deletes(&self) -> bool {
        true
    }

    async fn delete_many(&self, records: Vec<Mail>) -> Result<(), RepositoryError> {
        let mut rows = self.rows.lock().expect("sound");
        if self.fault == Some(Fault::KeepsAll) {
            return Ok(());
        }
        records.iter().for_each(|record| drop(rows.remove(&record.email.to_lowercase())));
        if self.fault == Some(Fault::RemovesMore) {
            rows.pop_first();
        }
        Ok(())
    }
}

fn folded(rows: &[(&str, i64)], folding: Folding, declares: bool) -> Folded {
    let rows = rows.iter().map(|&(email, n)| (email.to_lowercase(), Mail { email: email.to_owned(), n }));
    Folded { rows: Arc::new(Mutex::new(rows.collect())), folding, declares, drops: None, fault: None }
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
    let mut writer = session.begin(RestoreTarget::new(codec, SetName::root())).await?;
    writer.write(records.into()).await?;
    let counts = writer.finish().await?;
    session.commit().await.map(|_| counts)
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
async fn two_records_with_keys_that_the_database_considers_equal_are_refused_by_name() {
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
async fn a_backup_with_keys_that_the_database_considers_equal_is_refused() {
    let repository = folded(&[], Folding::TakesSpelling, true);
    let row = |email: &str| Mail { email: email.to_owned(), n: 1 };
    // The database has equal keys, as after an import that bypassed its own index.
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

#[tokio::test]
async fn a_record_that_the_repository_skips_or_changes_is_named() {
    for fault in [Fault::IgnoresExisting, Fault::Changes] {
        for declares in [false, true] {
            for replacing in [false, true] {
                let mut repository = folded(&THERE, Folding::TakesSpelling, declares);
                repository.fault = Some(fault);
                // The first record exists with another value; the second one is new.
                let records = [("A@x", 7), ("b@x", 6)];
                let ended = restore(&repository, &records, &options(replacing, SessionIntent::Apply)).await;
                let error = ended.expect_err("it is not what was written");
                assert_eq!(error.kind(), koan_backup_core::ErrorKind::Constraint);
                let text = error.to_string();
                assert!(text.contains("email=\"A@x\"") && text.contains("other values"), "{text}");
                assert!(rows(&repository).len() >= 2, "nothing was removed");
            }
        }
    }
}

#[tokio::test]
async fn a_record_that_the_repository_does_not_remove_is_named() {
    for (fault, named) in [(Fault::KeepsAll, "gone@x"), (Fault::RemovesMore, "A@x")] {
        let mut repository = folded(&THERE, Folding::TakesSpelling, false);
        repository.fault = Some(fault);
        for records in [[("A@x", 1), ("b@x", 6)], [("A@x", 2), ("b@x", 6)]] {
            let ended = restore(&repository, &records, &options(true, SessionIntent::Apply)).await;
            let error = ended.expect_err("it is not what was asked for");
            assert_eq!(error.kind(), koan_backup_core::ErrorKind::Constraint);
            let text = error.to_string();
            assert!(text.contains(named) && text.contains("delete_many"), "{text}");
            repository = folded(&THERE, Folding::TakesSpelling, false);
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
        stream::iter(self.rows.lock().expect("sound").clone().into_iter().map(Ok)).boxed()
    }

    async fn upsert_many(&self, records: Vec<Price>) -> Result<(), RepositoryError> {
        self.rows.lock().expect("sound").extend(records.into_iter().map(|mut record| {
            record.amount.rescale(4);
            record.factor += 0.0;
            record.parts.iter_mut().for_each(|part| part.rescale(4));
            let rounded = record.at + chrono::TimeDelta::nanoseconds(self.rounding);
            let micros = rounded.timestamp_micros();
            record.at = chrono::DateTime::from_timestamp_micros(micros).expect("in range").fixed_offset();
            record
        }));
        Ok(())
    }
}

#[tokio::test]
async fn values_that_are_returned_in_another_form_count_as_written() {
    let price = Price {
        id: 1,
        amount: "1.5".parse().expect("a decimal"),
        factor: -0.0,
        at: "2024-02-29T12:00:00.123456789+02:00".parse().expect("an instant"),
        details: serde_json::json!({"b": [1.0, 2], "a": "é"}),
        parts: vec!["1.50".parse().expect("a decimal"), "2".parse().expect("a decimal")],
    };
    let codec = EntityCodec::new(Price::descriptor());
    let record = codec.record(&price).expect("a record");
    let apply = options(false, SessionIntent::Apply);
    for (rounding, is_same) in [(0, true), (500, true), (999, true), (1500, false), (-1000, false)] {
        let provider = Repositories::new().with(Ledger { rows: Mutex::default(), rounding });
        let mut session = provider.begin_restore(&apply).await.expect("a session");
        let target = RestoreTarget::new(codec.clone(), SetName::root());
        let mut writer = session.begin(target).await.expect("a writer");
        writer.write(vec![record.clone()].into()).await.expect("written");
        let finished = writer.finish().await;
        assert_eq!(finished.ok().map(|counts| counts.inserted), is_same.then_some(1), "{rounding}");
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
struct Counted {
    rows: Mutex<BTreeMap<i64, Versioned>>,
    maintained: &'static [&'static str],
    length: usize,
}

#[async_trait]
impl Repository<Versioned> for Counted {
    fn all(&self) -> BoxStream<'_, Result<Versioned, RepositoryError>> {
        let rows: Vec<_> = self.rows.lock().expect("sound").values().cloned().map(Ok).collect();
        stream::iter(rows).boxed()
    }

    async fn upsert_many(&self, records: Vec<Versioned>) -> Result<(), RepositoryError> {
        self.rows.lock().expect("sound").extend(records.into_iter().map(|mut record| {
            record.version += 1;
            record.name.truncate(self.length);
            (record.id, record)
        }));
        Ok(())
    }

    fn maintained_fields(&self) -> &[&str] {
        self.maintained
    }
}

#[tokio::test]
async fn fields_that_the_database_maintains_are_not_compared_and_all_others_are_named() {
    for (maintained, length, named, other) in [
        (&["version"][..], 9, None, ""),
        (&[], 9, Some("`version`"), "`name`"),
        (&["version"], 2, Some("`name`"), "`version`"),
        (&["name"], 2, Some("`version`"), "`name`"),
    ] {
        let codec = EntityCodec::new(Versioned::descriptor());
        let record =
            codec.record(&Versioned { id: 1, name: "content".into(), version: 7 }).expect("a record");
        let provider = Repositories::new().with(Counted { rows: Mutex::default(), maintained, length });
        let apply = options(false, SessionIntent::Apply);
        let mut session = provider.begin_restore(&apply).await.expect("a session");
        let mut writer = session.begin(RestoreTarget::new(codec, SetName::root())).await.expect("a writer");
        writer.write(vec![record].into()).await.expect("written");
        let ended = writer.finish().await;
        let Some(named) = named else {
            assert_eq!(ended.expect("the rest is the same").inserted, 1);
            continue;
        };
        let text = ended.expect_err("another value").to_string();
        assert!(text.contains(named) && text.contains("maintained_fields"), "{text}");
        assert!(!text.contains(other) && !text.contains("content"), "{text}");
    }
}

#[tokio::test]
async fn a_maintained_field_that_does_not_exist_or_belongs_to_the_key_is_a_problem_at_the_start() {
    for maintained in [&["versoin"][..], &["version", "id"]] {
        let codec = EntityCodec::new(Versioned::descriptor());
        let provider = Repositories::new().with(Counted { rows: Mutex::default(), maintained, length: 9 });
        let description = provider.describe(&[codec]).await.expect("described");
        let problem = description.entities[0].problem.clone().unwrap_or_default();
        assert!(problem.contains(maintained[maintained.len() - 1]), "{maintained:?}: {problem}");
    }
}

//! Writes, backs up, clears and restores generated records of one database repeatedly.

use std::collections::{BTreeMap, BTreeSet};

use futures::TryStreamExt as _;
use koan_backup::prelude::*;
use koan_backup::{
    Error, SetName,
    entity::EntityCodec,
    provider::{Provider, RestoreTarget, SessionOptions},
    report::BackupReport,
};
use koan_backup_tests::random_seed::rounds;
use proptest::collection::vec;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use serde_json::value::RawValue;
use tokio::runtime::Runtime;

use super::making::Limits;
use super::record::{Anything, Named};

/// The number of cases, which is multiplied by `rounds()`.
const CASES: u32 = 16;

/// Asserts that a provider restores every record exactly. Its database must be empty.
pub(super) fn assert_any_record_is_restored(database: impl Provider, limits: Limits) {
    let runtime = Runtime::new().expect("a runtime");
    let koan = runtime.block_on(create_context(database));
    let config = Config { cases: CASES * rounds(), failure_persistence: None, ..Config::default() };
    let records = (vec(limits.anything(), 0..24), vec(limits.named(), 0..8));
    let result = TestRunner::new(config).run(&records, |(anything, named)| {
        runtime.block_on(check_round_trip(&koan, with_ids(anything), named)).map_err(TestCaseError::fail)
    });
    if let Err(error) = result {
        panic!("{error}");
    }
}

/// Creates the tables of a database, and a context for it.
async fn create_context(database: impl Provider) -> Koan {
    let mut options = SessionOptions::default();
    options.create_missing = true;
    let mut session = database.begin_restore(&options).await.expect("a session");
    for entity in [Anything::descriptor(), Named::descriptor()] {
        let target = RestoreTarget::new(EntityCodec::new(entity), SetName::root());
        session.begin(target).await.expect("created").finish().await.expect("created");
    }
    session.commit().await.expect("created");
    let builder = Koan::builder().provider(database).storage(Storage::memory());
    builder.build().await.expect("a context")
}

/// Assigns an id to each record. The ids of the first four records are boundary values.
fn with_ids(mut anything: Vec<Anything>) -> Vec<Anything> {
    for (number, record) in (0..).zip(&mut anything) {
        record.id =
            [i64::MIN, i64::MAX, 0, -1].get(number).copied().unwrap_or(i64::try_from(number).unwrap_or(0));
    }
    anything
}

/// Writes, backs up, deletes and restores records, and returns an error if a record changed.
async fn check_round_trip(koan: &Koan, anything: Vec<Anything>, named: Vec<Named>) -> Result<(), String> {
    let named: BTreeMap<_, _> =
        named.into_iter().map(|named| ((named.name.clone(), named.number), named)).collect();
    let context = |step: &str| {
        let step = step.to_owned();
        move |error: Error| format!("{step}: {}", error.chain())
    };
    koan.data::<Anything>().clear().await.map_err(context("deletion"))?;
    koan.data::<Named>().clear().await.map_err(context("deletion"))?;
    koan.data::<Anything>().upsert_many(anything.clone()).await.map_err(context("write"))?;
    koan.data::<Named>().upsert_many(named.values().cloned()).await.map_err(context("write"))?;
    let expected = (texts(&anything), texts(named.values()));
    let check = async |when: &str| {
        let found: Vec<Anything> = koan.data().all_stream().try_collect().await.map_err(context(when))?;
        let found_named: Vec<Named> = koan.data().all_stream().try_collect().await.map_err(context(when))?;
        compare(when, &texts(&found), &expected.0)?;
        compare(when, &texts(&found_named), &expected.1)
    };
    check("after writing").await?;
    // Each case has its own series, so that fewer records in the next case are not reported as a loss.
    let series = format!("case-{:016x}", fastrand::u64(..));
    let backup = koan.backup("any").series(series).await.map_err(context("backup"))?;
    if !backup.warnings().is_empty() {
        return Err(format!("warnings: {:?}", backup.warnings()));
    }
    koan.data::<Anything>().clear().await.map_err(context("deletion"))?;
    koan.data::<Named>().clear().await.map_err(context("deletion"))?;
    let _ = koan.restore(backup.id()).await.map_err(context("restore"))?;
    check("after restoring").await?;
    let second = koan.backup("second").await.map_err(context("second backup"))?;
    let hashes = |report: &BackupReport| -> Vec<_> {
        report.manifest().entities.iter().map(|entity| entity.record_set_hash).collect()
    };
    if hashes(&second) != hashes(&backup) {
        return Err(
            "the record-set hash of the restored records differs from that of the first backup".to_owned()
        );
    }
    Ok(())
}

/// Returns records as text that shows every bit of a value, such as the sign of zero and the digits after the
/// decimal point.
fn texts<'r, T: serde::Serialize + 'r>(records: impl IntoIterator<Item = &'r T>) -> BTreeSet<String> {
    records.into_iter().map(|record| serde_json::to_string(record).expect("JSON")).collect()
}

/// Compares the found records with the expected records. The error names the first field in which the first
/// different records differ.
fn compare(when: &str, found: &BTreeSet<String>, expected: &BTreeSet<String>) -> Result<(), String> {
    let fields = |text: Option<&String>| -> BTreeMap<String, Box<RawValue>> {
        text.map_or_else(BTreeMap::new, |text| serde_json::from_str(text).expect("an object"))
    };
    let (missing, unexpected) = (expected.difference(found).next(), found.difference(expected).next());
    let (missing, unexpected) = (fields(missing), fields(unexpected));
    let text =
        |fields: &BTreeMap<String, Box<RawValue>>, name| fields.get(name).map(|value| value.get().to_owned());
    let names = missing.keys().chain(unexpected.keys());
    match names.into_iter().find(|name| text(&missing, *name) != text(&unexpected, *name)) {
        None => Ok(()),
        Some(name) => Err(format!(
            "{when}: field `{name}` is {:?} instead of {:?}; {} records were found and {} are expected",
            text(&unexpected, name),
            text(&missing, name),
            found.len(),
            expected.len()
        )),
    }
}

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

/// The number of backups, unless the environment multiplies it.
const CASES: u32 = 16;

/// Asserts that a provider restores every record exactly. Its database must be empty.
pub(super) fn any_record_comes_back(database: impl Provider, limits: Limits) {
    let runtime = Runtime::new().expect("a runtime");
    let koan = runtime.block_on(context(database));
    let config = Config { cases: CASES * rounds(), failure_persistence: None, ..Config::default() };
    let records = (vec(limits.anything(), 0..24), vec(limits.named(), 0..8));
    let tried = TestRunner::new(config).run(&records, |(anything, named)| {
        runtime.block_on(comes_back(&koan, numbered(anything), named)).map_err(TestCaseError::fail)
    });
    if let Err(error) = tried {
        panic!("{error}");
    }
}

/// Creates the tables of a database, and a context for it.
async fn context(database: impl Provider) -> Koan {
    let mut options = SessionOptions::default();
    options.create_missing = true;
    let mut session = database.begin_restore(&options).await.expect("a session");
    for entity in [Anything::descriptor(), Named::descriptor()] {
        let target = RestoreTarget::new(EntityCodec::new(entity), SetName::root());
        session.begin(target).await.expect("made").finish().await.expect("made");
    }
    session.commit().await.expect("made");
    let builder = Koan::builder().provider("main", database).storage("local", Storage::memory());
    builder.build().await.expect("a context")
}

fn numbered(mut anything: Vec<Anything>) -> Vec<Anything> {
    for (number, record) in (0..).zip(&mut anything) {
        record.id =
            [i64::MIN, i64::MAX, 0, -1].get(number).copied().unwrap_or(i64::try_from(number).unwrap_or(0));
    }
    anything
}

async fn comes_back(koan: &Koan, anything: Vec<Anything>, named: Vec<Named>) -> Result<(), String> {
    let named: BTreeMap<_, _> =
        named.into_iter().map(|named| ((named.name.clone(), named.number), named)).collect();
    let told = |what: &str| {
        let what = what.to_owned();
        move |error: Error| format!("{what}: {}", error.chain())
    };
    koan.data::<Anything>().clear().await.map_err(told("cleared"))?;
    koan.data::<Named>().clear().await.map_err(told("cleared"))?;
    koan.data::<Anything>().upsert_many(anything.clone()).await.map_err(told("written"))?;
    koan.data::<Named>().upsert_many(named.values().cloned()).await.map_err(told("written"))?;
    let wanted = (texts(&anything), texts(named.values()));
    let holds = async |when: &str| {
        let found: Vec<Anything> = koan.data().all_stream().try_collect().await.map_err(told(when))?;
        let found_named: Vec<Named> = koan.data().all_stream().try_collect().await.map_err(told(when))?;
        same(when, &texts(&found), &wanted.0)?;
        same(when, &texts(&found_named), &wanted.1)
    };
    holds("as it was written").await?;
    // Each case has its own series, so that fewer records in the next case are not reported as a loss.
    let series = format!("case-{:016x}", fastrand::u64(..));
    let backup = koan.backup("any").series(series).await.map_err(told("backed up"))?;
    if !backup.warnings().is_empty() {
        return Err(format!("warnings: {:?}", backup.warnings()));
    }
    koan.data::<Anything>().clear().await.map_err(told("cleared"))?;
    koan.data::<Named>().clear().await.map_err(told("cleared"))?;
    koan.restore(backup.id()).await.map_err(told("restored"))?;
    holds("as it was restored").await?;
    let again = koan.backup("again").await.map_err(told("backed up again"))?;
    let hashes = |report: &BackupReport| -> Vec<_> {
        report.manifest().entities.iter().map(|part| part.record_set_hash).collect()
    };
    if hashes(&again) != hashes(&backup) {
        return Err("what was restored has another hash".to_owned());
    }
    Ok(())
}

/// Returns records as text that shows every bit of a value, such as the sign of zero and the digits after the
/// decimal point.
fn texts<'r, T: serde::Serialize + 'r>(records: impl IntoIterator<Item = &'r T>) -> BTreeSet<String> {
    records.into_iter().map(|record| serde_json::to_string(record).expect("text")).collect()
}

/// Compares the found records with the expected ones. The error names the first field in which the first
/// different records differ.
fn same(when: &str, found: &BTreeSet<String>, wanted: &BTreeSet<String>) -> Result<(), String> {
    let fields = |text: Option<&String>| -> BTreeMap<String, Box<RawValue>> {
        text.map_or_else(BTreeMap::new, |text| serde_json::from_str(text).expect("an object"))
    };
    let (lost, other) = (wanted.difference(found).next(), found.difference(wanted).next());
    let (lost, other) = (fields(lost), fields(other));
    let text =
        |fields: &BTreeMap<String, Box<RawValue>>, name| fields.get(name).map(|value| value.get().to_owned());
    let names = lost.keys().chain(other.keys());
    match names.into_iter().find(|name| text(&lost, *name) != text(&other, *name)) {
        None => Ok(()),
        Some(name) => Err(format!(
            "{when}: field `{name}` is {:?}, not {:?}; records {} for {}",
            text(&other, name),
            text(&lost, name),
            found.len(),
            wanted.len()
        )),
    }
}

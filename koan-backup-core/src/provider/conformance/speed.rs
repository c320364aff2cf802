//! Tests of declared capabilities that concern speed. They compare two methods of writing within a short
//! time, so that the speed of the machine does not matter.

use std::time::Duration;

use futures::FutureExt;
use tokio::time::Instant;

use super::case::Case;
use super::database::{Database, failed, options};
use super::model::{Line, Pair};
use crate::entity::codec::{Record, RecordError};
use crate::entity::{Entity, EntityCodec};
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::foundation::id::SetName;
use crate::provider::{RestoreLevel, RestoreTarget, SessionOptions};

pub(super) const CASES: &[Case] = &[
    Case::new("many records in one session take less time than in one session per record", |database| {
        many_records(database).boxed()
    })
    .needing(|capabilities| capabilities.bulk_upsert),
    Case::new("level `fast` takes less time than level `safe`", |database| levels(database).boxed())
        .needing(|capabilities| capabilities.restore_optimisation),
];

/// The minimum and maximum number of rounds before the result is decided. The shortest time of each method is
/// used, because other load can only make a time longer.
const ROUNDS: std::ops::RangeInclusive<usize> = 3..=8;
/// A provider that needs at most this time for a record does not wait for a server or a disk. It passes,
/// because a batch cannot save any waiting time.
const NO_WAIT_LIMIT: Duration = Duration::from_micros(50);
/// The number of records that are written in one session.
const RECORDS_IN_ONE_SESSION: u32 = 500;
/// The number of records that are written with one session each.
const SINGLE_RECORD_SESSIONS: u32 = 10;
/// The number of records that are written at each restore level.
const RECORDS_PER_LEVEL: i64 = 20_000;

/// Checks that a record in a session of many records takes at most half of the time of a record in a separate
/// session, or at most [`NO_WAIT_LIMIT`].
async fn many_records(database: &Database) -> Result<()> {
    let target = RestoreTarget::new(EntityCodec::new(Line::descriptor()), SetName::root());
    let mut id = 0;
    let mut next_records = |count: u32| {
        let first = id;
        id += i64::from(count);
        (first..id).map(|id| target.entity.record(&Line::new(id, "a line of some length"))).collect()
    };
    let (mut batched, mut single) = (Duration::MAX, Duration::MAX);
    write(database, &target, converted(next_records(1))?, options()).await?;
    for round in 1..=*ROUNDS.end() {
        let mut elapsed = Duration::ZERO;
        for record in converted(next_records(SINGLE_RECORD_SESSIONS))? {
            elapsed += write(database, &target, vec![record], options()).await?;
        }
        single = single.min(elapsed / SINGLE_RECORD_SESSIONS);
        let elapsed =
            write(database, &target, converted(next_records(RECORDS_IN_ONE_SESSION))?, options()).await?;
        batched = batched.min(elapsed / RECORDS_IN_ONE_SESSION);
        if round >= *ROUNDS.start() && (batched <= NO_WAIT_LIMIT || batched * 2 <= single) {
            return Ok(());
        }
    }
    Err(failed(format!(
        "a record in a session of {RECORDS_IN_ONE_SESSION} records took {batched:?}, and a record in a \
         separate session took {single:?}"
    )))
}

/// Checks that unordered records at level `fast` take at most nine tenths of the time that they take at level
/// `safe`.
async fn levels(database: &Database) -> Result<()> {
    let target = RestoreTarget::new(EntityCodec::new(Pair::descriptor()), SetName::root());
    let records = converted(shuffled().map(|pair| target.entity.record(&pair)).collect())?;
    let (mut fast, mut safe) = (Duration::MAX, Duration::MAX);
    for round in 1..=*ROUNDS.end() {
        let mut levels = [RestoreLevel::Fast, RestoreLevel::Safe];
        // The order alternates, because work that the database defers at one level may be done during the
        // other level.
        levels.rotate_left(round % 2);
        for level in levels {
            let empty = SessionOptions { replace_existing: true, ..options() };
            write(database, &target, Vec::new(), empty).await?;
            let options = SessionOptions { level, ..options() };
            let elapsed = write(database, &target, records.clone(), options).await?;
            let minimum = if level == RestoreLevel::Fast { &mut fast } else { &mut safe };
            *minimum = elapsed.min(*minimum);
        }
        if round >= *ROUNDS.start() && fast * 10 <= safe * 9 {
            return Ok(());
        }
    }
    Err(failed(format!(
        "{RECORDS_PER_LEVEL} records took {fast:?} at level `fast` and {safe:?} at level `safe`; the table \
         of `Pair` must have indexes for a level to make a difference"
    )))
}

/// Returns records whose fields are in pseudo-random order, so that each index is written at random
/// positions.
fn shuffled() -> impl Iterator<Item = Pair> {
    // Multiplying by a prime that does not divide the number of records visits each number exactly once.
    let position = |number: i64| number * 7_919 % RECORDS_PER_LEVEL;
    (0..RECORDS_PER_LEVEL).map(move |number| Pair {
        owner: format!("owner {:05}", position(number)),
        number,
        content: format!("content {:05} of a record", position(position(number))),
    })
}

fn converted(records: std::result::Result<Vec<Record>, RecordError>) -> Result<Vec<Record>> {
    records.map_err(|error| {
        Error::with_source(ErrorKind::Internal, "a record of the suite cannot be converted", error)
    })
}

/// Returns the duration of one session, from its start to its commit.
async fn write(
    database: &Database,
    target: &RestoreTarget,
    records: Vec<Record>,
    options: SessionOptions,
) -> Result<Duration> {
    let target = target.clone();
    let started = Instant::now();
    let mut session = database.provider.begin_restore(&options).await?;
    let mut writer = session.begin(target).await?;
    writer.write(records.into()).await?;
    writer.finish().await?;
    session.commit().await?;
    Ok(started.elapsed())
}

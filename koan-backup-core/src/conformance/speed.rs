//! What is claimed of speed. One way of writing is compared with another in the same minute: what a machine can do does not count.

use std::time::Duration;

use futures::FutureExt;
use tokio::time::Instant;

use super::Case;
use super::database::{Database, failed, options};
use super::model::{Line, Pair};
use crate::codec::{Record, RecordError};
use crate::entity::{Entity, EntityCodec};
use crate::error::{Error, ErrorKind, Result};
use crate::id::SetName;
use crate::provider::{RestoreLevel, RestoreTarget, SessionOptions};

pub(super) const CASES: &[Case] = &[
    Case::new("many records in one session take less than as many sessions", |database| {
        many(database).boxed()
    })
    .needing(|capabilities| capabilities.bulk_upsert),
    Case::new("level `fast` takes less than level `safe`", |database| levels(database).boxed())
        .needing(|capabilities| capabilities.restore_optimisation),
];

/// How often each way is tried before there is a verdict, and at most. Of each the shortest time counts, because whatever else runs
/// can only make it longer.
const ROUNDS: std::ops::RangeInclusive<usize> = 3..=8;
/// A record that takes no longer was not waited for: there is no server, and no disk, to spare a way to.
const NO_WAIT: Duration = Duration::from_micros(50);
/// Records that are written in one session.
const AT_ONCE: u32 = 500;
/// Records that are written in a session each.
const ONE_BY_ONE: u32 = 10;
/// Records that are written at each level.
const INDEXED: i64 = 20_000;

/// Of many records in one session, one takes at most half of what one takes that has a session of its own, or next to nothing.
async fn many(database: &Database) -> Result<()> {
    let target = RestoreTarget::new(EntityCodec::new(Line::descriptor()), SetName::root());
    let mut id = 0;
    let mut next = |count: u32| {
        let first = id;
        id += i64::from(count);
        (first..id).map(|id| target.entity.record(&Line::new(id, "a line of some length"))).collect()
    };
    let (mut together, mut alone) = (Duration::MAX, Duration::MAX);
    write(database, &target, made(next(1))?, options()).await?;
    for round in 1..=*ROUNDS.end() {
        let mut took = Duration::ZERO;
        for record in made(next(ONE_BY_ONE))? {
            took += write(database, &target, vec![record], options()).await?;
        }
        alone = alone.min(took / ONE_BY_ONE);
        let took = write(database, &target, made(next(AT_ONCE))?, options()).await?;
        together = together.min(took / AT_ONCE);
        if round >= *ROUNDS.start() && (together <= NO_WAIT || together * 2 <= alone) {
            return Ok(());
        }
    }
    Err(failed(format!("a record of {AT_ONCE} took {together:?}, and one in a session of its own {alone:?}")))
}

/// At level `fast`, records in no order are written in at most nine tenths of the time that they take at level `safe`.
async fn levels(database: &Database) -> Result<()> {
    let target = RestoreTarget::new(EntityCodec::new(Pair::descriptor()), SetName::root());
    let records = made(shuffled().map(|pair| target.entity.record(&pair)).collect())?;
    let (mut fast, mut safe) = (Duration::MAX, Duration::MAX);
    for round in 1..=*ROUNDS.end() {
        let mut levels = [RestoreLevel::Fast, RestoreLevel::Safe];
        // What one leaves to be done later is not always done within the other.
        levels.rotate_left(round % 2);
        for level in levels {
            let empty = SessionOptions { replace_existing: true, ..options() };
            write(database, &target, Vec::new(), empty).await?;
            let options = SessionOptions { level, ..options() };
            let took = write(database, &target, records.clone(), options).await?;
            let least = if level == RestoreLevel::Fast { &mut fast } else { &mut safe };
            *least = took.min(*least);
        }
        if round >= *ROUNDS.start() && fast * 10 <= safe * 9 {
            return Ok(());
        }
    }
    Err(failed(format!(
        "{INDEXED} records took {fast:?} at level `fast` and {safe:?} at level `safe`; the table of Pair must have indexes for a \
         level to gain anything"
    )))
}

/// Records whose fields are in no order, so that each index is written to in all places.
fn shuffled() -> impl Iterator<Item = Pair> {
    // A prime that does not divide their number visits each once.
    let place = |number: i64| number * 7_919 % INDEXED;
    (0..INDEXED).map(move |number| Pair {
        owner: format!("owner {:05}", place(number)),
        number,
        content: format!("content {:05} of a record", place(place(number))),
    })
}

fn made(records: std::result::Result<Vec<Record>, RecordError>) -> Result<Vec<Record>> {
    records.map_err(|error| Error::with_source(ErrorKind::Internal, "a record of the suite", error))
}

/// How long one session takes from its beginning to its commit.
async fn write(
    database: &Database,
    target: &RestoreTarget,
    records: Vec<Record>,
    options: SessionOptions,
) -> Result<Duration> {
    let target = target.clone();
    let began = Instant::now();
    let mut session = database.provider.begin_restore(&options).await?;
    session.begin(target).await?;
    session.write(records).await?;
    session.end().await?;
    session.commit().await?;
    Ok(began.elapsed())
}

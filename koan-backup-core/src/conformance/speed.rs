//! What is claimed of speed. One way of writing is compared with another in the same minute: what a machine can do does not count.

use std::time::{Duration, Instant};

use futures::FutureExt;

use super::Case;
use super::database::{Database, failed, options, record};
use super::model::{Line, Pair};
use crate::codec::Record;
use crate::entity::{Entity, EntityCodec};
use crate::error::Result;
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

/// How often each way is tried at most. The shortest time counts: whatever else runs can only make it longer.
const ATTEMPTS: usize = 6;
/// Records that are written in one session.
const AT_ONCE: u32 = 500;
/// Records that are written in a session each.
const ONE_BY_ONE: u32 = 10;
/// Records that are written at each level.
const INDEXED: i64 = 20_000;

/// A record of many takes at most half of what one takes that has a session of its own.
async fn many(database: &Database) -> Result<()> {
    let mut id = 0;
    let mut next = |count| {
        let first = id;
        id += i64::from(count);
        (first..id).map(|id| Line::new(id, "a line of some length")).collect::<Vec<_>>()
    };
    let (mut together, mut alone) = (Duration::MAX, Duration::MAX);
    for _ in 0..ATTEMPTS {
        let mut took = Duration::ZERO;
        for record in records(&next(ONE_BY_ONE))? {
            took += write::<Line>(database, vec![record], options()).await?;
        }
        alone = alone.min(took / ONE_BY_ONE);
        let took = write::<Line>(database, records(&next(AT_ONCE))?, options()).await?;
        together = together.min(took / AT_ONCE);
        if together * 2 <= alone {
            return Ok(());
        }
    }
    Err(failed(format!("a record of {AT_ONCE} took {together:?}, and one in a session of its own {alone:?}")))
}

/// At level `fast`, records in no order are written in at most nine tenths of the time that they take at level `safe`.
async fn levels(database: &Database) -> Result<()> {
    let (mut fast, mut safe) = (Duration::MAX, Duration::MAX);
    for _ in 0..ATTEMPTS {
        for (level, least) in [(RestoreLevel::Fast, &mut fast), (RestoreLevel::Safe, &mut safe)] {
            emptied(database).await?;
            let options = SessionOptions { level, ..options() };
            *least = write::<Pair>(database, records(&shuffled())?, options).await?.min(*least);
        }
        if fast * 10 <= safe * 9 {
            return Ok(());
        }
    }
    Err(failed(format!(
        "{INDEXED} records took {fast:?} at level `fast` and {safe:?} at level `safe`; the table of Pair must have indexes for a \
         level to gain anything"
    )))
}

/// Records whose fields are in no order, so that each index is written to in all places.
fn shuffled() -> Vec<Pair> {
    // A prime that does not divide their number visits each once.
    let place = |number: i64| number * 7_919 % INDEXED;
    (0..INDEXED)
        .map(|number| Pair {
            owner: format!("owner {:05}", place(number)),
            number,
            content: format!("content {:05} of a record", place(place(number))),
        })
        .collect()
}

async fn emptied(database: &Database) -> Result<()> {
    let options = SessionOptions { replace_existing: true, ..options() };
    database.write::<Pair>(&SetName::root(), &[], &options).await.map(drop)
}

fn records<T: Entity>(records: &[T]) -> Result<Vec<Record>> {
    records.iter().map(record).collect()
}

/// How long one session takes from its beginning to its commit, for records that are made ready before.
async fn write<T: Entity>(
    database: &Database,
    records: Vec<Record>,
    options: SessionOptions,
) -> Result<Duration> {
    let began = Instant::now();
    let mut session = database.provider.begin_restore(&options).await?;
    session.begin(RestoreTarget::new(EntityCodec::new(T::descriptor()), SetName::root())).await?;
    session.write(records).await?;
    session.end().await?;
    session.commit().await?;
    Ok(began.elapsed())
}

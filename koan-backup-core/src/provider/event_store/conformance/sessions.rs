//! The cases for sessions and readers at the same time.

use std::time::Duration;

use futures::FutureExt as _;

use super::case::Case;
use super::sample::{ensure, event, events, json, require_equal};
use super::subject::{OBJECT, Subject, all};
use crate::entity::stream::StreamEvent;
use crate::foundation::error::Result;
use crate::provider::Consistency;

/// How long a case waits for a session that may have to wait for another session.
const OTHER_SESSION_TIMEOUT: Duration = Duration::from_secs(2);

pub(super) const CASES: &[Case] = &[
    Case::new("nothing of a session is visible before its commit", |store| visibility(store).boxed()),
    Case::new("a reader with snapshot consistency reads one point in time", |store| {
        snapshot_reads(store).boxed()
    }),
    Case::new("two sessions do not write the same stream", |store| same_stream(store).boxed()),
    Case::new("a session is not committed if others have changed a stream that it has read", |store| {
        changed_by_others(store).boxed()
    }),
    Case::new("sessions that write different aggregates lose nothing", |store| different(store).boxed()),
];

async fn visibility(store: &Subject) -> Result<()> {
    store.write(OBJECT, events("1", 2)).await?;
    let mut writing = store.begin().await?;
    store.add(&mut writing, OBJECT, vec![event("1", 2)]).await?;
    store.add(&mut writing, OBJECT, events("2", 3)).await?;
    store.require(OBJECT, &events("1", 2)).await?;
    writing.commit().await?;
    let expected: Vec<_> = events("1", 3).into_iter().chain(events("2", 3)).collect();
    store.require(OBJECT, &expected).await
}

async fn snapshot_reads(store: &Subject) -> Result<()> {
    store.write(OBJECT, events("1", 2)).await?;
    let snapshot = store.provider.snapshot().await?;
    if snapshot.consistency() != Consistency::Snapshot {
        return Ok(());
    }
    let reader = snapshot.events().ok_or_else(|| super::sample::failed("there is no reader".to_owned()))?;
    // The first read fixes the point in time in some databases.
    require_equal("the ids", &reader.object_ids(OBJECT, None, 10).await?, &vec!["1".to_owned()])?;
    let mut writing = store.begin().await?;
    store.add(&mut writing, OBJECT, vec![event("1", 2)]).await?;
    store.add(&mut writing, OBJECT, events("0", 1)).await?;
    writing.commit().await?;
    super::sample::require_events(all(reader.all_events(OBJECT).await?).await?, &events("1", 2))
}

/// Returns the first events of a stream, each with the name of its writer.
fn events_by(writer: &str, id: &str) -> Vec<StreamEvent> {
    let mut events = events(id, 3);
    events.iter_mut().for_each(|event| event.metadata = Some(json(&format!("\"{writer}\""))));
    events
}

async fn same_stream(store: &Subject) -> Result<()> {
    let write = async |writer: &str| {
        let mut writing = store.begin().await?;
        writing.events().heads(OBJECT, &["1".to_owned()]).await?;
        // A store that does no I/O would complete one session before the other begins.
        tokio::task::yield_now().await;
        store.add(&mut writing, OBJECT, events_by(writer, "1")).await?;
        writing.commit().await
    };
    let (first, second) = tokio::join!(write("first"), write("second"));
    let expected = match (&first, &second) {
        (Ok(()), Ok(())) => {
            return Err(super::sample::failed("two sessions wrote the same events".to_owned()));
        }
        (Ok(()), Err(_)) => events_by("first", "1"),
        (Err(_), Ok(())) => events_by("second", "1"),
        (Err(_), Err(_)) => Vec::new(),
    };
    store.require(OBJECT, &expected).await
}

async fn changed_by_others(store: &Subject) -> Result<()> {
    store.write(OBJECT, events("1", 2)).await?;
    let mut writing = store.begin().await?;
    writing.events().heads(OBJECT, &["1".to_owned()]).await?;
    // A store that lets one session write at a time makes the other session wait.
    let other = store.write(OBJECT, vec![event("1", 2)]);
    let is_changed =
        tokio::time::timeout(OTHER_SESSION_TIMEOUT, other).await.is_ok_and(|written| written.is_ok());
    let truncated = writing.events().truncate(OBJECT, "1", "1", 0).await;
    let added = match truncated {
        Ok(_) => store.add(&mut writing, OBJECT, events("1", 1)).await,
        Err(error) => Err(error),
    };
    let committed = match added {
        Ok(()) => writing.commit().await,
        Err(error) => {
            drop(writing);
            Err(error)
        }
    };
    ensure(!(is_changed && committed.is_ok()), || {
        "a session was committed, although another session had changed its stream".to_owned()
    })?;
    let expected = match (is_changed, committed.is_ok()) {
        (true, _) => events("1", 3),
        (false, true) => events("1", 1),
        (false, false) => events("1", 2),
    };
    store.require(OBJECT, &expected).await
}

async fn different(store: &Subject) -> Result<()> {
    let write = async |id: String| {
        let mut last = Ok(());
        for _ in 0..5 {
            last = store.write(OBJECT, events(&id, 3)).await;
            if last.is_ok() {
                break;
            }
        }
        last
    };
    let ids: Vec<_> = (0..8).map(|number| format!("id-{number}")).collect();
    let results = futures::future::join_all(ids.iter().cloned().map(write)).await;
    results.into_iter().collect::<Result<()>>()?;
    let expected: Vec<_> = ids.iter().flat_map(|id| events(id, 3)).collect();
    store.require(OBJECT, &expected).await
}

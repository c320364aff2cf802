//! Removes the aggregates that a backup does not contain, for a restore that replaces everything.

use std::collections::VecDeque;

use super::early_removals::EarlyRemovals;
use super::target::Target;
use crate::foundation::error::Result;
use crate::provider::event_store::EventWriter as _;

/// How many object ids are listed at a time.
const PAGE_LENGTH: usize = 1_000;

/// The existing aggregates, in the order of their ids, up to the restored one.
#[derive(Debug, Default)]
pub(super) struct OtherObjects {
    listed: VecDeque<String>,
    last_listed: Option<String>,
    is_complete: bool,
}

impl OtherObjects {
    /// Removes the existing aggregates after those that were passed before, up to `next`, or all remaining ones. `next`
    /// itself is not removed.
    pub(super) async fn remove_before(
        &mut self,
        target: &mut Target<'_>,
        early_removals: &mut EarlyRemovals,
        next: Option<&str>,
    ) -> Result<()> {
        loop {
            if self.listed.is_empty() && !self.is_complete {
                let object = target.decisions.object;
                let page = target.writer.object_ids(object, self.last_listed.as_deref(), PAGE_LENGTH).await?;
                self.is_complete = page.is_empty();
                self.last_listed = page.last().cloned().or(self.last_listed.take());
                self.listed = page.into();
            }
            let Some(id) = self.listed.pop_front() else { return Ok(()) };
            match next {
                Some(next) if id.as_str() == next => return Ok(()),
                Some(next) if id.as_str() > next => {
                    self.listed.push_front(id);
                    return Ok(());
                }
                _ => {
                    remove(target, &id).await?;
                    let early = early_removals.take(target.decisions.object, &id);
                    target.counts.deleted += early.values().map(|removed| removed.count).sum::<u64>();
                }
            }
        }
    }
}

/// Removes an aggregate and counts what was removed. A dry run counts what would be removed.
async fn remove(target: &mut Target<'_>, object_id: &str) -> Result<()> {
    let Target { writer, decisions, counts, .. } = target;
    let (events, documents, snapshots) = match decisions.is_writing() {
        true => {
            let removed = writer.remove(decisions.object, object_id).await?;
            (removed.events, removed.documents, removed.snapshots)
        }
        false => {
            let ids = [object_id.to_owned()];
            let heads = writer.heads(decisions.object, &ids).await?;
            let streams = heads.iter().flat_map(|heads| &heads.streams);
            let documents = writer.documents_of(decisions.object, &ids).await?.len();
            let snapshots = writer.snapshots_of(decisions.object, &ids).await?.len();
            let count = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
            let events = streams.map(|head| head.version.saturating_add(1)).fold(0, u64::saturating_add);
            (events, count(documents), count(snapshots))
        }
    };
    counts.deleted += events;
    decisions.deleted_documents += documents;
    decisions.deleted_snapshots += snapshots;
    Ok(())
}

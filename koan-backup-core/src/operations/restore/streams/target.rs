//! What the writers of all parts use.

use super::decisions::ObjectDecisions;
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::provider::WriteCounts;
use crate::provider::event_store::{EventWriter as _, MaskedWriter, OrderCheck};

/// A writer of one part of event streams received records of another.
pub(super) fn other_part() -> Error {
    Error::new(ErrorKind::Internal, "a writer of event streams received records of another part")
}

/// The writer of the store and the decisions, which each part uses.
#[derive(Debug)]
pub(super) struct Target<'s> {
    pub(super) writer: MaskedWriter<'s>,
    pub(super) decisions: &'s mut ObjectDecisions,
    pub(super) counts: WriteCounts,
    pub(super) order: OrderCheck,
}

impl Target<'_> {
    /// Removes an aggregate and counts what was removed. A dry run counts what would be removed.
    pub(super) async fn remove_aggregate(&mut self, object_id: &str) -> Result<()> {
        let Self { writer, decisions, counts, .. } = self;
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
                let snapshots = writer.snapshot_keys(decisions.object, &ids).await?.len();
                let count = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
                let events = streams.map(|head| head.version.saturating_add(1)).fold(0, u64::saturating_add);
                decisions.removed_by_dry_run.insert(object_id.to_owned());
                (events, count(documents), count(snapshots))
            }
        };
        counts.deleted += events;
        decisions.deleted_documents += documents;
        decisions.deleted_snapshots += snapshots;
        Ok(())
    }
}

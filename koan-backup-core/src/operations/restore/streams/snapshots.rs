//! Restores the snapshots of one object name.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;

use super::decisions::ObjectDecisions;
use super::target::{Target, other_part};
use crate::entity::stream::{StreamPart, StreamSnapshot};
use crate::foundation::error::Result;
use crate::provider::event_store::{
    EventWriter, OrderCheck, RecordPosition, SnapshotKey, Start, StreamRecords,
};
use crate::provider::{RecordBatch, TargetWriter, WriteCounts};

/// The writer of the snapshots of one object name, after its events.
///
/// A snapshot can be computed from the events. The existing snapshots of an aggregate whose events are unchanged are
/// therefore left as they are, unless everything is replaced. Those of a replaced aggregate are removed first, because they
/// may contain events that were removed.
#[derive(Debug)]
pub(super) struct SnapshotTarget<'s> {
    target: Target<'s>,
    current: Option<Aggregate>,
    pending: Vec<StreamSnapshot>,
}

/// The aggregate whose snapshots are being restored.
#[derive(Debug)]
struct Aggregate {
    object_id: String,
    action: Action,
    /// The existing snapshots that were not in the backup so far.
    existing: BTreeMap<SnapshotKey, StreamSnapshot>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Add,
    Leave,
    Replace,
}

impl<'s> SnapshotTarget<'s> {
    pub(super) fn new(writer: &'s mut dyn EventWriter, decisions: &'s mut ObjectDecisions) -> Self {
        let order = OrderCheck::new(StreamPart::Snapshots, Start::OfPart);
        let target = Target { writer, decisions, counts: WriteCounts::default(), order };
        Self { target, current: None, pending: Vec::new() }
    }

    /// Begins an aggregate with these existing snapshots. If they are replaced, they are removed before the first one is
    /// added, because a store may have room for one snapshot only.
    async fn begin_aggregate(&mut self, object_id: &str, existing: Vec<StreamSnapshot>) -> Result<()> {
        self.end_aggregate();
        self.add_pending().await?;
        let Target { writer, decisions, .. } = &mut self.target;
        let is_replaced = decisions.without_snapshots.remove(object_id);
        let action = match existing.is_empty() {
            _ if decisions.kept.contains(object_id) => Action::Leave,
            true => Action::Add,
            false if is_replaced || decisions.options.replace_existing => Action::Replace,
            false => Action::Leave,
        };
        let existing: BTreeMap<_, _> =
            existing.into_iter().map(|snapshot| (SnapshotKey::from(&snapshot), snapshot)).collect();
        if action == Action::Replace && decisions.is_writing() {
            let keys: Vec<_> = existing.keys().cloned().collect();
            let removed = writer.remove_snapshots(decisions.object, &keys).await?;
            decisions.require_count(keys.len(), removed)?;
        }
        self.current = Some(Aggregate { object_id: object_id.to_owned(), action, existing });
        Ok(())
    }

    fn restore(&mut self, snapshot: StreamSnapshot) {
        let Some(current) = &mut self.current else { return };
        let existing = match current.action {
            Action::Leave => current.existing.get(&SnapshotKey::from(&snapshot)).cloned(),
            Action::Add | Action::Replace => current.existing.remove(&SnapshotKey::from(&snapshot)),
        };
        let counts = &mut self.target.counts;
        match (existing, current.action) {
            (Some(existing), _) if existing == snapshot => counts.unchanged += 1,
            (_, Action::Leave) => counts.kept += 1,
            (Some(_), _) => counts.updated += 1,
            (None, _) => counts.inserted += 1,
        }
        if current.action != Action::Leave {
            self.pending.push(snapshot);
        }
    }

    fn end_aggregate(&mut self) {
        let Some(current) = self.current.take() else { return };
        if current.action == Action::Replace {
            self.target.counts.deleted += u64::try_from(current.existing.len()).unwrap_or(u64::MAX);
        }
    }

    async fn add_pending(&mut self) -> Result<()> {
        let snapshots = std::mem::take(&mut self.pending);
        if snapshots.is_empty() || !self.target.decisions.is_writing() {
            return Ok(());
        }
        let count = snapshots.len();
        let added = self.target.writer.add_snapshots(self.target.decisions.object, snapshots).await?;
        self.target.decisions.require_count(count, added)
    }
}

#[async_trait]
impl TargetWriter for SnapshotTarget<'_> {
    async fn write(&mut self, batch: RecordBatch) -> Result<()> {
        let StreamRecords::Snapshots(snapshots) = batch.into_stream_records()? else {
            return Err(other_part());
        };
        snapshots.iter().for_each(|snapshot| self.target.order.push(RecordPosition::from(snapshot)));
        self.target.decisions.require_order(&self.target.order)?;
        let current = self.current.as_ref().map(|current| current.object_id.as_str());
        let ids = snapshots.iter().map(|snapshot| &snapshot.object_id);
        let ids: BTreeSet<_> = ids.filter(|id| Some(id.as_str()) != current).cloned().collect();
        let ids: Vec<_> = ids.into_iter().collect();
        let mut existing: BTreeMap<String, Vec<StreamSnapshot>> = BTreeMap::new();
        if !self.target.decisions.was_empty && !ids.is_empty() {
            for snapshot in self.target.writer.snapshots_of(self.target.decisions.object, &ids).await? {
                existing.entry(snapshot.object_id.clone()).or_default().push(snapshot);
            }
        }
        for snapshot in snapshots {
            if self.current.as_ref().is_none_or(|current| current.object_id != snapshot.object_id) {
                let existing = existing.remove(&snapshot.object_id).unwrap_or_default();
                self.begin_aggregate(&snapshot.object_id, existing).await?;
            }
            self.restore(snapshot);
        }
        self.add_pending().await
    }

    async fn finish(mut self: Box<Self>) -> Result<WriteCounts> {
        self.end_aggregate();
        self.add_pending().await?;
        let Target { writer, decisions, mut counts, .. } = self.target;
        counts.deleted += std::mem::take(&mut decisions.deleted_snapshots);
        for object_id in std::mem::take(&mut decisions.without_snapshots) {
            let snapshots = writer.snapshots_of(decisions.object, &[object_id]).await?;
            let keys: Vec<_> = snapshots.iter().map(SnapshotKey::from).collect();
            if !keys.is_empty() && decisions.is_writing() {
                let removed = writer.remove_snapshots(decisions.object, &keys).await?;
                decisions.require_count(keys.len(), removed)?;
            }
            counts.deleted += u64::try_from(keys.len()).unwrap_or(u64::MAX);
        }
        Ok(counts)
    }
}

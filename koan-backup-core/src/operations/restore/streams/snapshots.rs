//! Restores the snapshots of one object name.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;

use super::decisions::ObjectDecisions;
use super::target::{Target, other_part};
use crate::entity::stream::{StreamPart, StreamSnapshot};
use crate::foundation::error::Result;
use crate::provider::event_store::{
    EventWriter, MaskedWriter, OrderCheck, RecordPosition, SnapshotKey, Start, StreamRecords,
};
use crate::provider::{RecordBatch, TargetWriter, WriteCounts};

/// The writer of the snapshots of one object name, after its events.
///
/// A missing snapshot is added, and one that differs is treated like an aggregate that differs. Further snapshots of an
/// aggregate whose events are unchanged stay, because they can be computed from the events; for the same reason, an
/// archived snapshot is left out if the store has room for one only and contains one of another version. The snapshots of
/// a replaced aggregate are removed first, because they may contain events that were removed.
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
    /// The aggregate is unchanged or new.
    Merge,
    /// The aggregate differs and is kept.
    Keep,
    Replace,
}

impl<'s> SnapshotTarget<'s> {
    pub(super) fn new(writer: MaskedWriter<'s>, decisions: &'s mut ObjectDecisions) -> Self {
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
        let action = if decisions.kept.contains(object_id) {
            Action::Keep
        } else if is_replaced || decisions.options.replace_existing {
            Action::Replace
        } else {
            Action::Merge
        };
        let existing: BTreeMap<_, _> =
            existing.into_iter().map(|snapshot| (SnapshotKey::from(&snapshot), snapshot)).collect();
        if action == Action::Replace && decisions.is_writing() && !existing.is_empty() {
            let keys: Vec<_> = existing.keys().cloned().collect();
            let removed = writer.remove_snapshots(decisions.object, &keys).await?;
            decisions.require_count(keys.len(), removed)?;
        }
        self.current = Some(Aggregate { object_id: object_id.to_owned(), action, existing });
        Ok(())
    }

    /// Decides about the next snapshot of the current aggregate.
    fn restore(&mut self, snapshot: StreamSnapshot) -> Result<()> {
        let Some(current) = &mut self.current else { return Ok(()) };
        let Target { decisions, counts, .. } = &mut self.target;
        let has_room = !decisions.store.single_snapshot || current.existing.is_empty();
        let existing = match current.action {
            Action::Replace => current.existing.remove(&SnapshotKey::from(&snapshot)),
            Action::Merge | Action::Keep => current.existing.get(&SnapshotKey::from(&snapshot)).cloned(),
        };
        let is_equal = existing.as_ref() == Some(&snapshot);
        match (current.action, existing) {
            (Action::Keep, _) => counts.kept += 1,
            (Action::Merge, Some(_)) if is_equal => counts.unchanged += 1,
            (Action::Merge, Some(_)) => {
                let difference = format!("its snapshot of version {} differs", snapshot.version);
                decisions.differs(&current.object_id, &difference)?;
                counts.kept += 1;
            }
            (Action::Merge, None) if !has_room => counts.kept += 1,
            (Action::Merge, None) => {
                counts.inserted += 1;
                self.pending.push(snapshot);
            }
            (Action::Replace, existing) => {
                match existing {
                    Some(_) if is_equal => counts.unchanged += 1,
                    Some(_) => counts.updated += 1,
                    None => counts.inserted += 1,
                }
                self.pending.push(snapshot);
            }
        }
        Ok(())
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
            self.restore(snapshot)?;
        }
        self.add_pending().await
    }

    async fn finish(mut self: Box<Self>) -> Result<WriteCounts> {
        self.end_aggregate();
        self.add_pending().await?;
        let Target { mut writer, decisions, mut counts, .. } = self.target;
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

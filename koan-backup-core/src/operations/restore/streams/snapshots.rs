//! Restores the snapshots of one object name.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;

use super::decisions::ObjectDecisions;
use super::other_aggregates::OtherSnapshots;
use super::target::{Target, other_part};
use crate::entity::stream::{StreamPart, StreamSnapshot};
use crate::foundation::error::Result;
use crate::provider::event_store::{
    EventWriter, MaskedWriter, OrderCheck, RecordPosition, SnapshotKey, Start, StreamRecords,
};
use crate::provider::{RecordBatch, TargetWriter, WriteCounts};

/// How many snapshots are removed together.
const MAX_REMOVED: usize = 1_000;

/// The writer of the snapshots of one object name, after its events.
///
/// A missing snapshot is added, and one that differs is treated like an aggregate that differs. Further snapshots of an
/// aggregate whose events are unchanged stay, because they can be computed from the events; for the same reason, an
/// archived snapshot is left out if the store has room for one only and contains one of another version. A restore that
/// replaces everything leaves exactly the snapshots of the backup.
#[derive(Debug)]
pub(super) struct SnapshotTarget<'s> {
    target: Target<'s>,
    current: Option<Aggregate>,
    others: OtherSnapshots,
    removed: Vec<SnapshotKey>,
    added: Vec<StreamSnapshot>,
}

/// The aggregate whose snapshots are being restored.
#[derive(Debug)]
struct Aggregate {
    object_id: String,
    action: Action,
    /// The existing snapshots that were not in the backup so far.
    existing: BTreeSet<SnapshotKey>,
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
        Self {
            target,
            current: None,
            others: OtherSnapshots::default(),
            removed: Vec::new(),
            added: Vec::new(),
        }
    }

    /// Returns whether the snapshots of the backup replace all others.
    fn replaces(&self) -> bool {
        self.target.decisions.options.replace_existing && !self.target.decisions.was_empty
    }

    /// Returns the keys of the existing snapshots of those aggregates of a batch that were not begun.
    async fn existing_keys(
        &mut self,
        snapshots: &[StreamSnapshot],
    ) -> Result<BTreeMap<String, BTreeSet<SnapshotKey>>> {
        let current = self.current.as_ref().map(|current| current.object_id.as_str());
        let ids = snapshots.iter().map(|snapshot| &snapshot.object_id);
        let ids: BTreeSet<_> = ids.filter(|id| Some(id.as_str()) != current).cloned().collect();
        let ids: Vec<_> = ids.into_iter().collect();
        let mut keys: BTreeMap<String, BTreeSet<SnapshotKey>> = BTreeMap::new();
        if !self.target.decisions.was_empty && !ids.is_empty() {
            for key in self.target.writer.snapshot_keys(self.target.decisions.object, &ids).await? {
                keys.entry(key.object_id.clone()).or_default().insert(key);
            }
        }
        Ok(keys)
    }

    /// Returns the existing snapshots with the keys of a batch.
    async fn existing(
        &mut self,
        snapshots: &[StreamSnapshot],
        keys: &BTreeMap<String, BTreeSet<SnapshotKey>>,
    ) -> Result<BTreeMap<SnapshotKey, StreamSnapshot>> {
        let exists = |key: &SnapshotKey| match &self.current {
            Some(current) if current.object_id == key.object_id => current.existing.contains(key),
            _ => keys.get(&key.object_id).is_some_and(|keys| keys.contains(key)),
        };
        let keys: Vec<_> = snapshots.iter().map(SnapshotKey::from).filter(exists).collect();
        if keys.is_empty() {
            return Ok(BTreeMap::new());
        }
        let found = self.target.writer.snapshots_at(self.target.decisions.object, &keys).await?;
        Ok(found.into_iter().map(|snapshot| (SnapshotKey::from(&snapshot), snapshot)).collect())
    }

    /// Begins an aggregate with these existing snapshots.
    async fn begin_aggregate(&mut self, object_id: &str, existing: BTreeSet<SnapshotKey>) -> Result<()> {
        self.end_aggregate();
        self.remove_others(Some(object_id)).await?;
        let action = if self.target.decisions.kept.contains(object_id) {
            Action::Keep
        } else if self.target.decisions.options.replace_existing {
            Action::Replace
        } else {
            Action::Merge
        };
        self.current = Some(Aggregate { object_id: object_id.to_owned(), action, existing });
        Ok(())
    }

    /// Decides about the next snapshot of the current aggregate.
    fn restore(&mut self, snapshot: StreamSnapshot, existing: Option<&StreamSnapshot>) -> Result<()> {
        let Some(current) = &mut self.current else { return Ok(()) };
        let Target { decisions, counts, .. } = &mut self.target;
        let is_equal = existing.is_some_and(|existing| existing.is_stored_form_of(&snapshot));
        match (current.action, existing) {
            (Action::Keep, _) => counts.kept += 1,
            (Action::Merge, Some(_)) if is_equal => counts.unchanged += 1,
            (Action::Merge, Some(_)) => {
                let difference = format!("its snapshot of version {} differs", snapshot.version);
                decisions.differs(&current.object_id, &difference)?;
                counts.kept += 1;
            }
            (Action::Merge, None) if decisions.store.single_snapshot && !current.existing.is_empty() => {
                counts.kept += 1;
            }
            (Action::Merge, None) => {
                counts.inserted += 1;
                self.added.push(snapshot);
            }
            (Action::Replace, Some(_)) if is_equal => {
                counts.unchanged += 1;
                current.existing.remove(&SnapshotKey::from(&snapshot));
            }
            (Action::Replace, Some(_)) => {
                counts.updated += 1;
                self.removed.extend(current.existing.take(&SnapshotKey::from(&snapshot)));
                self.added.push(snapshot);
            }
            (Action::Replace, None) => {
                counts.inserted += 1;
                self.added.push(snapshot);
                // The store has no room for another one.
                if decisions.store.single_snapshot {
                    self.end_aggregate_snapshots();
                }
            }
        }
        Ok(())
    }

    /// Removes the existing snapshots of the current aggregate that the backup does not contain.
    fn end_aggregate_snapshots(&mut self) {
        let Some(current) = self.current.as_mut().filter(|current| current.action == Action::Replace) else {
            return;
        };
        self.target.counts.deleted += u64::try_from(current.existing.len()).unwrap_or(u64::MAX);
        self.removed.extend(std::mem::take(&mut current.existing));
    }

    fn end_aggregate(&mut self) {
        self.end_aggregate_snapshots();
        self.current = None;
    }

    /// Removes the snapshots of the aggregates before `next`, or of all remaining ones, because the backup contains none of
    /// them.
    async fn remove_others(&mut self, next: Option<&str>) -> Result<()> {
        if !self.replaces() {
            return Ok(());
        }
        loop {
            let Target { writer, decisions, counts, .. } = &mut self.target;
            let Some((id, keys)) = self.others.next(writer, decisions.object, next).await? else {
                return Ok(());
            };
            if !decisions.removed_by_dry_run.contains(&id) {
                counts.deleted += u64::try_from(keys.len()).unwrap_or(u64::MAX);
                self.removed.extend(keys);
            }
            if self.removed.len() >= MAX_REMOVED {
                self.write_decided().await?;
            }
        }
    }

    /// Writes what was decided. Snapshots are removed first, because a store may have room for one only.
    async fn write_decided(&mut self) -> Result<()> {
        let (removed, added) = (std::mem::take(&mut self.removed), std::mem::take(&mut self.added));
        let Target { writer, decisions, .. } = &mut self.target;
        if !decisions.is_writing() {
            return Ok(());
        }
        if !removed.is_empty() {
            let count = writer.remove_snapshots(decisions.object, &removed).await?;
            decisions.require_count(removed.len(), count)?;
        }
        if !added.is_empty() {
            let length = added.len();
            let count = writer.add_snapshots(decisions.object, added).await?;
            decisions.require_count(length, count)?;
        }
        Ok(())
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
        let mut keys = self.existing_keys(&snapshots).await?;
        let existing = self.existing(&snapshots, &keys).await?;
        for snapshot in snapshots {
            if self.current.as_ref().is_none_or(|current| current.object_id != snapshot.object_id) {
                let keys = keys.remove(&snapshot.object_id).unwrap_or_default();
                self.begin_aggregate(&snapshot.object_id, keys).await?;
            }
            let existing = existing.get(&SnapshotKey::from(&snapshot));
            self.restore(snapshot, existing)?;
        }
        self.write_decided().await
    }

    async fn finish(mut self: Box<Self>) -> Result<WriteCounts> {
        self.end_aggregate();
        self.remove_others(None).await?;
        self.write_decided().await?;
        let Target { decisions, mut counts, .. } = self.target;
        counts.deleted += std::mem::take(&mut decisions.deleted_snapshots);
        Ok(counts)
    }
}

//! The existing aggregates that a backup does not contain, for a restore that replaces everything.

use std::collections::{BTreeMap, VecDeque};

use crate::foundation::error::Result;
use crate::provider::event_store::{EventWriter as _, MaskedWriter, SnapshotKey};

/// How many object ids are listed at a time.
const PAGE_LENGTH: usize = 1_000;

/// Lists the existing aggregates in the order of their ids, beside those of the backup.
#[derive(Debug, Default)]
pub(super) struct OtherAggregates {
    listed: VecDeque<String>,
    last_listed: Option<String>,
    is_complete: bool,
}

impl OtherAggregates {
    /// Returns the next existing aggregate before `next`, the next one of the backup, or before the end. Returns `None` if
    /// there is none, and passes `next` itself then.
    pub(super) async fn next(
        &mut self,
        writer: &mut MaskedWriter<'_>,
        object: &str,
        next: Option<&str>,
    ) -> Result<Option<String>> {
        self.list(writer, object).await?;
        let is_before = |id: &mut String| next.is_none_or(|next| id.as_str() < next);
        if let Some(id) = self.listed.pop_front_if(is_before) {
            return Ok(Some(id));
        }
        self.listed.pop_front_if(|id| Some(id.as_str()) == next);
        Ok(None)
    }

    /// Lists the next page, if all listed aggregates were passed. Returns whether a page was listed.
    async fn list(&mut self, writer: &mut MaskedWriter<'_>, object: &str) -> Result<bool> {
        if !self.listed.is_empty() || self.is_complete {
            return Ok(false);
        }
        let page = writer.object_ids(object, self.last_listed.as_deref(), PAGE_LENGTH).await?;
        self.is_complete = page.is_empty();
        self.last_listed = page.last().cloned().or(self.last_listed.take());
        self.listed = page.into();
        Ok(true)
    }
}

/// Lists the existing aggregates with the keys of their snapshots, beside those of the backup.
#[derive(Debug, Default)]
pub(super) struct OtherSnapshots {
    aggregates: OtherAggregates,
    /// The snapshots of the aggregates of one page.
    keys: BTreeMap<String, Vec<SnapshotKey>>,
}

impl OtherSnapshots {
    /// Returns the next existing aggregate as [`OtherAggregates::next`] does, with its snapshots.
    pub(super) async fn next(
        &mut self,
        writer: &mut MaskedWriter<'_>,
        object: &str,
        next: Option<&str>,
    ) -> Result<Option<(String, Vec<SnapshotKey>)>> {
        if self.aggregates.list(writer, object).await? {
            self.keys.clear();
            let ids: Vec<_> = self.aggregates.listed.iter().cloned().collect();
            for key in writer.snapshot_keys(object, &ids).await? {
                self.keys.entry(key.object_id.clone()).or_default().push(key);
            }
        }
        let Some(id) = self.aggregates.next(writer, object, next).await? else { return Ok(None) };
        let keys = self.keys.remove(&id).unwrap_or_default();
        Ok(Some((id, keys)))
    }
}

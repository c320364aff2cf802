//! The aggregate that exists in the store before the restore.

use std::collections::BTreeSet;

use crate::entity::stream::{StreamDocument, TerminatedStream};
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::provider::event_store::{EventWriter, SnapshotKey, StreamHead};

/// What the store contains of an aggregate. An empty or terminated stream, a document alone, and a snapshot alone are
/// an existing aggregate.
#[derive(Debug, Default)]
pub(super) struct ExistingAggregate {
    is_known: bool,
    pub(super) streams: Vec<StreamHead>,
    pub(super) document: Option<StreamDocument>,
    snapshots: Vec<SnapshotKey>,
}

impl ExistingAggregate {
    /// Reads what exists.
    ///
    /// # Errors
    /// The store cannot be read.
    pub(super) async fn read(writer: &mut dyn EventWriter, object: &str, object_id: &str) -> Result<Self> {
        let ids = [object_id.to_owned()];
        let heads = writer.heads(object, &ids).await?;
        let document = writer.documents_of(object, &ids).await?.pop();
        let snapshots = writer.snapshot_keys(object, &ids).await?;
        Ok(Self {
            is_known: !heads.is_empty(),
            streams: heads.into_iter().flat_map(|heads| heads.streams).collect(),
            document,
            snapshots,
        })
    }

    pub(super) fn exists(&self) -> bool {
        self.is_known || !self.streams.is_empty() || self.document.is_some() || !self.snapshots.is_empty()
    }

    /// Returns the terminated streams that a backup without terminated streams does not replace. `active` is the active
    /// stream of the backup.
    ///
    /// # Errors
    /// The aggregate has other streams, and no document says which of them are terminated.
    pub(super) fn other_terminated(&self, active: Option<&str>) -> Result<Vec<TerminatedStream>> {
        let Some(document) = &self.document else {
            return match self.streams.iter().any(|stream| Some(stream.stream_id.as_str()) != active) {
                false => Ok(Vec::new()),
                true => Err(Error::new(
                    ErrorKind::Unsupported,
                    "the aggregate has other streams than the backup, and no document says which of them are terminated; they \
                     would be removed",
                )
                .with_help("use a backup that was made with `.include_terminated()`, or restore a clone")),
            };
        };
        let other = |stream: &&TerminatedStream| Some(stream.stream_id.as_str()) != active;
        Ok(document.terminated_streams.iter().filter(other).cloned().collect())
    }

    /// Removes everything of the aggregate except these terminated streams and their snapshots.
    ///
    /// # Errors
    /// The store cannot be written.
    pub(super) async fn remove_except(
        &self,
        writer: &mut dyn EventWriter,
        object: &str,
        object_id: &str,
        kept: &[TerminatedStream],
    ) -> Result<()> {
        if kept.is_empty() {
            return if self.exists() { writer.remove(object, object_id).await.map(drop) } else { Ok(()) };
        }
        let kept: BTreeSet<_> = kept.iter().map(|stream| stream.stream_id.as_str()).collect();
        let snapshots = self.snapshots.iter().filter(|key| !kept.contains(key.stream_id.as_str()));
        let snapshots: Vec<_> = snapshots.cloned().collect();
        if !snapshots.is_empty() {
            writer.remove_snapshots(object, &snapshots).await?;
        }
        for stream in self.streams.iter().filter(|stream| !kept.contains(stream.stream_id.as_str())) {
            writer.truncate(object, object_id, &stream.stream_id, 0).await?;
        }
        Ok(())
    }
}

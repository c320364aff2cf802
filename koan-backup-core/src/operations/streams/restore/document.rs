//! The document of the restored aggregate, which must agree with what was restored.

use super::ids::IdRewrite;
use crate::entity::stream::{StreamDocument, TerminatedStream};

/// What was restored beside the document, with the restored ids.
#[derive(Debug)]
pub(super) struct RestoredStreams {
    /// The active stream. `None` if all streams are terminated.
    pub(super) active: Option<String>,
    /// The version of the last event of the active stream.
    pub(super) version: Option<u64>,
    /// The terminated streams that exist after the restore.
    pub(super) terminated: Vec<TerminatedStream>,
    /// Whether the terminated streams are those of the backup.
    pub(super) has_terminated_of_backup: bool,
    /// The versions of the restored snapshots of the active stream.
    pub(super) snapshots: Vec<u64>,
}

/// Returns the document to write.
///
/// The document of the backup is written if there is one. It names the terminated streams and the snapshots that exist
/// after the restore. Otherwise the existing document is adjusted to the restored streams. Without either, a document is
/// composed only if terminated streams exist, because otherwise they would become active.
pub(super) fn restored_document(
    of_backup: Option<StreamDocument>,
    existing: Option<StreamDocument>,
    restored: RestoredStreams,
    ids: &mut IdRewrite,
) -> Option<StreamDocument> {
    if let Some(mut document) = of_backup {
        ids.document(&mut document);
        if !restored.has_terminated_of_backup {
            document.terminated_streams = restored.terminated;
        }
        document.snapshots = restored.snapshots;
        return Some(document);
    }
    if existing.is_none() && restored.terminated.is_empty() {
        return None;
    }
    let last_terminated = restored.terminated.last().map(|stream| (stream.stream_id.clone(), stream.version));
    let (active_stream, version) = match restored.active {
        Some(active) => (active, restored.version),
        None => last_terminated?,
    };
    let attributes = existing.map(|existing| existing.attributes).unwrap_or_default();
    Some(StreamDocument {
        object_id: ids.object_id().to_owned(),
        active_stream,
        version,
        chunks: Vec::new(),
        snapshots: restored.snapshots,
        terminated_streams: restored.terminated,
        attributes,
    })
}

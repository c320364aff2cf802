//! Writes the items of a single backup into an event store.

use super::document::{RestoredStreams, restored_document};
use super::existing::ExistingAggregate;
use super::ids::IdRewrite;
use super::options::{RestoredPart, StreamRestoreOptions};
use super::report::StreamRestoreReport;
use crate::archive::stream_file::{StreamFileHeader, StreamFileItem, TerminatedHeader};
use crate::catalog::stream_backups::StoredStreamBackup;
use crate::entity::stream::{StreamDocument, StreamEvent, StreamSnapshot, TerminatedStream};
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::operations::streams::stream_type::StreamType;
use crate::provider::event_store::{EventWriter, StreamHead};

/// Which parts of the backup are restored.
#[derive(Clone, Copy, Debug)]
pub(super) struct RestoredParts {
    document: bool,
    snapshots: bool,
}

impl RestoredParts {
    /// Decides which parts are restored.
    ///
    /// # Errors
    /// The store cannot contain a part of the backup.
    pub(super) fn plan(
        stored: &StoredStreamBackup<'_>,
        of: &StreamType<'_>,
        options: &StreamRestoreOptions,
    ) -> Result<Self> {
        let (meta, provider) = (&stored.meta, of.provider_name);
        let unsupported = |part: &str, help: &'static str| {
            let text = format!("the backup contains {part}, and the event store `{provider}` has none");
            Err(Error::new(ErrorKind::Unsupported, text).with_help(help))
        };
        let has_terminated_streams = of.store.terminated_streams && of.store.documents;
        if meta.terminated_stream_count > 0 && !has_terminated_streams {
            let help = "restore into a store with terminated streams, or use a backup without them";
            return unsupported("terminated streams", help);
        }
        let snapshots = options.snapshots == RestoredPart::Included;
        if snapshots && meta.snapshot_count > 0 && !of.store.snapshots {
            return unsupported("snapshots", "omit them with `.without_snapshots()`");
        }
        Ok(Self { document: options.document == RestoredPart::Included, snapshots })
    }
}

/// Writes the items of a single backup, in their order.
pub(super) struct StreamTarget<'t> {
    writer: &'t mut dyn EventWriter,
    of: &'t StreamType<'t>,
    ids: &'t mut IdRewrite,
    parts: RestoredParts,
    existing: ExistingAggregate,
    header: Option<StreamFileHeader>,
    document: Option<StreamDocument>,
    /// The terminated streams of the backup, with their restored ids.
    terminated: Vec<TerminatedStream>,
    /// The existing terminated streams that are kept.
    kept: Vec<TerminatedStream>,
    /// The versions of the restored snapshots of the active stream.
    snapshot_versions: Vec<u64>,
    events: u64,
    snapshots: u64,
}

impl<'t> StreamTarget<'t> {
    pub(super) fn new(
        writer: &'t mut dyn EventWriter,
        of: &'t StreamType<'t>,
        ids: &'t mut IdRewrite,
        parts: RestoredParts,
        existing: ExistingAggregate,
    ) -> Self {
        Self {
            writer,
            of,
            ids,
            parts,
            existing,
            header: None,
            document: None,
            terminated: Vec::new(),
            kept: Vec::new(),
            snapshot_versions: Vec::new(),
            events: 0,
            snapshots: 0,
        }
    }

    /// Writes the next item.
    ///
    /// # Errors
    /// The store fails, or cannot contain the item.
    pub(super) async fn write(&mut self, item: StreamFileItem) -> Result<()> {
        match item {
            StreamFileItem::Header(header) => self.begin(header).await,
            StreamFileItem::Events(events) => self.append(events).await,
            StreamFileItem::Document(document) => self.set_document(document.map(|document| *document)),
            StreamFileItem::Snapshots(snapshots) => self.add_snapshots(snapshots).await,
            StreamFileItem::Terminated(stream) => {
                self.add_terminated(&stream);
                Ok(())
            }
        }
    }

    /// Removes what the backup replaces.
    async fn begin(&mut self, header: StreamFileHeader) -> Result<()> {
        if !header.includes.terminated {
            let active = header.stream_id.as_deref().map(|stream| self.ids.stream(stream));
            self.kept = self.existing.other_terminated(active.as_deref())?;
        }
        let (object, object_id) = (self.of.object, self.ids.object_id().to_owned());
        self.existing.remove_except(self.writer, object, &object_id, &self.kept).await?;
        self.header = Some(header);
        Ok(())
    }

    async fn append(&mut self, mut events: Vec<StreamEvent>) -> Result<()> {
        for event in &mut events {
            self.ids.event(event);
            if !self.of.store.positions {
                event.position = None;
            }
        }
        let count = events.len();
        let added = self.writer.append(self.of.object, events).await?;
        self.require_count("events", count, added)?;
        self.events = self.events.saturating_add(added);
        Ok(())
    }

    fn set_document(&mut self, document: Option<StreamDocument>) -> Result<()> {
        if document.is_some() && self.parts.document && !self.of.store.documents {
            let provider = self.of.provider_name;
            let text = format!("the backup contains a document, and the event store `{provider}` has none");
            return Err(
                Error::new(ErrorKind::Unsupported, text).with_help("omit it with `.without_document()`")
            );
        }
        self.document = document.filter(|_| self.parts.document);
        Ok(())
    }

    async fn add_snapshots(&mut self, mut snapshots: Vec<StreamSnapshot>) -> Result<()> {
        if !self.parts.snapshots {
            return Ok(());
        }
        let active = self.header.as_ref().and_then(|header| header.stream_id.clone());
        for snapshot in &mut snapshots {
            if Some(&snapshot.stream_id) == active.as_ref() {
                self.snapshot_versions.push(snapshot.version);
            }
            self.ids.snapshot(snapshot);
        }
        let count = snapshots.len();
        let added = self.writer.add_snapshots(self.of.object, snapshots).await?;
        self.require_count("snapshots", count, added)?;
        self.snapshots = self.snapshots.saturating_add(added);
        Ok(())
    }

    fn add_terminated(&mut self, stream: &TerminatedHeader) {
        let mut stream = stream.stream();
        stream.stream_id = self.ids.stream(&stream.stream_id);
        stream.continued_by = stream.continued_by.map(|next| self.ids.stream(&next));
        self.terminated.push(stream);
    }

    /// Writes the document, and checks that the store contains exactly the restored streams.
    ///
    /// # Errors
    /// The store fails, or contains something else than what was written.
    pub(super) async fn finish(mut self, report: &mut StreamRestoreReport) -> Result<()> {
        let header = self.header.take();
        let header =
            header.ok_or_else(|| Error::new(ErrorKind::Internal, "a single backup has no header"))?;
        let active = header.stream_id.as_deref().map(|stream| self.ids.stream(stream));
        (report.events, report.snapshots) = (self.events, self.snapshots);
        report.terminated_streams = u64::try_from(self.terminated.len()).unwrap_or(u64::MAX);
        report.kept_terminated_streams = u64::try_from(self.kept.len()).unwrap_or(u64::MAX);
        report.document = self.document.is_some();
        let expected = self.expected_heads(active.as_deref(), header.stream_version);
        let includes_terminated = header.includes.terminated;
        let restored = RestoredStreams {
            active,
            version: header.stream_version,
            terminated: if includes_terminated { self.terminated } else { self.kept },
            has_terminated_of_backup: includes_terminated,
            snapshots: self.snapshot_versions,
        };
        let document = restored_document(self.document, self.existing.document.take(), restored, self.ids);
        let object = self.of.object;
        let is_nothing = document.is_none() && expected.is_empty() && report.snapshots == 0;
        if let Some(document) = document {
            self.writer.put_document(object, document).await?;
        }
        if is_nothing {
            let text = "the backup contains only a document, which is not restored";
            return Err(Error::new(ErrorKind::Configuration, text).with_help("restore it with its document"));
        }
        let heads = self.writer.heads(object, &[self.ids.object_id().to_owned()]).await?;
        let mut found: Vec<_> = heads.into_iter().flat_map(|heads| heads.streams).map(as_pair).collect();
        found.sort();
        match found == expected {
            true => Ok(()),
            false => {
                let text = "the event store contains other events than the restore has written";
                Err(Error::new(ErrorKind::Constraint, text)
                    .with_help("check whether a trigger or rule of the database changes or drops them"))
            }
        }
    }

    /// Returns the streams with events that must exist after the restore, with their versions, sorted.
    fn expected_heads(&self, active: Option<&str>, version: Option<u64>) -> Vec<(String, u64)> {
        let kept = |head: &&StreamHead| self.kept.iter().any(|stream| stream.stream_id == head.stream_id);
        let active = active.zip(version).map(|(stream, version)| (stream.to_owned(), version));
        let terminated =
            self.terminated.iter().filter_map(|stream| Some((stream.stream_id.clone(), stream.version?)));
        let kept = self.existing.streams.iter().filter(kept).cloned().map(as_pair);
        let mut expected: Vec<_> = active.into_iter().chain(terminated).chain(kept).collect();
        expected.sort();
        expected
    }

    fn require_count(&self, what: &str, written: usize, reported: u64) -> Result<()> {
        if u64::try_from(written) == Ok(reported) {
            return Ok(());
        }
        let text = format!(
            "{written} {what} of `{}` were written, and the event store reports {reported}; a trigger or rule of the \
             database may drop or redirect them",
            self.of.object
        );
        Err(Error::new(ErrorKind::Constraint, text))
    }
}

fn as_pair(head: StreamHead) -> (String, u64) {
    (head.stream_id, head.version)
}

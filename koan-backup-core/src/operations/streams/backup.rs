//! Makes a single backup.

use futures::TryStreamExt as _;
use jiff::SignedDuration;

use super::end::StreamEnd;
use super::options::StreamBackupOptions;
use super::path_key::PathKey;
use super::plan::{StreamBackupPlan, plan};
use super::progress::StreamProgress;
use super::publish::{UnpublishedContent, publish};
use super::snapshots::events_of;
use crate::archive::stream_file::{
    SealedSubject, StreamEncryption, StreamFileHeader, StreamFileItem, StreamFileWriter, StreamFolder,
    StreamMeta, StreamSubject, StreamWriting, TerminatedHeader, content_name, path_segment,
};
use crate::catalog::stream_backups::StreamBackupHandle;
use crate::environment::Environment;
use crate::foundation::cancellation::until_cancelled;
use crate::foundation::clock::backup_id_at;
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::provider::Snapshot;
use crate::provider::event_store::{
    EventReader as _, MaskedReader, OpenedStream, OpenedStreams, StreamState,
};

/// Makes a single backup of one aggregate.
///
/// # Errors
/// The aggregate does not exist, its store or the storage fails, an event does not decode as its type, or the backup
/// was cancelled. Nothing was published then.
pub(crate) async fn run(
    environment: &Environment,
    object: &str,
    object_id: &str,
    options: &StreamBackupOptions,
) -> Result<StreamBackupHandle> {
    let work = async {
        let plan = plan(environment, object, options)?;
        let snapshot = until_cancelled(&options.cancel, plan.of.provider.snapshot()).await?;
        backup_from(environment, &plan, object_id, options, snapshot.as_ref()).await
    };
    announced(environment, object, work).await
}

/// Makes a single backup, and announces its end.
///
/// # Errors
/// Those of `work`.
pub(super) async fn announced(
    environment: &Environment,
    object: &str,
    work: impl Future<Output = Result<StreamBackupHandle>>,
) -> Result<StreamBackupHandle> {
    let mut end = StreamEnd::of_backup(environment, object);
    let made = work.await;
    if let Ok(handle) = &made {
        end.made(handle.id);
    }
    end.announce(&made);
    made
}

/// Makes a single backup from a snapshot of the store.
pub(super) async fn backup_from(
    environment: &Environment,
    plan: &StreamBackupPlan<'_>,
    object_id: &str,
    options: &StreamBackupOptions,
    snapshot: &dyn Snapshot,
) -> Result<StreamBackupHandle> {
    let backup = StreamBackup { environment, plan, options, reader: events_of(snapshot, &plan.of)? };
    let handle = Box::pin(backup.run(object_id)).await;
    handle.map_err(|error| match error.kind() {
        ErrorKind::Cancelled => error,
        _ => error.context(format!("{} was not backed up", plan.of.text(object_id))),
    })
}

struct StreamBackup<'b> {
    environment: &'b Environment,
    plan: &'b StreamBackupPlan<'b>,
    options: &'b StreamBackupOptions,
    reader: MaskedReader<'b>,
}

impl StreamBackup<'_> {
    async fn run(&self, object_id: &str) -> Result<StreamBackupHandle> {
        let (plan, options, cancel) = (self.plan, self.options, &self.options.cancel);
        let StreamBackupPlan { of, storage, recipients, includes, .. } = plan;
        let opened = until_cancelled(cancel, self.reader.open(of.object, object_id)).await?;
        let opened = opened.ok_or_else(|| self.missing(object_id))?;
        let active = opened.active();
        if active.is_none() && !includes.terminated {
            let text = format!("{} has only terminated streams", of.text(object_id));
            return Err(Error::new(ErrorKind::Configuration, text).with_help("add `.include_terminated()`"));
        }
        until_cancelled(cancel, storage.require_profile()).await?;
        let folder = match recipients {
            None => path_segment(object_id),
            Some(_) => PathKey::of_machine(self.environment).await?.segment(of.object, object_id),
        };
        let folder = StreamFolder::new(of.object, &folder);
        let created_at = self.environment.clock.now();
        let id = backup_id_at(created_at);
        let name = content_name(id, options.compression, recipients.is_some());
        let path = folder.content(options.folder.as_deref(), &name)?;
        let header = StreamFileHeader {
            format_version: StreamMeta::FORMAT_VERSION,
            backup_id: id,
            created_at,
            object_id: object_id.to_owned(),
            object_name: of.object.to_owned(),
            stream_id: active.map(|stream| stream.stream_id.clone()),
            stream_version: active.and_then(|stream| stream.version),
            event_count: active.map_or(0, OpenedStream::event_count),
            includes: *includes,
        };
        let (stream_version, event_count) = (header.stream_version, header.event_count);
        let writing = StreamWriting {
            storage,
            path: path.clone(),
            compression: options.compression,
            recipients: recipients.clone(),
            codec: of.codec.clone(),
            header,
        };
        let (writer, pending) = StreamFileWriter::begin(writing, cancel).await?;
        let produce = async {
            let fed = self.feed(&writer, &opened).await;
            writer.finish(fed).await
        };
        let (counts, file) = pending.store(produce, cancel).await?;
        let content = UnpublishedContent::new(storage, path);
        let subject = StreamSubject {
            object_id: object_id.to_owned(),
            description: options.description.clone(),
            metadata: options.metadata.clone(),
            tags: options.tags.clone(),
        };
        let meta = StreamMeta {
            format_version: StreamMeta::FORMAT_VERSION,
            backup_id: id,
            object_name: of.object.to_owned(),
            created_at,
            path: file.file,
            size_bytes: file.size_bytes,
            sha256: file.sha256,
            event_count,
            stream_version,
            snapshot_count: counts.snapshots,
            terminated_stream_count: counts.terminated_streams,
            includes: *includes,
            compression: options.compression,
            encryption: recipients.as_ref().map(StreamEncryption::of),
            expires_at: self.expiry(created_at),
            producer: self.environment.producer.clone(),
            subject: SealedSubject::seal(id, subject.clone(), recipients.clone()).await?,
        };
        let (meta_path, document) = (folder.meta(id)?, meta.to_document()?);
        if cancel.is_cancelled() {
            return Err(Error::cancelled());
        }
        publish(content, storage, meta_path.clone(), document).await?;
        tracing::info!(
            target: "koan::backup", backup = %id, object = of.object, events = counts.events,
            "a single backup of an event stream was made"
        );
        Ok(StreamBackupHandle::new(plan.profile, meta_path, meta, Some(subject)))
    }

    /// Passes everything that is included to the writer.
    async fn feed(&self, writer: &StreamFileWriter, opened: &OpenedStreams) -> Result<()> {
        let includes = self.plan.includes;
        let included = |stream: &&OpenedStream| stream.state == StreamState::Active || includes.terminated;
        let counts = opened.streams.iter().filter(included).map(OpenedStream::event_count);
        let mut progress = StreamProgress::new(0, counts.fold(0, u64::saturating_add));
        self.options.progress.emit(&progress);
        if let Some(active) = opened.active() {
            self.feed_events(writer, opened, &active.stream_id, &mut progress).await?;
        }
        let document = opened.document.clone().filter(|_| includes.document);
        writer.write(StreamFileItem::Document(document.map(Box::new))).await?;
        if includes.snapshots {
            self.feed_snapshots(writer, opened).await?;
        }
        let terminated = opened.streams.iter().filter(|stream| stream.state == StreamState::Terminated);
        for stream in terminated.filter(included) {
            writer.write(StreamFileItem::Terminated(terminated_header(opened, stream))).await?;
            self.feed_events(writer, opened, &stream.stream_id, &mut progress).await?;
        }
        Ok(())
    }

    async fn feed_events(
        &self,
        writer: &StreamFileWriter,
        opened: &OpenedStreams,
        stream_id: &str,
        progress: &mut StreamProgress,
    ) -> Result<()> {
        let mut batches = self.reader.events(opened, stream_id).await?;
        while let Some(events) = batches.try_next().await? {
            progress.events = progress.events.saturating_add(u64::try_from(events.len()).unwrap_or(u64::MAX));
            writer.write(StreamFileItem::Events(events)).await?;
            self.options.progress.emit(progress);
        }
        Ok(())
    }

    async fn feed_snapshots(&self, writer: &StreamFileWriter, opened: &OpenedStreams) -> Result<()> {
        let active = opened.active().map(|stream| stream.stream_id.as_str());
        let (mut batches, mut read) = (self.reader.snapshots(opened).await?, 0u64);
        while let Some(mut snapshots) = batches.try_next().await? {
            read = read.saturating_add(u64::try_from(snapshots.len()).unwrap_or(u64::MAX));
            if !self.plan.includes.terminated {
                snapshots.retain(|snapshot| Some(snapshot.stream_id.as_str()) == active);
            }
            writer.write(StreamFileItem::Snapshots(snapshots)).await?;
        }
        if read < opened.snapshot_count {
            let stated = opened.snapshot_count;
            let text = format!("the event store returned {read} of {stated} snapshots");
            return Err(Error::new(ErrorKind::Provider, text).with_help("repeat the backup"));
        }
        Ok(())
    }

    fn expiry(&self, created_at: jiff::Timestamp) -> Option<jiff::Timestamp> {
        let after = SignedDuration::try_from(self.options.expires_after?).unwrap_or(SignedDuration::MAX);
        Some(created_at.checked_add(after).unwrap_or(jiff::Timestamp::MAX))
    }

    fn missing(&self, object_id: &str) -> Error {
        let of = &self.plan.of;
        let text = format!("{} does not exist in the event store `{}`", of.text(object_id), of.provider_name);
        Error::new(ErrorKind::NotFound, text).with_help("check the object name and the object id")
    }
}

/// Returns the header of a terminated stream, with what the document records about it.
fn terminated_header(opened: &OpenedStreams, stream: &OpenedStream) -> TerminatedHeader {
    let recorded = opened.document.iter().flat_map(|document| &document.terminated_streams);
    let recorded = recorded.into_iter().find(|recorded| recorded.stream_id == stream.stream_id);
    TerminatedHeader {
        stream_id: stream.stream_id.clone(),
        version: stream.version,
        terminated_at: recorded.and_then(|recorded| recorded.terminated_at.clone()),
        reason: recorded.and_then(|recorded| recorded.reason.clone()),
        continued_by: recorded.and_then(|recorded| recorded.continued_by.clone()),
        event_count: stream.event_count(),
    }
}

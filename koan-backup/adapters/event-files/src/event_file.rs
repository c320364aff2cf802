//! Files of events and of snapshots.

use std::fmt::Write as _;

use bytes::Bytes;
use futures::stream::{self, BoxStream};
use futures::{Stream, StreamExt as _, TryStreamExt as _};
use koan_backup_core::event_store::{StreamEvent, StreamSnapshot};
use koan_backup_core::provider::blocking;
use koan_backup_core::{Error, ErrorKind, Result};
use object_store::path::Path;
use sha2::{Digest as _, Sha256};

use crate::aggregate::{EventFile, SnapshotFile};
use crate::objects::Objects;
use crate::path;

/// How many bytes of lines are decoded at a time.
const DECODED_BYTES: usize = 1 << 20;

/// Encodes events as lines of JSON. Returns the text and its SHA-256.
pub(crate) async fn encode(events: Vec<StreamEvent>) -> Result<(Vec<u8>, String)> {
    let encoded = blocking("encoding events", move || {
        let mut text = Vec::new();
        for event in &events {
            serde_json::to_writer(&mut text, event).map_err(not_encoded)?;
            text.push(b'\n');
        }
        let hash = hex(&Sha256::digest(&text));
        Ok((text, hash))
    });
    encoded.await?
}

/// Encodes a snapshot. Returns the text and its SHA-256.
pub(crate) fn encode_snapshot(snapshot: &StreamSnapshot) -> Result<(Vec<u8>, String)> {
    let text = serde_json::to_vec(snapshot).map_err(not_encoded)?;
    let hash = hex(&Sha256::digest(&text));
    Ok((text, hash))
}

fn not_encoded(source: serde_json::Error) -> Error {
    Error::with_source(ErrorKind::Record, "an event or snapshot cannot be written as JSON", source)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The check of a file while it is read.
struct Checked {
    path: Path,
    file: EventFile,
    object_id: String,
    stream_id: String,
    objects: Objects,
    next_version: u64,
    hash: Sha256,
    size_bytes: u64,
}

/// Reads the events of a file that belong to its stream, in batches. The last batch is returned only after the size and the
/// SHA-256 of the file were checked.
pub(crate) fn read<'r>(
    objects: &'r Objects,
    (object, object_id): (&str, &str),
    stream_id: &str,
    file: &EventFile,
) -> impl Stream<Item = Result<Vec<StreamEvent>>> + Send + use<'r> {
    let (object, object_id) = (object.to_owned(), object_id.to_owned());
    let (stream_id, file) = (stream_id.to_owned(), file.clone());
    let opened = async move {
        let path = path::file(&object, &object_id, &file.file)?;
        let found = objects.open(&path).await?.ok_or_else(|| {
            let text = format!("`{object}` `{object_id}` was replaced while it was read");
            Error::new(ErrorKind::Provider, text).with_help("repeat the operation")
        })?;
        let next_version = file.first_version;
        let checked = Checked {
            path: path.clone(),
            file,
            object_id,
            stream_id,
            objects: objects.clone(),
            next_version,
            hash: Sha256::new(),
            size_bytes: 0,
        };
        let bytes = found.into_stream().map_err(move |source| objects.failed(&path, "read", source));
        Ok::<_, Error>(batches(checked, bytes.boxed()))
    };
    stream::once(opened).try_flatten()
}

/// The state of a read: the check, the rest of the file, and the bytes that are not decoded yet.
struct Progress<'r> {
    checked: Checked,
    bytes: Option<BoxStream<'r, Result<Bytes>>>,
    undecoded: Vec<u8>,
    /// Whether the whole file was decoded and checked.
    is_finished: bool,
}

fn batches<'r>(
    checked: Checked,
    bytes: BoxStream<'r, Result<Bytes>>,
) -> impl Stream<Item = Result<Vec<StreamEvent>>> + Send + 'r {
    let progress = Progress { checked, bytes: Some(bytes), undecoded: Vec::new(), is_finished: false };
    stream::try_unfold(progress, |mut progress| async move {
        loop {
            if progress.undecoded.len() < DECODED_BYTES
                && let Some(bytes) = &mut progress.bytes
            {
                match bytes.try_next().await? {
                    Some(chunk) => progress.undecoded.extend_from_slice(&chunk),
                    None => progress.bytes = None,
                }
                continue;
            }
            if progress.is_finished {
                return Ok(None);
            }
            let Some(length) = line_end(&progress.undecoded, progress.bytes.is_none()) else {
                // One line is longer than a batch.
                match progress.bytes.as_mut() {
                    Some(bytes) => match bytes.try_next().await? {
                        Some(chunk) => progress.undecoded.extend_from_slice(&chunk),
                        None => progress.bytes = None,
                    },
                    None => return Ok(None),
                }
                continue;
            };
            let is_end = progress.bytes.is_none() && length == progress.undecoded.len();
            let rest = progress.undecoded.split_off(length);
            let lines = std::mem::replace(&mut progress.undecoded, rest);
            let Progress { mut checked, bytes, undecoded, .. } = progress;
            let decoded = blocking("decoding events", move || {
                let events = checked.decode(&lines)?;
                if is_end {
                    checked.finish()?;
                }
                Ok::<_, Error>((checked, events))
            });
            let (checked, events) = decoded.await??;
            progress = Progress { checked, bytes, undecoded, is_finished: is_end };
            if !events.is_empty() {
                return Ok(Some((events, progress)));
            }
        }
    })
}

/// Returns the length of the complete lines that are decoded next: as many as a batch contains, or one longer line.
fn line_end(bytes: &[u8], is_end: bool) -> Option<usize> {
    if is_end && bytes.len() <= DECODED_BYTES {
        return Some(bytes.len());
    }
    let (batch, rest) = bytes.split_at(bytes.len().min(DECODED_BYTES));
    let in_batch = batch.iter().rposition(|byte| *byte == b'\n').map(|end| end + 1);
    let line = || rest.iter().position(|byte| *byte == b'\n').map(|end| batch.len() + end + 1);
    in_batch.or_else(line).or_else(|| is_end.then_some(bytes.len()))
}

impl Checked {
    /// Decodes lines, and checks that each is the next event.
    fn decode(&mut self, lines: &[u8]) -> Result<Vec<StreamEvent>> {
        self.hash.update(lines);
        self.size_bytes = self.size_bytes.saturating_add(u64::try_from(lines.len()).unwrap_or(u64::MAX));
        let mut events = Vec::new();
        for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let event: StreamEvent = serde_json::from_slice(line).map_err(|_| {
                let problem = format!("contains no event where version {} is expected", self.next_version);
                self.objects.damaged(&self.path, &problem)
            })?;
            let is_next = event.version == self.next_version
                && event.stream_id == self.stream_id
                && event.object_id == self.object_id;
            if !is_next {
                let (version, expected) = (event.version, self.next_version);
                let problem = format!("contains event {version} where version {expected} is expected");
                return Err(self.objects.damaged(&self.path, &problem));
            }
            self.next_version = self.next_version.checked_add(1).ok_or_else(|| {
                self.objects
                    .damaged(&self.path, &format!("contains event {}, which has no successor", event.version))
            })?;
            if event.version <= self.file.last_version {
                events.push(event);
            }
        }
        Ok(events)
    }

    /// Checks that the file is the file that was written.
    fn finish(&mut self) -> Result<()> {
        let count = self.next_version - self.file.first_version;
        if count != self.file.event_count || self.size_bytes != self.file.size_bytes {
            let (events, bytes) = (self.file.event_count, self.file.size_bytes);
            let problem = format!(
                "has {count} events in {} bytes, and {events} events in {bytes} bytes were written",
                self.size_bytes
            );
            return Err(self.objects.damaged(&self.path, &problem));
        }
        if hex(&std::mem::take(&mut self.hash).finalize()) != self.file.sha256 {
            return Err(self.objects.damaged(&self.path, "does not have the SHA-256 that was written"));
        }
        Ok(())
    }
}

/// Reads a snapshot.
pub(crate) async fn read_snapshot(
    objects: &Objects,
    (object, object_id): (&str, &str),
    snapshot: &SnapshotFile,
) -> Result<StreamSnapshot> {
    let path = path::file(object, object_id, &snapshot.file)?;
    let text = objects.get(&path).await?.ok_or_else(|| objects.damaged(&path, "does not exist"))?;
    if hex(&Sha256::digest(&text)) != snapshot.sha256 {
        return Err(objects.damaged(&path, "does not have the SHA-256 that was written"));
    }
    serde_json::from_slice(&text).map_err(|_| objects.damaged(&path, "is not a snapshot"))
}

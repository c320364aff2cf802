//! Reads the text of the content. It trusts nothing: every length is bounded, and every order is checked.

use std::io::{self, BufRead};

use super::coding::{LinePrefix, parse};
use super::fault::StreamFault;
use super::header::{MAX_HEADER_BYTES, StreamFileHeader, read_header, read_terminated};
use super::item::StreamFileItem;
use super::sequence::{StreamCounts, StreamSequence};
use crate::entity::EntityCodec;
use crate::entity::stream::{StreamDocument, StreamEvent, StreamSnapshot};
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::foundation::lines::MAX_LINE_BYTES;

/// The maximum number of bytes around the document in its line: the names of two fields and their brackets.
const MAX_FIELD_NAME_BYTES: usize = 64;

/// The number of bytes of records that one item contains at least, except the last of its array.
const BATCH_BYTES: usize = 1 << 20;

/// Receives the items of a content.
pub(super) trait ItemSink {
    /// Receives an item.
    ///
    /// # Errors
    /// The receiver needs no more items.
    fn item(&mut self, item: StreamFileItem) -> Result<()>;
}

impl<F: FnMut(StreamFileItem) -> Result<()>> ItemSink for F {
    fn item(&mut self, item: StreamFileItem) -> Result<()> {
        self(item)
    }
}

/// Reads a content up to its end, and passes its items to `sink`. Each event is decoded as its type.
///
/// # Errors
/// The content is damaged ([`ErrorKind::Corrupt`]), has a newer format, or cannot be read.
pub(super) fn read_text(
    input: &mut impl BufRead,
    codec: &EntityCodec,
    sink: &mut impl ItemSink,
) -> Result<(StreamFileHeader, StreamCounts)> {
    let mut lines = Lines { input, line: Vec::new() };
    let header = read_header(lines.next(MAX_HEADER_BYTES)?)?;
    let mut sequence = StreamSequence::begin(header.clone()).map_err(StreamFault::error)?;
    let stream = header.stream_id.clone().unwrap_or_default();
    let events = LinePrefix::of_stream(&header.object_id, &stream)?;
    sink.item(StreamFileItem::Header(header.clone()))?;
    let end = lines.events(&mut sequence, &events, codec, sink)?;
    let document = document(&end)?;
    sequence.document(document.as_deref()).map_err(StreamFault::error)?;
    sink.item(StreamFileItem::Document(document))?;
    let end = lines.snapshots(&mut sequence, &LinePrefix::of_object(&header.object_id)?, sink)?;
    if end != b"],\"terminatedStreams\":[" {
        return Err(StreamFault::Form("the list of terminated streams was expected").error());
    }
    let mut is_followed = None;
    loop {
        let line = lines.next(MAX_HEADER_BYTES)?;
        if line == b"]}" {
            if is_followed == Some(true) {
                return Err(StreamFault::Form("a comma is followed by no stream").error());
            }
            break;
        }
        if is_followed == Some(false) {
            return Err(StreamFault::Form("a comma between streams is missing").error());
        }
        let stream = read_terminated(line)?;
        sequence.terminated(&stream).map_err(StreamFault::error)?;
        let events = LinePrefix::of_stream(&header.object_id, &stream.stream_id)?;
        sink.item(StreamFileItem::Terminated(stream))?;
        is_followed = match lines.events(&mut sequence, &events, codec, sink)?.as_slice() {
            b"]}" => Some(false),
            b"]}," => Some(true),
            _ => return Err(StreamFault::Form("the end of a terminated stream was expected").error()),
        };
    }
    lines.require_end()?;
    sequence.end().map_err(StreamFault::error)
}

/// Reads the document in the line that ends the events.
fn document(line: &[u8]) -> Result<Option<Box<StreamDocument>>> {
    let document =
        line.strip_prefix(b"],\"document\":").and_then(|line| line.strip_suffix(b",\"snapshots\":["));
    parse(document.ok_or_else(|| StreamFault::Form("the document was expected").error())?, "its document")
}

/// The lines of the input.
struct Lines<'i, R> {
    input: &'i mut R,
    line: Vec<u8>,
}

impl<R: BufRead> Lines<'_, R> {
    /// Returns the next line without its line feed.
    fn next(&mut self, limit: usize) -> Result<&[u8]> {
        self.line.clear();
        loop {
            let available = match self.input.fill_buf() {
                Ok(available) => available,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(read_error(error)),
            };
            if available.is_empty() {
                return Err(StreamFault::Truncated.error());
            }
            let end = memchr::memchr(b'\n', available);
            let part = end.and_then(|end| available.get(..end)).unwrap_or(available);
            if self.line.len().saturating_add(part.len()) > limit {
                return Err(StreamFault::LineLength(limit).error());
            }
            self.line.extend_from_slice(part);
            let used = part.len() + usize::from(end.is_some());
            self.input.consume(used);
            if end.is_some() {
                return Ok(&self.line);
            }
        }
    }

    fn require_end(&mut self) -> Result<()> {
        match self.input.fill_buf().map_err(read_error)?.is_empty() {
            true => Ok(()),
            false => Err(StreamFault::AfterEnd.error()),
        }
    }

    /// Reads the elements of an array. Returns the line that ends it.
    fn elements(&mut self, mut each: impl FnMut(&[u8]) -> Result<()>) -> Result<Vec<u8>> {
        let mut is_followed = None;
        loop {
            // The line after the events contains the document, between the names of two fields.
            let line = self.next(MAX_LINE_BYTES + MAX_FIELD_NAME_BYTES)?;
            if line.first() == Some(&b']') {
                return match is_followed {
                    Some(true) => Err(StreamFault::Form("a comma is followed by no record").error()),
                    _ => Ok(line.to_vec()),
                };
            }
            if is_followed == Some(false) {
                return Err(StreamFault::Form("a comma between records is missing").error());
            }
            let element = line.strip_suffix(b",");
            is_followed = Some(element.is_some());
            each(element.unwrap_or(line))?;
        }
    }

    fn events(
        &mut self,
        sequence: &mut StreamSequence,
        prefix: &LinePrefix,
        codec: &EntityCodec,
        sink: &mut impl ItemSink,
    ) -> Result<Vec<u8>> {
        let (mut batch, mut bytes, mut line) = (Vec::new(), 0, Vec::new());
        let end = self.elements(|element| {
            prefix.complete(element, &mut line)?;
            let event: StreamEvent = parse(&line, "an event")?;
            sequence.event(event.version).map_err(StreamFault::error)?;
            let refused = |problem| {
                let text =
                    format!("the event of `{}` with version {} {problem}", codec.name(), event.version);
                Error::new(ErrorKind::Record, text)
            };
            codec.check(&line).map_err(refused)?;
            bytes += line.len();
            batch.push(event);
            if bytes >= BATCH_BYTES {
                bytes = 0;
                sink.item(StreamFileItem::Events(std::mem::take(&mut batch)))?;
            }
            Ok(())
        })?;
        if !batch.is_empty() {
            sink.item(StreamFileItem::Events(batch))?;
        }
        sequence.end_events().map_err(StreamFault::error)?;
        Ok(end)
    }

    fn snapshots(
        &mut self,
        sequence: &mut StreamSequence,
        prefix: &LinePrefix,
        sink: &mut impl ItemSink,
    ) -> Result<Vec<u8>> {
        let (mut batch, mut bytes, mut line) = (Vec::new(), 0, Vec::new());
        let end = self.elements(|element| {
            prefix.complete(element, &mut line)?;
            let snapshot: StreamSnapshot = parse(&line, "a snapshot")?;
            sequence.snapshot(&snapshot.stream_id, snapshot.version).map_err(StreamFault::error)?;
            bytes += line.len();
            batch.push(snapshot);
            if bytes >= BATCH_BYTES {
                bytes = 0;
                sink.item(StreamFileItem::Snapshots(std::mem::take(&mut batch)))?;
            }
            Ok(())
        })?;
        if !batch.is_empty() {
            sink.item(StreamFileItem::Snapshots(batch))?;
        }
        Ok(end)
    }
}

/// Returns the error of a failed read. Decompression and decryption report damage as invalid data or an early end.
pub(super) fn read_error(source: io::Error) -> Error {
    let (kind, text) = match source.kind() {
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::UnexpectedEof => {
            (ErrorKind::Corrupt, "its content cannot be decompressed or decrypted")
        }
        _ => (ErrorKind::Storage, "its content could not be read"),
    };
    Error::with_source(kind, text, source)
}

//! Writes the text of the content.

use std::io::{self, Write};

use super::coding::LinePrefix;
use super::fault::StreamFault;
use super::header::{MAX_HEADER_BYTES, StreamFileHeader, to_line};
use super::item::StreamFileItem;
use super::sequence::{StreamCounts, StreamSequence};
use crate::entity::EntityCodec;
use crate::entity::stream::{StreamDocument, StreamEvent, StreamSnapshot};
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::foundation::lines::MAX_LINE_BYTES;

/// The array whose elements are written next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Position {
    Events,
    Snapshots,
    /// The events of a terminated stream.
    TerminatedEvents,
}

/// Writes the text of the content, and proves that each event decodes as its type.
pub(super) struct StreamTextWriter<W> {
    out: W,
    codec: EntityCodec,
    sequence: StreamSequence,
    position: Position,
    has_elements: bool,
    events: LinePrefix,
    snapshots: LinePrefix,
    line: Vec<u8>,
    scratch: Vec<u8>,
}

impl<W: Write> StreamTextWriter<W> {
    /// Begins the content with its header.
    pub(super) fn begin(mut out: W, codec: EntityCodec, header: StreamFileHeader) -> Result<Self> {
        write_header(&mut out, &header)?;
        let stream = header.stream_id.as_deref().unwrap_or_default();
        let events = LinePrefix::of_stream(&header.object_id, stream)?;
        let snapshots = LinePrefix::of_object(&header.object_id)?;
        Ok(Self {
            out,
            codec,
            sequence: StreamSequence::begin(header).map_err(StreamFault::error)?,
            position: Position::Events,
            has_elements: false,
            events,
            snapshots,
            line: Vec::new(),
            scratch: Vec::new(),
        })
    }

    /// Writes the next part.
    pub(super) fn write(&mut self, item: StreamFileItem) -> Result<()> {
        match (self.position, item) {
            (Position::Events | Position::TerminatedEvents, StreamFileItem::Events(events)) => {
                events.iter().try_for_each(|event| self.event(event))
            }
            (Position::Events, StreamFileItem::Document(document)) => self.document(document.as_deref()),
            (Position::Snapshots, StreamFileItem::Snapshots(snapshots)) => {
                snapshots.iter().try_for_each(|snapshot| self.snapshot(snapshot))
            }
            (Position::Snapshots, StreamFileItem::Terminated(stream)) => {
                self.end_array(b"],\"terminatedStreams\":[\n")?;
                self.terminated(&stream)
            }
            (Position::TerminatedEvents, StreamFileItem::Terminated(stream)) => {
                self.end_terminated()?;
                self.put(b",\n")?;
                self.terminated(&stream)
            }
            _ => Err(Error::new(
                ErrorKind::Internal,
                "the parts of a single backup were not written in their order",
            )),
        }
    }

    /// Ends the content. Returns the output, and what was written.
    pub(super) fn finish(mut self) -> Result<(W, StreamCounts)> {
        match self.position {
            Position::Events => {
                return Err(Error::new(
                    ErrorKind::Internal,
                    "the content of a single backup was not completed",
                ));
            }
            Position::Snapshots => self.end_array(b"],\"terminatedStreams\":[\n]}\n")?,
            Position::TerminatedEvents => {
                self.end_terminated()?;
                self.put(b"\n]}\n")?;
            }
        }
        let (_, counts) = self.sequence.end().map_err(StreamFault::error)?;
        Ok((self.out, counts))
    }

    fn event(&mut self, event: &StreamEvent) -> Result<()> {
        self.sequence.event(event.version).map_err(StreamFault::error)?;
        self.element(|writer, line| {
            let start = writer.events.write(event, line)?.len();
            let refused = |problem| {
                let (version, name) = (event.version, writer.codec.name());
                Error::new(
                    ErrorKind::Record,
                    format!("the event of `{name}` with version {version} {problem}"),
                )
            };
            writer.codec.check_round_trip(line, &mut writer.scratch).map_err(refused)?;
            Ok(line.len() - start)
        })
    }

    fn snapshot(&mut self, snapshot: &StreamSnapshot) -> Result<()> {
        self.sequence.snapshot(&snapshot.stream_id, snapshot.version).map_err(StreamFault::error)?;
        self.element(|writer, line| {
            let start = writer.snapshots.write(snapshot, line)?.len();
            Ok(line.len() - start)
        })
    }

    fn document(&mut self, document: Option<&StreamDocument>) -> Result<()> {
        self.sequence.end_events().map_err(StreamFault::error)?;
        self.sequence.document(document).map_err(StreamFault::error)?;
        let json = serde_json::to_vec(&document).map_err(|source| {
            Error::with_source(
                ErrorKind::Record,
                "the document of the stream cannot be written as JSON",
                source,
            )
        })?;
        if json.len() > MAX_LINE_BYTES {
            return Err(too_long("the document", json.len()));
        }
        self.end_array(b"],\"document\":")?;
        self.put(&json)?;
        self.put(b",\"snapshots\":[\n")?;
        self.position = Position::Snapshots;
        Ok(())
    }

    fn terminated(&mut self, stream: &super::header::TerminatedHeader) -> Result<()> {
        self.sequence.terminated(stream).map_err(StreamFault::error)?;
        write_header(&mut self.out, stream)?;
        self.events = LinePrefix::of_stream(&self.sequence.header().object_id, &stream.stream_id)?;
        (self.position, self.has_elements) = (Position::TerminatedEvents, false);
        Ok(())
    }

    fn end_terminated(&mut self) -> Result<()> {
        self.sequence.end_events().map_err(StreamFault::error)?;
        self.end_array(b"]}")
    }

    /// Writes an element. `record` writes its complete line and returns the length of the omitted prefix.
    fn element(&mut self, record: impl FnOnce(&mut Self, &mut Vec<u8>) -> Result<usize>) -> Result<()> {
        let mut line = std::mem::take(&mut self.line);
        let prefix = record(self, &mut line)?;
        if line.len() > MAX_LINE_BYTES {
            return Err(too_long("a record of the stream", line.len()));
        }
        self.put(if self.has_elements { b",\n{" } else { b"{" })?;
        self.put(line.get(prefix..).unwrap_or_default())?;
        self.has_elements = true;
        self.line = line;
        Ok(())
    }

    fn end_array(&mut self, end: &[u8]) -> Result<()> {
        if std::mem::take(&mut self.has_elements) {
            self.put(b"\n")?;
        }
        self.put(end)
    }

    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.out.write_all(bytes).map_err(write_error)
    }
}

fn write_header<T: serde::Serialize>(out: &mut impl Write, header: &T) -> Result<()> {
    let mut line = to_line(header).map_err(|source| {
        Error::with_source(
            ErrorKind::Internal,
            "the header of a single backup cannot be written as JSON",
            source,
        )
    })?;
    if line.len() > MAX_HEADER_BYTES {
        return Err(StreamFault::LineLength(MAX_HEADER_BYTES).error());
    }
    line.push(b'\n');
    out.write_all(&line).map_err(write_error)
}

fn too_long(what: &str, length: usize) -> Error {
    let text = format!("{what} has {length} bytes as JSON, and the maximum is {MAX_LINE_BYTES} bytes");
    Error::new(ErrorKind::Record, text)
}

pub(super) fn write_error(source: io::Error) -> Error {
    Error::with_source(ErrorKind::Storage, "the content of a single backup could not be written", source)
}

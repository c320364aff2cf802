//! Writes the content of a single backup into a storage.

use std::io::{self, Write};

use flate2::write::GzEncoder;
use object_store::path::Path;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::StreamCompression;
use super::header::StreamFileHeader;
use super::item::StreamFileItem;
use super::sequence::StreamCounts;
use super::text_writer::{StreamTextWriter, write_error};
use crate::archive::pending::PendingArchive;
use crate::archive::upload::{ArchiveSink, FinishedUpload, UploadWriter};
use crate::encryption::Recipients;
use crate::entity::EntityCodec;
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::foundation::own_thread::OwnThread;
use crate::storage::Storage;

/// The number of items that wait for the writing thread.
const MAX_WAITING_ITEMS: usize = 2;

/// Where and how a content is written.
#[derive(Debug)]
pub(crate) struct StreamWriting<'a> {
    pub(crate) storage: &'a Storage,
    pub(crate) path: Path,
    pub(crate) compression: StreamCompression,
    /// The recipients for whom the file is encrypted, if there are any.
    pub(crate) recipients: Option<Recipients>,
    /// The codec of the events.
    pub(crate) codec: EntityCodec,
    pub(crate) header: StreamFileHeader,
}

/// The handle of the thread that writes a content.
#[derive(Debug)]
pub(crate) struct StreamFileWriter {
    messages: mpsc::Sender<Message>,
    /// The result is `None` if the handle was dropped before the end.
    thread: OwnThread<Result<Option<(StreamCounts, FinishedUpload)>>>,
}

/// A message to the thread. If the channel closes without `End`, reading the stream has failed.
enum Message {
    Item(StreamFileItem),
    End,
}

impl StreamFileWriter {
    /// Begins to write a content. Nothing is visible in the storage before the returned upload was stored.
    ///
    /// # Errors
    /// The storage fails, or the work was cancelled.
    pub(crate) async fn begin(
        writing: StreamWriting<'_>,
        cancel: &CancellationToken,
    ) -> Result<(Self, PendingArchive)> {
        let StreamWriting { storage, path, compression, recipients, codec, header } = writing;
        let begun = PendingArchive::begin_upload(storage, header.backup_id, path, cancel);
        let (upload, pending) = begun.await?;
        let (messages, receiver) = mpsc::channel(MAX_WAITING_ITEMS);
        let thread = OwnThread::start(move || {
            let sink = ContentSink::new(upload, recipients.as_ref(), compression)?;
            write(StreamTextWriter::begin(sink, codec, header)?, receiver)
        });
        Ok((Self { messages, thread }, pending))
    }

    /// Passes the next item to the thread.
    ///
    /// # Errors
    /// The thread has ended; [`finish`](Self::finish) returns the reason.
    pub(crate) async fn write(&self, item: StreamFileItem) -> Result<()> {
        let sent = self.messages.send(Message::Item(item)).await;
        sent.map_err(|_| Error::new(ErrorKind::Internal, "the thread that writes a single backup has ended"))
    }

    /// Ends the content, if all items were written. Otherwise the content remains incomplete, and the first error is
    /// returned.
    pub(crate) async fn finish(self, written: Result<()>) -> Result<(StreamCounts, FinishedUpload)> {
        if written.is_ok() {
            // If the thread has ended early, `join` returns the reason.
            let _ = self.messages.send(Message::End).await;
        }
        drop(self.messages);
        let finished = self.thread.join("writes a single backup").await??;
        match (finished, written) {
            (Some(finished), Ok(())) => Ok(finished),
            (_, Err(error)) => Err(error),
            (None, Ok(())) => Err(Error::new(ErrorKind::Internal, "a single backup was not completed")),
        }
    }
}

fn write(
    mut text: StreamTextWriter<ContentSink>,
    mut messages: mpsc::Receiver<Message>,
) -> Result<Option<(StreamCounts, FinishedUpload)>> {
    loop {
        match messages.blocking_recv() {
            Some(Message::Item(item)) => text.write(item)?,
            Some(Message::End) => break,
            None => return Ok(None),
        }
    }
    let (sink, counts) = text.finish()?;
    Ok(Some((counts, sink.finish().map_err(write_error)?)))
}

/// The destination of the text.
enum ContentSink {
    Plain(ArchiveSink),
    Gzip(Box<GzEncoder<ArchiveSink>>),
}

impl ContentSink {
    fn new(
        upload: UploadWriter,
        recipients: Option<&Recipients>,
        compression: StreamCompression,
    ) -> Result<Self> {
        let sink = ArchiveSink::new(upload, recipients)?;
        Ok(match compression {
            StreamCompression::None => Self::Plain(sink),
            StreamCompression::Gzip => {
                Self::Gzip(Box::new(GzEncoder::new(sink, flate2::Compression::default())))
            }
        })
    }

    fn finish(self) -> io::Result<FinishedUpload> {
        match self {
            Self::Plain(sink) => sink.finish(),
            Self::Gzip(encoder) => encoder.finish()?.finish(),
        }
    }
}

impl Write for ContentSink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(sink) => sink.write(bytes),
            Self::Gzip(encoder) => encoder.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(sink) => sink.flush(),
            Self::Gzip(encoder) => encoder.flush(),
        }
    }
}

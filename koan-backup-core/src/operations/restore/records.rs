//! Passes the records of one archive entry from its blocks to a writer.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::TryStreamExt;
use sha2::{Digest, Sha256};

use super::options::RestoreOptions;
use super::plan::PlannedRestore;
use crate::archive::{ArchiveReader, Block, BlockFault, OpenDocuments, StoredBlock, read_blocks};
use crate::entity::EntityCodec;
use crate::entity::codec::{Projection, Record, RecordError, Row};
use crate::entity::stream::StreamPart;
use crate::environment::event::{Event, Listener};
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::foundation::lines::lines;
use crate::foundation::value::Value;
use crate::provider::event_store::StreamRecords;
use crate::provider::{EncodedRecords, RecordBatch, RecordEncoder, RecordLocator, TargetWriter};

/// How the values of a line are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LineReading {
    /// The values are extracted from the line. The verification has proven that each line round-trips through
    /// its type.
    Extract,
    /// The line is decoded as its type, which then returns its values.
    Decode,
}

/// Writes the entries of an archive.
pub(super) struct EntryWriter<'a> {
    pub(super) reader: &'a Arc<ArchiveReader>,
    pub(super) documents: &'a OpenDocuments,
    pub(super) options: &'a RestoreOptions,
    pub(super) listener: &'a Listener,
}

impl EntryWriter<'_> {
    /// Writes the records of one entry. Checks the hash of the entry again, because the archive may have
    /// changed since it was verified.
    pub(super) async fn write(
        &self,
        entry: &PlannedRestore,
        reading: LineReading,
        writer: &mut (dyn TargetWriter + '_),
    ) -> Result<()> {
        let damaged = |problem: &str| {
            Error::new(
                ErrorKind::Corrupt,
                format!("`{}` in `{}`: {problem}; nothing was committed", entry.entity.entity, entry.file),
            )
        };
        self.reader.check_blocks(&entry.file, &self.documents.blocks)?;
        let blocks: Vec<_> =
            self.documents.blocks.get(&entry.file).into_iter().flatten().copied().enumerate().collect();
        let (mut starts, mut first) = (Vec::with_capacity(blocks.len()), 0u64);
        for (_, block) in &blocks {
            starts.push(first);
            first = first.saturating_add(block.records);
        }
        let decoder = Arc::new(BlockDecoder {
            starts,
            codec: entry.codec.clone(),
            fields: Projection::of(entry.codec.schema()),
            reading,
            part: entry.codec.descriptor().stream_part(),
            encoder: writer.encoder(),
            batch_size: self.options.batch_size,
            reader: Arc::clone(self.reader),
            file: entry.file.as_str().into(),
        });
        let decode = move |index, block, content| decoder.block(index, block, content);
        let decoded = read_blocks(self.reader, &entry.file, blocks, self.options.max_concurrency, decode);
        let mut decoded = std::pin::pin!(decoded);
        let (mut hasher, mut written) = (Sha256::new(), 0u64);
        while let Some(block) = decoded.try_next().await? {
            let DecodedBlock { first, lines, batches } = block?;
            if first != written {
                return Err(damaged("the numbers of records in its blocks differ from its table of blocks"));
            }
            let hashing = crate::foundation::digest::update(hasher, lines);
            let writing = self.write_batches(entry, batches, &mut written, writer);
            (hasher, ()) = tokio::try_join!(hashing, writing)?;
        }
        let (expected, _) = self.documents.hashes(&entry.entity, &entry.file);
        if expected != Some(&crate::foundation::digest::finish(hasher)) {
            return Err(damaged("the hash of its content differs from the manifest"));
        }
        if written != entry.entity.item_count {
            return Err(damaged("its number of records differs from the manifest"));
        }
        Ok(())
    }

    /// Writes the records of one block, and counts them.
    async fn write_batches(
        &self,
        entry: &PlannedRestore,
        batches: Vec<RecordBatch>,
        written: &mut u64,
        writer: &mut (dyn TargetWriter + '_),
    ) -> Result<()> {
        for batch in batches {
            *written += batch.count();
            writer.write(batch).await?;
            let records = *written;
            self.listener.emit(|| Event::BatchRestored {
                entity: entry.codec.name().to_owned(),
                set: entry.target_set.clone(),
                records,
            });
        }
        Ok(())
    }
}

/// Converts the blocks of one entry into batches of records.
struct BlockDecoder {
    codec: EntityCodec,
    /// The fields of the entity's type.
    fields: Projection,
    /// The position of the first record of each block.
    starts: Vec<u64>,
    reading: LineReading,
    /// The part of event streams, if the records belong to one.
    part: Option<StreamPart>,
    /// The encoder of the writer, if it has one.
    encoder: Option<Arc<dyn RecordEncoder>>,
    batch_size: usize,
    reader: Arc<ArchiveReader>,
    file: Arc<str>,
}

/// The lines of one block and its records.
struct DecodedBlock {
    /// The position of its first record.
    first: u64,
    lines: Bytes,
    batches: Vec<RecordBatch>,
}

/// Finds the records of a batch in their block of the archive.
#[derive(Debug)]
struct BatchLocator {
    codec: EntityCodec,
    block: StoredBlock,
    /// The number of lines of the block before the batch.
    lines_before: usize,
}

#[async_trait]
impl RecordLocator for BatchLocator {
    async fn key_text(&self, index: usize) -> Option<String> {
        let line = self.block.line(self.lines_before.checked_add(index)?).await?;
        Some(self.codec.record_key(&self.codec.decode(&line).ok()?))
    }
}

impl BlockDecoder {
    /// Decodes one block into batches.
    fn block(
        &self,
        index: usize,
        block: Block,
        content: std::result::Result<Bytes, BlockFault>,
    ) -> Result<DecodedBlock> {
        let name = self.codec.name();
        let all = content.map_err(|fault| {
            Error::new(
                ErrorKind::Corrupt,
                format!("`{name}`, block {index}: it {fault}; nothing was committed"),
            )
        })?;
        let stored = StoredBlock::new(&self.reader, &self.file, block);
        let first = self.starts.get(index).copied().unwrap_or(0);
        let (mut batches, mut rest, mut number) = (Vec::new(), all.clone(), 0u64);
        while !rest.is_empty() {
            let length = lines(&rest).take(self.batch_size).map(|line| line.len() + 1).sum::<usize>();
            let batch = rest.split_to(length.min(rest.len()));
            let undecodable = |offset: u64, error| {
                let number = number + offset;
                Error::with_source(
                    ErrorKind::Record,
                    format!(
                        "`{name}`, block {index}, record {number} cannot be decoded; nothing was committed"
                    ),
                    error,
                )
            };
            let records: RecordBatch = match &self.encoder {
                _ if self.part.is_some() => self.stream_records(&batch, undecodable)?,
                None => self.records(&batch, undecodable)?.into(),
                Some(encoder) => {
                    let (bytes, count) =
                        self.encode_batch(&batch, first + number, encoder.as_ref(), undecodable)?;
                    let locator = BatchLocator {
                        codec: self.codec.clone(),
                        block: stored.clone(),
                        lines_before: usize::try_from(number).unwrap_or(usize::MAX),
                    };
                    EncodedRecords::new(bytes, count, Box::new(locator)).into()
                }
            };
            number += records.count();
            batches.push(records);
        }
        Ok(DecodedBlock { first, lines: all, batches })
    }

    fn records(&self, batch: &[u8], undecodable: impl Fn(u64, RecordError) -> Error) -> Result<Vec<Record>> {
        let read = |(offset, line)| match self.values(line) {
            Some(values) => Ok(Record::from_values(values)),
            None => self.codec.decode(line).map_err(|error| undecodable(offset, error)),
        };
        (0..).zip(lines(batch)).map(read).collect()
    }

    /// Returns the records of event streams. Their events were decoded as their type by the verification, or are decoded
    /// now.
    fn stream_records(
        &self,
        batch: &[u8],
        undecodable: impl Fn(u64, RecordError) -> Error,
    ) -> Result<RecordBatch> {
        let Some(part) = self.part else { return Ok(Vec::new().into()) };
        if self.reading == LineReading::Decode {
            for (offset, line) in (0..).zip(lines(batch)) {
                self.codec.check(line).map_err(|error| undecodable(offset, error))?;
            }
        }
        let records = StreamRecords::read(part, lines(batch));
        records.map(Into::into).map_err(|(offset, error)| undecodable(offset, error))
    }

    /// Encodes the lines of a batch. Returns the encoded bytes and the number of records.
    fn encode_batch(
        &self,
        batch: &[u8],
        first: u64,
        encoder: &dyn RecordEncoder,
        undecodable: impl Fn(u64, RecordError) -> Error,
    ) -> Result<(Vec<u8>, u64)> {
        let (mut bytes, mut count) = (Vec::with_capacity(batch.len() / 2), 0);
        for line in lines(batch) {
            match self.values(line) {
                Some(values) => {
                    let row = Row { projection: &self.fields, values: &values };
                    encoder.encode(first + count, &row, &mut bytes)?;
                }
                None => {
                    let record = self.codec.decode(line).map_err(|error| undecodable(count, error))?;
                    record.with_row(&self.fields, |row| encoder.encode(first + count, row, &mut bytes))?;
                }
            }
            count += 1;
        }
        Ok((bytes, count))
    }

    /// Extracts the values of a line, if the lines are read by [`LineReading::Extract`].
    fn values<'l>(&self, line: &'l [u8]) -> Option<Vec<Value<'l>>> {
        match self.reading {
            LineReading::Extract => self.codec.extract_values(line),
            LineReading::Decode => None,
        }
    }
}

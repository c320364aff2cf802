//! The records of one entry, from its blocks to a session.

use std::sync::Arc;

use bytes::Bytes;
use futures::stream::TryStreamExt;
use sha2::{Digest, Sha256};

use super::options::RestoreOptions;
use super::plan::PlannedRestore;
use crate::archive::{ArchiveReader, Block, BlockFault, OpenDocuments, StoredBlock, read_blocks};
use crate::entity::EntityCodec;
use crate::entity::codec::{Projection, Record, RecordError, Row};
use crate::environment::event::{Event, Listener};
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::foundation::lines::lines;
use crate::foundation::value::Value;
use crate::provider::{EncodedRecords, RecordEncoder, RestoreSession};

/// What is known of the lines of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lines {
    /// Each is what its type writes, as was found when they were verified: its values stand in it.
    AsWritten,
    /// Each is read as its type, which tells its values.
    Unknown,
}

/// Entries and where their records are told of.
pub(super) struct Entries<'a> {
    pub(super) reader: &'a Arc<ArchiveReader>,
    pub(super) documents: &'a OpenDocuments,
    pub(super) options: &'a RestoreOptions,
    pub(super) listener: &'a Listener,
}

impl Entries<'_> {
    /// Writes the records of one entry. Its hash is checked once more: the archive may have changed since it was verified.
    pub(super) async fn write(
        &self,
        part: &PlannedRestore,
        lines: Lines,
        session: &mut dyn RestoreSession,
    ) -> Result<()> {
        let changed = |what: &str| {
            Error::new(
                ErrorKind::Corrupt,
                format!("`{}` in `{}`: {what}; nothing was committed", part.entity.entity, part.file),
            )
        };
        self.reader.check_blocks(&part.file, &self.documents.blocks)?;
        let blocks: Vec<_> =
            self.documents.blocks.get(&part.file).into_iter().flatten().copied().enumerate().collect();
        let (mut starts, mut first) = (Vec::with_capacity(blocks.len()), 0u64);
        for (_, block) in &blocks {
            starts.push(first);
            first = first.saturating_add(block.records);
        }
        let decoding = Arc::new(Decoding {
            starts,
            codec: part.codec.clone(),
            fields: Projection::of(part.codec.schema()),
            lines,
            encoder: session.encoder(),
            batch_size: self.options.batch_size,
            reader: Arc::clone(self.reader),
            file: part.file.as_str().into(),
        });
        let open = move |index, block, content| decoding.block(index, block, content);
        let opened = read_blocks(self.reader, &part.file, blocks, self.options.max_concurrency, open);
        let mut opened = std::pin::pin!(opened);
        let (mut hasher, mut written) = (Sha256::new(), 0u64);
        while let Some(block) = opened.try_next().await? {
            let DecodedBlock { first, stored, lines, batches } = block?;
            if first != written {
                return Err(changed(
                    "its blocks hold other numbers of records than its table of blocks says",
                ));
            }
            let hashing = crate::foundation::digest::updated(hasher, lines);
            let writing = self.write_batches(part, &stored, batches, &mut written, session);
            (hasher, ()) = tokio::try_join!(hashing, writing)?;
        }
        let (expected, _) = self.documents.hashes(&part.entity, &part.file);
        if expected != Some(&crate::foundation::digest::finish(hasher)) {
            return Err(changed("its content has another hash than the manifest says"));
        }
        if written != part.entity.item_count {
            return Err(changed("it holds another number of records than the manifest says"));
        }
        Ok(())
    }

    /// Writes the records of one block, and counts them.
    async fn write_batches(
        &self,
        part: &PlannedRestore,
        block: &StoredBlock,
        batches: Vec<Batch>,
        written: &mut u64,
        session: &mut dyn RestoreSession,
    ) -> Result<()> {
        for Batch { before, records } in batches {
            *written += records.count();
            match records {
                Ready::Encoded(bytes, count) => {
                    let records = EncodedRecords::of_block(bytes, count, block.clone(), before);
                    session.write_encoded(records).await?;
                }
                Ready::Records(records) => session.write(records).await?,
            }
            let records = *written;
            self.listener.emit(|| Event::BatchRestored {
                entity: part.codec.name().to_owned(),
                set: part.target_set.clone(),
                records,
            });
        }
        Ok(())
    }
}

/// How the lines of one entry become records.
struct Decoding {
    codec: EntityCodec,
    /// The places of the type's fields.
    fields: Projection,
    /// The position of the first record of each block.
    starts: Vec<u64>,
    lines: Lines,
    /// Makes them ready to be sent, where the session has that done here.
    encoder: Option<Arc<dyn RecordEncoder>>,
    batch_size: usize,
    reader: Arc<ArchiveReader>,
    file: Arc<str>,
}

/// The lines of one block and its records.
struct DecodedBlock {
    /// The position of its first record.
    first: u64,
    stored: StoredBlock,
    lines: Bytes,
    batches: Vec<Batch>,
}

/// Records that are written at once.
struct Batch {
    /// How many lines of the block are before them.
    before: usize,
    records: Ready,
}

enum Ready {
    Records(Vec<Record>),
    /// What is sent, and for how many records.
    Encoded(Vec<u8>, u64),
}

impl Ready {
    fn count(&self) -> u64 {
        match self {
            Self::Records(records) => u64::try_from(records.len()).unwrap_or(u64::MAX),
            Self::Encoded(_, count) => *count,
        }
    }
}

impl Decoding {
    /// The records of one block, in batches.
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
        let first = self.starts.get(index).copied().unwrap_or(0);
        let (mut batches, mut rest, mut number) = (Vec::new(), all.clone(), 0);
        while !rest.is_empty() {
            let length = lines(&rest).take(self.batch_size).map(|line| line.len() + 1).sum::<usize>();
            let batch = rest.split_to(length.min(rest.len()));
            let undecodable = |at: u64, error| {
                let number = number + at;
                Error::with_source(
                    ErrorKind::Record,
                    format!(
                        "`{name}`, block {index}, record {number} does not decode; nothing was committed"
                    ),
                    error,
                )
            };
            let records = match &self.encoder {
                Some(encoder) => self.encoded(&batch, first + number, encoder.as_ref(), undecodable)?,
                None => self.records(&batch, undecodable)?,
            };
            let before = usize::try_from(number).unwrap_or(usize::MAX);
            number += records.count();
            batches.push(Batch { before, records });
        }
        let stored = StoredBlock::new(&self.reader, &self.file, block);
        Ok(DecodedBlock { first, stored, lines: all, batches })
    }

    fn records(&self, batch: &[u8], undecodable: impl Fn(u64, RecordError) -> Error) -> Result<Ready> {
        let read = |(at, line)| match self.values(line) {
            Some(values) => Ok(Record::of_values(values)),
            None => self.codec.decode(line).map_err(|error| undecodable(at, error)),
        };
        Ok(Ready::Records((0..).zip(lines(batch)).map(read).collect::<Result<_>>()?))
    }

    fn encoded(
        &self,
        batch: &[u8],
        first: u64,
        encoder: &dyn RecordEncoder,
        undecodable: impl Fn(u64, RecordError) -> Error,
    ) -> Result<Ready> {
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
        Ok(Ready::Encoded(bytes, count))
    }

    /// The values that stand in a line, if it is known that they are those that the type writes.
    fn values<'l>(&self, line: &'l [u8]) -> Option<Vec<Value<'l>>> {
        match self.lines {
            Lines::AsWritten => self.codec.extract_values(line),
            Lines::Unknown => None,
        }
    }
}

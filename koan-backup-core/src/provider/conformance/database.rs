//! A database of the suite, and the operations that the cases use.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::entity::codec::Record;
use crate::entity::{Entity, EntityCodec};
use crate::foundation::digest::RecordSetHash;
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::foundation::id::SetName;
use crate::foundation::lines::Chunk;
use crate::provider::{
    ConflictMode, Provider, ReadRequest, RecordSink, RestoreSession, RestoreTarget, SessionOptions,
    SinkOptions, Snapshot, WriteCounts, record_channel,
};
use koan_backup_entity::canonical::write_canonical;

/// A database that was empty at the start of the case.
pub(super) struct Database {
    pub(super) provider: Arc<dyn Provider>,
}

/// The result of a read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ReadRecords {
    pub(super) lines: Vec<Vec<u8>>,
    /// The record counts that were reported at the end of each batch.
    pub(super) batches: Vec<u64>,
}

impl Database {
    /// Creates the tables of the suite, if the provider creates missing tables.
    pub(super) async fn new(provider: Arc<dyn Provider>) -> Result<Self> {
        let mut session = provider.begin_restore(&options()).await?;
        for entity in super::entities() {
            session.begin(RestoreTarget::new(entity, SetName::root())).await?.finish().await?;
        }
        session.commit().await?;
        Ok(Self { provider })
    }

    /// Writes records into a set and commits.
    pub(super) async fn write<T: Entity>(
        &self,
        set: &SetName,
        records: &[T],
        options: &SessionOptions,
    ) -> Result<WriteCounts> {
        let (session, counts) = self.write_uncommitted(set, records, options).await?;
        session.commit().await?;
        Ok(counts)
    }

    /// Writes records into a set and returns the session without a commit.
    pub(super) async fn write_uncommitted<T: Entity>(
        &self,
        set: &SetName,
        records: &[T],
        options: &SessionOptions,
    ) -> Result<(Box<dyn RestoreSession>, WriteCounts)> {
        let mut session = self.provider.begin_restore(options).await?;
        let codec = EntityCodec::new(T::descriptor());
        let target = with_sizes(RestoreTarget::new(codec, set.clone()), records)?;
        let mut writer = session.begin(target).await?;
        for batch in records.chunks(1_000) {
            writer.write(batch.iter().map(record).collect::<Result<Vec<_>>>()?.into()).await?;
        }
        let counts = writer.finish().await?;
        Ok((session, counts))
    }

    /// Reads a set from a new snapshot.
    pub(super) async fn read<T: Entity>(&self, set: &SetName) -> Result<ReadRecords> {
        read::<T>(self.provider.snapshot().await?.as_ref(), set, 1_000).await
    }

    /// Checks that a set contains exactly these records.
    pub(super) async fn require_records<T: Entity>(&self, set: &SetName, records: &[T]) -> Result<()> {
        require_same(&self.read::<T>(set).await?, records)
    }
}

/// Adds to a target the numbers of records and bytes that will be written, as a restore does.
fn with_sizes<T: Entity>(target: RestoreTarget, records: &[T]) -> Result<RestoreTarget> {
    let bytes =
        records.iter().try_fold(0, |bytes, record| Ok::<_, Error>(bytes + line(record)?.len() + 1))?;
    Ok(RestoreTarget {
        record_count: u64::try_from(records.len()).ok(),
        size_bytes: u64::try_from(bytes).ok(),
        ..target
    })
}

/// Returns the options of a session that creates missing tables.
pub(super) fn options() -> SessionOptions {
    SessionOptions { create_missing: true, ..SessionOptions::default() }
}

/// Returns the options of a session with a conflict mode.
pub(super) fn on_conflict(conflict: ConflictMode) -> SessionOptions {
    SessionOptions { conflict, ..options() }
}

/// Reads a set from a snapshot, in batches.
pub(super) async fn read<T: Entity>(
    snapshot: &dyn Snapshot,
    set: &SetName,
    batch_size: usize,
) -> Result<ReadRecords> {
    let codec = EntityCodec::new(T::descriptor());
    request(snapshot, ReadRequest::all(codec, set.clone()), batch_size, CancellationToken::new()).await
}

/// Performs a read request.
pub(super) async fn request(
    snapshot: &dyn Snapshot,
    request: ReadRequest,
    batch_size: usize,
    cancel: CancellationToken,
) -> Result<ReadRecords> {
    let batches = Arc::new(Mutex::new(Vec::new()));
    let reported = Arc::clone(&batches);
    let on_batch = move |records| reported.lock().unwrap_or_else(PoisonError::into_inner).push(records);
    let (sink, mut chunks) = small_sink(request.entity.clone(), batch_size, cancel, on_batch);
    let reading = snapshot.read(request, sink);
    let receiving = async {
        let mut lines = Vec::new();
        while let Some(chunk) = chunks.recv().await {
            lines.extend(chunk.records().map(<[u8]>::to_vec));
        }
        lines
    };
    let (result, lines) = tokio::join!(reading, receiving);
    result?;
    let batches = std::mem::take(&mut *batches.lock().unwrap_or_else(PoisonError::into_inner));
    Ok(ReadRecords { lines, batches })
}

/// Returns a sink with a small capacity, so that a read waits if nothing is received from it.
pub(super) fn small_sink(
    entity: EntityCodec,
    batch_size: usize,
    cancel: CancellationToken,
    on_batch: impl Fn(u64) + Send + Sync + 'static,
) -> (RecordSink, mpsc::Receiver<Chunk>) {
    let on_batch = Arc::new(on_batch);
    record_channel(
        entity,
        SinkOptions {
            batch_size,
            chunk_bytes: 1 << 12,
            chunks_ahead: 1,
            buffers: Arc::default(),
            cancel,
            on_batch,
        },
    )
}

/// Checks that a read returned exactly these records, in any order.
pub(super) fn require_same<T: Entity>(read: &ReadRecords, records: &[T]) -> Result<()> {
    let mut expected: Vec<Vec<u8>> = records.iter().map(line).collect::<Result<_>>()?;
    let (mut hash, mut expected_hash) = (RecordSetHash::default(), RecordSetHash::default());
    read.lines.iter().for_each(|line| hash.add(line));
    expected.iter().for_each(|line| expected_hash.add(line));
    let mut lines = read.lines.clone();
    lines.sort();
    expected.sort();
    let name = T::descriptor().name();
    ensure(lines.len() == expected.len(), || {
        format!("{} records of {name} were read, but {} were expected", lines.len(), expected.len())
    })?;
    if let Some((found, expected)) = lines.iter().zip(&expected).find(|(found, expected)| found != expected) {
        return Err(failed(format!(
            "a record of {name} was read with different values: {} became {}",
            String::from_utf8_lossy(expected),
            String::from_utf8_lossy(found)
        )));
    }
    ensure(hash == expected_hash, || format!("the record-set hash of the records of {name} differs"))
}

pub(super) fn line<T: Entity>(record: &T) -> Result<Vec<u8>> {
    let mut line = Vec::new();
    write_canonical(record, &mut line).map_err(|error| {
        Error::with_source(ErrorKind::Internal, "a record of the suite cannot be serialized", error)
    })?;
    Ok(line)
}

pub(super) fn record<T: Entity>(record: &T) -> Result<Record> {
    EntityCodec::new(T::descriptor()).decode(&line(record)?).map_err(|error| {
        Error::with_source(ErrorKind::Internal, "a record of the suite cannot be decoded", error)
    })
}

/// Returns the error of a failed case. The error may contain records, because all records belong to the
/// suite.
pub(super) fn failed(problem: String) -> Error {
    Error::new(ErrorKind::Provider, problem)
}

pub(super) fn ensure(is_fulfilled: bool, problem: impl FnOnce() -> String) -> Result<()> {
    if is_fulfilled { Ok(()) } else { Err(failed(problem())) }
}

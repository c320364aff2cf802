//! The records of an entity, where they live: thin, over the provider port.

use std::marker::PhantomData;

use futures::future::BoxFuture;
use futures::stream::{self, Stream, StreamExt, TryStreamExt};
use tokio::sync::mpsc;

use super::Koan;
use crate::codec;
use crate::entity::{Entity, EntityCodec};
use crate::error::{Error, ErrorKind, Result};
use crate::id::SetName;
use crate::lines::Chunk;
use crate::provider::{
    Provider, ReadRequest, ReadSummary, RecordSink, RestoreLevel, RestoreTarget, SessionOptions, WriteCounts,
};

/// The records of one set of an entity, where they live.
///
/// Writing goes the way of a restore: triggers of the database do not fire, and foreign keys must hold at the end.
#[derive(Debug)]
pub struct Data<T> {
    koan: Koan,
    set: SetName,
    entity: PhantomData<fn() -> T>,
}

/// Records read at once.
const BATCH: usize = 1000;

impl<T: Entity> Data<T> {
    pub(super) fn new(koan: Koan) -> Self {
        Self { koan, set: SetName::root(), entity: PhantomData }
    }

    /// Another set of the entity.
    #[must_use]
    pub fn set(mut self, set: SetName) -> Self {
        self.set = set;
        self
    }

    /// All the records, read from one snapshot.
    ///
    /// The stream ends after the first error.
    pub fn all_stream(&self) -> impl Stream<Item = Result<T>> + Send + 'static {
        let opened = self.clone_handle();
        stream::once(async move { opened.read(None).await }).try_flatten()
    }

    /// The record of a key.
    ///
    /// # Errors
    /// The database cannot be read, or the record does not decode.
    pub async fn get(&self, key: &T::Key) -> Result<Option<T>> {
        let (codec, _) = self.place()?;
        let key = codec::key_values(key, codec.schema()).map_err(|error| {
            Error::with_source(
                ErrorKind::Record,
                format!("the key given for {} is none", codec.name()),
                error,
            )
        })?;
        let mut records = std::pin::pin!(self.clone_handle().read(Some(key)).await?);
        records.try_next().await
    }

    /// How many records there are.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn count(&self) -> Result<u64> {
        let (codec, provider) = self.place()?;
        provider.snapshot().await?.count(&codec, &self.set).await
    }

    /// Writes records, those that exist already as well; all or nothing where the database has transactions.
    ///
    /// # Errors
    /// A record does not fit, or the database fails.
    pub async fn upsert_many(&self, records: impl IntoIterator<Item = T>) -> Result<WriteCounts> {
        let (codec, provider) = self.place()?;
        let options = SessionOptions { level: RestoreLevel::Safe, ..SessionOptions::default() };
        let mut session = provider.begin_restore(&options).await?;
        session.begin(RestoreTarget::new(codec.clone(), self.set.clone())).await?;
        let mut batch = Vec::new();
        for record in records {
            batch.push(codec::to_record(&record, codec.schema()).map_err(|error| {
                Error::with_source(
                    ErrorKind::Record,
                    format!("a record of {} cannot be written", codec.name()),
                    error,
                )
            })?);
            if batch.len() == BATCH {
                session.write(std::mem::take(&mut batch)).await?;
            }
        }
        session.write(batch).await?;
        let counts = session.end().await?;
        session.commit().await?;
        Ok(counts)
    }

    /// Removes all records of the set.
    ///
    /// # Errors
    /// The database fails, or records that stay refer to those that would go.
    pub async fn clear(&self) -> Result<u64> {
        let (codec, provider) = self.place()?;
        let options =
            SessionOptions { replace_existing: true, level: RestoreLevel::Safe, ..SessionOptions::default() };
        let mut session = provider.begin_restore(&options).await?;
        session.begin(RestoreTarget::new(codec, self.set.clone())).await?;
        let counts = session.end().await?;
        session.commit().await?;
        Ok(counts.deleted)
    }

    fn place(&self) -> Result<(EntityCodec, &dyn Provider)> {
        let environment = &self.koan.environment;
        let known = environment.require_entity(T::descriptor().name())?;
        Ok((known.codec.clone(), environment.provider(&known.provider)?.as_ref()))
    }

    fn clone_handle(&self) -> Self {
        Self { koan: self.koan.clone(), set: self.set.clone(), entity: PhantomData }
    }

    async fn read(
        self,
        key: Option<Vec<crate::value::Value<'static>>>,
    ) -> Result<impl Stream<Item = Result<T>> + Send + 'static> {
        let (codec, provider) = self.place()?;
        let snapshot = provider.snapshot().await?;
        let (sink, chunks) = RecordSink::channel(codec.clone(), BATCH);
        let request = match key {
            None => ReadRequest::all(codec, self.set.clone()),
            Some(key) => ReadRequest::one(codec, self.set.clone(), key),
        };
        let read: BoxFuture<'static, Result<ReadSummary>> =
            Box::pin(async move { snapshot.read(request, sink).await });
        let reading = Reading { read: Some(read), chunks };
        let chunks = stream::try_unfold(reading, |mut reading| async move {
            Ok::<_, Error>(reading.next().await?.map(|chunk| (chunk, reading)))
        });
        Ok(chunks.map_ok(|chunk| stream::iter(decode::<T>(&chunk))).try_flatten().boxed())
    }
}

/// A read that goes on while its chunks are taken.
struct Reading {
    read: Option<BoxFuture<'static, Result<ReadSummary>>>,
    chunks: mpsc::Receiver<Chunk>,
}

impl Reading {
    async fn next(&mut self) -> Result<Option<Chunk>> {
        while let Some(read) = &mut self.read {
            tokio::select! {
                biased;
                chunk = self.chunks.recv() => match chunk {
                    Some(chunk) => return Ok(Some(chunk)),
                    None => {
                        read.await?;
                        self.read = None;
                    }
                },
                ended = &mut *read => {
                    ended?;
                    self.read = None;
                }
            }
        }
        Ok(self.chunks.recv().await)
    }
}

fn decode<T: Entity>(chunk: &Chunk) -> Vec<Result<T>> {
    let decoded = chunk.records().map(|line| {
        codec::read_line(line).map_err(|error| {
            Error::with_source(
                ErrorKind::Record,
                format!("a record of {} does not decode", T::descriptor().name()),
                error,
            )
        })
    });
    decoded.collect()
}

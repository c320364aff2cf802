//! Reads and writes the records of an entity in its database, through the provider port.

use std::marker::PhantomData;

use futures::future::BoxFuture;
use futures::stream::{self, Stream, StreamExt, TryStreamExt};
use tokio::sync::mpsc;

use super::Koan;
use crate::entity::codec;
use crate::entity::{Entity, EntityCodec};
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::foundation::id::SetName;
use crate::foundation::lines::Chunk;
use crate::foundation::runtime::require_timers;
use crate::operations::restore;
use crate::provider::{
    Provider, ReadRequest, ReadSummary, RecordSink, RestoreLevel, RestoreSession, RestoreTarget,
    SessionOptions, WriteCounts,
};

/// The records of one set of an entity in its database.
///
/// Records are written as by a restore: triggers of the database do not fire, and foreign keys must be valid
/// at the end.
///
/// ```
/// use futures::TryStreamExt as _;
/// # use koan_backup_shop::User;
/// # koan_backup_shop::run(async |koan| {
/// let users = koan.data::<User>();
/// users.upsert_many([User { id: 7, name: "Grace".to_owned() }]).await?;
/// assert_eq!(users.count().await?, 4);
///
/// let grace = users.get(&7).await?;
/// let all: Vec<User> = users.all_stream().try_collect().await?;
/// # assert_eq!(grace.map(|user| user.name).as_deref(), Some("Grace"));
/// # assert_eq!(all.len(), 4);
/// # Ok(())
/// # });
/// ```
#[derive(Debug)]
pub struct Data<T> {
    koan: Koan,
    set: SetName,
    entity: PhantomData<fn() -> T>,
}

/// The number of records in a batch.
const RECORDS_PER_BATCH: usize = 1000;

impl<T: Entity> Data<T> {
    pub(super) fn new(koan: Koan) -> Self {
        Self { koan, set: SetName::root(), entity: PhantomData }
    }

    /// Selects another set of the entity.
    #[must_use]
    pub fn set(mut self, set: SetName) -> Self {
        self.set = set;
        self
    }

    /// Returns all records, read from one snapshot.
    ///
    /// The stream ends after the first error.
    pub fn all_stream(&self) -> impl Stream<Item = Result<T>> + Send + 'static {
        let data = self.clone_handle();
        stream::once(async move { data.read(None).await }).try_flatten()
    }

    /// Returns the record with a key.
    ///
    /// # Errors
    /// The database cannot be read, or the record cannot be decoded.
    pub async fn get(&self, key: &T::Key) -> Result<Option<T>> {
        let (codec, ..) = self.locate()?;
        let key = codec::key_values(key, codec.schema()).map_err(|error| {
            Error::with_source(
                ErrorKind::Record,
                format!("the given key is not a key of {}", codec.name()),
                error,
            )
        })?;
        let mut records = std::pin::pin!(self.clone_handle().read(Some(key)).await?);
        records.try_next().await
    }

    /// Returns the number of records.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn count(&self) -> Result<u64> {
        require_timers()?;
        let (codec, _, provider) = self.locate()?;
        provider.snapshot().await?.count(&codec, &self.set).await
    }

    /// Writes records, and overwrites those that already exist. If the database has transactions, either all
    /// records are written or none.
    ///
    /// # Errors
    /// A record cannot be written, or the database fails.
    pub async fn upsert_many(&self, records: impl IntoIterator<Item = T>) -> Result<WriteCounts> {
        require_timers()?;
        let (codec, name, provider) = self.locate()?;
        let options = SessionOptions { level: RestoreLevel::Safe, ..SessionOptions::default() };
        let mut session = provider.begin_restore(&options).await?;
        let target = RestoreTarget::new(codec, self.set.clone());
        let written = write(name, session.as_mut(), target, records).await;
        finish(name, session, written).await
    }

    /// Deletes all records of the set.
    ///
    /// # Errors
    /// The database fails, or other records refer to those that would be deleted.
    pub async fn clear(&self) -> Result<u64> {
        require_timers()?;
        let (codec, name, provider) = self.locate()?;
        let options =
            SessionOptions { replace_existing: true, level: RestoreLevel::Safe, ..SessionOptions::default() };
        let mut session = provider.begin_restore(&options).await?;
        let target = RestoreTarget::new(codec, self.set.clone());
        let cleared = write::<T>(name, session.as_mut(), target, []).await;
        finish(name, session, cleared).await.map(|counts| counts.deleted)
    }

    /// Returns the codec of the entity, the name of its provider, and the provider.
    fn locate(&self) -> Result<(EntityCodec, &str, &dyn Provider)> {
        let environment = &self.koan.environment;
        let known = environment.require_type(T::descriptor())?;
        let provider = environment.provider(&known.provider)?.as_ref();
        Ok((known.codec.clone(), &known.provider, provider))
    }

    fn clone_handle(&self) -> Self {
        Self { koan: self.koan.clone(), set: self.set.clone(), entity: PhantomData }
    }

    async fn read(
        self,
        key: Option<Vec<crate::foundation::value::Value<'static>>>,
    ) -> Result<impl Stream<Item = Result<T>> + Send + 'static> {
        require_timers()?;
        let (codec, _, provider) = self.locate()?;
        let snapshot = provider.snapshot().await?;
        let (sink, chunks) = RecordSink::channel(codec.clone(), RECORDS_PER_BATCH);
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

/// Writes records into a target.
async fn write<T: Entity>(
    provider: &str,
    session: &mut dyn RestoreSession,
    target: RestoreTarget,
    records: impl IntoIterator<Item = T>,
) -> Result<WriteCounts> {
    let codec = target.entity.clone();
    let mut writer = session.begin(target).await?;
    let (mut batch, mut count) = (Vec::new(), 0u64);
    for record in records {
        count += 1;
        batch.push(codec::to_record(&record, codec.schema()).map_err(|error| {
            let text = format!("a record of {} cannot be written", codec.name());
            Error::with_source(ErrorKind::Record, text, error)
        })?);
        if batch.len() == RECORDS_PER_BATCH {
            writer.write(std::mem::take(&mut batch).into()).await?;
        }
    }
    if !batch.is_empty() {
        writer.write(batch.into()).await?;
    }
    let counts = writer.finish().await?;
    restore::require_balance(codec.name(), provider, count, &counts)?;
    Ok(counts)
}

/// Commits the session, or rolls it back if writing failed.
async fn finish(
    provider: &str,
    session: Box<dyn RestoreSession>,
    written: Result<WriteCounts>,
) -> Result<WriteCounts> {
    match written {
        Ok(counts) => session.commit().await.map(|_| counts),
        Err(error) => Err(restore::roll_back(vec![(provider.to_owned(), session)], error).await),
    }
}

/// A read that runs while its chunks are received.
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
                result = &mut *read => {
                    result?;
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
                format!("a record of {} cannot be decoded", T::descriptor().name()),
                error,
            )
        })
    });
    decoded.collect()
}

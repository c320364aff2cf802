//! A provider in memory with injected behaviour: it fails at a record, waits, or reads several entities
//! concurrently. It represents the adapters of other authors, and uses only the public provider port.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use koan_backup::{
    Error, ErrorKind, Result, SetName,
    entity::{EntityCodec, Projection, Record, Row},
    provider::{
        Capabilities, CommitReport, Consistency, EntityCoverage, Finding, Flow, Provider,
        ProviderDescription, ReadRequest, ReadSummary, RecordBatch, RecordSink, RestoreSession,
        RestoreTarget, SessionOptions, Snapshot, TargetWriter, WriteCounts,
    },
    value::Value,
};
use tokio::sync::Notify;

type Table = Vec<Record>;
type Tables = BTreeMap<(String, SetName), Table>;

/// A provider in memory.
#[derive(Clone, Debug, Default)]
pub struct Scripted {
    tables: Arc<Mutex<Tables>>,
    script: Script,
    reads: Arc<Reads>,
}

/// The injected behaviour.
#[derive(Clone, Debug, Default)]
pub struct Script {
    /// An entity and the index of its record at which a read fails because the connection is lost.
    pub disconnects_at: Option<(String, usize)>,
    /// The time that the read of each record takes.
    pub delay_per_record: Duration,
    /// The number of entities that can be read concurrently; 0 counts as 1.
    pub concurrent_reads: usize,
    /// An entity of which a restore neither stores nor counts the first record of each batch, as if a trigger
    /// discarded the record.
    pub discards_first_of_each_batch: Option<String>,
    /// An entity and the index of its record at which a read never ends.
    pub hangs_at: Option<(String, usize)>,
    /// The number of reads that must have begun before the first record is read; 0 means no wait.
    pub waits_for_reads: usize,
}

/// The state of a provider's reads.
#[derive(Debug, Default)]
struct Reads {
    running: AtomicUsize,
    max_concurrent: AtomicUsize,
    begun: AtomicUsize,
    hanging: AtomicUsize,
    changed: Notify,
}

/// A read in progress, which ends when the value is dropped.
#[derive(Debug)]
struct Running(Arc<Reads>);

impl Reads {
    fn begin(reads: &Arc<Self>) -> Running {
        let now = reads.running.fetch_add(1, Ordering::SeqCst) + 1;
        reads.max_concurrent.fetch_max(now, Ordering::SeqCst);
        reads.begun.fetch_add(1, Ordering::SeqCst);
        reads.changed.notify_waiters();
        Running(Arc::clone(reads))
    }

    /// Waits until a condition on the reads is true.
    async fn until(&self, condition: impl Fn(&Self) -> bool) {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if condition(self) {
                return;
            }
            changed.await;
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Scripted {
    /// Creates an empty provider with the behaviour of a script.
    pub fn new(script: Script) -> Self {
        Self { tables: Arc::default(), script, reads: Arc::default() }
    }

    /// Returns the largest number of reads that were running concurrently.
    pub fn max_concurrent_reads(&self) -> usize {
        self.reads.max_concurrent.load(Ordering::SeqCst)
    }

    /// Waits until a read has reached the record at which it never ends.
    pub async fn until_hanging(&self) {
        self.reads.until(|reads| reads.hanging.load(Ordering::SeqCst) > 0).await;
    }

    /// Adds a record, encoded as the JSON of its type.
    ///
    /// # Panics
    /// The JSON cannot be decoded as the entity.
    pub fn put<T: koan_backup::Entity>(&self, set: &SetName, record: &T) {
        let codec = EntityCodec::new(T::descriptor());
        let line = serde_json::to_vec(record).expect("a record serialises");
        let record = codec.decode(&line).expect("a record decodes");
        self.lock().entry((codec.name().to_owned(), set.clone())).or_default().push(record);
    }

    /// Removes all records of a set except the first `count`.
    pub fn truncate(&self, entity: &str, set: &SetName, count: usize) {
        if let Some(records) = self.lock().get_mut(&(entity.to_owned(), set.clone())) {
            records.truncate(count);
        }
    }

    /// Removes a set with its records.
    pub fn remove(&self, entity: &str, set: &SetName) {
        self.lock().remove(&(entity.to_owned(), set.clone()));
    }

    /// Returns the number of records of a set.
    pub fn len(&self, entity: &str, set: &SetName) -> usize {
        self.lock().get(&(entity.to_owned(), set.clone())).map_or(0, Vec::len)
    }

    /// Returns the records of a set, in the order in which they were written.
    pub fn records(&self, entity: &str, set: &SetName) -> Vec<Record> {
        self.lock().get(&(entity.to_owned(), set.clone())).cloned().unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait::async_trait]
impl Provider for Scripted {
    fn kind(&self) -> &'static str {
        "scripted"
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.bulk_upsert = true;
        capabilities.bulk_delete = true;
        capabilities.atomic_restore = true;
        capabilities.snapshot_reads = true;
        capabilities.sets = true;
        capabilities
    }

    async fn describe(&self, entities: &[EntityCodec]) -> Result<ProviderDescription> {
        let mut description = ProviderDescription::default();
        description.version = "scripted 1".to_owned();
        description.entities = entities.iter().map(|entity| EntityCoverage::new(entity.name())).collect();
        Ok(description)
    }

    async fn snapshot(&self) -> Result<Box<dyn Snapshot>> {
        let tables = self.lock().clone();
        Ok(Box::new(ScriptedSnapshot { tables, script: self.script.clone(), reads: Arc::clone(&self.reads) }))
    }

    async fn assess(&self, _: &[RestoreTarget], _: &SessionOptions) -> Result<Vec<Finding>> {
        Ok(Vec::new())
    }

    async fn begin_restore(&self, options: &SessionOptions) -> Result<Box<dyn RestoreSession>> {
        let staged = self.lock().clone();
        Ok(Box::new(Session { database: self.clone(), staged, options: options.clone() }))
    }
}

/// A snapshot of the tables.
#[derive(Debug)]
struct ScriptedSnapshot {
    tables: Tables,
    script: Script,
    reads: Arc<Reads>,
}

#[async_trait::async_trait]
impl Snapshot for ScriptedSnapshot {
    fn consistency(&self) -> Consistency {
        Consistency::Snapshot
    }

    fn concurrent_reads(&self) -> usize {
        self.script.concurrent_reads.max(1)
    }

    async fn sets(&self, entity: &EntityCodec) -> Result<Vec<SetName>> {
        let mut sets = vec![SetName::root()];
        let named = self.tables.keys().filter(|(name, set)| name == entity.name() && !set.is_root());
        sets.extend(named.map(|(_, set)| set.clone()));
        Ok(sets)
    }

    async fn read(&self, request: ReadRequest, mut sink: RecordSink) -> Result<ReadSummary> {
        let schema = request.entity.schema();
        let mut projection = Projection::new(schema);
        schema.fields.iter().for_each(|field| projection.field(field));
        let records = self.tables.get(&(request.entity.name().to_owned(), request.set.clone()));
        let _running = Reads::begin(&self.reads);
        self.reads.until(|reads| reads.begun.load(Ordering::SeqCst) >= self.script.waits_for_reads).await;
        for (index, record) in records.into_iter().flatten().enumerate() {
            if request.key.as_ref().is_some_and(|key| *key != record.key(schema)) {
                continue;
            }
            if self
                .script
                .disconnects_at
                .as_ref()
                .is_some_and(|(name, failing)| name == request.entity.name() && *failing == index)
            {
                return Err(Error::new(ErrorKind::Provider, "the connection was lost"));
            }
            if self
                .script
                .hangs_at
                .as_ref()
                .is_some_and(|(name, hanging)| name == request.entity.name() && *hanging == index)
            {
                self.reads.hanging.fetch_add(1, Ordering::SeqCst);
                self.reads.changed.notify_waiters();
                std::future::pending::<()>().await;
            }
            if !self.script.delay_per_record.is_zero() {
                tokio::time::sleep(self.script.delay_per_record).await;
            }
            let values: &[Value<'_>] = &record.values;
            if sink.push(&Row { projection: &projection, values })? == Flow::Flush {
                sink.flush().await?;
            }
        }
        sink.finish().await
    }

    async fn count(&self, entity: &EntityCodec, set: &SetName) -> Result<u64> {
        let records = self.tables.get(&(entity.name().to_owned(), set.clone())).map_or(0, Vec::len);
        Ok(u64::try_from(records).expect("a count fits into u64"))
    }
}

#[derive(Debug)]
struct Session {
    database: Scripted,
    staged: Tables,
    options: SessionOptions,
}

#[derive(Debug)]
struct Writer<'s> {
    session: &'s mut Session,
    target: RestoreTarget,
    counts: WriteCounts,
}

#[async_trait::async_trait]
impl RestoreSession for Session {
    async fn begin<'s>(&'s mut self, target: RestoreTarget) -> Result<Box<dyn TargetWriter + 's>> {
        if self.options.replace_existing {
            self.staged.remove(&(target.entity.name().to_owned(), target.set.clone()));
        }
        Ok(Box::new(Writer { session: self, target, counts: WriteCounts::default() }))
    }

    async fn commit(self: Box<Self>) -> Result<CommitReport> {
        *self.database.lock() = self.staged;
        Ok(CommitReport::default())
    }

    async fn rollback(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}

#[async_trait::async_trait]
impl TargetWriter for Writer<'_> {
    async fn write(&mut self, batch: RecordBatch) -> Result<()> {
        let target = &self.target;
        let schema = target.entity.schema();
        let drops = self.session.database.script.discards_first_of_each_batch.as_deref()
            == Some(target.entity.name());
        let records = batch.into_records()?.into_iter().skip(usize::from(drops));
        let name = (target.entity.name().to_owned(), target.set.clone());
        let table = self.session.staged.entry(name).or_default();
        for record in records {
            let key = record.key(schema);
            match table.iter_mut().find(|existing| existing.key(schema) == key) {
                Some(existing) => {
                    *existing = record;
                    self.counts.updated += 1;
                }
                None => {
                    table.push(record);
                    self.counts.inserted += 1;
                }
            }
        }
        Ok(())
    }

    async fn finish(self: Box<Self>) -> Result<WriteCounts> {
        Ok(self.counts)
    }
}

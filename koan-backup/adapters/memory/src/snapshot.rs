//! The content of the database at one point in time.

use std::sync::Arc;

use async_trait::async_trait;
use koan_backup_core::{
    Result, SetName,
    entity::{EntityCodec, Projection, Record},
    provider::{Consistency, Flow, ReadRequest, ReadSummary, RecordSink, Snapshot, on_own_thread},
};

use crate::database::{Table, Tables};
use koan_backup_core::provider::keyed::RecordKey;

/// The content of the database at one point in time.
#[derive(Debug)]
pub(super) struct MemorySnapshot {
    tables: Arc<Tables>,
}

impl MemorySnapshot {
    pub(super) fn new(tables: Arc<Tables>) -> Self {
        Self { tables }
    }

    fn table(&self, entity: &EntityCodec, set: &SetName) -> Option<&Arc<Table>> {
        self.tables.get(&(entity.name().to_owned(), set.clone()))
    }
}

#[async_trait]
impl Snapshot for MemorySnapshot {
    fn consistency(&self) -> Consistency {
        Consistency::Snapshot
    }

    fn concurrent_reads(&self) -> usize {
        usize::MAX
    }

    async fn sets(&self, entity: &EntityCodec) -> Result<Vec<SetName>> {
        let named = self.tables.keys().filter(|(name, set)| name == entity.name() && !set.is_root());
        Ok(std::iter::once(SetName::root()).chain(named.map(|(_, set)| set.clone())).collect())
    }

    async fn read(&self, request: ReadRequest, sink: RecordSink) -> Result<ReadSummary> {
        let table = self.table(&request.entity, &request.set).map(Arc::clone).unwrap_or_default();
        // A separate thread is used because the read waits for the archive, and the `Serialize`
        // implementation of a type may take long.
        on_own_thread(move || read(&table, &request, sink)).await
    }

    async fn count(&self, entity: &EntityCodec, set: &SetName) -> Result<u64> {
        let records = self.table(entity, set).map_or(0, |table| table.len());
        Ok(u64::try_from(records).unwrap_or(u64::MAX))
    }
}

fn read(table: &Table, request: &ReadRequest, mut sink: RecordSink) -> Result<ReadSummary> {
    let fields = Projection::of(request.entity.schema());
    let mut push = |record: &Record| {
        let flow = record.with_row(&fields, |row| sink.push(row))?;
        if flow == Flow::Flush { sink.flush_blocking() } else { Ok(()) }
    };
    match &request.key {
        Some(key) => table.get(&RecordKey::of_values(key)).map_or(Ok(()), push)?,
        None => table.values().try_for_each(&mut push)?,
    }
    sink.finish_blocking()
}

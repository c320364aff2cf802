//! One read transaction for all entities.

mod access;
mod cursor;
mod duplicates;
mod physical;

use std::path::PathBuf;

use async_trait::async_trait;
use koan_backup_core::{
    Result, SetName,
    entity::EntityCodec,
    provider::{Consistency, ReadRequest, ReadSummary, RecordSink, Snapshot},
};
use rusqlite::Connection;

pub(super) use access::hash;
pub(super) use physical::Physical;

use super::catalog::Catalog;
use super::collation::Collations;
use super::connection::Location;
use super::derived::Recomputed;
use super::error::failed;
use super::index_check::table_rows;
use super::mapping::{Mapping, find_table, named_sets};
use super::thread::{ConnectionThread, Work};

/// A connection in a read transaction, and the tables it sees.
#[derive(Debug)]
pub(super) struct Reader {
    pub(super) connection: Connection,
    pub(super) path: PathBuf,
    pub(super) catalog: Catalog,
    pub(super) collations: Collations,
    pub(super) recomputed: Recomputed,
}

impl Work for Reader {
    const LOST: &'static str = "what was being read is incomplete";

    fn connection(&self) -> &Connection {
        &self.connection
    }
}

impl Reader {
    /// Begins a read transaction on a fresh connection.
    pub(super) fn begin(connection: Connection, location: &Location) -> Result<Self> {
        let (path, collations) = (location.path.clone(), location.collations.clone());
        let recomputed = location.recomputed.clone();
        // BEGIN alone takes no snapshot; the first read does.
        let begun = connection.execute_batch("BEGIN").and_then(|()| {
            connection
                .query_row("SELECT count(*) FROM main.sqlite_schema", [], |row| row.get::<_, i64>(0))?;
            Catalog::read(&connection)
        });
        let catalog = begun.map_err(|error| failed(&path, "beginning to read", error))?;
        Ok(Self { connection, path, catalog, collations, recomputed })
    }

    fn count(&self, entity: &EntityCodec, set: &SetName) -> Result<u64> {
        let mapping = Mapping::find(&self.catalog, entity, set)?;
        let count = table_rows(&self.connection, &mapping.table.name);
        count.map_err(|error| failed(&self.path, "counting rows", error))
    }

    fn sets(&self, entity: &EntityCodec) -> Result<Vec<SetName>> {
        let root = find_table(&self.catalog, entity)?;
        let mut sets = vec![SetName::root()];
        sets.extend(named_sets(&self.catalog, entity, root).into_iter().map(|(set, _)| set));
        sets.dedup();
        Ok(sets)
    }
}

/// A view of the database that does not change.
#[derive(Debug)]
pub(super) struct SqliteSnapshot {
    thread: ConnectionThread<Reader>,
}

impl SqliteSnapshot {
    pub(super) async fn open(location: Location) -> Result<Self> {
        let thread = ConnectionThread::start(move || Reader::begin(location.reading()?, &location)).await?;
        Ok(Self { thread })
    }
}

#[async_trait]
impl Snapshot for SqliteSnapshot {
    fn consistency(&self) -> Consistency {
        Consistency::Snapshot
    }

    async fn sets(&self, entity: &EntityCodec) -> Result<Vec<SetName>> {
        let entity = entity.clone();
        self.thread.run(move |reader, _| reader.sets(&entity)).await
    }

    async fn read(&self, request: ReadRequest, sink: RecordSink) -> Result<ReadSummary> {
        self.thread.run(move |reader, wanted| cursor::read(reader, &request, sink, wanted)).await
    }

    async fn count(&self, entity: &EntityCodec, set: &SetName) -> Result<u64> {
        let (entity, set) = (entity.clone(), set.clone());
        self.thread.run(move |reader, _| reader.count(&entity, &set)).await
    }
}

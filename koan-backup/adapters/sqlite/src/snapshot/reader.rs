//! A connection in a read transaction.

use std::cell::OnceCell;
use std::path::PathBuf;
use std::sync::Arc;

use koan_backup_core::{Error, ErrorKind, Result, SetName, entity::EntityCodec};
use rusqlite::Connection;

use crate::catalog::Catalog;
use crate::collation::Collations;
use crate::connection::Location;
use crate::derived::Recomputed;
use crate::error::failed;
use crate::event_store::StoreTables;
use crate::index_check::table_rows;
use crate::mapping::{self, find_table, named_sets};
use crate::thread::ThreadState;
use koan_backup_sql::event_tables::EventTables;

/// A connection in a read transaction, with the tables that it sees.
#[derive(Debug)]
pub(crate) struct Reader {
    pub(crate) connection: Connection,
    pub(crate) path: PathBuf,
    pub(crate) catalog: Catalog,
    pub(crate) collations: Collations,
    pub(crate) recomputed: Recomputed,
    /// The tables of the event store, once they were used.
    store_tables: OnceCell<StoreTables>,
}

impl ThreadState for Reader {
    const CONSEQUENCE: &'static str = "the read is incomplete";

    fn connection(&self) -> &Connection {
        &self.connection
    }
}

impl Reader {
    /// Begins a read transaction on a new connection.
    pub(crate) fn begin(connection: Connection, location: &Location) -> Result<Self> {
        let (path, collations) = (location.path.clone(), location.collations.clone());
        let recomputed = location.recomputed.clone();
        // BEGIN alone does not begin a snapshot, but the first read does.
        let begun = connection.execute_batch("BEGIN").and_then(|()| {
            connection
                .query_row("SELECT count(*) FROM main.sqlite_schema", [], |row| row.get::<_, i64>(0))?;
            Catalog::read(&connection)
        });
        let catalog = begun.map_err(|error| failed(&path, "beginning a read transaction", error))?;
        Ok(Self { connection, path, catalog, collations, recomputed, store_tables: OnceCell::new() })
    }

    /// Finds the tables of the event store.
    pub(crate) fn store_tables(&self, names: &Arc<EventTables>) -> Result<&StoreTables> {
        if self.store_tables.get().is_none() {
            let tables = StoreTables::find(&self.connection, &self.path, &self.catalog, names)?;
            // The cell is empty, because only this thread uses it.
            let _ = self.store_tables.set(tables);
        }
        self.store_tables
            .get()
            .ok_or_else(|| Error::new(ErrorKind::Internal, "the tables of the event store were not kept"))
    }

    pub(super) fn count(&self, entity: &EntityCodec, set: &SetName) -> Result<u64> {
        let mapping = mapping::find(&self.catalog, entity, set)?;
        let count = table_rows(&self.connection, &mapping.table.name);
        let what = || format!("counting the rows of table `{}`", mapping.table.name);
        count.map_err(|error| failed(&self.path, &what(), error))
    }

    pub(super) fn sets(&self, entity: &EntityCodec) -> Result<Vec<SetName>> {
        let root = find_table(&self.catalog, entity)?;
        let mut sets = vec![SetName::root()];
        sets.extend(named_sets(&self.catalog, entity, root).into_iter().map(|(set, _)| set));
        sets.dedup();
        Ok(sets)
    }
}

//! The work of a restore session, on the thread of its connection.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use koan_backup_core::{
    Error, ErrorKind, Result,
    entity::Record,
    provider::{CommitReport, RestoreTarget, SessionOptions, SuspendedKind, SuspendedObject, WriteCounts},
};
use rusqlite::Connection;
use rusqlite::config::DbConfig;

use super::super::catalog::{Catalog, Table, references, triggers};
use super::super::connection::Location;
use super::super::ddl;
use super::super::derived;
use super::super::error::failed;
use super::super::event_store::{EventWriting, StoreTables};
use super::super::mapping::{self, Mapping};
use super::super::references::{
    BrokenReference, RestoredRows, RowSelection, Rowids, newly_broken, record_dangling,
};
use super::super::thread::ThreadState;
use super::super::unwritable;
use super::apply::{TargetResult, TargetState};
use super::target::Target;
use super::transaction::Transaction;
use super::trial::DryRunDatabase;
use koan_backup_sql::event_tables::EventTables;

/// The open transaction of a restore, and the state of the restore.
#[derive(Debug)]
pub(super) struct RestoreWork {
    transaction: Transaction,
    /// The original database, if this is a dry run. The transaction is then in a temporary database.
    dry_run: Option<DryRunDatabase>,
    catalog: Catalog,
    /// The tables whose existing dangling references were recorded before the restore wrote to them.
    children: BTreeSet<String>,
    /// The restored rows of the tables for which archives record dangling references.
    restored_rows: BTreeMap<String, RestoredRows>,
    /// The tables that are targets of the restore.
    written_tables: BTreeSet<String>,
    /// The tables whose rows an error message may contain: the tables of entities that are not encrypted.
    shown_tables: BTreeSet<String>,
    /// The indexes that were suspended and put back.
    suspended: Vec<SuspendedObject>,
    /// The tables of the event store, once they were used.
    store_tables: Option<Arc<StoreTables>>,
    /// Whether the restore writes the event store.
    writes_events: bool,
}

impl ThreadState for RestoreWork {
    fn connection(&self) -> &Connection {
        &self.transaction.connection
    }
}

impl RestoreWork {
    /// Begins a transaction that writes.
    pub(super) fn begin(
        connection: Connection,
        location: &Location,
        options: SessionOptions,
    ) -> Result<Self> {
        let begun = || {
            // The archive already contains the effects of the triggers.
            connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false)?;
            connection.execute_batch("BEGIN IMMEDIATE")?;
            Catalog::read(&connection)
        };
        let catalog = begun().map_err(|error| failed(&location.path, "beginning the restore", error))?;
        Ok(Self::new(connection, location, options, catalog))
    }

    /// Begins a dry run, which writes to a temporary database.
    pub(super) fn begin_dry_run(location: &Location, options: SessionOptions) -> Result<Self> {
        let (dry_run, connection) = DryRunDatabase::open(location)?;
        // If an index is rebuilt at the end, its error does not contain the refused record.
        let options = {
            let mut options = options;
            options.keep_indexes = true;
            options
        };
        let catalog = dry_run.catalog().clone();
        let writer = Self::new(connection, location, options, catalog);
        Ok(Self { dry_run: Some(dry_run), ..writer })
    }

    fn new(connection: Connection, location: &Location, options: SessionOptions, catalog: Catalog) -> Self {
        Self {
            transaction: Transaction {
                connection,
                path: location.path.clone(),
                options,
                collations: location.collations.clone(),
                recomputed: location.recomputed.clone(),
            },
            dry_run: None,
            catalog,
            children: BTreeSet::new(),
            restored_rows: BTreeMap::new(),
            written_tables: BTreeSet::new(),
            shown_tables: BTreeSet::new(),
            suspended: Vec::new(),
            store_tables: None,
            writes_events: false,
        }
    }

    /// Begins the target with this number, counted from 1.
    pub(super) fn begin_target(&mut self, request: RestoreTarget, number: usize) -> Result<TargetState> {
        let found = mapping::find(&self.catalog, &request.entity, &request.set);
        let mapping = match found {
            Err(error) if error.kind() == ErrorKind::NotFound && self.transaction.options.create_missing => {
                self.create(&request)?
            }
            found => found?,
        };
        let Transaction { connection, path, collations, options, .. } = &self.transaction;
        let reader = self.dry_run.as_ref().map_or(connection, |dry_run| &dry_run.reader);
        if self.dry_run.as_ref().is_none_or(|dry_run| dry_run.has(&mapping.table.name)) {
            let refusal = unwritable::refusal(reader, collations, &mapping);
            let what = format!("reading the constraints of table `{}`", mapping.table.name);
            if let Some(refusal) = refusal.map_err(|error| failed(path, &what, error))? {
                return Err(Error::new(ErrorKind::Unsupported, refusal));
            }
        }
        if let Some(dry_run) = &mut self.dry_run {
            let table = &mapping.table.name;
            if !options.replace_existing && dry_run.has(table) {
                dry_run.require_intact_indexes(table)?;
            }
            dry_run.copy_related_tables(connection, table)?;
        }
        let target = Target::new(connection, path, collations, request, mapping)?;
        self.record_references(&target)?;
        if target.entity.shows_keys() {
            self.shown_tables.insert(target.mapping.table.name.clone());
        }
        self.written_tables.insert(target.mapping.table.name.clone());
        TargetState::begin(&self.transaction, target, number)
    }

    /// Creates the missing table of a target.
    fn create(&mut self, request: &RestoreTarget) -> Result<Mapping> {
        let Transaction { connection, path, .. } = &self.transaction;
        let reader = self.dry_run.as_ref().map_or(connection, |dry_run| &dry_run.reader);
        let sql = ddl::create(reader, &self.catalog, &request.entity, &request.set, path)?;
        let catalog = connection.execute_batch(&sql).and_then(|()| Catalog::read(connection));
        let catalog = catalog.map_err(|error| {
            failed(path, &format!("creating the table of {}", request.entity.name()), error)
        })?;
        match &self.dry_run {
            None => self.catalog = catalog,
            // The temporary database contains only some of the tables.
            Some(_) => {
                let is_known =
                    |table: &Table| self.catalog.tables.iter().any(|other| other.name == table.name);
                let added: Vec<Table> = catalog.tables.into_iter().filter(|table| !is_known(table)).collect();
                self.catalog.tables.extend(added);
            }
        }
        mapping::find(&self.catalog, &request.entity, &request.set)
    }

    /// Records the existing dangling references of the tables that are connected with a target by foreign
    /// keys. It must be called before the first record is written.
    fn record_references(&mut self, target: &Target) -> Result<()> {
        let table = &target.mapping.table.name;
        self.record_references_of(table)?;
        let recorded = &target.physical.dangling_references;
        if !recorded.is_empty() {
            let restored = self.restored_rows.entry(table.clone()).or_default();
            for (parent, &count) in recorded {
                *restored.recorded.entry(parent.clone()).or_default() += count;
            }
            if !self.transaction.options.replace_existing && matches!(restored.rows, RowSelection::All) {
                restored.rows = RowSelection::Keyed(Vec::new());
            }
        }
        Ok(())
    }

    /// Records the existing dangling references of the tables that are connected with a table by foreign keys.
    fn record_references_of(&mut self, table: &str) -> Result<()> {
        let to_error = |error| {
            failed(&self.transaction.path, &format!("checking the foreign keys of table `{table}`"), error)
        };
        let pairs = references(&self.transaction.connection).map_err(to_error)?;
        let children = pairs.into_iter().filter(|(child, parent)| child == table || parent == table);
        for (child, _) in children {
            if !self.children.contains(&child) {
                record_dangling(&self.transaction.connection, &child, self.rowids()).map_err(to_error)?;
                self.children.insert(child);
            }
        }
        Ok(())
    }

    /// Finds the tables of the event store.
    pub(super) fn store_tables(&mut self, names: &Arc<EventTables>) -> Result<Arc<StoreTables>> {
        if let Some(tables) = &self.store_tables {
            return Ok(Arc::clone(tables));
        }
        let Transaction { connection, path, .. } = &self.transaction;
        let reader = self.dry_run.as_ref().map_or(connection, |dry_run| &dry_run.reader);
        let tables = Arc::new(StoreTables::find(reader, path, &self.catalog, names)?);
        Ok(Arc::clone(self.store_tables.insert(tables)))
    }

    /// Prepares the tables of the event store, before the first event is written.
    pub(super) fn begin_events(&mut self, tables: &StoreTables) -> Result<()> {
        if self.writes_events {
            return Ok(());
        }
        for table in tables.table_names() {
            if let Some(dry_run) = &mut self.dry_run {
                dry_run.copy_related_tables(&self.transaction.connection, table)?;
            }
            self.record_references_of(table)?;
            self.written_tables.insert(table.to_owned());
        }
        self.writes_events = true;
        Ok(())
    }

    /// Returns the event store. A dry run reads the original tables until it writes the first event.
    pub(super) fn event_reading<'w>(&'w self, tables: &'w StoreTables) -> EventWriting<'w> {
        let Transaction { connection, path, .. } = &self.transaction;
        let original = self.dry_run.as_ref().filter(|_| !self.writes_events).map(|dry_run| &dry_run.reader);
        EventWriting::new(original.unwrap_or(connection), path, tables)
    }

    /// Returns whether the restore changes the rowids of existing rows.
    fn rowids(&self) -> Rowids {
        if self.transaction.options.replace_existing { Rowids::Changed } else { Rowids::Unchanged }
    }

    pub(super) fn write(&mut self, target_state: &mut TargetState, records: &[Record]) -> Result<()> {
        target_state.write(&self.transaction, records)
    }

    pub(super) fn finish(&mut self, target_state: TargetState) -> Result<WriteCounts> {
        let table = target_state.table().to_owned();
        let TargetResult { counts, keys, suspended } = target_state.finish(&self.transaction)?;
        self.suspended.extend(suspended);
        if let (Some(keys), Some(restored)) = (keys, self.restored_rows.get_mut(&table))
            && let RowSelection::Keyed(tables) = &mut restored.rows
        {
            tables.push(keys);
        }
        Ok(counts)
    }

    pub(super) fn commit(&mut self) -> Result<CommitReport> {
        if self.dry_run.is_some() {
            return Err(Error::new(
                ErrorKind::Internal,
                "the commit of a dry run was requested, but a dry run has nothing to commit",
            ));
        }
        let result = self.check_and_commit();
        if result.is_err() {
            // The caller gets the original error, so an error of the rollback is ignored.
            let _ = self.rollback();
        }
        result
    }

    fn check_and_commit(&mut self) -> Result<CommitReport> {
        self.check_references()?;
        self.rebuild_derived()?;
        let to_error = |error| failed(&self.transaction.path, "committing the restore", error);
        let connection = &self.transaction.connection;
        let mut disabled_triggers = Vec::new();
        for table in &self.written_tables {
            let names = triggers(connection, table).map_err(to_error)?;
            disabled_triggers.extend(names.into_iter().map(|name| (name, table)));
        }
        connection.execute_batch("COMMIT").map_err(to_error)?;
        let mut suspended = std::mem::take(&mut self.suspended);
        // Triggers are disabled only on this connection, so nothing has to be put back in the database.
        let put_back =
            |(name, table)| SuspendedObject::put_back(SuspendedKind::Trigger, name, table, Instant::now());
        suspended.extend(disabled_triggers.into_iter().map(put_back));
        Ok(CommitReport::new(suspended))
    }

    /// Rebuilds the data that triggers derive from the restored rows, because triggers did not fire.
    fn rebuild_derived(&self) -> Result<()> {
        let tables = self.written_tables.iter().map(String::as_str);
        derived::rebuild(&self.transaction.connection, &self.catalog, &self.transaction.recomputed, tables)
    }

    /// Refuses dangling references that did not exist before this restore.
    pub(super) fn check_references(&self) -> Result<()> {
        for child in &self.children {
            let restored = self.restored_rows.get(child);
            let broken = newly_broken(&self.transaction.connection, child, self.rowids(), restored);
            let broken = broken.map_err(|error| {
                failed(
                    &self.transaction.path,
                    &format!("checking the foreign keys of table `{child}`"),
                    error,
                )
            })?;
            if let Some(BrokenReference { parent, count, examples }) = broken {
                let listed = match self.shown_tables.contains(child) {
                    true => format!(", among them {examples}"),
                    false => String::new(),
                };
                return Err(Error::new(
                    ErrorKind::Constraint,
                    format!(
                        "{count} rows of table `{child}` would refer to rows of table `{parent}` that do not \
                         exist{listed}; restore the entity of table `{parent}` as well"
                    ),
                ));
            }
        }
        Ok(())
    }

    pub(super) fn rollback(&mut self) -> Result<()> {
        if self.transaction.connection.is_autocommit() {
            // SQLite has already rolled back the transaction, as it does after some errors such as a full
            // disk.
            return Ok(());
        }
        self.transaction
            .connection
            .execute_batch("ROLLBACK")
            .map_err(|error| failed(&self.transaction.path, "rolling back the restore", error))
    }
}

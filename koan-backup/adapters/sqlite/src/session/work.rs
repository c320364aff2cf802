//! The transaction of a restore, on its thread.

use std::collections::{BTreeMap, BTreeSet};
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
use super::super::mapping::Mapping;
use super::super::references::{
    BrokenReference, RestoredRows, RowSelection, Rowids, newly_broken, record_dangling,
};
use super::super::thread::ThreadState;
use super::super::unwritable;
use super::apply::{Applied, Applying};
use super::target::Target;
use super::transaction::Transaction;
use super::trial::Trial;

/// A connection in a transaction, and the state of the restore.
#[derive(Debug)]
pub(super) struct RestoreWork {
    transaction: Transaction,
    /// The original database, if this is a dry run. The transaction is then in a temporary database.
    trial: Option<Trial>,
    catalog: Catalog,
    /// The tables whose existing dangling references were recorded before the restore.
    children: BTreeSet<String>,
    /// The dangling references of archives, by table.
    brought: BTreeMap<String, RestoredRows>,
    /// The tables that were written.
    restored: BTreeSet<String>,
    /// The tables whose rows may be shown in errors, which are those of targets that are not encrypted.
    shown: BTreeSet<String>,
    /// The indexes that were suspended and put back.
    suspended: Vec<SuspendedObject>,
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
            // The archive already holds the effects of triggers.
            connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false)?;
            connection.execute_batch("BEGIN IMMEDIATE")?;
            Catalog::read(&connection)
        };
        let catalog = begun().map_err(|error| failed(&location.path, "beginning to restore", error))?;
        Ok(Self::new(connection, location, options, catalog))
    }

    /// Begins a dry run, which writes to a temporary database.
    pub(super) fn begin_trial(location: &Location, options: SessionOptions) -> Result<Self> {
        let (trial, connection) = Trial::open(location)?;
        // An error of an index that is rebuilt at the end cannot name the refused record.
        let options = {
            let mut options = options;
            options.keep_indexes = true;
            options
        };
        let catalog = trial.catalog().clone();
        let writer = Self::new(connection, location, options, catalog);
        Ok(Self { trial: Some(trial), ..writer })
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
            trial: None,
            catalog,
            children: BTreeSet::new(),
            brought: BTreeMap::new(),
            restored: BTreeSet::new(),
            shown: BTreeSet::new(),
            suspended: Vec::new(),
        }
    }

    /// Begins the target with this number, counted from 1.
    pub(super) fn begin_target(&mut self, request: RestoreTarget, number: usize) -> Result<Applying> {
        let found = Mapping::find(&self.catalog, &request.entity, &request.set);
        let mapping = match found {
            Err(error) if error.kind() == ErrorKind::NotFound && self.transaction.options.create_missing => {
                self.create(&request)?
            }
            found => found?,
        };
        let Transaction { connection, path, collations, options, .. } = &self.transaction;
        let reader = self.trial.as_ref().map_or(connection, |trial| &trial.reader);
        if self.trial.as_ref().is_none_or(|trial| trial.has(&mapping.table.name)) {
            let refusal = unwritable::refusal(reader, collations, &mapping);
            let what = format!("reading the constraints of table `{}`", mapping.table.name);
            if let Some(refusal) = refusal.map_err(|error| failed(path, &what, error))? {
                return Err(Error::new(ErrorKind::Unsupported, refusal));
            }
        }
        if let Some(trial) = &mut self.trial {
            let table = &mapping.table.name;
            if !options.replace_existing && trial.has(table) {
                trial.require_whole_indexes(table)?;
            }
            trial.bring(connection, table)?;
        }
        let target = Target::new(connection, path, collations, request, mapping)?;
        self.note_references(&target)?;
        if target.entity.shows_keys() {
            self.shown.insert(target.mapping.table.name.clone());
        }
        self.restored.insert(target.mapping.table.name.clone());
        Applying::begin(&self.transaction, target, number)
    }

    fn create(&mut self, request: &RestoreTarget) -> Result<Mapping> {
        let Transaction { connection, path, .. } = &self.transaction;
        let reader = self.trial.as_ref().map_or(connection, |trial| &trial.reader);
        let sql = ddl::create(reader, &self.catalog, &request.entity, &request.set, path)?;
        let made = connection.execute_batch(&sql).and_then(|()| Catalog::read(connection));
        let made = made.map_err(|error| {
            failed(path, &format!("making the table of {}", request.entity.name()), error)
        })?;
        match &self.trial {
            None => self.catalog = made,
            // The temporary database contains only a part of the tables.
            Some(_) => {
                let is_known =
                    |table: &Table| self.catalog.tables.iter().any(|other| other.name == table.name);
                let added: Vec<Table> = made.tables.into_iter().filter(|table| !is_known(table)).collect();
                self.catalog.tables.extend(added);
            }
        }
        Mapping::find(&self.catalog, &request.entity, &request.set)
    }

    /// Records the existing dangling references before the target changes anything.
    fn note_references(&mut self, target: &Target) -> Result<()> {
        let table = &target.mapping.table.name;
        let lost = |error| {
            failed(&self.transaction.path, &format!("checking the foreign keys of table `{table}`"), error)
        };
        let pairs = references(&self.transaction.connection).map_err(lost)?;
        let children = pairs.into_iter().filter(|(child, parent)| child == table || parent == table);
        for (child, _) in children {
            if !self.children.contains(&child) {
                record_dangling(&self.transaction.connection, &child, self.rowids()).map_err(lost)?;
                self.children.insert(child);
            }
        }
        let recorded = &target.physical.dangling_references;
        if !recorded.is_empty() {
            let brought = self.brought.entry(table.clone()).or_default();
            for (parent, &count) in recorded {
                *brought.recorded.entry(parent.clone()).or_default() += count;
            }
            if !self.transaction.options.replace_existing && matches!(brought.rows, RowSelection::All) {
                brought.rows = RowSelection::Keyed(Vec::new());
            }
        }
        Ok(())
    }

    fn rowids(&self) -> Rowids {
        if self.transaction.options.replace_existing { Rowids::Changed } else { Rowids::Unchanged }
    }

    pub(super) fn write(&mut self, applying: &mut Applying, records: &[Record]) -> Result<()> {
        applying.write(&self.transaction, records)
    }

    pub(super) fn finish(&mut self, applying: Applying) -> Result<WriteCounts> {
        let table = applying.table().to_owned();
        let Applied { counts, keys, suspended } = applying.finish(&self.transaction)?;
        self.suspended.extend(suspended);
        if let (Some(keys), Some(brought)) = (keys, self.brought.get_mut(&table))
            && let RowSelection::Keyed(tables) = &mut brought.rows
        {
            tables.push(keys);
        }
        Ok(counts)
    }

    pub(super) fn commit(&mut self) -> Result<CommitReport> {
        if self.trial.is_some() {
            return Err(Error::new(ErrorKind::Internal, "a dry run was committed"));
        }
        let finished = self.check_and_commit();
        if finished.is_err() {
            // The caller gets the original error.
            let _ = self.rollback();
        }
        finished
    }

    fn check_and_commit(&mut self) -> Result<CommitReport> {
        self.check_references()?;
        self.rebuild_derived()?;
        let lost = |error| failed(&self.transaction.path, "committing the restore", error);
        let connection = &self.transaction.connection;
        let mut silenced = Vec::new();
        for table in &self.restored {
            silenced.extend(triggers(connection, table).map_err(lost)?.into_iter().map(|name| (name, table)));
        }
        connection.execute_batch("COMMIT").map_err(lost)?;
        let mut suspended = std::mem::take(&mut self.suspended);
        // Triggers are disabled only on this connection, so nothing has to be put back in the database.
        let put_back =
            |(name, table)| SuspendedObject::put_back(SuspendedKind::Trigger, name, table, Instant::now());
        suspended.extend(silenced.into_iter().map(put_back));
        Ok(CommitReport::new(suspended))
    }

    /// Rebuilds the data that triggers derive from the restored rows, because triggers did not fire.
    fn rebuild_derived(&self) -> Result<()> {
        let tables = self.restored.iter().map(String::as_str);
        derived::rebuild(&self.transaction.connection, &self.catalog, &self.transaction.recomputed, tables)
    }

    /// Refuses dangling references that did not exist before this restore.
    pub(super) fn check_references(&self) -> Result<()> {
        for child in &self.children {
            let brought = self.brought.get(child);
            let broken = newly_broken(&self.transaction.connection, child, self.rowids(), brought);
            let broken = broken.map_err(|error| {
                failed(
                    &self.transaction.path,
                    &format!("checking the foreign keys of table `{child}`"),
                    error,
                )
            })?;
            if let Some(BrokenReference { parent, count, examples }) = broken {
                let among = match self.shown.contains(child) {
                    true => format!(", among them {examples}"),
                    false => String::new(),
                };
                return Err(Error::new(
                    ErrorKind::Constraint,
                    format!(
                        "{count} rows of table `{child}` would refer to rows of `{parent}` that do not exist{among}; restore \
                         `{parent}` as well"
                    ),
                ));
            }
        }
        Ok(())
    }

    pub(super) fn rollback(&mut self) -> Result<()> {
        if self.transaction.connection.is_autocommit() {
            // SQLite rolls back automatically after some errors, for example when a disk is full.
            return Ok(());
        }
        self.transaction
            .connection
            .execute_batch("ROLLBACK")
            .map_err(|error| failed(&self.transaction.path, "rolling back the restore", error))
    }
}

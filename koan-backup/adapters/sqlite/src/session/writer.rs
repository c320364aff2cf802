//! The transaction of a restore, on its thread.

use std::collections::{BTreeMap, BTreeSet};

use koan_backup_core::{
    Error, ErrorKind, RestoreLevel, Result,
    entity::Record,
    provider::{RestoreTarget, SessionOptions, WriteCounts},
};
use rusqlite::Connection;
use rusqlite::config::DbConfig;

use super::super::catalog::{Catalog, Table, references};
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

/// A connection in a transaction, and how far the restore is.
#[derive(Debug)]
pub(super) struct Writer {
    transaction: Transaction,
    /// Of a dry run: the database that it is for. The transaction is in a temporary one.
    trial: Option<Trial>,
    catalog: Catalog,
    /// Tables of which it is remembered which rows pointed nowhere before.
    children: BTreeSet<String>,
    /// What archives brought along that points nowhere, by table.
    brought: BTreeMap<String, RestoredRows>,
    /// Tables that were written.
    restored: BTreeSet<String>,
    /// Tables whose rows may be shown in errors: those of targets that are not encrypted.
    shown: BTreeSet<String>,
    /// How many targets were begun.
    targets: usize,
    open: Option<Box<Applying>>,
    state: State,
}

/// Whether what was written so far can be committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Sound,
    /// A target failed: the transaction can only be rolled back.
    Failed,
}

impl ThreadState for Writer {
    fn connection(&self) -> &Connection {
        &self.transaction.connection
    }
}

impl Writer {
    /// Begins a transaction that writes.
    pub(super) fn begin(
        connection: Connection,
        location: &Location,
        options: SessionOptions,
    ) -> Result<Self> {
        let begun = || {
            // What triggers did is in the archive already.
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
        // An index that waits is built at the end, where a record that it refuses has no name.
        let mut options = options;
        if options.level == RestoreLevel::Fast {
            options.level = RestoreLevel::Balanced;
        }
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
            targets: 0,
            open: None,
            state: State::Sound,
        }
    }

    pub(super) fn turn_to(&mut self, request: RestoreTarget) -> Result<()> {
        let turned = self.begin_target(request);
        self.note(turned)
    }

    fn begin_target(&mut self, request: RestoreTarget) -> Result<()> {
        if self.open.is_some() {
            return Err(out_of_order("a target was begun before the one before it ended"));
        }
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
        self.targets += 1;
        self.open = Some(Box::new(Applying::begin(&self.transaction, target, self.targets)?));
        Ok(())
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
            // The temporary database has a part of the tables.
            Some(_) => {
                let is_known =
                    |table: &Table| self.catalog.tables.iter().any(|other| other.name == table.name);
                let added: Vec<Table> = made.tables.into_iter().filter(|table| !is_known(table)).collect();
                self.catalog.tables.extend(added);
            }
        }
        Mapping::find(&self.catalog, &request.entity, &request.set)
    }

    /// Remembers the references that point nowhere before this target changes anything.
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
        if self.transaction.options.replace_existing { Rowids::Change } else { Rowids::Stay }
    }

    fn end_applying(&mut self, applying: Applying) -> Result<WriteCounts> {
        let table = applying.table().to_owned();
        let Applied { counts, keys } = applying.end(&self.transaction)?;
        if let (Some(keys), Some(brought)) = (keys, self.brought.get_mut(&table))
            && let RowSelection::Keyed(tables) = &mut brought.rows
        {
            tables.push(keys);
        }
        Ok(counts)
    }

    pub(super) fn write(&mut self, records: &[Record]) -> Result<()> {
        let written = match &mut self.open {
            None => Err(out_of_order("records were written before a target was begun")),
            Some(applying) => applying.write(&self.transaction, records),
        };
        self.note(written)
    }

    pub(super) fn end(&mut self) -> Result<WriteCounts> {
        let ended = match self.open.take() {
            None => Err(out_of_order("a target was ended before it was begun")),
            Some(applying) => self.end_applying(*applying),
        };
        self.note(ended)
    }

    fn note<T>(&mut self, result: Result<T>) -> Result<T> {
        if result.is_err() {
            self.state = State::Failed;
        }
        result
    }

    pub(super) fn commit(&mut self) -> Result<()> {
        if self.open.is_some() || self.state == State::Failed {
            return Err(out_of_order("a restore was committed though its last target did not end well"));
        }
        if self.trial.is_some() {
            return Err(out_of_order("a dry run was committed"));
        }
        let finished = self.check_references().and_then(|()| self.rebuild_derived()).and_then(|()| {
            self.transaction
                .connection
                .execute_batch("COMMIT")
                .map_err(|error| failed(&self.transaction.path, "committing the restore", error))
        });
        if finished.is_err() {
            // The error that counts is the one that led here.
            let _ = self.rollback();
        }
        finished
    }

    /// Triggers did not fire, so what follows the restored rows is made again.
    fn rebuild_derived(&self) -> Result<()> {
        let tables = self.restored.iter().map(String::as_str);
        derived::rebuild(&self.transaction.connection, &self.catalog, &self.transaction.recomputed, tables)
    }

    /// Refuses references that point nowhere and did not before.
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
        self.open = None;
        if self.transaction.connection.is_autocommit() {
            // SQLite has rolled back by itself, as it does when a disk is full.
            return Ok(());
        }
        self.transaction
            .connection
            .execute_batch("ROLLBACK")
            .map_err(|error| failed(&self.transaction.path, "rolling back the restore", error))
    }
}

fn out_of_order(what: &'static str) -> Error {
    Error::new(ErrorKind::Internal, what)
}

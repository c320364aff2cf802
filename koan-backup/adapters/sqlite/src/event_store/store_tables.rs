//! The tables of the event store in one database: their columns, and how the columns contain their values.

use std::path::Path;
use std::sync::Arc;

use koan_backup_core::{Error, ErrorKind, Result};
use rusqlite::Connection;

use super::super::catalog::{Catalog, Column, Index, Table, TableKind, indexes};
use super::super::error::failed;
use super::super::key_equality::column_collation;
use super::stored_form::{ContentKind, StoreContent, StoredForm};
use koan_backup_sql::event_tables::{EventColumn, EventTables, SnapshotColumn};
use koan_backup_sql::identifier::{listed, quoted};

/// The schema of the database file, which is the only one that a table of the event store can have.
const SCHEMA: &str = "main";

/// The tables of the event store, as they are in the database.
#[derive(Clone, Debug)]
pub(crate) struct StoreTables {
    /// The configuration.
    pub(super) names: Arc<EventTables>,
    pub(super) events: StoreTable<EventColumn>,
    pub(super) snapshots: Option<StoreTable<SnapshotColumn>>,
}

/// One table of the event store.
#[derive(Clone, Debug)]
pub(super) struct StoreTable<C> {
    pub(super) name: String,
    /// The columns that the configuration names.
    pub(super) columns: Vec<StoreColumn<C>>,
    /// The columns that the configuration does not name, except generated columns.
    pub(super) unnamed: Vec<Column>,
    /// Whether a unique index refuses a duplicate version.
    pub(super) is_unique: bool,
    /// Whether an index contains the object ids in their order.
    pub(super) has_id_order: bool,
    /// The column that is an alias of the rowid.
    rowid_alias: Option<String>,
}

/// A column that the configuration names.
#[derive(Clone, Debug)]
pub(super) struct StoreColumn<C> {
    pub(super) content: C,
    pub(super) name: String,
    pub(super) form: StoredForm,
    /// Whether the column compares text by its bytes.
    pub(super) is_binary: bool,
    /// Whether a unique index contains only this column, or the column is an alias of the rowid.
    pub(super) is_unique: bool,
}

impl StoreTables {
    /// Finds the tables of a configuration.
    ///
    /// # Errors
    /// A table or a column is missing, or cannot contain its values unchanged. The error contains the remedy.
    pub(crate) fn find(
        connection: &Connection,
        path: &Path,
        catalog: &Catalog,
        names: &Arc<EventTables>,
    ) -> Result<Self> {
        names.check()?;
        let to_error = |error| failed(path, "reading the tables of the event store", error);
        let encoding: String =
            connection.query_row("PRAGMA encoding", [], |row| row.get(0)).map_err(to_error)?;
        if encoding != "UTF-8" {
            return Err(Error::new(
                ErrorKind::Unsupported,
                format!(
                    "the database `{}` stores text as {encoding}, so its event store cannot be read in the order of \
                     the object ids",
                    path.display()
                ),
            )
            .with_help("copy the tables into a database with `PRAGMA encoding = 'UTF-8'`"));
        }
        let events = names.events_table();
        let table = find_table(catalog, events)?
            .ok_or_else(|| names.no_events_table(&names.create_events(event_type)))?;
        let missing = |column, name: &str| names.no_event_column(column, name);
        let events = StoreTable::of(connection, path, table, &names.event_columns(), &missing)?;
        let snapshots = match names.snapshot_table() {
            None => None,
            Some(snapshots) => {
                let table = find_table(catalog, snapshots.table())?
                    .ok_or_else(|| snapshots.not_found(&snapshots.create(snapshot_type)))?;
                let missing = |column, name: &str| snapshots.no_column(column, name);
                Some(StoreTable::of(connection, path, table, &snapshots.columns(), &missing)?)
            }
        };
        Ok(Self { names: Arc::clone(names), events, snapshots })
    }

    /// Returns whether the tables contain this object name at all.
    pub(super) fn may_contain(&self, object: &str) -> bool {
        self.names.only_object_name().is_none_or(|only| only == object)
    }

    /// Returns the names of the tables.
    pub(crate) fn table_names(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.events.name.as_str())
            .chain(self.snapshots.iter().map(|table| table.name.as_str()))
    }
}

impl<C: StoreContent> StoreTable<C> {
    fn of(
        connection: &Connection,
        path: &Path,
        table: &Table,
        names: &[(C, &str)],
        missing: &dyn Fn(C, &str) -> Error,
    ) -> Result<Self> {
        let to_error = |error| failed(path, &format!("reading table `{}`", table.name), error);
        let indexes = indexes(connection, &table.name).map_err(to_error)?;
        let rowid_alias = table.rowid_alias().map(|alias| alias.name.clone());
        let mut columns = Vec::with_capacity(names.len());
        for &(content, name) in names {
            let is_named = |column: &&Column| column.name.eq_ignore_ascii_case(name);
            let column = table.columns.iter().find(is_named).ok_or_else(|| missing(content, name))?;
            if column.generated {
                return Err(unsupported(
                    table,
                    &column.name,
                    "is computed by SQLite, so no restore can write it; name \
                                                             a column that is stored",
                ));
            }
            let form = StoredForm::of(content.kind(), column).map_err(|reason| {
                unsupported(table, &column.name, &format!("is declared `{}`, so {reason}", column.declared))
            })?;
            let collation = column_collation(connection, &table.name, &column.name).map_err(to_error)?;
            let is_unique = rowid_alias.as_ref() == Some(&column.name)
                || indexes.iter().any(|index| index.makes_unique(std::iter::once(column.name.as_str())));
            columns.push(StoreColumn {
                content,
                name: column.name.clone(),
                form,
                is_binary: collation.eq_ignore_ascii_case("BINARY"),
                is_unique,
            });
        }
        let is_named = |column: &&Column| columns.iter().any(|named| named.name == column.name);
        let unnamed: Vec<Column> =
            table.columns.iter().filter(|column| !column.generated && !is_named(column)).cloned().collect();
        let is_alias = |column: &&Column| rowid_alias.as_ref() == Some(&column.name);
        let required =
            unnamed.iter().filter(|column| column.not_null && !column.has_default && !is_alias(column));
        let required: Vec<&str> = required.map(|column| column.name.as_str()).collect();
        if !required.is_empty() {
            let (table, list) = (&table.name, listed(required.iter().copied()));
            return Err(Error::new(
                ErrorKind::Unsupported,
                format!(
                    "no setting of the event store names column {list} of table `{table}`, which is NOT NULL and has \
                     no default, so a restore could not write a row"
                ),
            )
            .with_help("name the column in `EventTables` or `SnapshotTable`, or give it a default"));
        }
        let mut found = Self {
            name: table.name.clone(),
            columns,
            unnamed,
            is_unique: false,
            has_id_order: false,
            rowid_alias,
        };
        found.is_unique = indexes.iter().any(|index| found.is_unique_over_key(index));
        found.has_id_order = indexes.iter().any(|index| found.is_in_id_order(index));
        Ok(found)
    }

    /// Returns the column with this content.
    pub(super) fn column(&self, content: C) -> Option<&StoreColumn<C>> {
        self.columns.iter().find(|column| column.content == content)
    }

    /// Returns whether a column is an alias of the rowid, for which SQLite assigns values.
    pub(super) fn is_rowid(&self, column: &StoreColumn<C>) -> bool {
        self.rowid_alias.as_ref() == Some(&column.name)
    }

    /// Returns the name of the table for a statement.
    pub(super) fn quoted(&self) -> String {
        format!("{SCHEMA}.{}", quoted(&self.name))
    }

    /// Returns whether the index is unique over columns of the key, so that no version occurs twice.
    fn is_unique_over_key(&self, index: &Index) -> bool {
        let is_key =
            |name: &&str| self.columns.iter().any(|column| column.name == **name && self.is_key(column));
        index.unique && index.plain_columns().is_some_and(|columns| columns.iter().all(is_key))
    }

    /// Returns the columns of the table for a statement, with NULL instead of those that are not part of the key.
    pub(super) fn key_columns(&self) -> String {
        let column = |column: &StoreColumn<C>| match self.is_key(column) {
            true => quoted(&column.name),
            false => "NULL".to_owned(),
        };
        self.columns.iter().map(column).collect::<Vec<_>>().join(", ")
    }

    fn is_key(&self, column: &StoreColumn<C>) -> bool {
        [C::OBJECT, C::OBJECT_ID, C::VERSION].contains(&column.content)
    }

    /// Returns whether the first columns of the index are the object name and the object id, or only the object id.
    fn is_in_id_order(&self, index: &Index) -> bool {
        let Some(columns) = index.plain_columns() else { return false };
        let name = |content| {
            self.column(content).filter(|column| column.is_binary).map(|column| column.name.as_str())
        };
        let (object, id) = (name(C::OBJECT), name(C::OBJECT_ID));
        let is_at = |position: usize| id.is_some() && columns.get(position).copied() == id;
        is_at(0) || (object.is_some() && columns.first().copied() == object && is_at(1))
    }
}

/// Finds a table. A schema before the name must be that of the database file.
fn find_table<'c>(catalog: &'c Catalog, name: &str) -> Result<Option<&'c Table>> {
    let find = |name: &str| {
        let exact = catalog.tables.iter().find(|table| table.name == name);
        exact.or_else(|| catalog.tables.iter().find(|table| table.name.eq_ignore_ascii_case(name)))
    };
    let unqualified = name.split_once('.').filter(|(schema, _)| schema.eq_ignore_ascii_case(SCHEMA));
    match find(name).or_else(|| find(unqualified?.1)) {
        Some(table) if table.kind != TableKind::Table => Err(Error::new(
            ErrorKind::Configuration,
            format!(
                "`{}` of the event store is a view or a virtual table, which a restore cannot write",
                table.name
            ),
        )
        .with_help("name the table that contains the rows")),
        found => Ok(found),
    }
}

fn unsupported(table: &Table, column: &str, problem: &str) -> Error {
    let text = format!("column `{column}` of table `{}` of the event store {problem}", table.name);
    Error::new(ErrorKind::Configuration, text)
}

/// Returns the type with which a column of the table of events is created.
fn event_type(column: EventColumn) -> &'static str {
    declared(column.kind())
}

/// Returns the type with which a column of the table of snapshots is created.
fn snapshot_type(column: SnapshotColumn) -> &'static str {
    declared(column.kind())
}

fn declared(kind: ContentKind) -> &'static str {
    if kind == ContentKind::Number { "INTEGER" } else { "TEXT" }
}

//! The database of a dry run: a temporary database with the tables that a restore would write, and the tables
//! that are connected with these tables by foreign keys.
//!
//! The dry run executes the same statements as a restore, but in the temporary database, so constraints
//! refuse the same records. The original database is only read. SQLite keeps the temporary database in memory
//! while the database is small, and otherwise in a file that SQLite itself deletes.

use std::collections::{BTreeMap, BTreeSet};

use koan_backup_core::{Error, ErrorKind, Result};
use rusqlite::{Connection, ErrorCode};

use super::super::catalog::{Catalog, Table, TableKind, indexes, references, table_sql};
use super::super::connection::{Location, ORIGIN};
use super::super::error::failed;
use super::super::index_check::{index_faults, table_rows};
use super::reference_copy::ReferenceCopy;
use koan_backup_sql::identifier::{quoted, quoted_list};

/// The original database of a dry run, and the tables that were copied from it.
#[derive(Debug)]
pub(super) struct DryRunDatabase {
    location: Location,
    /// The connection that reads the original database.
    pub(super) reader: Connection,
    /// The tables of the original database.
    catalog: Catalog,
    /// The foreign keys between the copied tables: the referencing and the referenced table.
    references: Vec<(String, String)>,
    /// The names of the copied tables, each with the purpose of its copy.
    copied: BTreeMap<String, Purpose>,
}

/// The purpose of the copy of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    /// The dry run writes records to the table.
    Target,
    /// The dry run checks references of the table or to it.
    References,
}

impl DryRunDatabase {
    /// Opens the original database and the temporary database, and begins a transaction in each. Returns the
    /// connection to the temporary database as well.
    pub(super) fn open(location: &Location) -> Result<(Self, Connection)> {
        let to_error = |error| failed(&location.path, "beginning the dry run", error);
        let reader = location.open_read_only()?;
        reader.execute_batch("BEGIN").map_err(to_error)?;
        let catalog = Catalog::read(&reader).map_err(to_error)?;
        let references = references(&reader).map_err(to_error)?;
        let connection = location.open_dry_run(&reader)?;
        connection.execute_batch("BEGIN").map_err(to_error)?;
        let database =
            Self { location: location.clone(), reader, catalog, references, copied: BTreeMap::new() };
        Ok((database, connection))
    }

    /// Returns the catalog of the original database.
    pub(super) fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// Returns whether the original database has a table with this name.
    pub(super) fn has(&self, table: &str) -> bool {
        self.catalog.tables.iter().any(|other| other.name == table)
    }

    /// Copies a table to which records are written, the tables that are connected with it by foreign keys,
    /// and all tables to which its children refer. Without its other parents, a child would have dangling
    /// references that the original database does not have.
    ///
    /// # Errors
    /// A table cannot be read or created, or there is no space for the temporary database.
    pub(super) fn copy_related_tables(&mut self, connection: &Connection, table: &str) -> Result<()> {
        let created = references(connection)
            .map_err(|error| failed(&self.location.path, "reading the foreign keys", error))?;
        let pairs = || self.references.iter().chain(&created);
        let is_table = |name: &str| name.eq_ignore_ascii_case(table);
        let children: BTreeSet<&str> = pairs()
            .filter(|(child, parent)| is_table(child) || is_table(parent))
            .map(|(child, _)| child.as_str())
            .collect();
        let parents =
            pairs().filter(|(child, _)| children.contains(child.as_str())).map(|(_, parent)| parent.clone());
        let related: BTreeSet<String> =
            children.iter().map(|&child| child.to_owned()).chain(parents).collect();
        self.copy(connection, table, Purpose::Target)?;
        related.iter().try_for_each(|other| self.copy(connection, other, Purpose::References))
    }

    /// Refuses a table with a damaged index, as a restore does. The copy does not show the damage, because
    /// its indexes are created from the rows.
    pub(super) fn require_intact_indexes(&self, table: &str) -> Result<()> {
        let faults = table_rows(&self.reader, table)
            .and_then(|rows| index_faults(&self.reader, &self.location.collations, table, rows))
            .map_err(|error| {
                failed(&self.location.path, &format!("checking the indexes of table `{table}`"), error)
            })?;
        match faults.first() {
            None => Ok(()),
            Some(fault) => Err(Error::new(ErrorKind::Provider, fault.message(table))),
        }
    }

    /// Copies a table, unless it already has a copy that is sufficient for the purpose.
    fn copy(&mut self, connection: &Connection, name: &str, purpose: Purpose) -> Result<()> {
        let found = self.catalog.tables.iter().find(|table| table.name == name);
        let Some(table) = found.filter(|table| table.kind == TableKind::Table) else { return Ok(()) };
        let before = self.copied.get(name).copied();
        if before == Some(Purpose::Target) || before == Some(purpose) {
            return Ok(());
        }
        let copied = match before {
            // No record has been written to the existing copy, so it can be replaced.
            Some(_) => connection.execute_batch(&format!("DROP TABLE main.{}", quoted(name))),
            None => Ok(()),
        };
        let copied = copied.and_then(|()| match purpose {
            Purpose::Target => self.copy_table(connection, table),
            Purpose::References => self.copy_references(connection, table),
        });
        copied.map_err(|error| {
            let is_full = error.sqlite_error_code() == Some(ErrorCode::DiskFull);
            let error =
                failed(&self.location.path, &format!("copying table `{name}` for the dry run"), error);
            match is_full {
                true => error.context(
                    "a dry run copies the tables that it compares into a temporary file of SQLite; free space \
                     in the directory of temporary files, or set another directory with the environment \
                     variable SQLITE_TMPDIR",
                ),
                false => error,
            }
        })?;
        self.copied.insert(name.to_owned(), purpose);
        Ok(())
    }

    /// Copies the columns of a table that foreign keys need.
    fn copy_references(&self, connection: &Connection, table: &Table) -> rusqlite::Result<()> {
        let copy = ReferenceCopy::new(&self.reader, &self.location.collations, table)?;
        connection.execute_batch(&copy.sql)?;
        copy_rows(connection, table, copy.columns.iter().map(String::as_str))
    }

    /// Copies a table with all its columns, constraints and indexes.
    fn copy_table(&self, connection: &Connection, table: &Table) -> rusqlite::Result<()> {
        let name = &table.name;
        let Some(sql) = table_sql(&self.reader, name)? else { return Ok(()) };
        connection.execute_batch(&sql)?;
        for index in indexes(&self.reader, name)? {
            if let Some(sql) = index.sql {
                connection.execute_batch(&sql)?;
            }
        }
        // Existing rows may violate a constraint that was added later. A restore does not check existing
        // rows.
        connection.execute_batch("PRAGMA ignore_check_constraints = ON")?;
        let has_no_generated_column = table.columns.iter().all(|column| !column.generated);
        if has_no_generated_column && keyless_rowid(table).is_none() {
            // Without column names, SQLite can copy pages instead of rows.
            let quoted = quoted(name);
            connection.execute(&format!("INSERT INTO main.{quoted} SELECT * FROM {ORIGIN}.{quoted}"), [])?;
        } else {
            let written = table.columns.iter().filter(|column| !column.generated);
            copy_rows(connection, table, written.map(|column| column.name.as_str()))?;
        }
        connection.execute_batch("PRAGMA ignore_check_constraints = OFF")
    }
}

/// Returns the name of the rowid if the table has no primary key. Only the rowid identifies the rows of such
/// a table.
fn keyless_rowid(table: &Table) -> Option<&'static str> {
    table.rowid_name().filter(|_| table.primary_key().is_empty())
}

/// Copies these columns of all rows, and the rowid if only the rowid identifies the rows.
fn copy_rows<'n>(
    connection: &Connection,
    table: &Table,
    columns: impl Iterator<Item = &'n str>,
) -> rusqlite::Result<()> {
    let names = quoted_list(keyless_rowid(table).into_iter().chain(columns));
    let quoted = quoted(&table.name);
    let insert = format!("INSERT INTO main.{quoted} ({names}) SELECT {names} FROM {ORIGIN}.{quoted}");
    connection.execute(&insert, []).map(drop)
}

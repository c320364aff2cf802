//! Chooses how a backup reads the rows of a table, and checks that every row was read exactly once.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use koan_backup_core::{Error, ErrorKind, Result};
use rusqlite::Connection;
use rusqlite::types::ValueRef;

use super::super::catalog::{TableStorage, indexes};
use super::super::collation::Collations;
use super::super::error::failed;
use super::super::index_check::{index_faults, is_readable, table_rows};
use super::super::key_equality::KeyEquality;
use super::super::mapping::Mapping;
use super::reader::Reader;
use koan_backup_sql::identifier::{quoted, quoted_list};

/// The access path by which the rows of a table are read in the order of their keys.
#[derive(Clone, Debug, PartialEq, Eq)]
enum AccessPath {
    /// The table itself. Its rows either are stored in the order of the keys or are sorted by the query.
    Table,
    /// The index with this name.
    Index(String),
}

/// The read of one table: how its rows are selected, and the rows that were read so far, for a final check.
#[derive(Debug)]
pub(super) struct TableRead {
    path: AccessPath,
    table: String,
    storage: TableStorage,
    /// The columns that identify a row of the table, quoted.
    identity: Vec<String>,
    /// The columns of the key, quoted.
    key: Vec<String>,
    order: KeyOrder,
    /// The rows that were read.
    rows_read: RowSet,
}

/// The order in which the keys of a table are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum KeyOrder {
    /// The order by the collations of the key columns.
    ByCollation,
    /// The order by the bytes of text, because the connection does not know a collation of the key.
    ByBytes,
}

impl TableRead {
    /// Chooses how to read the table of a mapping.
    pub(super) fn new(
        connection: &Connection,
        collations: &Collations,
        mapping: &Mapping,
        equality: &KeyEquality,
    ) -> rusqlite::Result<Self> {
        let table = &mapping.table;
        let key: Vec<&str> =
            mapping.key.iter().map(|&index| mapping.columns[index].column.name.as_str()).collect();
        let primary = || table.primary_key().iter().map(|column| column.name.clone()).collect::<Vec<_>>();
        let is_in_order = match table.storage {
            TableStorage::Rowid => table.rowid_alias().is_some_and(|alias| key == [alias.name.as_str()]),
            TableStorage::PrimaryKey => key == primary(),
        };
        let order = match equality.unknown_collation() {
            Some(_) => KeyOrder::ByBytes,
            None => KeyOrder::ByCollation,
        };
        let mut path = AccessPath::Table;
        if !is_in_order && order == KeyOrder::ByCollation {
            for index in indexes(connection, &table.name)? {
                let is_over_key = index.plain_columns().is_some_and(|columns| columns == key);
                if is_over_key && is_readable(connection, collations, &index)? {
                    path = AccessPath::Index(index.name);
                    break;
                }
            }
        }
        let identity = match table.storage {
            TableStorage::Rowid => table.rowid_name().map(str::to_owned).into_iter().collect(),
            TableStorage::PrimaryKey => primary().iter().map(|name| quoted(name)).collect(),
        };
        Ok(Self {
            path,
            table: table.name.clone(),
            storage: table.storage,
            identity,
            key: key.into_iter().map(quoted).collect(),
            order,
            rows_read: RowSet::default(),
        })
    }

    /// Returns the statement that reads these columns of all rows. If an index is read, the columns that
    /// identify the rows follow.
    pub(super) fn select<'c>(&self, columns: impl IntoIterator<Item = &'c str>) -> String {
        let mut list = quoted_list(columns);
        if matches!(self.path, AccessPath::Index(_)) {
            for column in &self.identity {
                list.push_str(", ");
                list.push_str(column);
            }
        }
        let source = match (&self.path, self.storage) {
            (AccessPath::Index(index), _) => format!(" INDEXED BY {}", quoted(index)),
            (AccessPath::Table, TableStorage::Rowid) => " NOT INDEXED".to_owned(),
            (AccessPath::Table, TableStorage::PrimaryKey) => String::new(),
        };
        let order: Vec<String> = match self.order {
            KeyOrder::ByCollation => self.key.clone(),
            KeyOrder::ByBytes => self.key.iter().map(|column| format!("{column} COLLATE BINARY")).collect(),
        };
        format!("SELECT {list} FROM main.{}{source} ORDER BY {}", quoted(&self.table), order.join(", "))
    }

    /// Records a row that was read. `columns` is the number of selected columns, `key` contains the positions
    /// of the key columns, and `get` returns the value at a position.
    #[inline]
    pub(super) fn record<'r>(
        &mut self,
        columns: usize,
        key: &[usize],
        get: impl Fn(usize) -> rusqlite::Result<ValueRef<'r>>,
    ) -> rusqlite::Result<()> {
        match self.path {
            AccessPath::Table => self.rows_read.count += 1,
            AccessPath::Index(_) => {
                let identity = columns..columns + self.identity.len();
                self.rows_read.add(identity.chain(key.iter().copied()).map(get))?;
            }
        }
        Ok(())
    }

    /// Compares the rows that were read with the table itself. Returns warnings about damaged indexes.
    ///
    /// # Errors
    /// Rows were not read or were read more than once, or the table has fewer rows than one of its indexes
    /// has entries.
    pub(super) fn check(&self, reader: &Reader) -> Result<Vec<String>> {
        let table = &self.table;
        let to_error = |error| failed(&reader.path, &format!("checking the rows of table `{table}`"), error);
        let rows = table_rows(&reader.connection, table).map_err(to_error)?;
        let source = match &self.path {
            AccessPath::Table => "without an index".to_owned(),
            AccessPath::Index(index) => format!("through index `{index}`"),
        };
        let damaged = |difference: String| {
            Error::new(
                ErrorKind::Provider,
                format!(
                    "table `{table}` was read {source}, and {difference}, so the database file is damaged; \
                     copy the file, run `REINDEX` and `PRAGMA integrity_check`, then back up again"
                ),
            )
        };
        if self.rows_read.count != rows {
            return Err(damaged(format!(
                "the read returned {} rows, but the table has {rows}",
                self.rows_read.count
            )));
        }
        if matches!(self.path, AccessPath::Index(_))
            && self.scan_table(reader).map_err(to_error)? != self.rows_read
        {
            return Err(damaged(
                "the read returned as many rows as the table has, but not the same rows".to_owned(),
            ));
        }
        let faults = index_faults(&reader.connection, &reader.collations, table, rows).map_err(to_error)?;
        if let Some(fault) = faults.iter().find(|fault| fault.entries > fault.rows) {
            return Err(Error::new(ErrorKind::Provider, fault.message(table)));
        }
        Ok(faults.iter().map(|fault| fault.message(table)).collect())
    }

    /// Reads the rows of the table itself, without using an index.
    fn scan_table(&self, reader: &Reader) -> rusqlite::Result<RowSet> {
        let columns: Vec<&str> = self.identity.iter().chain(&self.key).map(String::as_str).collect();
        // SQLite ignores `NOT INDEXED` for a WITHOUT ROWID table. If such a table is read in the order of its
        // primary key, no other index is used.
        let source = match self.storage {
            TableStorage::Rowid => " NOT INDEXED".to_owned(),
            TableStorage::PrimaryKey => format!(" ORDER BY {}", self.identity.join(", ")),
        };
        let query = format!("SELECT {} FROM main.{}{source}", columns.join(", "), quoted(&self.table));
        let mut statement = reader.connection.prepare(&query)?;
        let mut rows = statement.query([])?;
        let mut set = RowSet::default();
        while let Some(row) = rows.next()? {
            set.add((0..columns.len()).map(|index| row.get_ref(index)))?;
        }
        Ok(set)
    }
}

/// Reads the key equality of a table.
pub(super) fn equality(
    reader: &Reader,
    collations: &Collations,
    mapping: &Mapping,
) -> rusqlite::Result<KeyEquality> {
    let key = mapping.key.iter().map(|&index| mapping.columns[index].column.name.as_str());
    KeyEquality::read(&reader.connection, collations, &mapping.table.name, key)
}

/// A set of rows, represented by the number of the rows and the sum of their hashes. The order of the rows
/// does not matter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct RowSet {
    count: u64,
    sum: u64,
}

impl RowSet {
    /// Adds a row with these values.
    fn add<'r>(
        &mut self,
        values: impl Iterator<Item = rusqlite::Result<ValueRef<'r>>>,
    ) -> rusqlite::Result<()> {
        let mut hasher = DefaultHasher::new();
        for value in values {
            hash(value?, &mut hasher);
        }
        self.sum = self.sum.wrapping_add(hasher.finish());
        self.count += 1;
        Ok(())
    }
}

/// Adds a stored value to a hash: its storage class and its content.
pub(in super::super) fn hash(value: ValueRef<'_>, hasher: &mut DefaultHasher) {
    match value {
        ValueRef::Null => 0u8.hash(hasher),
        ValueRef::Integer(integer) => (1u8, integer).hash(hasher),
        ValueRef::Real(real) => (2u8, real.to_bits()).hash(hasher),
        ValueRef::Text(text) => (3u8, text).hash(hasher),
        ValueRef::Blob(blob) => (4u8, blob).hash(hasher),
    }
}

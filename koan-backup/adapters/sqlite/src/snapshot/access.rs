//! By which way the rows of a table are read, and whether that way gave all of them, each once.

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
use super::Reader;
use koan_backup_sql::identifier::{quoted, quoted_list};

/// How the rows of a table are read in the order of their keys.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Way {
    /// The table itself, which is in that order or is sorted.
    Table,
    /// An index, which names the rows of the table.
    Index(String),
}

/// The statement that reads a table, and the check of what it gave.
#[derive(Debug)]
pub(super) struct Access {
    way: Way,
    table: String,
    storage: TableStorage,
    /// The columns that tell one row of the table from another, quoted.
    identity: Vec<String>,
    key: Vec<String>,
    /// Whether the key is ordered by its bytes, because its own collation is not known.
    order: Order,
    seen: RowSet,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    ByColumns,
    ByBytes,
}

impl Access {
    /// Chooses how to read the table of a mapping.
    pub(super) fn of(
        connection: &Connection,
        collations: &Collations,
        mapping: &Mapping,
        equality: &KeyEquality,
    ) -> rusqlite::Result<Self> {
        let table = &mapping.table;
        let key: Vec<&str> =
            mapping.key.iter().map(|&place| mapping.places[place].column.name.as_str()).collect();
        let primary = || table.primary_key().iter().map(|column| column.name.clone()).collect::<Vec<_>>();
        let is_in_order = match table.storage {
            TableStorage::Rowid => table.rowid_alias().is_some_and(|alias| key == [alias.name.as_str()]),
            TableStorage::PrimaryKey => key == primary(),
        };
        let order = if equality.unknown().is_some() { Order::ByBytes } else { Order::ByColumns };
        let mut way = Way::Table;
        if !is_in_order && order == Order::ByColumns {
            for index in indexes(connection, &table.name)? {
                let serves = index.plain_columns().is_some_and(|columns| columns == key);
                if serves && is_readable(connection, collations, &index)? {
                    way = Way::Index(index.name);
                    break;
                }
            }
        }
        let identity = match table.storage {
            TableStorage::Rowid => table.rowid_name().map(str::to_owned).into_iter().collect(),
            TableStorage::PrimaryKey => primary().iter().map(|name| quoted(name)).collect(),
        };
        Ok(Self {
            way,
            table: table.name.clone(),
            storage: table.storage,
            identity,
            key: key.into_iter().map(quoted).collect(),
            order,
            seen: RowSet::default(),
        })
    }

    /// The statement that reads these columns of all rows, with what tells the rows apart behind them.
    pub(super) fn select<'c>(&self, columns: impl IntoIterator<Item = &'c str>) -> String {
        let mut list = quoted_list(columns);
        if matches!(self.way, Way::Index(_)) {
            for column in &self.identity {
                list.push_str(", ");
                list.push_str(column);
            }
        }
        let by = match (&self.way, self.storage) {
            (Way::Index(index), _) => format!(" INDEXED BY {}", quoted(index)),
            (Way::Table, TableStorage::Rowid) => " NOT INDEXED".to_owned(),
            (Way::Table, TableStorage::PrimaryKey) => String::new(),
        };
        let order: Vec<String> = match self.order {
            Order::ByColumns => self.key.clone(),
            Order::ByBytes => self.key.iter().map(|column| format!("{column} COLLATE BINARY")).collect(),
        };
        format!("SELECT {list} FROM main.{}{by} ORDER BY {}", quoted(&self.table), order.join(", "))
    }

    /// Notes a row that was read: its key, and what stands behind its columns.
    #[inline]
    pub(super) fn note<'r>(
        &mut self,
        columns: usize,
        key: &[usize],
        get: impl Fn(usize) -> rusqlite::Result<ValueRef<'r>>,
    ) -> rusqlite::Result<()> {
        match self.way {
            Way::Table => self.seen.count += 1,
            Way::Index(_) => {
                let identity = columns..columns + self.identity.len();
                self.seen.add(identity.chain(key.iter().copied()).map(get))?;
            }
        }
        Ok(())
    }

    /// Compares what was read with the table itself; gives warnings of indexes that were not used and are damaged.
    ///
    /// # Errors
    /// Rows are missing or were read twice, or the table has fewer rows than one of its indexes names.
    pub(super) fn check(&self, reader: &Reader) -> Result<Vec<String>> {
        let table = &self.table;
        let lost = |error| failed(&reader.path, &format!("checking the rows of table `{table}`"), error);
        let rows = table_rows(&reader.connection, table).map_err(lost)?;
        let by = match &self.way {
            Way::Table => "the table".to_owned(),
            Way::Index(index) => format!("index `{index}`"),
        };
        let damaged = |what: String| {
            Error::new(
                ErrorKind::Provider,
                format!(
                    "table `{table}` was read by {by}, {what}: the database file is damaged; copy the file, run `REINDEX` and \
                     `PRAGMA integrity_check`, then back up again"
                ),
            )
        };
        if self.seen.count != rows {
            return Err(damaged(format!("which gave {} rows, and the table has {rows}", self.seen.count)));
        }
        if matches!(self.way, Way::Index(_)) && self.of_table(reader).map_err(lost)? != self.seen {
            return Err(damaged("which gave other rows than the table has, as many as they are".to_owned()));
        }
        let faults = index_faults(&reader.connection, &reader.collations, table, rows).map_err(lost)?;
        if let Some(fault) = faults.iter().find(|fault| fault.entries > fault.rows) {
            return Err(Error::new(ErrorKind::Provider, fault.message(table)));
        }
        Ok(faults.iter().map(|fault| fault.message(table)).collect())
    }

    /// The rows of the table, read from it and from no index.
    fn of_table(&self, reader: &Reader) -> rusqlite::Result<RowSet> {
        let columns: Vec<&str> = self.identity.iter().chain(&self.key).map(String::as_str).collect();
        // A table without rowids has no `NOT INDEXED`: its own order is what it is read in.
        let by = match self.storage {
            TableStorage::Rowid => " NOT INDEXED".to_owned(),
            TableStorage::PrimaryKey => format!(" ORDER BY {}", self.identity.join(", ")),
        };
        let query = format!("SELECT {} FROM main.{}{by}", columns.join(", "), quoted(&self.table));
        let mut statement = reader.connection.prepare(&query)?;
        let mut rows = statement.query([])?;
        let mut set = RowSet::default();
        while let Some(row) = rows.next()? {
            set.add((0..columns.len()).map(|index| row.get_ref(index)))?;
        }
        Ok(set)
    }
}

/// How two keys of a table are compared, as a backup asks.
pub(super) fn equality(
    reader: &Reader,
    collations: &Collations,
    mapping: &Mapping,
) -> rusqlite::Result<KeyEquality> {
    let key = mapping.key.iter().map(|&place| mapping.places[place].column.name.as_str());
    KeyEquality::of(&reader.connection, collations, &mapping.table.name, key)
}

/// A set of rows in any order, told apart by what was added of each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct RowSet {
    count: u64,
    sum: u64,
}

impl RowSet {
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

//! The tables, columns, indexes and triggers of a database, read from SQLite's schema.

use rusqlite::{Connection, OptionalExtension as _, Result};

/// All tables of the schema, including views and virtual tables.
#[derive(Clone, Debug, Default)]
pub(super) struct Catalog {
    pub(super) tables: Vec<Table>,
}

/// A table, a view or a virtual table.
#[derive(Clone, Debug)]
pub(super) struct Table {
    pub(super) name: String,
    pub(super) kind: TableKind,
    pub(super) storage: TableStorage,
    pub(super) columns: Vec<Column>,
}

/// The key by which SQLite stores the rows of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TableStorage {
    /// The rowid.
    Rowid,
    /// The primary key, in a table created with `WITHOUT ROWID`.
    PrimaryKey,
}

/// The type of a table in `PRAGMA table_list`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TableKind {
    Table,
    View,
    Virtual,
    /// A table in which a virtual table stores its data.
    Shadow,
}

/// A column of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Column {
    pub(super) name: String,
    /// The type in the `CREATE TABLE` statement; empty if there is none.
    pub(super) declared: String,
    pub(super) affinity: Affinity,
    pub(super) not_null: bool,
    pub(super) has_default: bool,
    /// The position in the primary key, from 1; 0 if the column is not part of it.
    pub(super) primary_key: i64,
    pub(super) generated: bool,
}

/// The type to which SQLite converts values that are stored in a column:
/// <https://sqlite.org/datatype3.html#affname>
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Affinity {
    Integer,
    Text,
    Blob,
    Real,
    Numeric,
}

impl Affinity {
    /// Returns the affinity of a declared type. The five rules of SQLite are applied in their documented
    /// order.
    pub(super) fn from_declared_type(declared: &str) -> Self {
        let declared = declared.to_ascii_uppercase();
        let has = |part: &str| declared.contains(part);
        if has("INT") {
            Self::Integer
        } else if has("CHAR") || has("CLOB") || has("TEXT") {
            Self::Text
        } else if has("BLOB") || declared.is_empty() {
            Self::Blob
        } else if has("REAL") || has("FLOA") || has("DOUB") {
            Self::Real
        } else {
            Self::Numeric
        }
    }

    /// Returns whether SQLite converts text that looks like a number to a number.
    pub(super) fn is_numeric(self) -> bool {
        matches!(self, Self::Integer | Self::Real | Self::Numeric)
    }
}

/// An index of a table.
#[derive(Clone, Debug)]
pub(super) struct Index {
    pub(super) name: String,
    pub(super) unique: bool,
    /// The indexed columns; `None` for an expression or the rowid.
    pub(super) columns: Vec<Option<String>>,
    /// The SQL that created the index; `None` if a constraint of the table created the index.
    pub(super) sql: Option<String>,
    pub(super) partial: bool,
}

impl Catalog {
    /// Reads all tables and their columns.
    pub(super) fn read(connection: &Connection) -> Result<Self> {
        let mut statement = connection.prepare(
            "SELECT name, type, strict, wr FROM pragma_table_list WHERE schema = 'main' ORDER BY name",
        )?;
        let mut rows = statement.query([])?;
        let mut tables = Vec::new();
        while let Some(row) = rows.next()? {
            let name: String = row.get(0)?;
            if name.to_ascii_lowercase().starts_with("sqlite_") {
                continue;
            }
            let kind = match row.get::<_, String>(1)?.as_str() {
                "view" => TableKind::View,
                "virtual" => TableKind::Virtual,
                "shadow" => TableKind::Shadow,
                _ => TableKind::Table,
            };
            let columns = match kind {
                TableKind::Table => columns(connection, &name, row.get(2)?)?,
                _ => Vec::new(),
            };
            let storage = if row.get(3)? { TableStorage::PrimaryKey } else { TableStorage::Rowid };
            tables.push(Table { name, kind, storage, columns });
        }
        Ok(Self { tables })
    }
}

impl Table {
    /// Returns the columns of the primary key, in the order of the key.
    pub(super) fn primary_key(&self) -> Vec<&Column> {
        let mut key: Vec<_> = self.columns.iter().filter(|column| column.primary_key > 0).collect();
        key.sort_by_key(|column| column.primary_key);
        key
    }

    /// Returns the column that is an alias of the rowid, if there is one.
    pub(super) fn rowid_alias(&self) -> Option<&Column> {
        match self.primary_key().as_slice() {
            [column]
                if self.storage == TableStorage::Rowid && column.declared.eq_ignore_ascii_case("INTEGER") =>
            {
                Some(column)
            }
            _ => None,
        }
    }

    /// Returns a name of the rowid that is not the name of a column. Returns `None` if the table has no
    /// rowid, or if each name of the rowid is also the name of a column.
    pub(super) fn rowid_name(&self) -> Option<&'static str> {
        let is_free = |name: &&str| !self.columns.iter().any(|column| column.name.eq_ignore_ascii_case(name));
        (self.storage == TableStorage::Rowid)
            .then(|| ["rowid", "_rowid_", "oid"].into_iter().find(is_free))
            .flatten()
    }
}

fn columns(connection: &Connection, table: &str, strict: bool) -> Result<Vec<Column>> {
    let mut statement = connection.prepare_cached(
        "SELECT name, type, \"notnull\", dflt_value IS NOT NULL, pk, hidden FROM pragma_table_xinfo(?1) \
         ORDER BY cid",
    )?;
    let columns = statement.query_map([table], |row| {
        let declared: String = row.get(1)?;
        // In a strict table, a column of type ANY stores every value unchanged. In other tables, ANY has no
        // special meaning.
        let stores_unchanged = strict && declared.eq_ignore_ascii_case("ANY");
        Ok(Column {
            name: row.get(0)?,
            affinity: match stores_unchanged {
                true => Affinity::Blob,
                false => Affinity::from_declared_type(&declared),
            },
            declared,
            not_null: row.get(2)?,
            has_default: row.get(3)?,
            primary_key: row.get(4)?,
            generated: row.get::<_, i64>(5)? >= 2,
        })
    })?;
    columns.collect()
}

/// Reads the indexes of a table.
pub(super) fn indexes(connection: &Connection, table: &str) -> Result<Vec<Index>> {
    let mut statement = connection.prepare_cached(
        "SELECT l.name, l.\"unique\", l.partial, s.sql FROM pragma_index_list(?1) l LEFT JOIN \
         main.sqlite_schema s ON s.type = 'index' AND s.name = l.name ORDER BY l.seq",
    )?;
    let mut indexes: Vec<Index> = statement
        .query_map([table], |row| {
            Ok(Index {
                name: row.get(0)?,
                unique: row.get(1)?,
                partial: row.get(2)?,
                sql: row.get(3)?,
                columns: Vec::new(),
            })
        })?
        .collect::<Result<_>>()?;
    let mut statement = connection.prepare_cached("SELECT name FROM pragma_index_info(?1) ORDER BY seqno")?;
    for index in &mut indexes {
        index.columns = statement.query_map([&index.name], |row| row.get(0))?.collect::<Result<_>>()?;
    }
    Ok(indexes)
}

impl Index {
    /// Returns the columns of the index, or `None` if the index is partial or contains an expression.
    pub(super) fn plain_columns(&self) -> Option<Vec<&str>> {
        let columns = self.columns.iter().map(Option::as_deref).collect::<Option<Vec<_>>>();
        columns.filter(|_| !self.partial)
    }

    /// Returns whether the index is unique and its columns are exactly the columns of `key`, in any order.
    pub(super) fn makes_unique<'k>(&self, key: impl Iterator<Item = &'k str>) -> bool {
        let mut key: Vec<&str> = key.collect();
        key.sort_unstable();
        let columns = self.plain_columns().map(|mut columns| {
            columns.sort_unstable();
            columns
        });
        self.unique && columns.is_some_and(|columns| columns == key)
    }
}

/// Reads the columns of an index, each with its collation. The columns that SQLite adds to locate the rows
/// are not included.
pub(super) fn index_collations(
    connection: &Connection,
    index: &str,
) -> Result<Vec<(Option<String>, String)>> {
    let mut statement = connection
        .prepare_cached("SELECT name, coll FROM pragma_index_xinfo(?1) WHERE key ORDER BY seqno")?;
    statement.query_map([index], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}

/// Reads the names of the triggers of a table.
pub(super) fn triggers(connection: &Connection, table: &str) -> Result<Vec<String>> {
    let mut statement = connection.prepare_cached(
        "SELECT name FROM main.sqlite_schema WHERE type = 'trigger' AND tbl_name = ?1 ORDER BY name",
    )?;
    statement.query_map([table], |row| row.get(0))?.collect()
}

/// Reads the foreign keys of the database as pairs of child table and parent table, without duplicates.
pub(super) fn references(connection: &Connection) -> Result<Vec<(String, String)>> {
    let mut statement = connection.prepare_cached(
        "SELECT DISTINCT l.name, coalesce(p.name, k.\"table\") FROM pragma_table_list l JOIN \
         pragma_foreign_key_list(l.name) k LEFT JOIN pragma_table_list p ON p.schema = 'main' AND p.name = \
         k.\"table\" COLLATE NOCASE WHERE l.schema = 'main' AND l.type = 'table' ORDER BY 1, 2",
    )?;
    statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}

/// Reads the `CREATE TABLE` statement of a table, or `None` if the table does not exist.
pub(super) fn table_sql(connection: &Connection, table: &str) -> Result<Option<String>> {
    let query = "SELECT sql FROM main.sqlite_schema WHERE type = 'table' AND name = ?1";
    connection.query_row(query, [table], |row| row.get(0)).optional()
}

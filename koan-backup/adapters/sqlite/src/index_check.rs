//! Whether the indexes of a table have an entry for each of its rows.
//!
//! SQLite reads and counts through an index where it has one, and an index that lost entries hides rows without an error. So
//! rows are counted in the table itself, and each index is compared with that number.

use rusqlite::{Connection, Result};

use super::catalog::{Index, index_collations, indexes};
use super::collation::Collations;
use koan_backup_sql::identifier::quoted;

/// An index that does not have one entry for each row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct IndexFault {
    pub(super) index: String,
    pub(super) entries: u64,
    pub(super) rows: u64,
}

impl IndexFault {
    /// What was found and what to do, for the table of that name.
    pub(super) fn message(&self, table: &str) -> String {
        let Self { index, entries, rows } = self;
        let remedy = match entries > rows {
            true => {
                "the table may have lost rows; look at `PRAGMA integrity_check` and restore an older backup"
            }
            false => {
                "queries that use it miss rows; copy the file, then run `REINDEX` and `PRAGMA integrity_check`"
            }
        };
        format!(
            "index `{index}` of table `{table}` has {entries} entries for {rows} rows, so it is damaged: {remedy}"
        )
    }
}

/// How many rows a table has, counted in the table itself and in no index.
pub(super) fn table_rows(connection: &Connection, table: &str) -> Result<u64> {
    count(connection, &format!("SELECT count(*) FROM main.{} NOT INDEXED", quoted(table)))
}

/// The indexes of a table that have more or fewer entries than it has rows.
///
/// Partial indexes hold some of the rows only, and an index with a collation that this connection does not know cannot be read.
pub(super) fn index_faults(
    connection: &Connection,
    collations: &Collations,
    table: &str,
    rows: u64,
) -> Result<Vec<IndexFault>> {
    let mut faults = Vec::new();
    for index in indexes(connection, table)? {
        if index.partial || !is_readable(connection, collations, &index)? {
            continue;
        }
        // `count(*)` alone would be answered by any index; a sum is made by the one that is named.
        let query = format!(
            "SELECT coalesce(sum(1), 0) FROM main.{} INDEXED BY {}",
            quoted(table),
            quoted(&index.name)
        );
        let entries = count(connection, &query)?;
        if entries != rows {
            faults.push(IndexFault { index: index.name, entries, rows });
        }
    }
    Ok(faults)
}

/// Whether the connection knows the collations of an index.
pub(super) fn is_readable(connection: &Connection, collations: &Collations, index: &Index) -> Result<bool> {
    Ok(index_collations(connection, &index.name)?.iter().all(|(_, collation)| collations.has(collation)))
}

fn count(connection: &Connection, query: &str) -> Result<u64> {
    let count = connection.query_row(query, [], |row| row.get::<_, i64>(0))?;
    Ok(u64::try_from(count).unwrap_or(0))
}

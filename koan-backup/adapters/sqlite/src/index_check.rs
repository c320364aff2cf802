//! Checks that the indexes of a table have an entry for each of its rows.
//!
//! SQLite reads and counts with an index if it can. If entries of the index are missing, the rows of these
//! entries are omitted without an error. Therefore the rows of the table itself are counted, and the number
//! of entries of each index is compared with the number of rows.

use rusqlite::{Connection, Result};

use super::catalog::{Index, index_collations, indexes};
use super::collation::Collations;
use koan_backup_sql::identifier::quoted;

/// An index whose number of entries differs from the number of rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct IndexFault {
    pub(super) index: String,
    pub(super) entries: u64,
    pub(super) rows: u64,
}

impl IndexFault {
    /// Returns the message that describes the fault and its remedy.
    pub(super) fn message(&self, table: &str) -> String {
        let Self { index, entries, rows } = self;
        let remedy = match entries > rows {
            true => "the table may have lost rows; run `PRAGMA integrity_check` and restore an older backup",
            false => {
                "queries that use the index omit rows; copy the file, then run `REINDEX` and `PRAGMA \
                 integrity_check`"
            }
        };
        format!(
            "index `{index}` of table `{table}` is damaged, because it has {entries} entries for {rows} rows: \
             {remedy}"
        )
    }
}

/// Counts the rows of the table itself, without using an index.
pub(super) fn table_rows(connection: &Connection, table: &str) -> Result<u64> {
    count(connection, &format!("SELECT count(*) FROM main.{} NOT INDEXED", quoted(table)))
}

/// Returns the indexes of a table that have more or fewer entries than the table has rows.
///
/// Partial indexes contain only some of the rows, and an index whose collation this connection does not know
/// cannot be read; both are skipped.
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
        // For `count(*)`, SQLite may count the entries of another index. For `sum(1)`, it reads the index in
        // `INDEXED BY`.
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

/// Returns whether the connection knows the collations of an index.
pub(super) fn is_readable(connection: &Connection, collations: &Collations, index: &Index) -> Result<bool> {
    Ok(index_collations(connection, &index.name)?.iter().all(|(_, collation)| collations.has(collation)))
}

fn count(connection: &Connection, query: &str) -> Result<u64> {
    let count = connection.query_row(query, [], |row| row.get::<_, i64>(0))?;
    Ok(u64::try_from(count).unwrap_or(0))
}

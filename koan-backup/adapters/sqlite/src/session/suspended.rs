//! Decides which indexes a restore drops and rebuilds.

use koan_backup_core::provider::{RestoreTarget, SessionOptions};
use rusqlite::{Connection, Result};

use super::super::catalog::{Index, indexes};

/// A table with rows keeps its indexes if all its rows are replaced by at most this many records and bytes: dropping and
/// rebuilding indexes then costs more than it saves.
const FEW_RECORDS: u64 = 1_000;
const FEW_BYTES: u64 = 1 << 20;

/// Returns whether a restore drops the indexes of a table with that many rows. Rebuilding an index costs more than keeping
/// it up to date if records are added to existing ones, or if they are few.
pub(in super::super) fn drops_indexes(
    options: &SessionOptions,
    target: &RestoreTarget,
    rows_before: u64,
) -> bool {
    let is_filled =
        rows_before == 0 || (options.replace_existing && !target.is_at_most(FEW_RECORDS, FEW_BYTES));
    is_filled && options.may_drop_indexes()
}

/// Returns the indexes of a table that a restore may drop: those that it can rebuild and does not need to find records by
/// their key.
pub(in super::super) fn droppable_indexes(
    connection: &Connection,
    table: &str,
    key: &[&str],
    options: &SessionOptions,
) -> Result<Vec<Index>> {
    let mut all = indexes(connection, table)?;
    all.retain(|index| {
        // If a partial index or one over expressions refuses records at the end, the records cannot be found.
        let is_unexplained = index.unique && index.plain_columns().is_none();
        let is_kept = index.unique && options.keep_constraints;
        index.sql.is_some() && !is_unexplained && !is_kept && !serves_key(index, key)
    });
    Ok(all)
}

fn serves_key(index: &Index, key: &[&str]) -> bool {
    let mut columns: Vec<Option<&str>> = index.columns.iter().map(Option::as_deref).collect();
    let mut key: Vec<Option<&str>> = key.iter().copied().map(Some).collect();
    columns.sort_unstable();
    key.sort_unstable();
    index.unique && !index.partial && columns == key
}

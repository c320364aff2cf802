//! Finds the indexes that a restore drops and rebuilds.

use koan_backup_core::provider::{RestoreTarget, SessionOptions};
use koan_backup_sql::droppable::DroppableIndexes;
use rusqlite::{Connection, Result};

use super::super::catalog::{Index, indexes};

/// Returns the indexes of a table that a restore may drop: the indexes that the restore can rebuild and that
/// it does not need to find rows by key.
pub(in super::super) fn droppable_indexes(
    connection: &Connection,
    request: &RestoreTarget,
    table: &str,
    key: &[&str],
    options: &SessionOptions,
    rows_before: u64,
) -> Result<Vec<Index>> {
    let droppable = DroppableIndexes::for_target(options, request, rows_before == 0);
    if droppable == DroppableIndexes::None {
        return Ok(Vec::new());
    }
    let mut all = indexes(connection, table)?;
    all.retain(|index| {
        // If a partial unique index or a unique index over expressions refuses records when it is rebuilt,
        // the error cannot contain the keys of these records.
        let hides_violations = index.unique && index.plain_columns().is_none();
        let is_kept_constraint = index.unique && options.keep_constraints;
        index.sql.is_some()
            && droppable.include(index.unique)
            && !hides_violations
            && !is_kept_constraint
            && !is_over_key(index, key)
    });
    Ok(all)
}

/// Returns whether an index is unique over exactly the columns of a key.
fn is_over_key(index: &Index, key: &[&str]) -> bool {
    let mut columns: Vec<Option<&str>> = index.columns.iter().map(Option::as_deref).collect();
    let mut key: Vec<Option<&str>> = key.iter().copied().map(Some).collect();
    columns.sort_unstable();
    key.sort_unstable();
    index.unique && !index.partial && columns == key
}

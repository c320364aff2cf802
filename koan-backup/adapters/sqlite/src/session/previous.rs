//! The previous rows of a table whose rows a restore replaces.

use std::hash::{DefaultHasher, Hasher as _};

use koan_backup_core::Result;
use rusqlite::{Row, Statement};

use super::super::error::failed;
use super::super::snapshot::hash;
use super::keys::key_columns;
use super::target::Target;
use super::transaction::Transaction;
use koan_backup_sql::identifier::{quoted, quoted_list};

/// The keys and hashes of the deleted rows, in a temporary table. They are compared with the new rows.
#[derive(Debug)]
pub(super) struct PreviousRows {
    count: u64,
}

/// The comparison of the new rows with the previous rows.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct RowComparison {
    /// The number of new rows whose key existed before.
    pub(super) existing: u64,
    /// The number of new rows that equal the previous row with the same key.
    pub(super) equal: u64,
    /// The number of previous rows whose key no longer exists.
    pub(super) deleted: u64,
}

impl PreviousRows {
    /// Records the keys and hashes of all rows of the table, and deletes the rows. `count` is the number of
    /// rows.
    pub(super) fn record_and_delete(transaction: &Transaction, target: &Target, count: u64) -> Result<Self> {
        let name = &target.mapping.table.name;
        let to_error = |error| failed(&transaction.path, &format!("emptying table `{name}`"), error);
        if count > 0 {
            record_and_delete_rows(transaction, target).map_err(to_error)?;
        }
        Ok(Self { count })
    }

    /// Compares the previous rows with the current rows of the table.
    pub(super) fn compare(self, transaction: &Transaction, target: &Target) -> Result<RowComparison> {
        if self.count == 0 {
            return Ok(RowComparison::default());
        }
        let name = &target.mapping.table.name;
        let to_error =
            |error| failed(&transaction.path, &format!("counting the rows of table `{name}`"), error);
        let mut comparison = compare_rows(transaction, target).map_err(to_error)?;
        comparison.deleted = self.count.saturating_sub(comparison.existing);
        Ok(comparison)
    }
}

fn record_and_delete_rows(transaction: &Transaction, target: &Target) -> rusqlite::Result<()> {
    let (connection, table) = (&transaction.connection, quoted(&target.mapping.table.name));
    let names = key_names(target);
    connection.execute_batch(&format!(
        "CREATE TEMP TABLE koan_previous ({}, row)",
        key_columns(target).join(", ")
    ))?;
    let parameters: Vec<String> = (1..=names.len() + 1).map(|index| format!("?{index}")).collect();
    let mut insert =
        connection.prepare(&format!("INSERT INTO temp.koan_previous VALUES ({})", parameters.join(", ")))?;
    let mut select = connection.prepare(&select(target))?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        bind_key(&mut insert, row, names.len())?;
        insert.raw_bind_parameter(names.len() + 1, row_hash(row, target)?)?;
        insert.raw_execute()?;
    }
    drop(rows);
    let names = quoted_list(names.iter().map(String::as_str));
    connection.execute_batch(&format!(
        "CREATE INDEX temp.koan_previous_key ON koan_previous ({names}); DELETE FROM main.{table};"
    ))
}

fn compare_rows(transaction: &Transaction, target: &Target) -> rusqlite::Result<RowComparison> {
    let connection = &transaction.connection;
    let names = key_names(target);
    let condition = target.equality.condition(names.iter().map(String::as_str), 1);
    let query = format!("SELECT row FROM temp.koan_previous WHERE {condition}");
    let mut find = connection.prepare(&query)?;
    let mut select = connection.prepare(&select(target))?;
    let mut rows = select.query([])?;
    let mut comparison = RowComparison::default();
    while let Some(row) = rows.next()? {
        bind_key(&mut find, row, names.len())?;
        let mut found = find.raw_query();
        let (mut existed, mut is_equal) = (false, false);
        while let Some(previous) = found.next()? {
            existed = true;
            is_equal |= previous.get::<_, i64>(0)? == row_hash(row, target)?;
        }
        comparison.existing += u64::from(existed);
        comparison.equal += u64::from(is_equal);
    }
    drop(rows);
    drop((find, select));
    connection.execute_batch("DROP TABLE temp.koan_previous")?;
    Ok(comparison)
}

/// Returns the query for all rows: first the key columns, then the written columns. The query reads the table
/// itself and no index.
fn select(target: &Target) -> String {
    let columns = target.key_names().chain(target.columns.iter().map(|column| column.name.as_str()));
    // `NOT INDEXED` has no effect on a WITHOUT ROWID table, because such a table is stored as an index.
    format!("SELECT {} FROM main.{} NOT INDEXED", quoted_list(columns), quoted(&target.mapping.table.name))
}

/// Binds the first `count` values of a row, which are its key.
fn bind_key(statement: &mut Statement<'_>, row: &Row<'_>, count: usize) -> rusqlite::Result<()> {
    (0..count).try_for_each(|index| {
        let value = rusqlite::types::ToSqlOutput::Borrowed(row.get_ref(index)?);
        statement.raw_bind_parameter(index + 1, value)
    })
}

/// Returns the hash of the written columns of a row, which follow its key.
fn row_hash(row: &Row<'_>, target: &Target) -> rusqlite::Result<i64> {
    let mut hasher = DefaultHasher::new();
    for index in 0..target.columns.len() {
        hash(row.get_ref(target.key.len() + index)?, &mut hasher);
    }
    Ok(hasher.finish().cast_signed())
}

/// Returns the names of the key columns of the temporary table.
fn key_names(target: &Target) -> Vec<String> {
    (0..target.key.len()).map(|index| format!("k{index}")).collect()
}

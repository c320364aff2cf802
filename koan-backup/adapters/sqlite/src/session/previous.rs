//! The previous rows of a table that is replaced.

use std::hash::{DefaultHasher, Hasher as _};

use koan_backup_core::Result;
use rusqlite::{Row, Statement};

use super::super::error::failed;
use super::super::snapshot::hash;
use super::keys::key_columns;
use super::target::Target;
use super::transaction::Transaction;
use koan_backup_sql::identifier::{quoted, quoted_list};

/// The keys of the deleted rows and a hash of each row, in a temporary table, to compare them with the new
/// rows.
#[derive(Debug)]
pub(super) struct PreviousRows {
    count: u64,
}

/// The comparison of the new rows with the previous rows.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Returned {
    /// The number of rows whose key existed before.
    pub(super) again: u64,
    /// The number of rows that are equal to the previous row with the same key.
    pub(super) equal: u64,
    /// The number of previous rows whose key no longer exists.
    pub(super) gone: u64,
}

impl PreviousRows {
    /// Deletes all rows of the table and remembers their keys.
    pub(super) fn take(transaction: &Transaction, target: &Target, count: u64) -> Result<Self> {
        let name = &target.mapping.table.name;
        let lost = |error| failed(&transaction.path, &format!("emptying table `{name}`"), error);
        if count > 0 {
            take_all(transaction, target).map_err(lost)?;
        }
        Ok(Self { count })
    }

    /// Compares the previous rows with the rows that the table has now.
    pub(super) fn compare(self, transaction: &Transaction, target: &Target) -> Result<Returned> {
        if self.count == 0 {
            return Ok(Returned::default());
        }
        let name = &target.mapping.table.name;
        let lost = |error| failed(&transaction.path, &format!("counting the rows of table `{name}`"), error);
        let mut returned = compared(transaction, target).map_err(lost)?;
        returned.gone = self.count.saturating_sub(returned.again);
        Ok(returned)
    }
}

fn take_all(transaction: &Transaction, target: &Target) -> rusqlite::Result<()> {
    let (connection, table) = (&transaction.connection, quoted(&target.mapping.table.name));
    let names = names(target);
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

fn compared(transaction: &Transaction, target: &Target) -> rusqlite::Result<Returned> {
    let connection = &transaction.connection;
    let names = names(target);
    let condition = target.equality.condition(names.iter().map(String::as_str), 1);
    let query = format!("SELECT row FROM temp.koan_previous WHERE {condition}");
    let mut find = connection.prepare(&query)?;
    let mut select = connection.prepare(&select(target))?;
    let mut rows = select.query([])?;
    let mut returned = Returned::default();
    while let Some(row) = rows.next()? {
        bind_key(&mut find, row, names.len())?;
        let mut found = find.raw_query();
        let (mut is_again, mut is_equal) = (false, false);
        while let Some(before) = found.next()? {
            is_again = true;
            is_equal |= before.get::<_, i64>(0)? == row_hash(row, target)?;
        }
        returned.again += u64::from(is_again);
        returned.equal += u64::from(is_equal);
    }
    drop(rows);
    drop((find, select));
    connection.execute_batch("DROP TABLE temp.koan_previous")?;
    Ok(returned)
}

/// Returns a query for the key columns and then the written columns of all rows. The query reads the table
/// and not an index.
fn select(target: &Target) -> String {
    let columns = target.key_names().chain(target.columns.iter().map(|column| column.name.as_str()));
    // A WITHOUT ROWID table is stored as an index, so `NOT INDEXED` does not apply to it.
    format!("SELECT {} FROM main.{} NOT INDEXED", quoted_list(columns), quoted(&target.mapping.table.name))
}

fn bind_key(statement: &mut Statement<'_>, row: &Row<'_>, parts: usize) -> rusqlite::Result<()> {
    (0..parts).try_for_each(|part| {
        let value = rusqlite::types::ToSqlOutput::Borrowed(row.get_ref(part)?);
        statement.raw_bind_parameter(part + 1, value)
    })
}

fn row_hash(row: &Row<'_>, target: &Target) -> rusqlite::Result<i64> {
    let mut hasher = DefaultHasher::new();
    for index in 0..target.columns.len() {
        hash(row.get_ref(target.key.len() + index)?, &mut hasher);
    }
    Ok(hasher.finish().cast_signed())
}

fn names(target: &Target) -> Vec<String> {
    (0..target.key.len()).map(|index| format!("k{index}")).collect()
}

//! Checks which rows a table contains after a restore, if triggers that cannot be disabled may add, delete or
//! change rows.

use std::sync::Arc;

use koan_backup_core::{Error, ErrorKind, Result};

use super::super::connection::Connection;
use super::keys::first_key;
use super::row_equality::same_row;
use super::table_lock::Locked;
use super::target::Target;

/// The rows that a table must contain after a target was written.
#[derive(Debug)]
pub(super) struct ExpectedRows {
    target: Arc<Target>,
    /// The number of rows, if the table is locked against other writers.
    count: Option<u64>,
    /// The temporary table with the records that were written.
    written: String,
    /// Whether the table is locked against other writers.
    locked: Locked,
}

impl ExpectedRows {
    pub(super) fn new(target: Arc<Target>, count: Option<u64>, written: String, locked: Locked) -> Self {
        Self { target, count, written, locked }
    }

    /// Fails if the number of rows of the table differs from the expected number.
    pub(super) async fn check_count(&self, connection: &Connection) -> Result<()> {
        let Some(count) = self.count else { return Ok(()) };
        let (entity, table) = (self.target.entity.name(), &self.target.mapping.table);
        let (table_name, rows) = (&table.display_name, table.rows());
        let operation = format!("counting the rows of table `{table_name}`");
        let found = connection.number(&operation, &format!("SELECT pg_catalog.count(*) FROM {rows}")).await?;
        if found == count {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Constraint,
            format!(
                "table `{table_name}` has {found} rows instead of {count} after the records of {entity} were \
                 written: a trigger that the role cannot disable adds or deletes rows; restore as the owner of \
                 the tables, or have the trigger disabled by its owner"
            ),
        ))
    }

    /// Fails if a written record is missing from the table or differs from its row.
    pub(super) async fn check_records(&self, connection: &Connection) -> Result<()> {
        let (target, written) = (&self.target, &self.written);
        let (rows, same_key, same) = (target.mapping.table.rows(), target.same_key(), same_row(target));
        let altered =
            format!("{written} AS s WHERE NOT EXISTS (SELECT FROM {rows} AS t WHERE {same_key} AND {same})");
        let Some(key) = first_key(connection, target, &altered).await? else { return Ok(()) };
        let (entity, table) = (target.entity.name(), &target.mapping.table.display_name);
        Err(Error::new(
            ErrorKind::Constraint,
            format!(
                "{entity} `{key}` in table `{table}` is missing or differs from the archive: {}a trigger that \
                 the role cannot disable changes, moves or deletes rows; {}restore as the owner of the tables, \
                 or have the trigger disabled by its owner",
                self.locked.other_cause(),
                self.locked.other_remedy(),
            ),
        ))
    }
}

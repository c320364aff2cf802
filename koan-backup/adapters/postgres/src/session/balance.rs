//! Checks what a table holds after a restore, if triggers that cannot be disabled may add, remove or change
//! rows.

use std::sync::Arc;

use koan_backup_core::{Error, ErrorKind, Result};

use super::super::connection::Connection;
use super::keys::first_key;
use super::row_equality::same_row;
use super::table_lock::Locked;
use super::target::Target;

/// What a table must hold after a target was written.
#[derive(Debug)]
pub(super) struct Expected {
    target: Arc<Target>,
    /// The number of rows, if the table is locked against other writers.
    count: Option<u64>,
    /// The temporary table with the records that were written.
    written: String,
    /// Whether the table is locked against other writers.
    locked: Locked,
}

impl Expected {
    pub(super) fn new(target: Arc<Target>, count: Option<u64>, written: String, locked: Locked) -> Self {
        Self { target, count, written, locked }
    }

    /// Refuses a table that has more or fewer rows.
    pub(super) async fn check_count(&self, connection: &Connection) -> Result<()> {
        let Some(count) = self.count else { return Ok(()) };
        let (entity, table) = (self.target.entity.name(), &self.target.mapping.table);
        let (shown, rows) = (&table.display_name, table.rows());
        let what = format!("counting the rows of table `{shown}`");
        let found = connection.number(&what, &format!("SELECT pg_catalog.count(*) FROM {rows}")).await?;
        if found == count {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Constraint,
            format!(
                "table `{shown}` has {found} rows after {entity} was written, and it should have {count}: a trigger \
                 that the role cannot silence adds or removes rows; restore as the owner of the tables, or have the trigger \
                 disabled"
            ),
        ))
    }

    /// Refuses a table in which a record that was written is missing or differs.
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
                "{entity} `{key}` is not in table `{table}` as the archive has it: {}a trigger that the role cannot silence changes, \
                 moves or removes rows; {}restore as the owner of the tables, or have the trigger disabled",
                self.locked.other_cause(),
                self.locked.other_remedy(),
            ),
        ))
    }
}

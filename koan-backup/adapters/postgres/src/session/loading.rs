//! The state of a target while its records are sent.

use std::sync::Arc;

use koan_backup_core::{ConflictMode, Error, ErrorKind, Result, provider::SessionOptions};
use tokio_postgres::Statement;

use super::super::connection::Connection;
use super::copy::RunningCopy;
use super::interference::Interference;
use super::keys::first_key;
use super::table_lock::Locked;
use super::target::Target;

/// A target that is being written.
#[derive(Debug)]
pub(super) struct Loading {
    pub(super) target: Arc<Target>,
    /// The temporary table to which records are sent. `None` if the records are sent directly to the table of
    /// the target.
    pub(super) staging_table: Option<String>,
    /// The temporary table with the keys and hashes of the previous rows, if these rows were deleted.
    pub(super) previous: Option<String>,
    /// The number of rows before the first record was written. `None` if the number is not needed, or if
    /// other writers can change it.
    pub(super) rows_before: Option<u64>,
    /// Whether the table is locked against other writers.
    pub(super) locked: Locked,
    /// Whether triggers may change the written rows.
    pub(super) interference: Interference,
    pub(super) statement: Statement,
    /// The COPY that is running.
    pub(super) running: Option<RunningCopy>,
    /// The number of records that the server has confirmed.
    pub(super) sent: u64,
    /// The number of records that were passed to the writer, confirmed or not.
    pub(super) written: u64,
}

impl Loading {
    /// Returns whether the table is compared with the staging table before the commit.
    pub(super) fn is_checked_before_commit(&self) -> bool {
        self.interference == Interference::Possible
    }

    /// Returns the error for a target whose number of written records differs from the number of rows that
    /// the server counted.
    pub(super) fn count_mismatch(&self, written: u64, inserted: u64) -> Error {
        let (name, table) = (self.target.entity.name(), &self.target.mapping.table.display_name);
        Error::new(
            ErrorKind::Constraint,
            format!(
                "{written} records of {name} were written to table `{table}`, but the server counted \
                 {inserted} rows: {}a trigger, rule or policy adds, discards or redirects rows; {}restore as \
                 the owner of the table, so that the triggers do not fire, or have the trigger disabled by its \
                 owner",
                self.locked.other_cause(),
                self.locked.other_remedy(),
            ),
        )
    }
}

/// Returns the key of the first record of the staging table whose key exists in the table.
pub(super) async fn first_existing(
    connection: &Connection,
    loading: &Loading,
    staging_table: &str,
) -> Result<Option<String>> {
    let target = &loading.target;
    let (rows, same_key) = (target.mapping.table.rows(), target.same_key());
    let from = format!("{staging_table} AS s WHERE EXISTS (SELECT FROM {rows} AS t WHERE {same_key})");
    first_key(connection, target, &from).await
}

/// Returns whether the restore fails if a record exists already.
pub(super) fn fails_on_existing(options: &SessionOptions) -> bool {
    options.conflict == ConflictMode::Fail && !options.replace_existing
}

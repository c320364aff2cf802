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
    /// The temporary table that records are sent to. `None` if they are sent to the target itself.
    pub(super) stage: Option<String>,
    /// The temporary table with the keys of the previous rows, if these were removed.
    pub(super) previous: Option<String>,
    /// The number of rows when writing began, if no other writer can change it.
    pub(super) rows_before: Option<u64>,
    /// Whether the table is locked against other writers.
    pub(super) locked: Locked,
    /// Whether triggers may change what is written.
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
    /// Returns whether the table is compared with the stage at the commit.
    pub(super) fn is_checked_at_the_end(&self) -> bool {
        self.interference == Interference::Possible
    }

    /// Returns the error of a table that accepted another number of records than were written to it.
    pub(super) fn count_mismatch(&self, written: u64, inserted: u64) -> Error {
        let (name, table) = (self.target.entity.name(), &self.target.mapping.table.display_name);
        Error::new(
            ErrorKind::Constraint,
            format!(
                "{written} records of {name} were written to table `{table}`, which took {inserted}: {}a trigger, rule or policy adds, \
                 drops or redirects rows; {}restore as the owner of the table, whose triggers do not fire then, or have the trigger \
                 disabled",
                self.locked.other_cause(),
                self.locked.other_remedy(),
            ),
        )
    }
}

/// Returns the key of a record of the stage that exists in the table.
pub(super) async fn first_existing(
    connection: &Connection,
    loading: &Loading,
    stage: &str,
) -> Result<Option<String>> {
    let target = &loading.target;
    let (rows, same_key) = (target.mapping.table.rows(), target.same_key());
    let from = format!("{stage} AS s WHERE EXISTS (SELECT FROM {rows} AS t WHERE {same_key})");
    first_key(connection, target, &from).await
}

/// Returns whether an existing record fails the restore.
pub(super) fn fails_on_existing(options: &SessionOptions) -> bool {
    options.conflict == ConflictMode::Fail && !options.replace_existing
}

//! Locks a table against other writers.

use koan_backup_core::Result;

use super::super::catalog::Table;
use super::super::connection::Connection;
use super::target::Target;

/// Whether a table is locked against other writers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Locked {
    Yes,
    No,
}

impl Locked {
    /// Returns the cause "another session changed rows" as the beginning of a list of causes, or an empty
    /// text if the table is locked.
    pub(super) fn other_cause(self) -> &'static str {
        match self {
            Self::Yes => "",
            Self::No => "another session changed rows of the table while it was restored, or ",
        }
    }

    /// Returns the remedy for the cause in [`other_cause`](Self::other_cause) as the beginning of a list of
    /// remedies, or an empty text if the table is locked.
    pub(super) fn other_remedy(self) -> &'static str {
        match self {
            Self::Yes => "",
            Self::No => {
                "try again while no other session writes to the table, grant the role UPDATE on the table, so \
                 that the restore can lock it, "
            }
        }
    }
}

/// Locks the table of a target against other writers if the role has a privilege that permits it.
pub(super) async fn lock(connection: &Connection, target: &Target, operation: &str) -> Result<Locked> {
    lock_table(connection, &target.mapping.table, operation).await
}

/// Locks a table against other writers if the role has a privilege that permits it.
pub(super) async fn lock_table(connection: &Connection, table: &Table, operation: &str) -> Result<Locked> {
    let may = format!(
        "SELECT (pg_catalog.has_table_privilege({oid}::oid, 'UPDATE') OR pg_catalog.has_table_privilege({oid}::oid, \
         'DELETE') OR pg_catalog.has_table_privilege({oid}::oid, 'TRUNCATE'))::int::int8",
        oid = table.oid
    );
    if connection.number(operation, &may).await? == 0 {
        return Ok(Locked::No);
    }
    connection.run(operation, &format!("LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE", table.quoted())).await?;
    Ok(Locked::Yes)
}

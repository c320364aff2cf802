//! Whether triggers that a restore cannot disable may change the rows that it writes.

use koan_backup_core::Result;

use super::super::connection::Connection;

/// Returns 1 if there are enabled triggers that the role can fire but cannot disable, because it does not own
/// their tables; otherwise 0.
const FOREIGN_TRIGGERS: &str = "
    SELECT pg_catalog.count(*) FROM (
        SELECT FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid
        WHERE NOT t.tgisinternal AND t.tgenabled <> 'D' AND NOT pg_catalog.pg_has_role(c.relowner, 'USAGE')
          AND (pg_catalog.has_table_privilege(c.oid, 'INSERT, UPDATE, DELETE')
               OR EXISTS (SELECT FROM pg_catalog.pg_partition_ancestors(c.oid) a
                          WHERE pg_catalog.has_table_privilege(a.relid, 'INSERT, UPDATE, DELETE')))
        LIMIT 1) AS x";

/// Whether triggers may add, change or delete rows during a restore.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in super::super) enum Interference {
    #[default]
    Impossible,
    Possible,
}

impl Interference {
    /// Queries whether triggers that the role cannot disable may fire.
    pub(in super::super) async fn detect(connection: &Connection) -> Result<Self> {
        Ok(match connection.number("looking for triggers", FOREIGN_TRIGGERS).await? {
            0 => Self::Impossible,
            _ => Self::Possible,
        })
    }
}

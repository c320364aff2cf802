//! How many rows a table must have after a restore, where triggers that cannot be silenced may add or remove some.

use koan_backup_core::{Error, ErrorKind, Result};

use super::super::connection::Connection;
use super::target::Target;

/// Whether there are enabled triggers that the role cannot silence, because it does not own their tables.
const FOREIGN_TRIGGERS: &str = "
    SELECT pg_catalog.count(*) FROM (
        SELECT FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid
        WHERE NOT t.tgisinternal AND t.tgenabled <> 'D' AND NOT pg_catalog.pg_has_role(c.relowner, 'USAGE') LIMIT 1) AS x";

/// Whether rows may come and go beside those that a restore writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Interference {
    #[default]
    Impossible,
    Possible,
}

impl Interference {
    /// Asks whether triggers of other roles may act.
    pub(super) async fn of(connection: &Connection) -> Result<Self> {
        Ok(match connection.number("looking for triggers", FOREIGN_TRIGGERS).await? {
            0 => Self::Impossible,
            _ => Self::Possible,
        })
    }
}

/// How many rows a table has once a target is written.
#[derive(Debug)]
pub(super) struct ExpectedRows {
    entity: &'static str,
    shown_table: String,
    rows: String,
    count: u64,
}

impl ExpectedRows {
    pub(super) fn new(target: &Target, count: u64) -> Self {
        let table = &target.mapping.table;
        Self { entity: target.entity.name(), shown_table: table.shown.clone(), rows: table.rows(), count }
    }

    /// Refuses a table that has more or fewer rows.
    pub(super) async fn check(&self, connection: &Connection) -> Result<()> {
        let Self { entity, shown_table, rows, count } = self;
        let what = format!("counting the rows of table `{shown_table}`");
        let found = connection.number(&what, &format!("SELECT pg_catalog.count(*) FROM {rows}")).await?;
        if found == *count {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Constraint,
            format!(
                "table `{shown_table}` has {found} rows after {entity} was written, and it should have {count}: a trigger \
                 that the role cannot silence adds or removes rows; restore as the owner of the tables, or have the trigger \
                 disabled"
            ),
        ))
    }
}

//! The foreign keys of a target: whether they must be suspended, and whether their actions would change rows.

use koan_backup_core::Result;
use tokio_postgres::Row;
use tokio_postgres::types::Oid;

use super::super::connection::Connection;
use super::super::error::failed;
use super::extent::Extent;
use super::references::DANGLING_REFERENCES;
use super::target::Target;
use koan_backup_sql::identifier::quoted;

/// Selects the foreign keys of a table and the foreign keys that refer to it. [`DANGLING_REFERENCES`] is
/// inserted as the last column between the two parts of the query.
const FOREIGN_KEYS_QUERY: [&str; 2] = [
    "
    SELECT k.oid, k.conname::text, n.nspname::text, c.relname::text, k.condeferrable, k.confrelid,
           k.confdeltype::text, k.confupdtype::text, k.convalidated, pg_catalog.pg_get_constraintdef(k.oid),
           pg_catalog.obj_description(k.oid, 'pg_constraint'),
           pg_catalog.pg_has_role(c.relowner, 'USAGE'), k.conrelid,
           NOT EXISTS (SELECT FROM pg_catalog.pg_trigger t WHERE t.tgconstraint = k.oid AND t.tgenabled <> 'O'),
           EXISTS (SELECT FROM pg_catalog.pg_trigger t WHERE t.tgconstraint = k.oid AND t.tgrelid = k.confrelid
                   AND t.tgenabled <> 'D'),
           EXISTS (SELECT FROM pg_catalog.pg_index u WHERE u.indrelid = k.confrelid AND NOT u.indisprimary
                   AND u.indimmediate AND (u.indisunique OR u.indisexclusion)),
           (SELECT pg_catalog.array_agg(a.attname::text) FROM pg_catalog.pg_attribute a
            WHERE a.attrelid = k.confrelid AND a.attnum = ANY (k.confkey)), ",
    "
    FROM pg_catalog.pg_constraint k JOIN pg_catalog.pg_class c ON c.oid = k.conrelid
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE k.contype = 'f' AND k.conparentid = 0 AND (k.conrelid = $1 OR k.confrelid = $1) ORDER BY k.oid",
];

/// The indexes of the columns of [`rows`] from which [`ForeignKey`](super::references::ForeignKey) is read.
pub(super) const FOREIGN_KEY: [usize; 4] = [1, 12, 5, 17];

/// Reads the foreign keys of a table and the foreign keys that refer to it, one row for each foreign key.
pub(super) async fn rows(connection: &Connection, table: Oid, operation: &str) -> Result<Vec<Row>> {
    let rows = connection.client.query(&FOREIGN_KEYS_QUERY.join(DANGLING_REFERENCES), &[&table]).await;
    rows.map_err(|error| failed(operation, &error))
}

/// Returns a message for each foreign key because of which a restore into a target is refused: its action
/// would change rows, and it cannot be suspended.
pub(in super::super) async fn foreign_keys_that_prevent_restore(
    connection: &Connection,
    target: &Target,
    extent: Extent,
) -> Result<Vec<String>> {
    let table = &target.mapping.table;
    let operation = format!("reading the foreign keys of table `{}`", table.display_name);
    let mut refusals = Vec::new();
    for row in rows(connection, table.oid, &operation).await? {
        let reference = ForeignKeyConstraint::from_row(&row).map_err(|error| failed(&operation, &error))?;
        if reference.suspension(extent).is_none() {
            refusals.extend(reference.refusal(target, extent));
        }
    }
    Ok(refusals)
}

/// How a foreign key is suspended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ForeignKeySuspension {
    /// The foreign key is dropped, and added again at the end.
    Dropped,
    /// The foreign key is made deferrable, and checked at the end.
    Deferred,
}

/// A foreign key.
pub(super) struct ForeignKeyConstraint {
    pub(super) oid: Oid,
    /// The name in the database.
    pub(super) plain_name: String,
    /// The name as a quoted identifier.
    pub(super) name: String,
    /// The referencing table.
    pub(super) child_oid: Oid,
    /// The referencing table as a quoted identifier.
    pub(super) child: String,
    pub(super) parent: Oid,
    pub(super) is_deferrable: bool,
    pub(super) on_delete: String,
    pub(super) on_update: String,
    pub(super) is_validated: bool,
    pub(super) definition: String,
    pub(super) comment: Option<String>,
    /// Whether the role is permitted to alter the foreign key.
    pub(super) is_owned: bool,
    /// Whether the foreign key matches its definition: none of its triggers was disabled or altered.
    pub(super) matches_definition: bool,
    /// Whether the triggers that execute its actions on referencing rows are enabled.
    pub(super) has_enabled_actions: bool,
    /// Whether the referenced table has unique or exclusion constraints in addition to its primary key.
    pub(super) parent_has_unique: bool,
    /// The referenced columns.
    pub(super) parent_columns: Vec<String>,
}

impl ForeignKeyConstraint {
    pub(super) fn from_row(row: &Row) -> Result<Self, tokio_postgres::Error> {
        let (schema, child): (String, String) = (row.try_get(2)?, row.try_get(3)?);
        Ok(Self {
            oid: row.try_get(0)?,
            plain_name: row.try_get(1)?,
            name: quoted(row.try_get(1)?),
            child_oid: row.try_get(12)?,
            child: format!("{}.{}", quoted(&schema), quoted(&child)),
            is_deferrable: row.try_get(4)?,
            parent: row.try_get(5)?,
            on_delete: row.try_get(6)?,
            on_update: row.try_get(7)?,
            is_validated: row.try_get(8)?,
            definition: row.try_get(9)?,
            comment: row.try_get(10)?,
            is_owned: row.try_get(11)?,
            matches_definition: row.try_get(13)?,
            has_enabled_actions: row.try_get(14)?,
            parent_has_unique: row.try_get(15)?,
            parent_columns: row.try_get::<_, Option<_>>(16)?.unwrap_or_default(),
        })
    }

    /// Returns whether the role can drop the foreign key and add it again unchanged.
    fn is_restorable(&self) -> bool {
        self.is_owned && self.matches_definition
    }

    /// Returns how the foreign key is suspended, or `None` if it is not suspended. It is dropped if its
    /// actions would change rows or if all rows are new; otherwise its check is deferred to the end.
    pub(super) fn suspension(&self, extent: Extent) -> Option<ForeignKeySuspension> {
        if !self.is_restorable() || extent.keeps_constraints {
            return None;
        }
        // The restore may delete rows of the referenced table, now or as a later target: if it replaces all
        // rows, or because rows that swap unique values are deleted and inserted again.
        let removes = extent.replaces || (extent.overwrites && self.parent_has_unique);
        let may_act = self.on_update != "a" || (removes && self.on_delete != "a");
        // The archive of a table with a constraint that was never validated may contain rows that violate
        // it, and these rows are restored as well.
        let should_drop = extent.is_bulk && (extent.may_drop_constraints || !self.is_validated);
        match may_act || should_drop {
            true => Some(ForeignKeySuspension::Dropped),
            false if !self.is_deferrable => Some(ForeignKeySuspension::Deferred),
            false => None,
        }
    }

    /// Returns why a restore into the referenced table is refused if the foreign key is not suspended, or
    /// `None` if it is not refused. The reason is that an action of the foreign key would change rows.
    pub(super) fn refusal(&self, target: &Target, extent: Extent) -> Option<String> {
        let updates = extent.updates
            && self.on_update != "a"
            && self.parent_columns.iter().any(|column| target.may_change(column));
        let deletes = extent.deletes && self.on_delete != "a";
        if self.parent != target.mapping.table.oid || !self.has_enabled_actions || !(updates || deletes) {
            return None;
        }
        let (name, child, table) = (&self.name, &self.child, &target.mapping.table.display_name);
        if extent.keeps_constraints && self.is_restorable() {
            return Some(format!(
                "foreign key {name} of {child} has an ON DELETE or ON UPDATE action that would change rows \
                 while table `{table}` is restored, and `keep_constraints` does not allow it to be suspended; \
                 restore without `keep_constraints`"
            ));
        }
        let problem = format!(
            "foreign key {name} of {child} has an ON DELETE or ON UPDATE action that would change rows while \
             table `{table}` is restored"
        );
        Some(match self.is_owned {
            true => format!(
                "{problem}, and the foreign key cannot be suspended because some of its triggers are disabled; \
                 run ALTER TABLE {child} ENABLE TRIGGER ALL first"
            ),
            false => {
                format!(
                    "{problem}, and the role is not permitted to alter the foreign key; restore as \
                     the owner of {child}"
                )
            }
        })
    }
}

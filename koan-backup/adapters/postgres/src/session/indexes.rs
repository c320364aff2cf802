//! Indexes that a restore drops and rebuilds. Building the indexes after a table is filled takes a fraction
//! of the time of updating them row by row.

use koan_backup_core::Result;
use koan_backup_core::provider::SuspendedKind;
use tokio_postgres::Row;
use tokio_postgres::types::Oid;

use super::super::catalog::{Table, TableKind};
use super::super::connection::Connection;
use super::super::error::failed;
use super::super::literal::literal;
use super::extent::Extent;
use koan_backup_sql::droppable::DroppableIndexes;
use koan_backup_sql::identifier::quoted;

/// Selects the indexes of a table, including those of primary keys and unique constraints, on which no other
/// object depends and that the role can create again exactly as they are. A dependent foreign key in `$2`
/// does not exclude an index. The following indexes are excluded: indexes of constraints with a tablespace or
/// parameters, which the definition of a constraint does not contain; the primary key of a published table,
/// which identifies its rows; and unique indexes on expressions or with a predicate, because no query could
/// find the rows that violate them.
const DROPPABLE: &str = "
    SELECT n.nspname::text, c.relname::text, pg_catalog.pg_get_indexdef(c.oid),
           pg_catalog.obj_description(c.oid, 'pg_class'), k.conname::text, pg_catalog.pg_get_constraintdef(k.oid),
           pg_catalog.obj_description(k.oid, 'pg_constraint'), i.indisunique
    FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
    JOIN pg_catalog.pg_class t ON t.oid = i.indrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_catalog.pg_constraint k
      ON k.conindid = c.oid AND k.conrelid = i.indrelid AND k.contype IN ('p', 'u')
    WHERE i.indrelid = $1 AND i.indisvalid AND i.indisready AND NOT i.indisexclusion
      AND NOT i.indisreplident AND NOT i.indisclustered AND c.reltablespace = 0 AND NOT c.relispartition
      AND NOT (i.indisunique AND (i.indpred IS NOT NULL OR i.indexprs IS NOT NULL))
      AND pg_catalog.has_schema_privilege(c.relnamespace, 'CREATE')
      AND (k.oid IS NULL OR (c.reloptions IS NULL AND k.conislocal AND k.coninhcount = 0))
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint o
                      WHERE o.conindid = c.oid AND o.oid IS DISTINCT FROM k.oid AND o.oid <> ALL ($2::oid[]))
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                      WHERE d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = c.oid
                        AND NOT (d.classid = 'pg_catalog.pg_constraint'::regclass AND d.objid = ANY ($2::oid[])))
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                      WHERE d.refclassid = 'pg_catalog.pg_constraint'::regclass AND d.refobjid = k.oid
                        AND NOT (d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid))
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                      WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid AND d.deptype IN ('e', 'x'))
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                      WHERE d.classid = 'pg_catalog.pg_constraint'::regclass AND d.objid = k.oid AND d.deptype IN ('e', 'x'))
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_attribute a
                      WHERE a.attrelid = c.oid AND COALESCE(a.attstattarget::int, -1) >= 0)
      AND NOT (i.indisprimary AND (t.relispartition OR pg_catalog.current_setting('wal_level') = 'logical'
               OR EXISTS (SELECT FROM pg_catalog.pg_publication_tables p
                          WHERE p.tablename = t.relname AND p.schemaname =
                                (SELECT s.nspname FROM pg_catalog.pg_namespace s WHERE s.oid = t.relnamespace))))
    ORDER BY c.oid";

/// An index that may be dropped.
pub(super) struct Index {
    /// `Constraint` for the index of a constraint, otherwise `Index`.
    pub(super) kind: SuspendedKind,
    is_unique: bool,
    /// The name of the index or of its constraint in the database.
    pub(super) plain_name: String,
    /// The name of the index, quoted for SQL.
    pub(super) name: String,
    /// The statement that drops the index or its constraint.
    pub(super) drop: String,
    /// The statements that create the index or its constraint again.
    pub(super) create: String,
}

impl Index {
    /// Returns the indexes of a table that a restore may drop after the foreign keys `dropped` were dropped.
    pub(super) async fn droppable(
        connection: &Connection,
        table: &Table,
        extent: Extent,
        dropped: &[Oid],
        operation: &str,
    ) -> Result<Vec<Self>> {
        // A role cannot drop the indexes of another role's table. The indexes of a partitioned table belong
        // to its partitions.
        let droppable = extent.droppable_indexes;
        if droppable == DroppableIndexes::None || !table.is_owned || table.kind != TableKind::Table {
            return Ok(Vec::new());
        }
        let rows = connection.client.query(DROPPABLE, &[&table.oid, &dropped]).await;
        let rows = rows.map_err(|error| failed(operation, &error))?;
        let indexes =
            rows.iter().map(|row| Self::from_row(row, table).map_err(|error| failed(operation, &error)));
        let mut indexes = indexes.collect::<Result<Vec<_>>>()?;
        indexes.retain(|index| {
            let is_kept = index.kind == SuspendedKind::Constraint && extent.keeps_constraints;
            droppable.include(index.is_unique) && !is_kept
        });
        Ok(indexes)
    }

    fn from_row(row: &Row, table: &Table) -> Result<Self, tokio_postgres::Error> {
        let (schema, index): (String, String) = (row.try_get(0)?, row.try_get(1)?);
        let name = format!("{}.{}", quoted(&schema), quoted(&index));
        let constraint: Option<String> = row.try_get(4)?;
        let (drop, mut create) = match &constraint {
            None => (format!("DROP INDEX {name}"), row.try_get::<_, String>(2)?),
            Some(constraint) => {
                let (table, constraint) = (table.quoted(), quoted(constraint));
                let definition: String = row.try_get(5)?;
                (
                    format!("ALTER TABLE {table} DROP CONSTRAINT {constraint}"),
                    format!("ALTER TABLE {table} ADD CONSTRAINT {constraint} {definition}"),
                )
            }
        };
        if let Some(comment) = row.try_get::<_, Option<String>>(3)? {
            create.push_str(&format!("; COMMENT ON INDEX {name} IS {}", literal(&comment)));
        }
        if let (Some(constraint), Some(comment)) = (&constraint, row.try_get::<_, Option<String>>(6)?) {
            create.push_str(&format!(
                "; COMMENT ON CONSTRAINT {} ON {} IS {}",
                quoted(constraint),
                table.quoted(),
                literal(&comment)
            ));
        }
        let (kind, plain_name) = match constraint {
            None => (SuspendedKind::Index, index),
            Some(constraint) => (SuspendedKind::Constraint, constraint),
        };
        Ok(Self { kind, is_unique: row.try_get(7)?, plain_name, name, drop, create })
    }
}

//! Finds dangling references: rows whose foreign key refers to a row that does not exist.
//!
//! The error of the server contains values of the row and is never displayed. A query finds the keys of the
//! rows instead.

use koan_backup_core::{Error, ErrorKind, Result, entity::EntityCodec};
use tokio_postgres::Row;
use tokio_postgres::types::Oid;

use super::super::catalog::Catalog;
use super::super::connection::Connection;
use super::super::mapping::Mapping;
use super::keys::first_keys;
use koan_backup_sql::identifier::listed;

/// The maximum number of keys in an error.
const MAX_KEYS_IN_ERROR: usize = 5;

/// The SQL expression of a column with the four texts that a query for dangling references consists of: the
/// rows `c` of the referencing table of a foreign key `k`, the rows `p` of the referenced table, the
/// condition that `c` has a reference, and the condition that `c` refers to `p`. The expression is NULL if
/// dangling references cannot be found by comparing columns, or if the constraint was never validated. The
/// surrounding query defines the aliases `k`, `c` and `n`.
pub(super) const DANGLING_REFERENCES: &str = "
    CASE WHEN k.convalidated AND (k.confmatchtype = 's' OR pg_catalog.cardinality(k.conkey) = 1)
           AND pg_catalog.to_jsonb(k) ->> 'conperiod' IS DISTINCT FROM 'true' THEN (
        SELECT ARRAY[
            pg_catalog.format('%s%I.%I', CASE c.relkind WHEN 'p' THEN '' ELSE 'ONLY ' END, n.nspname, c.relname),
            pg_catalog.format('%s%I.%I', CASE pc.relkind WHEN 'p' THEN '' ELSE 'ONLY ' END, pn.nspname, pc.relname),
            pg_catalog.string_agg(pg_catalog.format('pg_catalog.num_nulls(c.%I) = 0', ca.attname), ' AND '),
            pg_catalog.string_agg(
                pg_catalog.format('p.%I OPERATOR(%I.%s) c.%I', pa.attname, s.nspname, o.oprname, ca.attname), ' AND ')]
        FROM ROWS FROM (pg_catalog.unnest(k.conkey), pg_catalog.unnest(k.confkey), pg_catalog.unnest(k.conpfeqop))
            AS u (child, parent, operator)
        JOIN pg_catalog.pg_attribute ca ON ca.attrelid = k.conrelid AND ca.attnum = u.child
        JOIN pg_catalog.pg_attribute pa ON pa.attrelid = k.confrelid AND pa.attnum = u.parent
        JOIN pg_catalog.pg_operator o ON o.oid = u.operator JOIN pg_catalog.pg_namespace s ON s.oid = o.oprnamespace
        CROSS JOIN pg_catalog.pg_class pc JOIN pg_catalog.pg_namespace pn ON pn.oid = pc.relnamespace
        WHERE pc.oid = k.confrelid
        GROUP BY pc.relkind, pn.nspname, pc.relname) END";

/// A foreign key whose dangling references can be found.
#[derive(Debug)]
pub(super) struct ForeignKey {
    name: String,
    pub(super) child: Oid,
    pub(super) parent: Oid,
    /// The source of the rows of both tables in a FROM clause.
    child_rows: String,
    pub(super) parent_rows: String,
    /// The condition that a row `c` has a reference.
    refers: String,
    /// The condition that a row `c` refers to a row `p`.
    refers_to: String,
}

/// The rows for which a foreign key is checked instead of the current rows of its tables. `None` means the
/// current rows.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct SubstituteRows<'r> {
    pub(super) child: Option<&'r str>,
    pub(super) parent: Option<&'r str>,
}

impl ForeignKey {
    /// Reads a foreign key from the columns with the name, the child, the parent and [`DANGLING_REFERENCES`].
    /// Returns `None` if [`DANGLING_REFERENCES`] is NULL.
    pub(super) fn from_row(
        row: &Row,
        [name, child, parent, rows]: [usize; 4],
    ) -> Result<Option<Self>, tokio_postgres::Error> {
        let Some(parts) = row.try_get::<_, Option<Vec<String>>>(rows)? else { return Ok(None) };
        let Ok([child_rows, parent_rows, refers, refers_to]) = <[String; 4]>::try_from(parts) else {
            return Ok(None);
        };
        let (name, child, parent) = (row.try_get(name)?, row.try_get(child)?, row.try_get(parent)?);
        Ok(Some(Self { name, child, parent, child_rows, parent_rows, refers, refers_to }))
    }

    /// Returns the source of the rows with dangling references in a FROM clause.
    fn dangling_rows(&self, substitutes: SubstituteRows<'_>) -> String {
        let child = substitutes.child.unwrap_or(&self.child_rows);
        let parent = substitutes.parent.unwrap_or(&self.parent_rows);
        let Self { refers, refers_to, .. } = self;
        format!("{child} AS c WHERE {refers} AND NOT EXISTS (SELECT FROM {parent} AS p WHERE {refers_to})")
    }

    /// Counts the rows with dangling references.
    pub(super) async fn count(
        &self,
        connection: &Connection,
        substitutes: SubstituteRows<'_>,
    ) -> Result<u64> {
        let operation = format!("looking for rows that violate foreign key `{}`", self.name);
        let from = self.dangling_rows(substitutes);
        connection.number(&operation, &format!("SELECT pg_catalog.count(*) FROM {from}")).await
    }

    /// Returns the error for dangling references, or `None` if there are no dangling references. The error
    /// contains keys unless the entity is encrypted.
    pub(super) async fn violation(
        &self,
        connection: &Connection,
        catalog: &Catalog,
        written: &[(EntityCodec, Mapping)],
        substitutes: SubstituteRows<'_>,
    ) -> Result<Option<Error>> {
        let from = &self.dangling_rows(substitutes);
        let count = self.count(connection, substitutes).await?;
        if count == 0 {
            return Ok(None);
        }
        let of_child = written.iter().find(|(_, mapping)| mapping.table.oid == self.child);
        let keys = match of_child.filter(|(entity, _)| entity.shows_keys()) {
            Some((entity, mapping)) => {
                let key_columns = mapping.key.iter().map(|&index| &mapping.columns[index]);
                let columns: Vec<_> =
                    key_columns.map(|mapped| (mapped.column.name.as_str(), &mapped.column_type)).collect();
                let order: Vec<String> = (1..=columns.len()).map(|column| column.to_string()).collect();
                let from = format!("{from} ORDER BY {}", order.join(", "));
                first_keys(connection, entity, &columns, &from, MAX_KEYS_IN_ERROR).await?
            }
            None => Vec::new(),
        };
        let examples = match keys.is_empty() {
            true => String::new(),
            false => format!(", among them {}", listed(keys.iter().map(String::as_str))),
        };
        let table_name = |oid: Oid| {
            catalog.table_display_name(oid).unwrap_or("(a table of PostgreSQL or of an extension)")
        };
        let (name, child, parent) = (&self.name, table_name(self.child), table_name(self.parent));
        Ok(Some(Error::new(
            ErrorKind::Constraint,
            format!(
                "{count} rows of table `{child}` would refer to rows of table `{parent}` that do not \
                 exist{examples} (constraint `{name}`); restore the entity of table `{parent}` as well"
            ),
        )))
    }
}

//! Materialized views that depend on tables.

use koan_backup_core::Result;
use tokio_postgres::types::Oid;

use super::catalog::Catalog;
use super::connection::Connection;
use super::error::failed;
use koan_backup_sql::identifier::quoted;

/// A populated materialized view that depends on some tables.
#[derive(Clone, Debug)]
pub(super) struct MaterializedView {
    pub(super) oid: Oid,
    schema: String,
    name: String,
    /// The name for messages.
    pub(super) display_name: String,
    /// Whether the role may refresh the view.
    pub(super) may_refresh: bool,
}

/// Selects the materialized views that depend on tables, directly or through other views; a view comes after
/// the views that it depends on. Partitions and inheriting tables are read together with their parents.
const SELECT_DEPENDENT_VIEWS: &str = "
    WITH RECURSIVE family AS (
        SELECT pg_catalog.unnest($1::oid[]) AS oid
        UNION
        SELECT CASE i.inhparent WHEN f.oid THEN i.inhrelid ELSE i.inhparent END
        FROM family f JOIN pg_catalog.pg_inherits i ON f.oid IN (i.inhparent, i.inhrelid)),
    reached AS (
        SELECT f.oid, 0 AS depth FROM family f
        UNION
        SELECT w.ev_class, r.depth + 1 FROM reached r
        JOIN pg_catalog.pg_depend d ON d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = r.oid
         AND d.classid = 'pg_catalog.pg_rewrite'::regclass
        JOIN pg_catalog.pg_rewrite w ON w.oid = d.objid AND w.ev_class <> r.oid
        JOIN pg_catalog.pg_class v ON v.oid = w.ev_class AND v.relkind IN ('v', 'm'))
    SELECT c.oid, n.nspname::text, c.relname::text, pg_catalog.pg_has_role(c.relowner, 'USAGE')
    FROM reached r JOIN pg_catalog.pg_class c ON c.oid = r.oid
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = 'm' AND c.relispopulated GROUP BY 1, 2, 3, 4 ORDER BY pg_catalog.max(r.depth), 2, 3";

/// The settings that affect how values are written as text, which a view may depend on. A refresh uses the
/// values of the role and the database.
const TEXT_FORMAT_SETTINGS: [&str; 9] = [
    "DateStyle",
    "IntervalStyle",
    "TimeZone",
    "extra_float_digits",
    "bytea_output",
    "lc_monetary",
    "lc_numeric",
    "lc_time",
    "xmlbinary",
];

/// Returns the populated materialized views that depend on some tables, in the order in which they are
/// refreshed.
pub(super) async fn depending_on(
    connection: &Connection,
    catalog: &Catalog,
    tables: &[Oid],
) -> Result<Vec<MaterializedView>> {
    let operation = "reading the materialized views";
    let rows = connection
        .client
        .query(SELECT_DEPENDENT_VIEWS, &[&tables])
        .await
        .map_err(|error| failed(operation, &error))?;
    let view = |row: &tokio_postgres::Row| {
        let (schema, name): (String, String) = (row.try_get(1)?, row.try_get(2)?);
        let display_name = catalog.display_name(&schema, &name);
        Ok(MaterializedView {
            oid: row.try_get(0)?,
            schema,
            name,
            display_name,
            may_refresh: row.try_get(3)?,
        })
    };
    let views: std::result::Result<Vec<_>, tokio_postgres::Error> = rows.iter().map(view).collect();
    views.map_err(|error| failed(operation, &error))
}

/// Refreshes the views that depend on some tables. Only the commit may follow in the transaction.
pub(super) async fn refresh(connection: &Connection, catalog: &Catalog, tables: &[Oid]) -> Result<()> {
    let views = depending_on(connection, catalog, tables).await?;
    if views.is_empty() {
        return Ok(());
    }
    let defaults: Vec<String> =
        TEXT_FORMAT_SETTINGS.iter().map(|name| format!("SET LOCAL {name} TO DEFAULT")).collect();
    connection.run("refreshing materialized views", &defaults.join("; ")).await?;
    for view in views {
        let refresh = format!("REFRESH MATERIALIZED VIEW {}.{}", quoted(&view.schema), quoted(&view.name));
        connection.run(&format!("refreshing materialized view `{}`", view.display_name), &refresh).await?;
    }
    Ok(())
}

//! Tables whose rows PostgreSQL lets nobody update or delete: published ones without a replica identity, and those with a
//! partition on another server that is not writable.

use koan_backup_core::{
    Error, Result,
    provider::{Finding, Severity},
};

use super::catalog::{Table, TableKind};
use super::connection::Connection;
use super::error::failed;
use super::session::Extent;
use koan_backup_sql::identifier::listed;

/// Publications of a table and its partitions that refuse updates or deletes, because a row cannot be identified by the columns that
/// are published, or a filter needs other columns.
const REFUSING_PUBLICATIONS: &str = "
    SELECT DISTINCT p.pubname::text
    FROM (SELECT c.* FROM pg_catalog.pg_class c
          WHERE c.oid = $1 OR c.oid IN (SELECT relid FROM pg_catalog.pg_partition_tree($1::oid::regclass))) AS c
    CROSS JOIN pg_catalog.pg_publication p
    LEFT JOIN pg_catalog.pg_publication_rel r ON r.prpubid = p.oid AND (r.prrelid = c.oid
        OR r.prrelid IN (SELECT relid FROM pg_catalog.pg_partition_ancestors(c.oid)))
    LEFT JOIN pg_catalog.pg_index i ON i.indrelid = c.oid AND i.indimmediate
        AND CASE c.relreplident WHEN 'd' THEN i.indisprimary WHEN 'i' THEN i.indisreplident ELSE false END
    WHERE c.relkind = 'r' AND c.relpersistence = 'p'
      AND (p.pubupdate AND $2 OR p.pubdelete AND $3)
      AND (p.puballtables OR r.oid IS NOT NULL
           OR EXISTS (SELECT FROM pg_catalog.pg_publication_namespace n WHERE n.pnpubid = p.oid
                      AND n.pnnspid = c.relnamespace))
      AND (c.relreplident <> 'f' AND i.indexrelid IS NULL
           OR c.relreplident <> 'f' AND r.prqual IS NOT NULL AND EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.objid = r.oid
                AND d.classid = 'pg_catalog.pg_publication_rel'::regclass
                AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjsubid > 0
                AND NOT d.refobjsubid = ANY (i.indkey::int2[]))
           OR r.prattrs IS NOT NULL AND (c.relreplident = 'f' OR NOT i.indkey::int2[] <@ r.prattrs::int2[]))
    ORDER BY 1";

/// Partitions on other servers that cannot be updated, or not be deleted from.
const FIXED_PARTITIONS: &str = "
    SELECT c.relname::text FROM pg_catalog.pg_class c
    WHERE c.relkind = 'f' AND c.oid IN (SELECT relid FROM pg_catalog.pg_partition_tree($1::oid::regclass))
      AND ($2 AND pg_catalog.pg_relation_is_updatable(c.oid, false) & 4 = 0
           OR $3 AND pg_catalog.pg_relation_is_updatable(c.oid, false) & 16 = 0)
    ORDER BY 1";

/// How an error begins to tell the code that the server refuses to update or delete rows of a published table with.
const REFUSALS: [&str; 2] = ["(SQLSTATE 55000", "(SQLSTATE 42P10"];

/// Adds to the error of an update or delete of a table that it is published, where that is why the server refuses it.
pub(super) fn explained(error: Error, table: &Table, publications: &[String]) -> Error {
    let text = error.to_string();
    if publications.is_empty() || !REFUSALS.iter().any(|refusal| text.contains(refusal)) {
        return error;
    }
    Error::new(error.kind(), format!("{text}; {}", unchangeable(&table.shown, publications)))
}

/// The publications for which the server refuses to update or delete rows of a table, where a restore does so.
pub(super) async fn publications(
    connection: &Connection,
    table: &Table,
    extent: Extent,
) -> Result<Vec<String>> {
    if !extent.updates && !extent.deletes {
        return Ok(Vec::new());
    }
    // Rows that change may be removed and inserted again.
    names(connection, REFUSING_PUBLICATIONS, table, Extent { deletes: true, ..extent }).await
}

fn unchangeable(table: &str, publications: &[String]) -> String {
    let list = listed(publications.iter().map(String::as_str));
    format!(
        "rows of table `{table}` can be inserted and not be changed or removed, because it is published ({list}) without a replica \
         identity that has the columns needed; ALTER TABLE … REPLICA IDENTITY FULL, or take it out of a publication that lists some \
         of its columns"
    )
}

async fn names(connection: &Connection, sql: &str, table: &Table, extent: Extent) -> Result<Vec<String>> {
    let what = format!("reading about table `{}`", table.shown);
    let rows = connection.client.query(sql, &[&table.oid, &extent.updates, &extent.deletes]).await;
    let rows = rows.map_err(|error| failed(&what, &error))?;
    rows.iter().map(|row| row.try_get(0).map_err(|error| failed(&what, &error))).collect()
}

/// Reports a table whose rows cannot be changed, where a restore changes rows or may do so.
pub(super) async fn assess(
    connection: &Connection,
    entity: &str,
    table: &Table,
    extent: Extent,
) -> Result<Vec<Finding>> {
    if !extent.updates && !extent.deletes {
        return Ok(Vec::new());
    }
    // An update depends on whether a row differs. Rows that are removed by TRUNCATE are not deleted.
    let is_certain = extent.deletes && (!extent.may_truncate || table.kind == TableKind::Partitioned);
    let severity = if is_certain { Severity::Error } else { Severity::Warning };
    let (shown, mut findings) = (&table.shown, Vec::new());
    let publications = names(connection, REFUSING_PUBLICATIONS, table, extent).await?;
    if !publications.is_empty() {
        findings.push(Finding::new(severity, entity, unchangeable(shown, &publications)));
    }
    let partitions = names(connection, FIXED_PARTITIONS, table, extent).await?;
    if !partitions.is_empty() {
        let list = listed(partitions.iter().map(String::as_str));
        let text = format!(
            "rows of table `{shown}` cannot be changed or removed, because its partitions {list} are on a server that cannot be \
             written; detach them for the restore"
        );
        findings.push(Finding::new(severity, entity, text));
    }
    Ok(findings)
}

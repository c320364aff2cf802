//! Tables whose rows can be inserted, but not updated or deleted: published tables without a replica
//! identity, and tables with a read-only foreign partition.

use koan_backup_core::{
    Error, Result,
    provider::{Finding, Severity},
};

use tokio_postgres::error::SqlState;

use super::catalog::{Table, TableKind};
use super::connection::Connection;
use super::error::failed;
use super::session::extent::Extent;
use koan_backup_sql::identifier::listed;

/// Selects the publications of a table and its partitions that prevent updates or deletes, because the
/// published columns do not identify a row or do not include the columns of a filter.
const REFUSING_PUBLICATIONS: &str = "
    SELECT DISTINCT p.pubname::text
    FROM (SELECT c.* FROM pg_catalog.pg_class c
          WHERE c.oid = $1 OR c.oid IN (SELECT relid
              FROM pg_catalog.pg_partition_tree($1::oid::regclass))) AS c
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
           OR c.relreplident <> 'f' AND r.prqual IS NOT NULL AND EXISTS (SELECT
               FROM pg_catalog.pg_depend d WHERE d.objid = r.oid
                AND d.classid = 'pg_catalog.pg_publication_rel'::regclass
                AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjsubid > 0
                AND NOT d.refobjsubid = ANY (i.indkey::int2[]))
           OR r.prattrs IS NOT NULL AND (c.relreplident = 'f' OR NOT i.indkey::int2[] <@ r.prattrs::int2[]))
    ORDER BY 1";

/// Selects the foreign partitions that do not allow updates or deletes.
const READ_ONLY_PARTITIONS: &str = "
    SELECT c.relname::text FROM pg_catalog.pg_class c
    WHERE c.relkind = 'f' AND c.oid IN (SELECT relid FROM pg_catalog.pg_partition_tree($1::oid::regclass))
      AND ($2 AND pg_catalog.pg_relation_is_updatable(c.oid, false) & 4 = 0
           OR $3 AND pg_catalog.pg_relation_is_updatable(c.oid, false) & 16 = 0)
    ORDER BY 1";

/// The codes with which the server refuses an update or delete of a published table.
const REFUSAL_CODES: [SqlState; 2] =
    [SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE, SqlState::INVALID_COLUMN_REFERENCE];

/// Adds the reason to the error of an update or delete that the server refused because the table is
/// published.
pub(super) fn explained(error: Error, table: &Table, publications: &[String]) -> Error {
    let is_refusal = REFUSAL_CODES.iter().any(|refusal| error.code() == Some(refusal.code()));
    if publications.is_empty() || !is_refusal {
        return error;
    }
    Error::new(error.kind(), format!("{error}; {}", publication_message(&table.display_name, publications)))
}

/// Returns the publications because of which the server refuses the updates or deletes of a restore.
pub(super) async fn publications(
    connection: &Connection,
    table: &Table,
    extent: Extent,
) -> Result<Vec<String>> {
    if !extent.updates && !extent.deletes {
        return Ok(Vec::new());
    }
    // A changed row may be deleted and inserted again.
    names(connection, REFUSING_PUBLICATIONS, table, Extent { deletes: true, ..extent }).await
}

fn publication_message(table: &str, publications: &[String]) -> String {
    let list = listed(publications.iter().map(String::as_str));
    format!(
        "rows of table `{table}` can be inserted but not updated or deleted, because the table is published \
         ({list}) without a replica identity that has the required columns; run ALTER TABLE … REPLICA \
         IDENTITY FULL, or remove the table from the publications that list only some of its columns"
    )
}

async fn names(connection: &Connection, sql: &str, table: &Table, extent: Extent) -> Result<Vec<String>> {
    let operation = format!("reading the publications of table `{}`", table.display_name);
    let rows = connection.client.query(sql, &[&table.oid, &extent.updates, &extent.deletes]).await;
    let rows = rows.map_err(|error| failed(&operation, &error))?;
    rows.iter().map(|row| row.try_get(0).map_err(|error| failed(&operation, &error))).collect()
}

/// Reports a table whose rows cannot be updated or deleted, if the restore may update or delete rows.
pub(super) async fn assess(
    connection: &Connection,
    entity: &str,
    table: &Table,
    extent: Extent,
) -> Result<Vec<Finding>> {
    if !extent.updates && !extent.deletes {
        return Ok(Vec::new());
    }
    // Whether a row is updated is not known before the row is compared with its record. The server does not
    // refuse TRUNCATE.
    let is_certain = extent.deletes && (!extent.may_truncate || table.kind == TableKind::Partitioned);
    let severity = if is_certain { Severity::Error } else { Severity::Warning };
    let (name, mut findings) = (&table.display_name, Vec::new());
    let publications = names(connection, REFUSING_PUBLICATIONS, table, extent).await?;
    if !publications.is_empty() {
        findings.push(Finding::new(severity, entity, publication_message(name, &publications)));
    }
    let partitions = names(connection, READ_ONLY_PARTITIONS, table, extent).await?;
    if !partitions.is_empty() {
        let list = listed(partitions.iter().map(String::as_str));
        let text = format!(
            "rows of table `{name}` cannot be updated or deleted, because its partitions {list} are foreign \
             tables that cannot be written; detach these partitions for the restore"
        );
        findings.push(Finding::new(severity, entity, text));
    }
    Ok(findings)
}

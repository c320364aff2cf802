//! CHECK and NOT NULL constraints, which apply to each row of a table separately.
//!
//! The error of the server contains the constraint but not the key of the record, so queries search for the
//! records that violate the constraint.

use koan_backup_core::{Error, ErrorKind, Result};

use super::super::connection::Connection;
use super::super::defaults::CHECKS;
use super::super::error::failed;
use super::keys::keys_of;
use super::target::Target;
use koan_backup_sql::identifier::{listed, quoted};

/// The maximum number of keys in an error.
const MAX_KEYS_IN_ERROR: usize = 2;

/// Selects the bounds of partitions: a row of a partitioned table must be within the bounds of one of its
/// partitions, and a row of a partition must be within its own bounds.
const BOUNDS: &str = "
    SELECT 'the table has no partition for them', 'NOT (' || COALESCE(pg_catalog.string_agg(
               'COALESCE(' || COALESCE(pg_catalog.pg_get_partition_constraintdef(t.relid), 'true') || ', false)', ' OR ') FILTER (WHERE t.relid IS NOT NULL), 'false') || ')'
    FROM pg_catalog.pg_class c LEFT JOIN LATERAL pg_catalog.pg_partition_tree(c.oid) t ON t.isleaf
    WHERE c.oid = $1 AND c.relkind = 'p' GROUP BY c.oid
    UNION ALL
    SELECT 'they are not within the bounds of the partition',
           'NOT COALESCE(' || pg_catalog.pg_get_partition_constraintdef(c.oid) || ', false)'
    FROM pg_catalog.pg_class c
    WHERE c.oid = $1 AND c.relispartition AND pg_catalog.pg_get_partition_constraintdef(c.oid) IS NOT NULL";

/// A condition that the rows of a target must satisfy.
#[derive(Debug)]
struct Check {
    /// The description for an error message.
    description: String,
    /// The SQL condition that is true for rows that violate the check.
    violation: String,
}

/// Returns the error for records that violate a condition of the table, or `None` if there are no such
/// records. `rows` is the source of the written rows in a FROM clause.
pub(super) async fn violation_among(
    connection: &Connection,
    target: &Target,
    rows: &str,
) -> Result<Option<Error>> {
    let (name, table) = (target.entity.name(), &target.mapping.table.display_name);
    let operation = format!("looking for records of {name} that table `{table}` refuses");
    for Check { description, violation } in all(connection, target, &operation).await? {
        connection.run(&operation, "SAVEPOINT koan_search").await?;
        let from = format!("{rows} AS r WHERE {violation} ORDER BY {}", key_order(target));
        let found = keys_of(connection, target, &from, MAX_KEYS_IN_ERROR).await;
        connection
            .run(&operation, "ROLLBACK TO SAVEPOINT koan_search; RELEASE SAVEPOINT koan_search")
            .await?;
        // A condition that cannot be evaluated outside of the table is omitted.
        let keys = found.unwrap_or_default();
        if !keys.is_empty() {
            let keys = listed(keys.iter().map(String::as_str));
            let text = format!(
                "table `{table}` would refuse {name} {keys} ({description}); change the constraint, or correct \
                 the records in the database that was backed up"
            );
            return Ok(Some(Error::new(ErrorKind::Constraint, text)));
        }
    }
    Ok(None)
}

async fn all(connection: &Connection, target: &Target, operation: &str) -> Result<Vec<Check>> {
    let rows = connection.client.query(CHECKS, &[&target.mapping.table.oid]).await;
    let mut checks = Vec::new();
    for row in rows.map_err(|error| failed(operation, &error))? {
        let read = |index| row.try_get::<_, String>(index).map_err(|error| failed(operation, &error));
        let (name, condition) = (read(0)?, read(1)?);
        let description = format!("constraint `{name}`");
        checks.push(Check { description, violation: format!("NOT ({condition})") });
    }
    let bounds = connection.client.query(BOUNDS, &[&target.mapping.table.oid]).await;
    for row in bounds.map_err(|error| failed(operation, &error))? {
        let read = |index| row.try_get::<_, String>(index).map_err(|error| failed(operation, &error));
        checks.push(Check { description: read(0)?, violation: read(1)? });
    }
    for column in target.columns.iter().filter(|column| column.not_null) {
        let name = &column.name;
        checks.push(Check {
            description: format!("column `{name}` is NOT NULL"),
            // `IS NULL` is true for a composite value whose members are all NULL, but NOT NULL accepts such a
            // value.
            violation: format!("pg_catalog.num_nulls({}) > 0", quoted(name)),
        });
    }
    Ok(checks)
}

fn key_order(target: &Target) -> String {
    (1..=target.key.len()).map(|column| column.to_string()).collect::<Vec<_>>().join(", ")
}

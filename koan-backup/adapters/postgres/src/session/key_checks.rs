//! Checks that keys are unique before records are matched with rows by their keys.

use koan_backup_core::{Error, ErrorKind, Result};

use super::super::connection::Connection;
use super::keys::{first_key, keys_of};
use super::target::Target;

/// Fails if the key of a record belongs to several rows of the table.
pub(super) async fn require_one_row_per_key(
    connection: &Connection,
    target: &Target,
    staging_table: &str,
) -> Result<()> {
    if target.refuses_duplicate_keys() {
        return Ok(());
    }
    let (rows, same_key) = (target.mapping.table.rows(), target.same_key());
    let several = format!(
        "{staging_table} AS s WHERE (SELECT pg_catalog.count(*) FROM {rows} AS t WHERE {same_key}) > 1"
    );
    match first_key(connection, target, &several).await? {
        None => Ok(()),
        Some(key) => {
            let (name, table) = (target.entity.name(), &target.mapping.table.display_name);
            Err(Error::new(
                ErrorKind::Constraint,
                format!(
                    "cannot write {name} `{key}`: several rows of table `{table}` have this key; remove all of \
                     these rows except one, or restore with `replace_existing`"
                ),
            ))
        }
    }
}

/// Fails if the database considers the keys of two records equal.
pub(super) async fn require_distinct_keys(
    connection: &Connection,
    target: &Target,
    rows: &str,
) -> Result<()> {
    let grouped = target.grouped_key();
    if grouped.is_empty() {
        return Ok(());
    }
    let keys = target.key_list();
    let duplicates = format!(
        "(SELECT {keys}, pg_catalog.count(*) OVER (PARTITION BY {grouped}) AS \"koan count\", \
         pg_catalog.rank() OVER (ORDER BY {grouped}) AS \"koan rank\" FROM {rows} AS r) AS x \
         WHERE \"koan count\" > 1 ORDER BY \"koan rank\""
    );
    let any = format!(
        "SELECT pg_catalog.count(*) FROM (SELECT FROM {rows} AS r GROUP BY {grouped} HAVING pg_catalog.count(*) > 1 LIMIT 1) \
         AS x"
    );
    if connection.number(&format!("comparing keys of {}", target.entity.name()), &any).await? == 0 {
        return Ok(());
    }
    let keys = keys_of(connection, target, &duplicates, 2).await?;
    if keys.is_empty() { Ok(()) } else { Err(target.duplicate_key_error(&keys)) }
}

//! Merges the records of a staging table into the table of a target.

use koan_backup_core::{
    ConflictMode, Result,
    provider::{SessionOptions, WriteCounts},
};

use super::super::connection::Connection;
use super::super::error::failed;
use super::key_checks::{require_distinct_keys, require_one_row_per_key};
use super::loading::{Loading, fails_on_existing, first_existing};
use super::rewrite::{Attempt, FinalState, attempt, explained, is_unresolvable_by_rewrite, rewrite};
use super::row_equality::{count_matched, count_unchanged, same_row};
use super::target::Target;
use koan_backup_sql::identifier::quoted;

/// Merges the records of a staging table into the target table by key. All counts are reported by the
/// database.
pub(super) async fn merge_by_key(
    connection: &Connection,
    options: &SessionOptions,
    loading: &Loading,
    staging_table: &str,
) -> Result<WriteCounts> {
    let target = &loading.target;
    let operation = format!("writing {}", target.entity.name());
    require_distinct_keys(connection, target, staging_table).await?;
    connection.run(&operation, &format!("ANALYZE {staging_table}")).await?;
    let final_state = FinalState::from_options(options);
    let mut counts = WriteCounts::default();
    let matched = count_matched(connection, target, staging_table, &operation).await?;
    if fails_on_existing(options)
        && matched > 0
        && let Some(key) = first_existing(connection, loading, staging_table).await?
    {
        return Err(target.already_exists_error(&key));
    }
    match options.conflict {
        ConflictMode::Overwrite => {
            require_one_row_per_key(connection, target, staging_table).await?;
            counts.unchanged = count_unchanged(connection, target, staging_table, &operation).await?;
            if counts.unchanged < matched {
                let updated = update(connection, target, staging_table, &operation).await;
                counts.updated = updated.map_err(|error| target.explained(error))?;
            }
        }
        _ => {
            counts.kept = matched;
            if matched > 0 && loading.is_checked_before_commit() {
                let (rows, same_key) = (target.mapping.table.rows(), target.same_key());
                let kept = format!("EXISTS (SELECT FROM {rows} AS t WHERE {same_key})");
                connection.run(&operation, &format!("DELETE FROM {staging_table} AS s WHERE {kept}")).await?;
            }
        }
    }
    if matched < loading.sent {
        counts.inserted = insert(connection, target, staging_table, final_state, &operation).await?;
    }
    if counts.records() != loading.sent {
        return Err(loading.count_mismatch(loading.sent, counts.records()));
    }
    Ok(counts)
}

/// Updates the rows that differ from their records, including rows of which only the spelling of the key
/// differs. Returns the number of updated rows.
async fn update(
    connection: &Connection,
    target: &Target,
    staging_table: &str,
    operation: &str,
) -> Result<u64> {
    let changing = target.columns.iter().filter(|column| target.may_change(&column.name));
    let set = changing.map(|column| format!("{} = {}", quoted(&column.name), column.converted()));
    let computed = target.recomputed.iter().map(|recomputed| quoted(&recomputed.column));
    let set: Vec<String> = set.chain(computed.map(|name| format!("{name} = s.{name}"))).collect();
    let (rows, same_key, same) = (target.mapping.table.rows(), target.same_key(), same_row(target));
    let update = format!(
        "UPDATE {rows} AS t SET {} FROM {staging_table} AS s WHERE {same_key} AND NOT ({same})",
        set.join(", ")
    );
    match attempt(connection, operation, &update).await? {
        Attempt::Succeeded(count) => Ok(count),
        Attempt::Refused(error) => {
            match explained(connection, target, staging_table, FinalState::Merged, &error).await? {
                Some(error) => Err(error),
                None if is_unresolvable_by_rewrite(&error) => Err(failed(operation, &error)),
                None => rewrite(connection, target, staging_table, operation, &error).await,
            }
        }
    }
}

/// Inserts the records whose keys do not exist in the table.
async fn insert(
    connection: &Connection,
    target: &Target,
    staging_table: &str,
    final_state: FinalState,
    operation: &str,
) -> Result<u64> {
    let (table, rows, same_key) =
        (target.mapping.table.quoted(), target.mapping.table.rows(), target.same_key());
    let insert = format!(
        "INSERT INTO {table} ({}) OVERRIDING SYSTEM VALUE SELECT {} FROM {staging_table} AS s \
         WHERE NOT EXISTS (SELECT FROM {rows} AS t WHERE {same_key})",
        target.filled_list(),
        target.filled(),
    );
    run_insert(connection, target, staging_table, final_state, operation, &insert).await
}

/// Inserts all records of a staging table into an empty table.
pub(super) async fn insert_all(connection: &Connection, target: &Target, staging_table: &str) -> Result<u64> {
    let insert = format!(
        "INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE SELECT {} FROM {staging_table} AS s",
        target.mapping.table.quoted(),
        target.filled_list(),
        target.filled(),
    );
    let operation = format!("writing {}", target.entity.name());
    run_insert(connection, target, staging_table, FinalState::Replaced, &operation, &insert).await
}

/// Runs an INSERT. Returns the number of inserted rows, or the error with the keys of the refused records.
async fn run_insert(
    connection: &Connection,
    target: &Target,
    staging_table: &str,
    final_state: FinalState,
    operation: &str,
    insert: &str,
) -> Result<u64> {
    match attempt(connection, operation, insert).await? {
        Attempt::Succeeded(count) => Ok(count),
        Attempt::Refused(refused) => {
            match explained(connection, target, staging_table, final_state, &refused).await? {
                Some(error) => Err(error),
                None => Err(failed(operation, &refused)),
            }
        }
    }
}

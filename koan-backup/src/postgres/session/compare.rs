//! The dry run: compares the records of one target with what is there. What was sent is in a table of the transaction,
//! which is rolled back.

use koan_backup_core::{ConflictMode, Result, SessionOptions, WriteCounts};

use super::super::connection::Connection;
use super::super::identifier::quoted;
use super::super::types::StoredType;
use super::load::{Loading, fails, first_taken};
use super::merge::require_keys_once;
use super::target::TargetColumn;

/// Counts what a restore would do.
pub(super) async fn end(
    connection: &Connection,
    options: &SessionOptions,
    loading: &Loading,
) -> Result<WriteCounts> {
    let mut counts = WriteCounts::default();
    let Some(stage) = &loading.stage else { return Ok(counts) };
    let target = &loading.target;
    let what = format!("comparing {}", target.entity.name());
    require_keys_once(connection, target, stage).await?;
    connection.run(&what, &format!("ANALYZE {stage}")).await?;
    if fails(options)
        && let Some(key) = first_taken(connection, loading, stage).await?
    {
        return Err(target.taken(&key));
    }
    let (rows, same_key) = (target.mapping.table.rows(), target.same_key());
    let there = format!("{stage} AS s WHERE EXISTS (SELECT FROM {rows} AS t WHERE {same_key}");
    let matched = connection.number(&what, &format!("SELECT pg_catalog.count(*) FROM {there})")).await?;
    counts.inserted = loading.sent.saturating_sub(matched);
    if options.conflict == ConflictMode::Keep && !options.replace_existing {
        counts.kept = matched;
    } else {
        let same: Vec<String> = target.columns.iter().map(same).collect();
        let equal = format!("SELECT pg_catalog.count(*) FROM {there} AND {})", same.join(" AND "));
        counts.unchanged = connection.number(&what, &equal).await?;
        counts.updated = matched.saturating_sub(counts.unchanged);
    }
    if options.replace_existing {
        let all = connection.number(&what, &format!("SELECT pg_catalog.count(*) FROM {rows}")).await?;
        counts.deleted = all.saturating_sub(matched);
    }
    connection.run(&what, &format!("DROP TABLE {stage}")).await?;
    Ok(counts)
}

/// The condition that a column of `s` holds what that of `t` holds, to the last digit.
fn same(column: &TargetColumn) -> String {
    let name = quoted(&column.name);
    use StoredType as T;
    match &column.column_type.stored {
        _ if column.is_composite() => {
            let sent = column.converted();
            match column.column_type.has_json_inside() {
                true => {
                    format!("pg_catalog.to_jsonb(t.{name}) IS NOT DISTINCT FROM pg_catalog.to_jsonb({sent})")
                }
                false => format!("t.{name}::pg_catalog.text IS NOT DISTINCT FROM ({sent})::pg_catalog.text"),
            }
        }
        T::Bool
        | T::Int2
        | T::Int4
        | T::Int8
        | T::Uuid
        | T::Bytea
        | T::Date
        | T::Time
        | T::Timestamp
        | T::TimestampTz
        | T::Jsonb => format!("t.{name} IS NOT DISTINCT FROM s.{name}"),
        T::Json => format!("t.{name}::pg_catalog.jsonb IS NOT DISTINCT FROM s.{name}::pg_catalog.jsonb"),
        // 1.0 and 1.00 are equal and not the same.
        _ => format!(
            "t.{name}::pg_catalog.text COLLATE \"C\" IS NOT DISTINCT FROM s.{name}::pg_catalog.text COLLATE \"C\""
        ),
    }
}

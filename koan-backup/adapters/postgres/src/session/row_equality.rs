//! The definition of equality between a row of a table and a record.

use koan_backup_core::Result;

use super::super::connection::Connection;
use super::super::types::StoredType;
use super::target::Target;
use super::target_column::TargetColumn;
use koan_backup_sql::identifier::quoted;

/// Returns the condition that a row `s` of a staging table is identical to a row `t` of the table.
pub(super) fn same_row(target: &Target) -> String {
    let conditions: Vec<String> = target.columns.iter().map(same_value).collect();
    if conditions.is_empty() { "true".to_owned() } else { conditions.join(" AND ") }
}

/// Returns the condition that a column has an identical value in `s` and `t`.
fn same_value(column: &TargetColumn) -> String {
    let (existing, sent) = (format!("t.{}", quoted(&column.name)), column.converted());
    use StoredType as T;
    match &column.column_type.stored {
        // For these types, equal values are always identical.
        T::Bool
        | T::Int2
        | T::Int4
        | T::Int8
        | T::Uuid
        | T::Bytea
        | T::Date
        | T::Time
        | T::Timestamp
        | T::TimestampTz => format!("{existing} IS NOT DISTINCT FROM {sent}"),
        _ => format!("{} IS NOT DISTINCT FROM {}", text(column, &existing), text(column, &sent)),
    }
}

/// Returns the SQL expression of a text that is equal for identical values only. 1.0 and 1.00 have different
/// texts. White space and the order of names in JSON text are ignored.
pub(super) fn text(column: &TargetColumn, value: &str) -> String {
    let plain = format!("{value}::pg_catalog.text COLLATE \"C\"");
    match column.column_type.stored {
        // Values that `jsonb` refuses or rounds are compared by their text.
        StoredType::Json => format!(
            "CASE WHEN {plain} OPERATOR(pg_catalog.~) '\\\\u|[eE][+-]?[0-9]{{4}}|[0-9]{{255}}' THEN {plain} \
             ELSE {value}::pg_catalog.jsonb::pg_catalog.text COLLATE \"C\" END"
        ),
        // A conversion to text would remove trailing blanks.
        StoredType::Char => format!("pg_catalog.bpcharsend({value})::pg_catalog.text COLLATE \"C\""),
        _ => plain,
    }
}

/// Counts the records of a staging table whose key exists in the table.
pub(super) async fn count_matched(
    connection: &Connection,
    target: &Target,
    staging_table: &str,
    operation: &str,
) -> Result<u64> {
    let (rows, same_key) = (target.mapping.table.rows(), target.same_key());
    let count = format!(
        "SELECT pg_catalog.count(*) FROM {staging_table} AS s WHERE EXISTS (SELECT FROM {rows} AS t WHERE {same_key})"
    );
    connection.number(operation, &count).await
}

/// Counts the records of a staging table that are equal to their row in the table.
pub(super) async fn count_unchanged(
    connection: &Connection,
    target: &Target,
    staging_table: &str,
    operation: &str,
) -> Result<u64> {
    let (rows, same_key, same) = (target.mapping.table.rows(), target.same_key(), same_row(target));
    let count = format!(
        "SELECT pg_catalog.count(*) FROM {staging_table} AS s WHERE EXISTS (SELECT FROM {rows} AS t WHERE {same_key} AND {same})"
    );
    connection.number(operation, &count).await
}

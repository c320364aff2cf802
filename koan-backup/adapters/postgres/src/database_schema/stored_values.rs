//! Finds the columns with values that the usual type of field does not read, such as `infinity`.

use koan_backup_core::Result;
use koan_backup_sql::identifier::quoted;

use crate::catalog::{Column, Table};
use crate::connection::Connection;
use crate::error::failed;
use crate::types::StoredType;

/// The number of columns that are examined in one query. PostgreSQL allows 1664 columns of a result.
const COLUMNS_PER_QUERY: usize = 500;

/// The SQL condition that the text of a number is not that of a finite number.
const NOT_FINITE: &str = "OPERATOR(pg_catalog.=) ANY (ARRAY['NaN', 'Infinity', '-Infinity'])";

/// Returns the columns that contain a value which only text represents. Reads every row of the table.
pub(super) async fn unfit_columns(connection: &Connection, table: &Table) -> Result<Vec<String>> {
    let conditions: Vec<(&Column, String)> = table
        .columns
        .iter()
        .filter(|column| column.is_readable)
        .filter_map(|column| Some((column, unfit_condition(column)?)))
        .collect();
    let mut unfit = Vec::new();
    let operation = format!("reading the values of table `{}`", table.display_name);
    for conditions in conditions.chunks(COLUMNS_PER_QUERY) {
        let terms: Vec<String> = conditions
            .iter()
            .map(|(_, condition)| format!("coalesce(pg_catalog.bool_or({condition}), false)"))
            .collect();
        let query = format!("SELECT {} FROM {}", terms.join(", "), table.rows());
        let row =
            connection.client.query_one(&query, &[]).await.map_err(|error| failed(&operation, &error))?;
        for (index, (column, _)) in conditions.iter().enumerate() {
            if row.try_get(index).map_err(|error| failed(&operation, &error))? {
                unfit.push(column.name.clone());
            }
        }
    }
    Ok(unfit)
}

/// Returns the SQL condition that the usual type of field does not read a value of the column; `None` if it reads
/// every value.
fn unfit_condition(column: &Column) -> Option<String> {
    let name = quoted(&column.name);
    match (&column.stored, &column.composite) {
        (StoredType::Composite, Some(composite)) if !composite.has_hstore => Some(format!(
            "{name}::pg_catalog.text IS NOT NULL AND NOT ({})",
            composite.round_trip_condition(&name)
        )),
        (StoredType::Array(element), _) => {
            let dimensions = format!(
                "pg_catalog.array_ndims({name}) OPERATOR(pg_catalog.<>) 1 \
                 OR pg_catalog.array_lower({name}, 1) OPERATOR(pg_catalog.<>) 1"
            );
            Some(match unfit_value("e.v", element) {
                Some(condition) => format!(
                    "{dimensions} OR EXISTS (SELECT FROM pg_catalog.unnest({name}) AS e (v) WHERE {condition})"
                ),
                None => dimensions,
            })
        }
        (stored, _) => unfit_value(&name, stored),
    }
}

/// Returns the SQL condition that a value of a type is not read: infinite and distant dates, dates before the year
/// 1, NaN, infinite numbers, decimals of more than 28 digits, 24:00, and JSON that is too deep or has numbers that
/// are too large.
fn unfit_value(value: &str, stored: &StoredType) -> Option<String> {
    let text = format!("({value})::pg_catalog.text");
    // Some types for instants end at this time: <https://docs.rs/jiff/latest/jiff/struct.Timestamp.html>
    let outside = |first: &str, last: &str, ty: &str| {
        format!(
            "{value} OPERATOR(pg_catalog.<) '{first}'::pg_catalog.{ty} OR {value} OPERATOR(pg_catalog.>) \
             '{last}'::pg_catalog.{ty}"
        )
    };
    match stored {
        StoredType::Date => Some(outside("0001-01-01", "9999-12-31", "date")),
        StoredType::Timestamp => {
            Some(outside("0001-01-01 00:00:00", "9999-12-31 23:59:59.999999", "timestamp"))
        }
        StoredType::TimestampTz => {
            Some(outside("0001-01-01 00:00:00+00", "9999-12-30 22:00:00+00", "timestamptz"))
        }
        StoredType::Time => Some(format!("{value} OPERATOR(pg_catalog.=) '24:00'::pg_catalog.time")),
        StoredType::Float4 | StoredType::Float8 => Some(format!("{text} {NOT_FINITE}")),
        StoredType::Numeric => Some(format!(
            "{text} {NOT_FINITE} OR pg_catalog.length(pg_catalog.translate({text}, '-.', \
             '')) OPERATOR(pg_catalog.>) 28"
        )),
        // Numbers beyond 64-bit floating point, and more than 126 levels.
        StoredType::Jsonb => Some(format!(
            "pg_catalog.jsonb_path_exists({value}, '$.** ? (@.type() == \"number\" && (@ > 1.7976931348623157e308 \
             || @ < -1.7976931348623157e308))') OR pg_catalog.jsonb_path_exists({value}, '$.**{{127 to last}}')"
        )),
        _ => None,
    }
}

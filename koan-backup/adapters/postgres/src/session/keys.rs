//! Reads keys with a query and converts them to text for error messages.

use std::error::Error as StdError;

use koan_backup_core::{Result, entity::EntityCodec, value::Value};
use tokio_postgres::types::{FromSql, Type};

use super::super::column_type::ColumnType;
use super::super::connection::Connection;
use super::super::error::failed;
use super::target::Target;

/// A value as the server sent it.
struct Raw<'a>(&'a [u8]);

impl<'a> FromSql<'a> for Raw<'a> {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn StdError + Sync + Send>> {
        Ok(Self(raw))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

/// Reads the key of the first selected row, if there is one.
pub(super) async fn first_key(
    connection: &Connection,
    target: &Target,
    from: &str,
) -> Result<Option<String>> {
    Ok(keys_of(connection, target, from, 1).await?.pop())
}

/// Reads the keys of the first selected rows.
pub(super) async fn keys_of(
    connection: &Connection,
    target: &Target,
    from: &str,
    count: usize,
) -> Result<Vec<String>> {
    let columns: Vec<_> =
        target.key_columns().map(|column| (column.name.as_str(), &column.column_type)).collect();
    first_keys(connection, &target.entity, &columns, from, count).await
}

/// Reads the keys of the first selected rows, by the names and types of their columns.
pub(in super::super) async fn first_keys(
    connection: &Connection,
    entity: &EntityCodec,
    columns: &[(&str, &ColumnType)],
    from: &str,
    count: usize,
) -> Result<Vec<String>> {
    let selected: Vec<String> =
        columns.iter().map(|(name, column_type)| column_type.select_expression(name)).collect();
    let query = format!("SELECT {} FROM {from} LIMIT {count}", selected.join(", "));
    let operation = format!("looking for keys of {}", entity.name());
    let rows = connection.client.query(&query, &[]).await.map_err(|error| failed(&operation, &error))?;
    let mut keys = Vec::with_capacity(rows.len());
    for row in rows {
        let mut parts = Vec::new();
        for (index, (name, column_type)) in columns.iter().enumerate() {
            let raw: Option<Raw<'_>> = row.try_get(index).map_err(|error| failed(&operation, &error))?;
            let value = raw.and_then(|raw| column_type.read(raw.0).ok());
            parts.push((*name, value.unwrap_or(Value::Null)));
        }
        keys.push(entity.key_text(parts.iter().map(|(name, value)| (*name, value))));
    }
    Ok(keys)
}

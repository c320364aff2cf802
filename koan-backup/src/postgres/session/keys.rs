//! A key that a query gives, as text for an error.

use std::error::Error as StdError;

use koan_backup_core::{Result, Value};
use tokio_postgres::types::{FromSql, Type};

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

/// The key of the first row of what is selected from, if there is one.
pub(super) async fn first_key(
    connection: &Connection,
    target: &Target,
    from: &str,
) -> Result<Option<String>> {
    let columns: Vec<String> =
        target.key_columns().map(|column| column.column_type.selected(&column.name)).collect();
    let query = format!("SELECT {} FROM {from} LIMIT 1", columns.join(", "));
    let what = format!("looking for keys of {}", target.entity.name());
    let row = connection.client.query_opt(&query, &[]).await.map_err(|error| failed(&what, &error))?;
    let Some(row) = row else { return Ok(None) };
    let mut parts = Vec::new();
    for (index, column) in target.key_columns().enumerate() {
        let raw: Option<Raw<'_>> = row.try_get(index).map_err(|error| failed(&what, &error))?;
        let value = raw.and_then(|raw| column.column_type.read(raw.0).ok());
        parts.push((column.name.as_str(), value.unwrap_or(Value::Null)));
    }
    Ok(Some(target.entity.key_text(parts.iter().map(|(name, value)| (*name, value)))))
}

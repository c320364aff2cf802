//! Detects rows with equal keys in a table without a unique index over the key.

use koan_backup_core::{Error, ErrorKind, Result, entity::EntityCodec};

use super::super::connection::Connection;
use super::super::mapping::Mapping;
use super::super::session::{KeyEquality, first_keys};
use koan_backup_sql::identifier::quoted;

/// Fails if the database considers the keys of two rows equal although their spelling differs. A restore
/// would merge such rows into one row.
///
/// Rows whose keys have the same spelling are adjacent and are found while they are read.
pub(super) async fn check(connection: &Connection, entity: &EntityCodec, mapping: &Mapping) -> Result<()> {
    let names: Vec<&str> = mapping.key_columns().map(|column| column.name.as_str()).collect();
    // A unique index allows several rows with NULL.
    let has_null = mapping.key_columns().any(|column| !column.not_null);
    if names.is_empty() || (!has_null && mapping.table.is_unique_over(names.iter().copied())) {
        return Ok(());
    }
    let equality = KeyEquality::read(connection, mapping.table.oid, &names).await?;
    if equality.iter().all(|equality| equality.is_exact) {
        return Ok(());
    }
    let grouped: Vec<String> = names
        .iter()
        .zip(&equality)
        .map(|(name, equality)| equality.grouped(&format!("r.{}", quoted(name))))
        .collect();
    let (grouped, rows) = (grouped.join(", "), mapping.table.rows());
    let group = format!("FROM {rows} AS r GROUP BY {grouped} HAVING pg_catalog.count(*) > 1 LIMIT 1");
    let operation = format!("comparing the keys of table `{}`", mapping.table.display_name);
    let any = format!("SELECT pg_catalog.count(*) FROM (SELECT {group}) AS x");
    if connection.number(&operation, &any).await? == 0 {
        return Ok(());
    }
    let row_id = |row: &str| format!("{row}.tableoid::pg_catalog.text || {row}.ctid::pg_catalog.text");
    let from = format!(
        "(SELECT pg_catalog.array_agg({}) AS \"koan rows\" {group}) AS d JOIN {rows} AS t ON {} \
         OPERATOR(pg_catalog.=) ANY (d.\"koan rows\")",
        row_id("r"),
        row_id("t"),
    );
    let columns: Vec<_> = mapping
        .key
        .iter()
        .map(|&index| (mapping.columns[index].column.name.as_str(), &mapping.columns[index].column_type))
        .collect();
    let mut keys = first_keys(connection, entity, &columns, &from, 2).await?;
    keys.sort();
    Err(Error::new(
        ErrorKind::Record,
        duplicate_key_message(entity.name(), &mapping.table.display_name, &keys),
    ))
}

fn duplicate_key_message(name: &str, table: &str, keys: &[String]) -> String {
    let subject = match keys {
        [one, other] if one != other => format!("{name} `{one}` and `{other}` have"),
        [key, ..] => format!("two rows of {name} `{key}` have"),
        [] => format!("two rows of {name} have"),
    };
    format!(
        "{subject} the same key by the key equality of table `{table}`, so a restore would lose one of the \
         rows; correct one of the rows, or declare a key that distinguishes the records"
    )
}

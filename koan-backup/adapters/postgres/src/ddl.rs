//! Generates the `CREATE TABLE` statements of missing tables.

use koan_backup_core::{
    Error, ErrorKind, Result, SetName,
    entity::EntityCodec,
    schema::{FieldSchema, LogicalType, WireForm},
};

use super::catalog::Catalog;
use super::mapping::find_table;
use koan_backup_sql::identifier::quoted;
use koan_backup_sql::tables::set_table;

/// The maximum length of a name in bytes: PostgreSQL truncates longer names.
const MAX_NAME_BYTES: usize = 63;

/// Returns the statement that creates the table of a set. If the default set has a table, the new table has
/// the same definition. Otherwise the definition is derived from the schema of the entity.
pub(super) fn create(catalog: &Catalog, entity: &EntityCodec, set: &SetName) -> Result<String> {
    match find_table(catalog, entity) {
        Ok(root) if !set.is_root() => {
            let name = set_table(&root.name, set);
            check_length(&name)?;
            let table = format!("{}.{}", quoted(&root.schema), quoted(&name));
            Ok(format!("CREATE TABLE {table} (LIKE {} INCLUDING ALL)", root.quoted()))
        }
        Ok(root) => {
            let text = format!("cannot create table `{}`: it exists already", root.display_name);
            Err(Error::new(ErrorKind::Internal, text))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let (schema, name) = table_name(catalog, entity)?;
            let name = set_table(&name, set);
            check_length(&name)?;
            Ok(from_schema(entity, &format!("{}.{}", quoted(&schema), quoted(&name))))
        }
        Err(error) => Err(error),
    }
}

/// Returns the schema and the name for the table of an entity.
fn table_name(catalog: &Catalog, entity: &EntityCodec) -> Result<(String, String)> {
    let named = entity.descriptor().table();
    if let Some((schema, name)) = named.and_then(|named| named.split_once('.')) {
        return Ok((schema.to_owned(), name.to_owned()));
    }
    let name = named.map_or_else(|| snake_case(entity.name()), str::to_owned);
    match catalog.schemas.first() {
        Some(schema) => Ok((schema.clone(), name)),
        None => Err(Error::new(
            ErrorKind::Configuration,
            format!(
                "cannot create table `{name}`: the role's search_path contains no existing schema; set a \
                 schema with `.schema(\"…\")` in the options of the database"
            ),
        )),
    }
}

fn check_length(name: &str) -> Result<()> {
    match name.len() <= MAX_NAME_BYTES {
        true => Ok(()),
        false => Err(Error::new(
            ErrorKind::Unsupported,
            format!(
                "cannot create table `{name}`: its name is too long, because PostgreSQL truncates names \
                 after {MAX_NAME_BYTES} bytes; use a shorter name for the table or the set"
            ),
        )),
    }
}

/// Converts a name to the usual spelling in PostgreSQL: `LogEntry` becomes `log_entry`.
fn snake_case(name: &str) -> String {
    let mut text = String::with_capacity(name.len() + 4);
    let mut before = '_';
    for character in name.chars() {
        if character.is_uppercase() && (before.is_lowercase() || before.is_ascii_digit()) {
            text.push('_');
        }
        text.extend(character.to_lowercase());
        before = character;
    }
    text
}

/// Returns the statement that creates a table for the fields of an entity.
fn from_schema(entity: &EntityCodec, table_name: &str) -> String {
    let schema = entity.schema();
    let mut parts: Vec<String> = schema.fields.iter().map(column).collect();
    let keys: Vec<String> = schema.key_fields().map(|(_, field)| quoted(column_name(field))).collect();
    let nullable_key = schema.key_fields().any(|(_, field)| field.nullable);
    match (keys.is_empty(), nullable_key) {
        (true, _) => {}
        (false, false) => parts.push(format!("PRIMARY KEY ({})", keys.join(", "))),
        (false, true) => parts.push(format!("UNIQUE ({})", keys.join(", "))),
    }
    format!("CREATE TABLE {table_name} (\n  {}\n)", parts.join(",\n  "))
}

fn column(field: &FieldSchema) -> String {
    let required = field.required && !field.nullable && field.logical != LogicalType::Json;
    let not_null = if required { " NOT NULL" } else { "" };
    format!("{} {}{not_null}", quoted(column_name(field)), declared_type(field))
}

fn column_name(field: &FieldSchema) -> &str {
    field.column.as_deref().unwrap_or(&field.name)
}

/// Returns the SQL type of the column that is created for a field.
pub(crate) fn declared_type(field: &FieldSchema) -> &'static str {
    match (&field.logical, field.wire) {
        (_, WireForm::Own) => "jsonb",
        (LogicalType::Bool, _) => "boolean",
        (LogicalType::Integer { bits, signed }, _) => match (bits, signed) {
            (8, _) | (16, true) => "smallint",
            (16, false) | (32, true) => "integer",
            (32, false) | (64, true) => "bigint",
            _ => "numeric",
        },
        (LogicalType::Float { bits: 32 }, _) => "real",
        (LogicalType::Float { .. }, _) => "double precision",
        (LogicalType::Decimal, _) => "numeric",
        (LogicalType::Text | LogicalType::Enum { .. }, _) => "text",
        (LogicalType::Bytes, _) => "bytea",
        (LogicalType::Uuid, _) => "uuid",
        (
            LogicalType::Timestamp | LogicalType::DateTime,
            WireForm::UnixSeconds | WireForm::UnixMillis | WireForm::UnixMicros | WireForm::UnixNanos,
        ) => "bigint",
        (LogicalType::Timestamp, _) => "timestamp with time zone",
        (LogicalType::DateTime, _) => "timestamp without time zone",
        (LogicalType::Date, _) => "date",
        (LogicalType::Time, _) => "time without time zone",
        _ => "jsonb",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_names_are_in_snake_case() {
        for (name, expected) in
            [("LogEntry", "log_entry"), ("User", "user"), ("HTTPLog", "httplog"), ("a_b", "a_b")]
        {
            assert_eq!(snake_case(name), expected);
        }
    }
}

//! Generates the `CREATE TABLE` statements of missing tables.

use std::path::Path;

use koan_backup_core::{
    Error, ErrorKind, Result, SetName,
    entity::EntityCodec,
    schema::{FieldSchema, LogicalType, WireForm},
};
use rusqlite::Connection;

use super::catalog::{Catalog, table_sql};
use super::error::failed;
use super::mapping::find_table;
use koan_backup_sql::identifier::{quoted, quoted_list};
use koan_backup_sql::tables::set_table;

/// Returns the statement that creates the table of a set. If the default set has a table, the new table has
/// the same definition. Otherwise the definition is derived from the schema of the entity.
pub(super) fn create(
    connection: &Connection,
    catalog: &Catalog,
    entity: &EntityCodec,
    set: &SetName,
    path: &Path,
) -> Result<String> {
    match find_table(catalog, entity) {
        Ok(root) if !set.is_root() => {
            let sql = table_sql(connection, &root.name);
            let sql = sql.map_err(|error| failed(path, &format!("reading table `{}`", root.name), error))?;
            let name = set_table(&root.name, set);
            let sql = sql.as_deref().and_then(|sql| renamed(sql, &name));
            Ok(sql.unwrap_or_else(|| from_schema(entity, &name)))
        }
        Ok(root) => Err(Error::new(
            ErrorKind::Internal,
            format!("cannot create table `{}`: it exists already", root.name),
        )),
        Err(_) => {
            Ok(from_schema(entity, &set_table(entity.descriptor().table().unwrap_or(entity.name()), set)))
        }
    }
}

/// Returns why SQLite cannot create a table from the entity's schema, or `None` if it can. SQLite compares
/// column names without regard to case.
pub(super) fn problem(entity: &EntityCodec) -> Option<String> {
    let names: Vec<&str> = entity.schema().fields.iter().map(column_name).collect();
    let same_name = |(index, name): (usize, &&str)| {
        let other = names[..index].iter().find(|other| other.eq_ignore_ascii_case(name))?;
        Some(format!(
            "its table cannot be created, because SQLite ignores the case of column names and considers \
             columns `{other}` and `{name}` to be the same; rename one of them with #[entity(column = \"…\")]"
        ))
    };
    names.iter().enumerate().find_map(same_name)
}

/// Returns the statement that creates a table for the fields of an entity.
fn from_schema(entity: &EntityCodec, name: &str) -> String {
    let schema = entity.schema();
    let keys: Vec<&FieldSchema> = schema.key_fields().map(|(_, field)| field).collect();
    let mut parts: Vec<String> = schema.fields.iter().map(|field| column(field, keys.len() == 1)).collect();
    if keys.len() > 1 {
        parts.push(format!("PRIMARY KEY ({})", quoted_list(keys.iter().map(|field| column_name(field)))));
    }
    format!("CREATE TABLE main.{} (\n  {}\n)", quoted(name), parts.join(",\n  "))
}

fn column(field: &FieldSchema, single_key: bool) -> String {
    let mut text = quoted(column_name(field));
    let declared = match declared_type(field) {
        // A column `INTEGER PRIMARY KEY` is an alias of the rowid, and SQLite would replace NULL with a
        // number.
        "INTEGER" if field.key && field.nullable => "INT",
        declared => declared,
    };
    if !declared.is_empty() {
        text.push(' ');
        text.push_str(declared);
    }
    let forbids_null = field.key || (field.required && field.logical != LogicalType::Json);
    if forbids_null && !field.nullable {
        text.push_str(" NOT NULL");
    }
    if field.key && single_key {
        text.push_str(" PRIMARY KEY");
    }
    text
}

fn column_name(field: &FieldSchema) -> &str {
    field.column.as_deref().unwrap_or(&field.name)
}

/// Returns the type with which a column for the field is declared.
pub(crate) fn declared_type(field: &FieldSchema) -> &'static str {
    match (&field.logical, field.wire) {
        // A column without a type stores every value unchanged.
        (_, WireForm::Own) => "",
        (LogicalType::Bool, _) => "BOOLEAN",
        // Integers that may exceed a signed 64-bit integer are stored as text, by the last arm.
        (LogicalType::Integer { bits, signed }, _) if *bits < 64 || (*bits == 64 && *signed) => "INTEGER",
        (LogicalType::Float { .. }, _) => "REAL",
        (LogicalType::Bytes, _) => "BLOB",
        (
            LogicalType::Timestamp | LogicalType::DateTime,
            WireForm::UnixSeconds | WireForm::UnixMillis | WireForm::UnixMicros | WireForm::UnixNanos,
        ) => "INTEGER",
        // Decimals are stored as text, because SQLite would round a number.
        _ => "TEXT",
    }
}

/// Replaces the name of the table in a `CREATE TABLE` statement. SQLite stores such a statement with exactly
/// these keywords, followed by the name and the rest of the statement as it was written.
fn renamed(sql: &str, name: &str) -> Option<String> {
    const BEGINNING: &str = "CREATE TABLE ";
    let rest = sql.get(BEGINNING.len()..).filter(|_| sql.is_char_boundary(BEGINNING.len()))?.trim_start();
    let close = match rest.chars().next()? {
        '"' => '"',
        '`' => '`',
        '\'' => '\'',
        '[' => ']',
        _ => {
            let end = rest.find(|c: char| c.is_whitespace() || c == '(')?;
            return Some(format!("CREATE TABLE main.{}{}", quoted(name), &rest[end..]));
        }
    };
    let mut characters = rest.char_indices().skip(1).peekable();
    while let Some((index, character)) = characters.next() {
        if character != close {
            continue;
        }
        // A doubled quotation mark is one quotation mark in the name.
        if close != ']' && characters.peek().is_some_and(|&(_, next)| next == close) {
            characters.next();
            continue;
        }
        return Some(format!("CREATE TABLE main.{}{}", quoted(name), &rest[index + close.len_utf8()..]));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_renamed_however_its_name_is_quoted() {
        for sql in [
            "CREATE TABLE t(id INTEGER)",
            "CREATE TABLE \"a\"\"b\"(id INTEGER)",
            "CREATE TABLE [a b](id INTEGER)",
            "CREATE TABLE `t`(id INTEGER)",
            "CREATE TABLE 'it''s'(id INTEGER)",
        ] {
            assert_eq!(
                renamed(sql, "t#old").as_deref(),
                Some("CREATE TABLE main.\"t#old\"(id INTEGER)"),
                "{sql}"
            );
        }
    }
}

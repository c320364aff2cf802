//! Detects tables that cannot be written or read on this connection, because they need a function that only
//! the application registers.

use rusqlite::config::DbConfig;
use rusqlite::{Connection, Result};

use super::catalog::{indexes, table_sql};
use super::clauses::elements;
use super::collation::Collations;
use super::derived::tokens::{in_parentheses, tokens, word_position};
use super::error::is_refused_statement;
use super::key_equality::unknown_collations;
use super::mapping::Mapping;
use koan_backup_sql::identifier::{quoted, quoted_list};

/// Returns why no record can be written to a table, or `None` if records can be written. A statement that
/// would write a record is compiled but not executed.
///
/// Triggers do not fire during a restore, so they are disabled while the statement is compiled.
///
/// # Errors
/// The schema cannot be read.
pub(super) fn refusal(
    connection: &Connection,
    collations: &Collations,
    mapping: &Mapping,
) -> Result<Option<String>> {
    let table = &mapping.table.name;
    let columns = mapping.table.columns.iter().map(|column| column.name.as_str());
    // Viability reports an unknown collation separately.
    if !unknown_collations(connection, collations, table, columns)?.is_empty() {
        return Ok(None);
    }
    let written = mapping.columns.iter().filter(|mapped| !mapped.column.generated);
    let names: Vec<&str> = written.map(|mapped| mapped.column.name.as_str()).collect();
    let parameters = vec!["?"; names.len()].join(", ");
    let values = match names.is_empty() {
        true => "DEFAULT VALUES".to_owned(),
        false => format!("({}) VALUES ({parameters})", quoted_list(names.into_iter())),
    };
    let insert = format!("INSERT INTO main.{} {values}", quoted(table));
    let refused = with_setting(connection, DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false, || {
        Ok(connection.prepare(&insert).err())
    })?;
    let refused = refused.filter(is_refused_statement);
    // On a read-only connection, SQLite does not compile constraints, so the clauses are compiled one by one.
    if refused.is_none() && !connection.is_readonly("main")? {
        return Ok(None);
    }
    // The SQL that created the table may contain a string in double quotation marks.
    let found = with_setting(connection, DbConfig::SQLITE_DBCONFIG_DQS_DML, true, || {
        first_refused_clause(connection, mapping)
    })?;
    let (clause, error) = match (found, refused) {
        (Some((clause, error)), _) => (clause, error),
        (None, Some(error)) => ("the statement that inserts a record".to_owned(), error),
        (None, None) => return Ok(None),
    };
    let text = sqlite_message(&error);
    Ok(Some(format!(
        "no record can be written to table `{table}`: {clause} does not compile on this connection ({text}), \
         because a function that only the application registers is unknown to the connection; restore into a \
         table without the clause and add the clause afterwards, or keep the entity in `Repositories`, which \
         write through the application"
    )))
}

/// Returns why a statement that reads a table does not compile. Returns `None` if no clause of the table is
/// the cause.
pub(super) fn unreadable(connection: &Connection, mapping: &Mapping) -> Option<String> {
    let (clause, error) = with_setting(connection, DbConfig::SQLITE_DBCONFIG_DQS_DML, true, || {
        first_refused_clause(connection, mapping)
    })
    .ok()??;
    Some(format!(
        "table `{}` cannot be read: {clause} does not compile on this connection ({}), because a function \
         that only the application registers is unknown to the connection; make the column STORED, remove it \
         from the entity, or keep the entity in `Repositories`, which read through the application",
        mapping.table.name,
        sqlite_message(&error)
    ))
}

/// Returns the message of SQLite without the text of the statement.
fn sqlite_message(error: &rusqlite::Error) -> String {
    match error {
        rusqlite::Error::SqlInputError { msg, .. } => msg.clone(),
        other => other.to_string(),
    }
}

/// Returns the description of the first clause of a table or its indexes that does not compile, with the
/// error of SQLite.
fn first_refused_clause(
    connection: &Connection,
    mapping: &Mapping,
) -> Result<Option<(String, rusqlite::Error)>> {
    let table = &mapping.table.name;
    let from = format!("FROM main.{}", quoted(table));
    let refused = |sql: String| connection.prepare(&sql).err().filter(is_refused_statement);
    let elements = elements(&table_sql(connection, table)?.unwrap_or_default());
    // Constraints may read generated columns, so the generated columns are compiled first.
    for element in &elements {
        let name = element.column.as_deref().unwrap_or_default();
        let generated = element.generated.as_deref().map(|text| format!("SELECT ({text}) {from}"));
        if let Some(error) = generated.and_then(refused) {
            return Ok(Some((format!("generated column `{name}`"), error)));
        }
        let is_default = mapping.unmapped_columns.iter().any(|column| column.name.eq_ignore_ascii_case(name));
        let default =
            element.default.as_deref().filter(|_| is_default).map(|text| format!("SELECT ({text})"));
        if let Some(error) = default.and_then(refused) {
            return Ok(Some((format!("the default of column `{name}`"), error)));
        }
    }
    for check in elements.iter().flat_map(|element| &element.checks) {
        if let Some(error) = refused(format!("SELECT 1 {from} WHERE ({})", check.condition)) {
            return Ok(Some((check.description(), error)));
        }
    }
    for index in indexes(connection, table)? {
        let Some(sql) = &index.sql else { continue };
        let tokens = tokens(sql);
        let list = tokens.iter().position(|token| token.is_punctuation('('));
        let Some((list, rest)) = list.and_then(|at| in_parentheses(&tokens[at..])) else { continue };
        let (Some(first), Some(last)) = (list.first(), list.last()) else { continue };
        let condition = word_position(rest, "where").and_then(|at| rest.get(at + 1));
        let condition = condition.map_or("true", |first| &sql[first.start..]);
        let list = &sql[first.start..last.end];
        if let Some(error) = refused(format!("SELECT 1 {from} WHERE {condition} ORDER BY {list}")) {
            return Ok(Some((format!("index `{}`", index.name), error)));
        }
    }
    Ok(None)
}

/// Runs a function while a setting of the connection has this value, and restores the previous value
/// afterwards.
fn with_setting<T>(
    connection: &Connection,
    setting: DbConfig,
    value: bool,
    action: impl FnOnce() -> Result<T>,
) -> Result<T> {
    let before = connection.db_config(setting)?;
    connection.set_db_config(setting, value)?;
    let result = action();
    connection.set_db_config(setting, before)?;
    result
}

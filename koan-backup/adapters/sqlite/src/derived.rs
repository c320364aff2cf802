//! Data that triggers compute from the rows of a table. Triggers do not fire during a restore.

mod follow;
pub(super) mod tokens;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use koan_backup_core::{
    Error, ErrorKind,
    provider::{Finding, Severity},
};
use rusqlite::config::DbConfig;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::{Connection, Result};

use super::catalog::{Catalog, Table, TableKind};
use super::mapping::Mapping;
use follow::{Follow, follow};
use koan_backup_sql::identifier::quoted;
use tokens::tokens;

/// Tables and columns (`table.column`) that triggers fill and that the application computes again after a
/// restore, each with how it does so.
#[derive(Clone, Debug, Default)]
pub(super) struct Recomputed(Arc<BTreeMap<String, String>>);

impl Recomputed {
    pub(super) fn add(&mut self, name: String, reason: String) {
        Arc::make_mut(&mut self.0).insert(name.to_lowercase(), reason);
    }

    pub(super) fn without_reason(&self) -> Option<&str> {
        self.0.iter().find(|(_, reason)| reason.trim().is_empty()).map(|(name, _)| name.as_str())
    }

    fn reason(&self, name: &str) -> Option<&str> {
        self.0.get(&name.to_lowercase()).map(String::as_str)
    }
}

/// A full-text index whose content is in another table or in a view, from which it can be rebuilt.
#[derive(Clone, Debug, PartialEq, Eq)]
struct ExternalIndex {
    name: String,
    content: String,
    /// 5 for FTS5; 4 for the versions before it.
    version: u8,
}

/// A table or column that a trigger writes when a row of the trigger's table is written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct TriggerWrite {
    trigger: String,
    table: String,
    /// The column, if only some columns are updated.
    column: Option<String>,
}

/// Reports what would be stale after a restore of these tables, with the remedy.
pub(super) fn assess(
    connection: &Connection,
    catalog: &Catalog,
    recomputed: &Recomputed,
    mappings: &[(&'static str, Mapping)],
) -> Result<Vec<Finding>> {
    let rebuilt = external_indexes(connection, catalog)?;
    let mut findings = Vec::new();
    for (entity, mapping) in mappings {
        let table = &mapping.table;
        for index in rebuilt.iter().filter(|index| depends_on(connection, catalog, index, &table.name)) {
            if let Some(reason) = recomputed.reason(&index.name) {
                let text = format!(
                    "full-text index `{}` follows table `{}` and is not rebuilt: it must be computed again, \
                     by {reason}",
                    index.name, table.name
                );
                findings.push(Finding::new(Severity::Warning, *entity, text));
                continue;
            }
            if let Some(text) = unknown_content(connection, catalog, index)? {
                findings.push(Finding::new(Severity::Error, *entity, text));
            } else if let Err(error) = check_rebuild(connection, catalog, index) {
                let text = format!(
                    "full-text index `{}` follows table `{}` and cannot be rebuilt here: {error}; drop it \
                     before the restore and make it again afterwards, or name it with \
                     `Sqlite::options(…).recomputed`",
                    index.name, table.name
                );
                findings.push(Finding::new(Severity::Error, *entity, text));
            }
        }
        let mut reported = BTreeSet::new();
        let writes = trigger_writes(connection, table).unwrap_or_else(|error| {
            let text = format!(
                "the data that the triggers of table `{}` fill cannot be determined: {error}; triggers do \
                 not fire in a restore",
                table.name
            );
            findings.push(Finding::new(Severity::Warning, *entity, text));
            BTreeSet::new()
        });
        for write in writes {
            let Some((name, severity)) = stale_name(&write, catalog, &rebuilt, mappings) else { continue };
            if !reported.insert(name.clone()) {
                continue;
            }
            let what = format!(
                "trigger `{}` of table `{}` fills `{name}`, and triggers do not fire in a restore",
                write.trigger, table.name
            );
            let (severity, text) = match (severity, recomputed.reason(&name)) {
                (_, Some(reason)) => {
                    (Severity::Warning, format!("{what}: it must be computed again, by {reason}"))
                }
                (Severity::Error, None) => (
                    Severity::Error,
                    format!(
                        "{what}, so it would not match the restored rows: it must be computed again \
                         afterwards; declare how with `Sqlite::options(…).recomputed(\"{name}\", \"…\")`, or \
                         map it to an entity"
                    ),
                ),
                (severity, None) => (
                    severity,
                    format!("{what}: it is left unchanged, because it is not a target of this restore"),
                ),
            };
            findings.push(Finding::new(severity, *entity, text));
        }
    }
    Ok(findings)
}

/// Returns why it is unknown which rows an index contains, if that is so.
fn unknown_content(
    connection: &Connection,
    catalog: &Catalog,
    index: &ExternalIndex,
) -> Result<Option<String>> {
    let Follow::Unknown { trigger, table } = follow(connection, catalog, index)? else { return Ok(None) };
    Ok(Some(format!(
        "trigger `{trigger}` of table `{table}` writes full-text index `{0}` under a condition or in a way \
         that a rebuild of the index would not follow, so a search might find rows that it leaves out: the \
         index must be computed again after the restore; declare how with \
         `Sqlite::options(…).recomputed(\"{0}\", \"…\")`",
        index.name
    )))
}

/// Compiles the statements that would rebuild an index.
fn check_rebuild(connection: &Connection, catalog: &Catalog, index: &ExternalIndex) -> Result<()> {
    if let Follow::Select(sql) = follow(connection, catalog, index)? {
        connection.prepare(&sql)?;
    }
    connection.prepare(&format!("SELECT * FROM main.{}", quoted(&index.name))).map(drop)
}

/// Returns the name of data that a trigger fills and no archive holds, and the severity of that.
fn stale_name(
    write: &TriggerWrite,
    catalog: &Catalog,
    rebuilt: &[ExternalIndex],
    mappings: &[(&'static str, Mapping)],
) -> Option<(String, Severity)> {
    let table = catalog.tables.iter().find(|table| table.name.eq_ignore_ascii_case(&write.table))?;
    match table.kind {
        TableKind::Virtual if rebuilt.iter().any(|index| index.name == table.name) => None,
        TableKind::Virtual => Some((table.name.clone(), Severity::Error)),
        TableKind::View | TableKind::Shadow => None,
        TableKind::Table => {
            let restored = mappings
                .iter()
                .map(|(_, mapping)| mapping)
                .find(|mapping| mapping.table.name.eq_ignore_ascii_case(&table.name));
            match (restored, &write.column) {
                (None, _) => Some((table.name.clone(), Severity::Warning)),
                (Some(_), None) => None,
                (Some(mapping), Some(column)) => {
                    let mut unmapped = mapping.unmapped_columns.iter();
                    let is_unmapped = unmapped.any(|other| other.name.eq_ignore_ascii_case(column));
                    is_unmapped.then(|| (format!("{}.{column}", table.name), Severity::Error))
                }
            }
        }
    }
}

/// Rebuilds the full-text indexes whose content is in one of these tables, within the transaction of the
/// restore.
///
/// # Errors
/// An index cannot be rebuilt.
pub(super) fn rebuild<'t>(
    connection: &Connection,
    catalog: &Catalog,
    recomputed: &Recomputed,
    tables: impl Iterator<Item = &'t str> + Clone,
) -> koan_backup_core::Result<()> {
    let to_error =
        |error| Error::with_source(ErrorKind::Provider, "reading the full-text indexes failed", error);
    for index in external_indexes(connection, catalog).map_err(to_error)? {
        let is_stale = tables.clone().any(|table| depends_on(connection, catalog, &index, table));
        if !is_stale || recomputed.reason(&index.name).is_some() {
            continue;
        }
        if let Some(text) = unknown_content(connection, catalog, &index).map_err(to_error)? {
            return Err(Error::new(ErrorKind::Constraint, text));
        }
        let name = quoted(&index.name);
        let command = |command: &str| {
            connection
                .execute(&format!("INSERT INTO main.{name} ({name}) VALUES ('{command}')"), [])
                .map(drop)
        };
        let rebuilt = match follow(connection, catalog, &index).map_err(to_error)? {
            Follow::Select(sql) => {
                command("delete-all").and_then(|()| connection.execute(&sql, []).map(drop))
            }
            _ => command("rebuild"),
        };
        rebuilt.map_err(|error| {
            Error::with_source(
                ErrorKind::Provider,
                format!(
                    "full-text index `{}`, which follows restored rows, cannot be rebuilt; drop it before \
                     the restore and make it again afterwards",
                    index.name
                ),
                error,
            )
        })?;
    }
    Ok(())
}

/// Returns whether the content of an index is the table, or a view that may read it.
fn depends_on(connection: &Connection, catalog: &Catalog, index: &ExternalIndex, table: &str) -> bool {
    if index.content.eq_ignore_ascii_case(table) {
        return true;
    }
    let is_view = catalog
        .tables
        .iter()
        .any(|other| other.kind == TableKind::View && other.name.eq_ignore_ascii_case(&index.content));
    is_view && reads(connection, &index.content, table).unwrap_or(true)
}

/// Returns whether a view reads a table, directly or through other views.
fn reads(connection: &Connection, view: &str, table: &str) -> Result<bool> {
    let actions =
        compiled_actions(
            connection,
            &format!("SELECT * FROM main.{}", quoted(view)),
            |context| match context.action {
                AuthAction::Read { table_name, .. } => Some(table_name.to_owned()),
                _ => None,
            },
        )?;
    Ok(actions.iter().any(|name| name.eq_ignore_ascii_case(table)))
}

/// Returns what the triggers of a table write. SQLite reports it when it compiles statements that would fire
/// them.
fn trigger_writes(connection: &Connection, table: &Table) -> Result<BTreeSet<TriggerWrite>> {
    let name = quoted(&table.name);
    let set: Vec<String> = table
        .columns
        .iter()
        .filter(|column| !column.generated)
        .map(|column| format!("{0} = {0}", quoted(&column.name)))
        .collect();
    let statements = [
        format!("INSERT INTO main.{name} DEFAULT VALUES"),
        format!("UPDATE main.{name} SET {}", set.join(", ")),
        format!("DELETE FROM main.{name}"),
    ];
    let mut writes = BTreeSet::new();
    for statement in statements {
        writes.extend(compiled_actions(connection, &statement, |context| {
            let (table, column) = match context.action {
                AuthAction::Insert { table_name } | AuthAction::Delete { table_name } => (table_name, None),
                AuthAction::Update { table_name, column_name } => (table_name, Some(column_name.to_owned())),
                _ => return None,
            };
            Some(TriggerWrite { trigger: context.accessor?.to_owned(), table: table.to_owned(), column })
        })?);
    }
    Ok(writes)
}

/// The triggers that write an index.
struct IndexWriters {
    /// The names of the triggers that write it, in lower case.
    known: BTreeSet<String>,
    /// The names of the tables whose triggers could not be compiled, in lower case; any of these triggers may
    /// write the index.
    uncompiled: BTreeSet<String>,
}

impl IndexWriters {
    fn may_include(&self, trigger: &str, table: &str) -> bool {
        self.known.contains(&trigger.to_lowercase()) || self.uncompiled.contains(&table.to_lowercase())
    }
}

/// Finds the triggers that write an index. A restore disables triggers, so they are enabled while statements
/// are compiled; no statement is executed.
fn triggers_that_write(
    connection: &Connection,
    catalog: &Catalog,
    index: &ExternalIndex,
) -> Result<IndexWriters> {
    let enable_triggers = DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER;
    let before = connection.db_config(enable_triggers)?;
    connection.set_db_config(enable_triggers, true)?;
    let writers = compiled_writers(connection, catalog, index);
    connection.set_db_config(enable_triggers, before)?;
    Ok(writers)
}

fn compiled_writers(connection: &Connection, catalog: &Catalog, index: &ExternalIndex) -> IndexWriters {
    let mut writers = IndexWriters { known: BTreeSet::new(), uncompiled: BTreeSet::new() };
    for table in &catalog.tables {
        match table.kind {
            TableKind::Table => {}
            // Triggers of a view replace a statement, and the columns of a view are not read here.
            TableKind::View => {
                writers.uncompiled.insert(table.name.to_lowercase());
                continue;
            }
            TableKind::Virtual | TableKind::Shadow => continue,
        }
        match trigger_writes(connection, table) {
            Ok(writes) => {
                let of_index =
                    writes.into_iter().filter(|write| write.table.eq_ignore_ascii_case(&index.name));
                writers.known.extend(of_index.map(|write| write.trigger.to_lowercase()));
            }
            Err(_) => drop(writers.uncompiled.insert(table.name.to_lowercase())),
        }
    }
    writers
}

/// Compiles a statement without executing it, and returns what `note` returns for each of its actions.
fn compiled_actions<T: Send + 'static>(
    connection: &Connection,
    statement: &str,
    note: impl Fn(&AuthContext<'_>) -> Option<T> + Send + 'static,
) -> Result<Vec<T>> {
    let noted = Arc::new(Mutex::new(Vec::new()));
    let notes = Arc::clone(&noted);
    connection.authorizer(Some(move |context: AuthContext<'_>| {
        notes.lock().unwrap_or_else(PoisonError::into_inner).extend(note(&context));
        Authorization::Allow
    }))?;
    let prepared = connection.prepare(statement).map(drop);
    connection.authorizer(None::<fn(AuthContext<'_>) -> Authorization>)?;
    prepared?;
    Ok(std::mem::take(&mut *noted.lock().unwrap_or_else(PoisonError::into_inner)))
}

/// Returns the full-text indexes whose content is in a table or view that they name.
fn external_indexes(connection: &Connection, catalog: &Catalog) -> Result<Vec<ExternalIndex>> {
    let mut statement =
        connection.prepare_cached("SELECT sql FROM main.sqlite_schema WHERE type = 'table' AND name = ?1")?;
    let mut found = Vec::new();
    for table in catalog.tables.iter().filter(|table| table.kind == TableKind::Virtual) {
        let sql: Option<String> = statement.query_row([&table.name], |row| row.get(0))?;
        let index = sql.as_deref().and_then(|sql| external_index(&table.name, sql));
        found.extend(index.filter(|index| !index.content.is_empty()));
    }
    Ok(found)
}

/// Reads the option `content` of a full-text table. The content is empty for an index without content.
fn external_index(name: &str, sql: &str) -> Option<ExternalIndex> {
    let tokens = tokens(sql);
    let module = tokens.iter().position(|token| token.is_word("using")).and_then(|at| tokens.get(at + 1))?;
    if !["fts3", "fts4", "fts5"].iter().any(|name| module.is_word(name)) {
        return None;
    }
    let at = tokens.windows(3).position(|three| {
        matches!(three, [before, name, equals]
            if (before.is_mark('(') || before.is_mark(',')) && name.is_word("content") && equals.is_mark('='))
    })?;
    let content = tokens.get(at + 3)?.content()?.to_owned();
    Some(ExternalIndex {
        name: name.to_owned(),
        content,
        version: if module.is_word("fts5") { 5 } else { 4 },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_content_option_of_a_full_text_table_is_found_in_every_spelling() {
        for (sql, content) in [
            ("CREATE VIRTUAL TABLE f USING fts5(a, content='docs')", Some("docs")),
            ("CREATE VIRTUAL TABLE f USING FTS5(a, b, content = docs, content_rowid=id)", Some("docs")),
            ("CREATE VIRTUAL TABLE f USING fts5 ( a , content=\"my docs\" )", Some("my docs")),
            ("CREATE VIRTUAL TABLE f USING fts4(content=\"do\"\"cs\", a)", Some("do\"cs")),
            ("CREATE VIRTUAL TABLE f USING fts5(a /* content='x' */, content=[d], prefix='2 3')", Some("d")),
            ("CREATE VIRTUAL TABLE f USING fts5(a, content='')", Some("")),
            ("CREATE VIRTUAL TABLE f USING fts5(content, a)", None),
            ("CREATE VIRTUAL TABLE f USING fts5(a, tokenize = 'porter content=x')", None),
            ("CREATE VIRTUAL TABLE f USING rtree(id, content, x)", None),
        ] {
            let found = external_index("f", sql).map(|index| index.content);
            assert_eq!(found.as_deref(), content, "{sql}");
        }
    }
}

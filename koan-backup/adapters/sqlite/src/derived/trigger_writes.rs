//! Finds the tables and columns that triggers write. SQLite reports them when it compiles statements; no
//! statement is executed.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::config::DbConfig;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::{Connection, Result};

use super::super::catalog::{Catalog, Table, TableKind};
use super::external_index::ExternalIndex;
use koan_backup_sql::identifier::quoted;

/// A table or column that a trigger writes when a row of the trigger's table is written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct TriggerWrite {
    pub(super) trigger: String,
    pub(super) table: String,
    /// The updated column; `None` if the trigger can write all columns.
    pub(super) column: Option<String>,
}

/// Returns whether a view reads a table, directly or through other views.
pub(super) fn reads(connection: &Connection, view: &str, table: &str) -> Result<bool> {
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

/// Returns the tables and columns that the triggers of a table write. SQLite reports them when it compiles
/// statements that would fire the triggers.
pub(super) fn trigger_writes(connection: &Connection, table: &Table) -> Result<BTreeSet<TriggerWrite>> {
    let name = quoted(&table.name);
    let assignments: Vec<String> = table
        .columns
        .iter()
        .filter(|column| !column.generated)
        .map(|column| format!("{0} = {0}", quoted(&column.name)))
        .collect();
    let statements = [
        format!("INSERT INTO main.{name} DEFAULT VALUES"),
        format!("UPDATE main.{name} SET {}", assignments.join(", ")),
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
pub(super) struct IndexWriters {
    /// The names of the triggers that are known to write the index, in lower case.
    pub(super) known: BTreeSet<String>,
    /// The names of the tables whose triggers could not be compiled, in lower case; any of these triggers may
    /// write the index.
    pub(super) uncompiled: BTreeSet<String>,
}

impl IndexWriters {
    /// Returns whether a trigger of a table is known to write the index, or could not be compiled.
    pub(super) fn may_include(&self, trigger: &str, table: &str) -> bool {
        self.known.contains(&trigger.to_lowercase()) || self.uncompiled.contains(&table.to_lowercase())
    }
}

/// Finds the triggers that write an index. A restore disables triggers, so they are enabled while statements
/// are compiled; no statement is executed.
pub(super) fn triggers_that_write(
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

/// Finds the triggers that write an index, on a connection whose triggers are enabled.
pub(super) fn compiled_writers(
    connection: &Connection,
    catalog: &Catalog,
    index: &ExternalIndex,
) -> IndexWriters {
    let mut writers = IndexWriters { known: BTreeSet::new(), uncompiled: BTreeSet::new() };
    for table in &catalog.tables {
        match table.kind {
            TableKind::Table => {}
            // The INSTEAD OF triggers of a view cannot be compiled here, because the catalog does not contain
            // the columns of views.
            TableKind::View => {
                writers.uncompiled.insert(table.name.to_lowercase());
                continue;
            }
            TableKind::Virtual | TableKind::Shadow => continue,
        }
        match trigger_writes(connection, table) {
            Ok(writes) => {
                let index_writes =
                    writes.into_iter().filter(|write| write.table.eq_ignore_ascii_case(&index.name));
                writers.known.extend(index_writes.map(|write| write.trigger.to_lowercase()));
            }
            Err(_) => drop(writers.uncompiled.insert(table.name.to_lowercase())),
        }
    }
    writers
}

/// Compiles a statement without executing it, and returns the results of `select` for the actions that SQLite
/// reports to the authorizer.
pub(super) fn compiled_actions<T: Send + 'static>(
    connection: &Connection,
    statement: &str,
    select: impl Fn(&AuthContext<'_>) -> Option<T> + Send + 'static,
) -> Result<Vec<T>> {
    let selected = Arc::new(Mutex::new(Vec::new()));
    let results = Arc::clone(&selected);
    connection.authorizer(Some(move |context: AuthContext<'_>| {
        results.lock().unwrap_or_else(PoisonError::into_inner).extend(select(&context));
        Authorization::Allow
    }))?;
    let prepared = connection.prepare(statement).map(drop);
    connection.authorizer(None::<fn(AuthContext<'_>) -> Authorization>)?;
    prepared?;
    Ok(std::mem::take(&mut *selected.lock().unwrap_or_else(PoisonError::into_inner)))
}

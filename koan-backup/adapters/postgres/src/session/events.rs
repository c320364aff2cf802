//! The tables of the event store within a restore: they are locked, and their triggers and rules are disabled.

use std::sync::Arc;

use koan_backup_core::{Error, ErrorKind, Result, provider::SessionIntent};
use koan_backup_sql::event_tables::EventTables;
use koan_backup_sql::identifier::{listed, quoted};

use super::super::catalog::{Catalog, Table};
use super::super::connection::Connection;
use super::super::error::failed;
use super::super::event_store::tables::StoreTables;
use super::suspended::Suspended;
use super::table_lock::{Locked, lock_table};
use super::triggers::TRIGGERS;

/// The event store of a restore.
#[derive(Debug)]
pub(super) struct EventSession {
    settings: Arc<EventTables>,
    /// The tables, which are found and locked before the first access.
    tables: Option<StoreTables>,
    pub(super) has_written: bool,
}

impl EventSession {
    pub(super) fn new(settings: Arc<EventTables>) -> Self {
        Self { settings, tables: None, has_written: false }
    }

    /// Returns the tables that were written.
    pub(super) fn written_tables(&self) -> impl Iterator<Item = &Table> {
        let tables = self.tables.as_ref().filter(|_| self.has_written);
        tables.into_iter().flat_map(StoreTables::keys).map(|keys| &keys.table)
    }

    /// Finds the tables. If the session writes, the tables are locked against other writers until the commit, and their
    /// triggers and rules are disabled.
    pub(super) async fn prepare(
        &mut self,
        connection: &Connection,
        catalog: &Catalog,
        suspended: &mut Suspended,
        intent: SessionIntent,
    ) -> Result<&StoreTables> {
        let tables = match self.tables.take() {
            Some(tables) => tables,
            None => {
                let tables = StoreTables::find(catalog, &self.settings)?;
                let is_applied = intent == SessionIntent::Apply;
                for table in tables.keys().map(|keys| &keys.table).filter(|_| is_applied) {
                    prepare_table(connection, table, suspended).await?;
                }
                tables
            }
        };
        Ok(self.tables.insert(tables))
    }
}

/// Locks a table against other writers, and disables its triggers and rules.
async fn prepare_table(connection: &Connection, table: &Table, suspended: &mut Suspended) -> Result<()> {
    let operation = format!("preparing event table `{}`", table.display_name);
    if lock_table(connection, table, &operation).await? == Locked::No {
        return Err(Error::new(
            ErrorKind::Provider,
            format!(
                "the role is not permitted to lock event table `{}`, so other sessions could append events during the \
                 restore",
                table.display_name
            ),
        )
        .with_help(format!("run `GRANT INSERT, UPDATE, DELETE ON {} TO` the role", table.quoted())));
    }
    let rows =
        connection.client.query(TRIGGERS, &[&table.oid]).await.map_err(|error| failed(&operation, &error))?;
    let mut firing = Vec::new();
    for row in &rows {
        let read = || Ok::<_, tokio_postgres::Error>((row.try_get(2)?, row.try_get(3)?, row.try_get(4)?));
        let (name, state, is_owned): (String, String, bool) =
            read().map_err(|error| failed(&operation, &error))?;
        // A trigger that fires only for replicated changes does not fire in this session.
        if !(table.is_owned && is_owned) && state != "R" {
            firing.push(name);
        }
    }
    if !firing.is_empty() {
        let first = firing.first().map(|name| quoted(name)).unwrap_or_default();
        return Err(Error::new(
            ErrorKind::Unsupported,
            format!(
                "triggers {} of event table `{}` would fire for the restored events, and only the owner of the table can \
                 disable them",
                listed(firing.iter().map(String::as_str)),
                table.display_name
            ),
        )
        .with_help(format!(
            "restore as the owner, or have the owner run `ALTER TABLE {} DISABLE TRIGGER {first}` before the restore, and \
             enable it afterwards",
            table.quoted()
        )));
    }
    suspended.suspend_triggers_and_rules(connection, table, &operation).await
}

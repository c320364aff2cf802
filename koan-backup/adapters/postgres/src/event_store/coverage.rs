//! Describes how an event store covers its tables.

use koan_backup_core::{Error, ErrorKind, Result};
use koan_backup_sql::identifier::listed;
use tokio_postgres::types::Oid;

use super::tables::StoreTables;

impl StoreTables {
    /// Returns the tables.
    pub(in super::super) fn oids(&self) -> impl Iterator<Item = Oid> {
        self.keys().map(|keys| keys.table.oid)
    }

    /// Refuses a table that an entity uses as well. `tables` are the tables of the entity.
    pub(in super::super) fn require_no_entity(
        &self,
        entity: &str,
        tables: impl Iterator<Item = Oid>,
    ) -> Result<()> {
        for oid in tables {
            if let Some(keys) = self.keys().find(|keys| keys.table.oid == oid) {
                return Err(Error::new(
                    ErrorKind::Configuration,
                    format!(
                        "table `{}` belongs to the event store and to {entity}, so its rows would be backed up and \
                         restored in two ways",
                        keys.table.display_name
                    ),
                )
                .with_help(format!(
                    "declare another table for {entity} with #[entity(table = \"…\")], or exclude it with \
                     #[entity_backup(enabled = false, reason = \"…\")]"
                )));
            }
        }
        Ok(())
    }

    /// Returns the warnings about columns that are not backed up, and about missing unique indexes.
    pub(in super::super) fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        for (table, columns) in self.uncovered_columns().filter(|(_, columns)| !columns.is_empty()) {
            warnings.push(format!(
                "the columns {} of event table `{}` are not backed up, because no setting of the event store names them; \
                 name them with the methods of `EventTables`, or drop them",
                listed(columns),
                table.display_name
            ));
        }
        for keys in self.keys().filter(|keys| !keys.is_unique()) {
            warnings.push(format!(
                "event table `{}` has no unique index over {}, so nothing prevents two rows with the same version; create \
                 one",
                keys.table.display_name,
                listed(keys.names())
            ));
        }
        let events = &self.events.keys.table;
        if let Some(position) = &self.events.position
            && !events.is_unique_over([position.name.as_str()])
        {
            warnings.push(format!(
                "event table `{}` has no unique index over `{}`, so a restore compares the positions of all events, which \
                 is slower; create one",
                events.display_name, position.name
            ));
        }
        warnings
    }

    /// Returns the warnings about ignored tables that are backed up. `is_ignored` returns whether the application ignores
    /// a table.
    pub(in super::super) fn ignored_tables<'t>(
        &'t self,
        is_ignored: impl Fn(&super::super::catalog::Table) -> bool + 't,
    ) -> impl Iterator<Item = String> + 't {
        self.keys().map(|keys| &keys.table).filter(move |table| is_ignored(table)).map(|table| {
            format!(
                "`ignore_table({:?})` has no effect, because the event store covers the table and is backed up; remove \
                 the option",
                table.display_name
            )
        })
    }
}

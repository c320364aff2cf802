//! Adds the tables of the event store to the description of a database.

use std::collections::BTreeMap;

use koan_backup_core::provider::{EntityCoverage, ProviderDescription};

use super::StoreTables;
use super::store_tables::StoreTable;
use super::stored_form::StoreContent;
use koan_backup_sql::identifier::listed;

/// Removes the tables of the event store from the tables without an entity, and reports columns that no setting names, a
/// missing unique index, and settings without effect.
pub(crate) fn add_to_description(
    tables: &StoreTables,
    ignored: &BTreeMap<String, String>,
    description: &mut ProviderDescription,
) {
    description.unmapped_tables.retain(|table| !is_event_table(tables, table));
    for name in ignored.keys().filter(|name| is_event_table(tables, name)) {
        description.warnings.push(format!(
            "`ignore_table({name:?})` has no effect, because the table belongs to the event store and is backed up; \
             remove the option"
        ));
    }
    let events = &tables.events;
    description.warnings.extend(unnamed_columns(events, "EventTables"));
    if !events.is_unique {
        description.warnings.push(format!(
            "table `{}` of the event store has no unique index over the object name, the object id and the version, so \
             it can contain a version twice, and reading it is slow; create one with `CREATE UNIQUE INDEX`",
            events.name
        ));
    }
    if let Some(snapshots) = &tables.snapshots {
        description.warnings.extend(unnamed_columns(snapshots, "SnapshotTable"));
    }
}

/// Refuses entities whose table belongs to the event store.
pub(crate) fn refuse_shared_tables(tables: &StoreTables, entities: &mut [EntityCoverage]) {
    for coverage in entities {
        let Some(table) = coverage.table.as_deref().filter(|table| is_event_table(tables, table)) else {
            continue;
        };
        let problem = format!(
            "its table `{table}` belongs to the event store; declare the events with #[derive(EventStream)] instead of \
             an entity, or name other tables with `Sqlite::event_store`"
        );
        coverage.problem = Some(match coverage.problem.take() {
            Some(other) => format!("{other}; {problem}"),
            None => problem,
        });
    }
}

/// Returns whether a table belongs to the event store.
pub(crate) fn is_event_table(tables: &StoreTables, table: &str) -> bool {
    tables.table_names().any(|name| name.eq_ignore_ascii_case(table))
}

fn unnamed_columns<C: StoreContent>(table: &StoreTable<C>, settings: &str) -> Option<String> {
    let names = listed(table.unnamed.iter().map(|column| column.name.as_str()));
    (!names.is_empty()).then(|| {
        format!(
            "no setting of the event store names column {names} of table `{}`, so its values are lost; name it with a \
             method of `{settings}`, or remove it",
            table.name
        )
    })
}

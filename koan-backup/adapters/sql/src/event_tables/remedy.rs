//! The errors about missing tables and columns of an event store, with their remedies.

use koan_backup_core::{Error, ErrorKind};

use super::{EventColumn, EventTables, SnapshotColumn, SnapshotTable};
use crate::identifier::{quoted, quoted_list};

impl EventTables {
    /// Returns the statement that creates the table of events. `type_of` returns the type of a column in the database.
    pub fn create_events(&self, type_of: impl Fn(EventColumn) -> &'static str) -> String {
        let columns = self.event_columns();
        let definitions =
            columns.iter().map(|(column, name)| (*name, type_of(*column), column.is_required()));
        let key = columns.iter().filter(|(column, _)| *column <= EventColumn::Version).map(|(_, name)| *name);
        create(self.events_table(), definitions, &quoted_list(key))
    }

    /// Returns the error about a missing table of events. `create` is the statement that creates the table.
    pub fn no_events_table(&self, create: &str) -> Error {
        no_table(self.events_table(), "events", create, "EventTables::events")
    }

    /// Returns the error about a missing column of the table of events.
    pub fn no_event_column(&self, column: EventColumn, name: &str) -> Error {
        let setting = format!("EventTables::{}", column.setting());
        no_column(self.events_table(), name, &setting, column.is_required())
    }

    /// Returns the error about a value that no column of the table of events can contain. `value` names the value, for
    /// example `a timestamp`.
    pub fn no_column_for(&self, event: &str, value: &str, column: EventColumn) -> Error {
        Error::new(
            ErrorKind::Unsupported,
            format!("{event} has {value}, and table `{}` has no column for it", self.events_table()),
        )
        .with_help(format!("add a column, and name it with `EventTables::{}`", column.setting()))
    }
}

impl SnapshotTable {
    /// Returns the statement that creates the table of snapshots. `type_of` returns the type of a column in the database.
    pub fn create(&self, type_of: impl Fn(SnapshotColumn) -> &'static str) -> String {
        let columns = self.columns();
        let definitions = columns.iter().map(|(column, name)| {
            (*name, type_of(*column), column.is_required() || *column == SnapshotColumn::Number)
        });
        let key =
            columns.iter().filter(|(column, _)| *column <= SnapshotColumn::ObjectId).map(|(_, name)| *name);
        create(self.table(), definitions, &quoted_list(key))
    }

    /// Returns the error about a missing table of snapshots. `create` is the statement that creates the table.
    pub fn not_found(&self, create: &str) -> Error {
        no_table(self.table(), "snapshots", create, "EventTables::snapshots").with_help(format!(
            "create it with `{create}`, name another table with `EventTables::snapshots`, or declare that there is none \
             with `without_snapshots`"
        ))
    }

    /// Returns the error about a missing column of the table of snapshots.
    pub fn no_column(&self, column: SnapshotColumn, name: &str) -> Error {
        no_column(self.table(), name, &format!("SnapshotTable::{}", column.setting()), column.is_required())
    }
}

fn create<'a>(
    table: &str,
    columns: impl Iterator<Item = (&'a str, &'static str, bool)>,
    key: &str,
) -> String {
    let columns: Vec<String> = columns
        .map(|(name, declared, is_required)| {
            let constraint = if is_required { " NOT NULL" } else { "" };
            format!("{} {declared}{constraint}", quoted(name))
        })
        .collect();
    let table: Vec<String> = table.split('.').map(quoted).collect();
    format!("CREATE TABLE {} ({}, PRIMARY KEY ({key}))", table.join("."), columns.join(", "))
}

fn no_table(table: &str, content: &str, create: &str, setting: &str) -> Error {
    Error::new(
        ErrorKind::Configuration,
        format!("the event store has no table `{table}`, which should contain its {content}"),
    )
    .with_help(format!("create it with `{create}`, or name another table with `{setting}`"))
}

fn no_column(table: &str, name: &str, setting: &str, is_required: bool) -> Error {
    let text = format!("table `{table}` of the event store has no column `{name}`, which `{setting}` names");
    let remedy = match is_required {
        true => format!("add the column, or name another column with `{setting}`"),
        false => format!("add the column, name another column with `{setting}`, or omit the setting"),
    };
    Error::new(ErrorKind::Configuration, text).with_help(remedy)
}

//! Finds the tables of an event store in the catalog, and refuses those that cannot contain one.

use koan_backup_core::{Error, ErrorKind, Result};
use koan_backup_sql::event_tables::{EventColumn, SnapshotColumn};
use koan_backup_sql::identifier::{listed, quoted};
use koan_backup_sql::tables::is_near;

use super::super::catalog::{Catalog, Column, Table, TableKind};
use super::column::StoredColumn;

/// Finds a table by its name, with or without the schema. `missing` is the error about a table that does not exist.
///
/// # Errors
/// The table does not exist, is not a table, or cannot be read by the role.
pub(super) fn find_table<'c>(
    catalog: &'c Catalog,
    name: &str,
    missing: impl Fn() -> Error,
) -> Result<&'c Table> {
    let refused = |kind, text: String| Err(Error::new(kind, text));
    let visible = catalog.visible().find(|table| table.name == name);
    let qualified = || {
        let (schema, name) = name.split_once('.')?;
        catalog.tables.iter().find(|table| table.schema == schema && table.name == name)
    };
    // PostgreSQL omits schemas that the role is not permitted to use from the search path.
    let hidden =
        || catalog.tables.iter().find(|table| table.name == name && catalog.lacks_usage(&table.schema));
    let Some(table) = visible.or_else(qualified).or_else(hidden) else {
        let is_similar =
            |table: &&Table| table.is_table() && (table.name == name || is_near(&table.name, name));
        let similar = catalog.tables.iter().find(is_similar);
        return Err(similar.map_or_else(&missing, |table| {
            let error = missing();
            let help = error.help().map(str::to_owned).unwrap_or_default();
            error.with_help(format!("did you mean `{}`? otherwise {help}", table.display_name))
        }));
    };
    let (display_name, sql) = (&table.display_name, table.quoted());
    if catalog.lacks_usage(&table.schema) {
        let schema = quoted(&table.schema);
        return refused(
            ErrorKind::Provider,
            format!(
                "event table `{display_name}` is in a schema that the role is not permitted to use; run `GRANT USAGE ON \
                 SCHEMA {schema} TO` the role"
            ),
        );
    }
    if !table.is_table() {
        let kind = match table.kind {
            TableKind::View => "a view",
            TableKind::MaterializedView => "a materialized view",
            _ => "a foreign table",
        };
        return refused(
            ErrorKind::Configuration,
            format!("event table `{display_name}` is {kind}; name the table that contains the rows"),
        );
    }
    if table.is_partition {
        let parents = listed(table.parents.iter().map(String::as_str));
        return refused(
            ErrorKind::Configuration,
            format!("event table `{display_name}` is a partition; name the partitioned table {parents}"),
        );
    }
    if !table.is_readable && table.columns.iter().any(|column| !column.is_readable) {
        return refused(
            ErrorKind::Provider,
            format!(
                "the role is not permitted to read event table `{display_name}`; run `GRANT SELECT ON {sql} TO` the role"
            ),
        );
    }
    if table.hides_rows {
        return refused(
            ErrorKind::Provider,
            format!(
                "row-level security hides rows of event table `{display_name}` from the role; use the owner of the table \
                 or a role with BYPASSRLS, so that no event is missing"
            ),
        );
    }
    Ok(table)
}

/// Refuses a table with a column that needs a value and that no setting names, because a restore could not write a row.
/// `settings` is the type whose methods name columns.
pub(super) fn require_complete(table: &Table, named: &[&StoredColumn], settings: &str) -> Result<()> {
    let is_missing = |column: &&Column| {
        column.needs_value && !column.generated && !named.iter().any(|named| named.name == column.name)
    };
    let Some(column) = table.columns.iter().find(is_missing) else { return Ok(()) };
    Err(Error::new(
        ErrorKind::Configuration,
        format!(
            "column `{}` of event table `{}` is NOT NULL and has no default, and no setting of the event store names it, so \
             its values would be lost and a restore would fail",
            column.name, table.display_name
        ),
    )
    .with_help(format!("name the column with a method of `{settings}`, give it a default, or drop it")))
}

/// Returns the type that a column of a new table of events should have.
pub(super) fn type_of_event_column(column: EventColumn) -> &'static str {
    match column {
        EventColumn::Version => "bigint",
        EventColumn::Position => "bigint GENERATED ALWAYS AS IDENTITY UNIQUE",
        EventColumn::Timestamp => "timestamptz",
        EventColumn::Metadata | EventColumn::Payload => "json",
        _ => "text",
    }
}

/// Returns the type that a column of a new table of snapshots should have.
pub(super) fn type_of_snapshot_column(column: SnapshotColumn) -> &'static str {
    match column {
        SnapshotColumn::Version | SnapshotColumn::Number => "bigint",
        SnapshotColumn::Timestamp => "timestamptz",
        SnapshotColumn::Payload => "json",
        _ => "text",
    }
}

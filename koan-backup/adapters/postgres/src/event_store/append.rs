//! Adds events and snapshots to the tables of an event store.

use std::collections::{BTreeMap, BTreeSet};

use koan_backup_core::event_store::{JsonText, StreamEvent, StreamSnapshot};
use koan_backup_core::{Error, ErrorKind, Result};
use koan_backup_sql::event_tables::{EventColumn, EventTables};
use tokio_postgres::types::Type;

use super::super::connection::Connection;
use super::column::{ColumnForm, StoredColumn};
use super::duplicate_names::has_duplicate_names;
use super::insert::{InsertedRow, insert_all};
use super::queries::Parameter;
use super::tables::{EventsTable, KeyColumns, StoreTables};

impl StoreTables {
    /// Adds events that continue their streams. Returns the number of added events.
    pub(in super::super) async fn append(
        &self,
        connection: &Connection,
        object: &str,
        events: &[StreamEvent],
    ) -> Result<u64> {
        let table = &self.events;
        for event in events {
            let name = event.name(&table.keys, object);
            table.keys.require_representable(object, &event.object_id, &event.stream_id, &name)?;
            table.require_representable(&self.settings, event, &name)?;
        }
        self.require_continued(connection, object, events).await?;
        let numbered = table.assign_positions(connection, events).await?;
        let events = numbered.as_deref().unwrap_or(events);
        let added = insert_all(connection, table.as_ref(), object, events).await?;
        table.require_distinct_positions(connection, events).await?;
        Ok(added)
    }

    /// Adds snapshots that do not exist. Returns the number of added snapshots.
    pub(in super::super) async fn add_snapshots(
        &self,
        connection: &Connection,
        object: &str,
        snapshots: &[StreamSnapshot],
    ) -> Result<u64> {
        if snapshots.is_empty() {
            return Ok(0);
        }
        let Some(table) = &self.snapshots else {
            return Err(Error::new(
                ErrorKind::Unsupported,
                format!(
                    "the event store has no table of snapshots, so it cannot store the snapshots of `{object}`; set one \
                     with `EventTables::snapshots`, or restore without snapshots"
                ),
            ));
        };
        let mut keys = BTreeSet::new();
        for snapshot in snapshots {
            let name = snapshot.name(&table.keys, object);
            table.keys.require_representable(object, &snapshot.object_id, &snapshot.stream_id, &name)?;
            let columns = [
                ("name", snapshot.name.is_some(), false),
                ("number", snapshot.number.is_some(), table.number.is_some()),
                ("timestamp", snapshot.timestamp.is_some(), table.timestamp.is_some()),
            ];
            if let Some((field, ..)) =
                columns.into_iter().find(|(_, has_value, has_column)| *has_value && !has_column)
            {
                return Err(Error::new(
                    ErrorKind::Record,
                    format!("{name} has a {field}, and the table of snapshots has no column for it"),
                ));
            }
            require_exact_json(&name, &table.payload, &snapshot.payload)?;
            if !keys.insert((snapshot.object_id.as_str(), snapshot.version)) {
                return Err(exists(&name));
            }
        }
        let keys: Vec<_> = keys.into_iter().collect();
        if let Some(existing) = self.snapshots_at(connection, object, &keys).await?.first() {
            return Err(exists(&existing.name(&table.keys, object)));
        }
        insert_all(connection, table.as_ref(), object, snapshots).await
    }

    /// Refuses events that exist, or that do not follow the last event of their stream.
    async fn require_continued(
        &self,
        connection: &Connection,
        object: &str,
        events: &[StreamEvent],
    ) -> Result<()> {
        let ids: BTreeSet<&String> = events.iter().map(|event| &event.object_id).collect();
        let ids: Vec<String> = ids.into_iter().cloned().collect();
        let mut last_versions = BTreeMap::new();
        for heads in self.heads(connection, object, &ids).await? {
            if let Some(head) = heads.streams.first() {
                last_versions.insert(heads.object_id, head.version);
            }
        }
        for event in events {
            let last = last_versions.insert(event.object_id.clone(), event.version);
            let next = last.map_or(0, |last| last.saturating_add(1));
            if event.version < next {
                return Err(exists(&event.name(&self.events.keys, object)));
            }
            if event.version > next {
                return Err(Error::new(
                    ErrorKind::Record,
                    format!(
                        "{} does not follow the stream, whose next version is {next}; write the missing events first",
                        event.name(&self.events.keys, object)
                    ),
                ));
            }
        }
        Ok(())
    }
}

/// Returns the error for a record that must not exist.
fn exists(name: &str) -> Error {
    Error::new(ErrorKind::Conflict, format!("{name} already exists"))
}

impl KeyColumns {
    /// Refuses a record whose object name, object id or stream id the table cannot represent.
    fn require_representable(&self, object: &str, id: &str, stream_id: &str, name: &str) -> Result<()> {
        let refused = |fault: String| Err(Error::new(ErrorKind::Record, format!("{name} {fault}")));
        if stream_id != id {
            return refused(format!(
                "belongs to stream `{stream_id}`, and the event store has one stream for each aggregate, whose id is the \
                 object id; restore into an event store with several streams for an aggregate"
            ));
        }
        if !self.admits_object(object) {
            return refused(format!(
                "cannot be written, because the table cannot contain the object name `{object}`; use the event store \
                 for its own object names"
            ));
        }
        if !self.id.admits(id) {
            return refused(format!(
                "cannot be written, because the type of column `{}` cannot contain the object id",
                self.id.name
            ));
        }
        Ok(())
    }
}

impl EventsTable {
    /// Refuses an event with a value for which the table has no column, or which its column would change.
    fn require_representable(&self, settings: &EventTables, event: &StreamEvent, name: &str) -> Result<()> {
        let columns = [
            (
                "a schema version",
                event.schema_version.is_some(),
                &self.schema_version,
                EventColumn::SchemaVersion,
            ),
            (
                "an external sequencer",
                event.external_sequencer.is_some(),
                &self.external_sequencer,
                EventColumn::ExternalSequencer,
            ),
            ("an action", event.action.is_some(), &self.action, EventColumn::Action),
            ("a timestamp", event.timestamp.is_some(), &self.timestamp, EventColumn::Timestamp),
            ("a position", event.position.is_some(), &self.position, EventColumn::Position),
            ("metadata", event.metadata.is_some(), &self.metadata, EventColumn::Metadata),
        ];
        let missing = columns.into_iter().find(|(_, has_value, column, _)| *has_value && column.is_none());
        if let Some((value, _, _, column)) = missing {
            return Err(settings.no_column_for(name, value, column));
        }
        require_exact_json(name, &self.payload, &event.payload)?;
        match (&self.metadata, &event.metadata) {
            (Some(column), Some(metadata)) => require_exact_json(name, column, metadata),
            _ => Ok(()),
        }
    }

    /// Assigns positions after the largest one to the events without one, if PostgreSQL assigns none. The table is
    /// locked against other writers.
    async fn assign_positions(
        &self,
        connection: &Connection,
        events: &[StreamEvent],
    ) -> Result<Option<Vec<StreamEvent>>> {
        let column = self.position.as_ref().filter(|column| !column.has_default);
        let Some(column) = column.filter(|_| events.iter().any(|event| event.position.is_none())) else {
            return Ok(None);
        };
        let operation = "reading the last position";
        let query = format!("SELECT pg_catalog.max({}) FROM {}", column.selected(), self.keys.rows());
        let rows = self.keys.query(connection, operation, &query, &[]).await?;
        let last = rows.first().map(|row| row.try_get::<_, Option<i64>>(0)).transpose();
        let last = last.map_err(|error| self.keys.failed(operation, &error))?.flatten();
        let mut last = last.into_iter().chain(events.iter().filter_map(|event| event.position)).max();
        let mut events = events.to_vec();
        for event in events.iter_mut().filter(|event| event.position.is_none()) {
            last = last.unwrap_or(0).checked_add(1);
            if last.is_none() {
                return Err(Error::new(
                    ErrorKind::Constraint,
                    format!(
                        "event table `{}` has no position after the last event; correct the positions in column `{}`",
                        self.keys.table.display_name, column.name
                    ),
                ));
            }
            event.position = last;
        }
        Ok(Some(events))
    }

    /// Refuses a position that another event has. A unique index would have refused it.
    async fn require_distinct_positions(
        &self,
        connection: &Connection,
        events: &[StreamEvent],
    ) -> Result<()> {
        let positions: Vec<i64> = events.iter().filter_map(|event| event.position).collect();
        let Some(column) = self.position.as_ref().filter(|_| !positions.is_empty()) else { return Ok(()) };
        if self.keys.table.is_unique_over([column.name.as_str()]) {
            return Ok(());
        }
        let position = column.qualified();
        let query = format!(
            "SELECT {} FROM {} WHERE {position} = ANY ($1) GROUP BY {position} HAVING pg_catalog.count(*) > 1 LIMIT 1",
            column.selected(),
            self.keys.rows()
        );
        let parameters: [Parameter<'_>; 1] = [(&positions, Type::INT8_ARRAY)];
        let operation = "searching duplicate positions";
        let rows = self.keys.query(connection, operation, &query, &parameters).await?;
        let Some(row) = rows.first() else { return Ok(()) };
        let position: i64 = row.try_get(0).map_err(|error| self.keys.failed(operation, &error))?;
        Err(Error::new(
            ErrorKind::Conflict,
            format!(
                "position {position} of event table `{}` already belongs to another event; restore into a table whose \
                 positions are free",
                self.keys.table.display_name
            ),
        ))
    }
}

/// Refuses JSON that a column of type `jsonb` would change.
fn require_exact_json(name: &str, column: &StoredColumn, json: &JsonText) -> Result<()> {
    if column.form != ColumnForm::Jsonb || !has_duplicate_names(json.as_json()) {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Record,
        format!(
            "{name}: the JSON for column `{}` has an object with duplicate names, of which `jsonb` would store the last; \
             use a column of type `json`",
            column.name
        ),
    ))
}

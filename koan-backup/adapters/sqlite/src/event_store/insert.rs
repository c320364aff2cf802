//! The statements that insert events and snapshots, and the values that they bind.

use koan_backup_core::{
    Error, ErrorKind, Result,
    entity::stream::{JsonText, StreamEvent, StreamSnapshot},
};
use rusqlite::types::{Null, ToSqlOutput, Value};

use super::identity::Identity;
use super::store_tables::{StoreColumn, StoreTable, StoreTables};
use super::stored_form::StoreContent;
use koan_backup_sql::event_tables::{EventColumn, SnapshotColumn};
use koan_backup_sql::identifier::quoted_list;

/// The value of a record for a column.
pub(super) enum Content<'v> {
    Text(Option<&'v str>),
    Number(Option<i64>),
}

impl<'v> From<Option<&'v JsonText>> for Content<'v> {
    fn from(json: Option<&'v JsonText>) -> Self {
        Self::Text(json.map(JsonText::stored_text))
    }
}

impl StoreTables {
    /// Returns the value of an event for a column. `position` is the position to store.
    pub(super) fn content_of_event<'v>(
        &self,
        object: &'v str,
        event: &'v StreamEvent,
        position: Option<i64>,
        column: EventColumn,
    ) -> Content<'v> {
        match column {
            EventColumn::Object => Content::Text(Some(object)),
            EventColumn::ObjectId => Content::Text(Some(&event.object_id)),
            EventColumn::Version => Content::Number(self.names.number_of(event.version)),
            EventColumn::EventType => Content::Text(Some(&event.event_type)),
            EventColumn::SchemaVersion => Content::Text(event.schema_version.as_deref()),
            EventColumn::ExternalSequencer => Content::Text(event.external_sequencer.as_deref()),
            EventColumn::Action => Content::Text(event.action.as_deref()),
            EventColumn::Timestamp => Content::Text(event.timestamp.as_deref()),
            EventColumn::Position => Content::Number(position),
            EventColumn::Metadata => event.metadata.as_ref().into(),
            EventColumn::Payload => Some(&event.payload).into(),
        }
    }

    /// Returns the value of a snapshot for a column.
    pub(super) fn content_of_snapshot<'v>(
        &self,
        object: &'v str,
        snapshot: &'v StreamSnapshot,
        number: Option<i64>,
        column: SnapshotColumn,
    ) -> Content<'v> {
        match column {
            SnapshotColumn::Object => Content::Text(Some(object)),
            SnapshotColumn::ObjectId => Content::Text(Some(&snapshot.object_id)),
            SnapshotColumn::Version => Content::Number(self.names.number_of(snapshot.version)),
            SnapshotColumn::Number => Content::Number(number),
            SnapshotColumn::Timestamp => Content::Text(snapshot.timestamp.as_deref()),
            SnapshotColumn::Payload => Some(&snapshot.payload).into(),
        }
    }

    /// Refuses an event with a value for which there is no column.
    pub(super) fn require_event_columns(&self, identity: Identity<'_>, event: &StreamEvent) -> Result<()> {
        let values = [
            (event.schema_version.is_some(), "a schema version", EventColumn::SchemaVersion),
            (event.external_sequencer.is_some(), "an external sequencer", EventColumn::ExternalSequencer),
            (event.action.is_some(), "an action", EventColumn::Action),
            (event.timestamp.is_some(), "a timestamp", EventColumn::Timestamp),
            (event.position.is_some(), "a position", EventColumn::Position),
            (event.metadata.is_some(), "metadata", EventColumn::Metadata),
        ];
        let lost =
            values.into_iter().find(|(exists, _, column)| *exists && self.events.column(*column).is_none());
        match lost {
            Some((_, value, column)) => Err(self.names.no_column_for(&identity.to_string(), value, column)),
            None => Ok(()),
        }
    }

    /// Refuses a snapshot with a value for which there is no column.
    pub(super) fn require_snapshot_columns(
        &self,
        table: &StoreTable<SnapshotColumn>,
        identity: Identity<'_>,
        snapshot: &StreamSnapshot,
    ) -> Result<()> {
        let has = |column| table.column(column).is_some();
        let (value, remedy) = if snapshot.name.is_some() {
            ("a name", "restore it into a store whose snapshots have names, or omit snapshots")
        } else if snapshot.timestamp.is_some() && !has(SnapshotColumn::Timestamp) {
            ("a timestamp", "add a column, and name it with `SnapshotTable::timestamp_column`")
        } else if snapshot.number.is_some() && !has(SnapshotColumn::Number) {
            ("a number", "add a column, and name it with `SnapshotTable::number_column`")
        } else {
            return Ok(());
        };
        let text = format!(
            "the snapshot of {identity} has {value}, and table `{}` has no column for it",
            table.name
        );
        Err(Error::new(ErrorKind::Unsupported, text).with_help(remedy))
    }
}

impl<C: StoreContent> StoreTable<C> {
    /// Returns the statement that inserts a row with these columns. A row that exists is an error also if the table
    /// declares `ON CONFLICT REPLACE` or `ON CONFLICT IGNORE`, which would remove the existing row or lose the inserted one.
    pub(super) fn insert<'c>(&'c self, columns: impl Iterator<Item = &'c StoreColumn<C>> + Clone) -> String {
        let parameters = vec!["?"; columns.clone().count()].join(", ");
        let names = quoted_list(columns.map(|column| column.name.as_str()));
        format!("INSERT OR ABORT INTO {} ({names}) VALUES ({parameters})", self.quoted())
    }

    /// Returns the value to store for the content of a column.
    pub(super) fn stored<'v>(
        &self,
        identity: Identity<'_>,
        column: &StoreColumn<C>,
        content: Content<'v>,
    ) -> Result<ToSqlOutput<'v>> {
        match content {
            Content::Text(None) | Content::Number(None) => Ok(ToSqlOutput::from(Null)),
            Content::Number(Some(number)) => Ok(ToSqlOutput::Owned(Value::Integer(number))),
            Content::Text(Some(text)) => column
                .form
                .stored(text)
                .map_err(|reason| identity.unwritable(&self.name, &column.name, reason)),
        }
    }
}

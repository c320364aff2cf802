//! The columns that the tables of an event store can have, and the columns that a configuration names.

use koan_backup_core::{Error, ErrorKind, Result};

use super::{EventTables, SnapshotTable};

/// What a column of the table of events contains.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EventColumn {
    /// The object name.
    Object,
    /// The object id.
    ObjectId,
    /// The version, counted from [`EventTables::first_version`].
    Version,
    /// The type of the event.
    EventType,
    /// The version of the type of the event.
    SchemaVersion,
    /// The sequence number that another system assigned.
    ExternalSequencer,
    /// The action that caused the event.
    Action,
    /// When the event was recorded.
    Timestamp,
    /// The position among all events.
    Position,
    /// What is recorded beside the payload.
    Metadata,
    /// The content of the event.
    Payload,
}

/// What a column of the table of snapshots contains.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SnapshotColumn {
    /// The object name.
    Object,
    /// The object id.
    ObjectId,
    /// The version of the last event that the snapshot includes.
    Version,
    /// The number of the snapshot.
    Number,
    /// When the snapshot was recorded.
    Timestamp,
    /// The state of the aggregate.
    Payload,
}

impl EventColumn {
    /// Returns the method of [`EventTables`] that names the column.
    pub fn setting(self) -> &'static str {
        match self {
            Self::Object => "object_column",
            Self::ObjectId => "object_id_column",
            Self::Version => "version_column",
            Self::EventType => "type_column",
            Self::SchemaVersion => "schema_version_column",
            Self::ExternalSequencer => "external_sequencer_column",
            Self::Action => "action_column",
            Self::Timestamp => "timestamp_column",
            Self::Position => "position_column",
            Self::Metadata => "metadata_column",
            Self::Payload => "payload_column",
        }
    }

    /// Returns whether every event has a value for the column.
    pub fn is_required(self) -> bool {
        match self {
            Self::Object
            | Self::ObjectId
            | Self::Version
            | Self::EventType
            | Self::Position
            | Self::Payload => true,
            Self::SchemaVersion
            | Self::ExternalSequencer
            | Self::Action
            | Self::Timestamp
            | Self::Metadata => false,
        }
    }
}

impl SnapshotColumn {
    /// Returns the method of [`SnapshotTable`] that names the column.
    pub fn setting(self) -> &'static str {
        match self {
            Self::Object => "object_column",
            Self::ObjectId => "object_id_column",
            Self::Version => "version_column",
            Self::Number => "number_column",
            Self::Timestamp => "timestamp_column",
            Self::Payload => "payload_column",
        }
    }

    /// Returns whether every snapshot has a value for the column.
    pub fn is_required(self) -> bool {
        !matches!(self, Self::Number | Self::Timestamp)
    }
}

impl EventTables {
    /// Returns the columns of the table of events that the configuration names. The key is first: the object name, if a
    /// column contains it, the object id, and the version.
    pub fn event_columns(&self) -> Vec<(EventColumn, &str)> {
        let columns = [
            (EventColumn::Object, self.object()),
            (EventColumn::ObjectId, Some(self.object_id())),
            (EventColumn::Version, Some(self.version())),
            (EventColumn::EventType, Some(self.event_type())),
            (EventColumn::SchemaVersion, self.schema_version()),
            (EventColumn::ExternalSequencer, self.external_sequencer()),
            (EventColumn::Action, self.action()),
            (EventColumn::Timestamp, self.timestamp()),
            (EventColumn::Position, self.position()),
            (EventColumn::Metadata, self.metadata()),
            (EventColumn::Payload, Some(self.payload())),
        ];
        columns.into_iter().filter_map(|(column, name)| Some((column, name?))).collect()
    }

    /// Refuses a configuration that names a column or a table for two purposes, or that does not determine the object
    /// name of a snapshot.
    ///
    /// # Errors
    /// The configuration contradicts itself. The error contains the remedy.
    pub fn check(&self) -> Result<()> {
        let events = self.event_columns().into_iter().map(|(column, name)| (name, column.setting()));
        require_distinct(self.events_table(), events)?;
        let Some(snapshots) = self.snapshot_table() else { return Ok(()) };
        let columns = snapshots.columns().into_iter().map(|(column, name)| (name, column.setting()));
        require_distinct(snapshots.table(), columns)?;
        if self.events_table().eq_ignore_ascii_case(snapshots.table()) {
            return Err(configuration(format!(
                "table `{}` cannot contain both the events and the snapshots; name another table with \
                 `EventTables::snapshots`, or declare that there is none with `without_snapshots`",
                snapshots.table()
            )));
        }
        if snapshots.object().is_none() && self.only_object_name().is_none() {
            return Err(configuration(format!(
                "table `{}` of snapshots has no column for the object name, which is needed because the table of \
                 events has one; name it with `SnapshotTable::object_column`",
                snapshots.table()
            )));
        }
        Ok(())
    }
}

impl SnapshotTable {
    /// Returns the columns that the configuration names. The key is first: the object name, if a column contains it, the
    /// object id, and the version.
    pub fn columns(&self) -> Vec<(SnapshotColumn, &str)> {
        let columns = [
            (SnapshotColumn::Object, self.object()),
            (SnapshotColumn::ObjectId, Some(self.object_id())),
            (SnapshotColumn::Version, Some(self.version())),
            (SnapshotColumn::Number, self.number()),
            (SnapshotColumn::Timestamp, self.timestamp()),
            (SnapshotColumn::Payload, Some(self.payload())),
        ];
        columns.into_iter().filter_map(|(column, name)| Some((column, name?))).collect()
    }
}

/// Refuses a column that is named for two purposes. Case is ignored, because a name that differs only in case is a
/// mistake in every database.
fn require_distinct<'a>(table: &str, columns: impl Iterator<Item = (&'a str, &'static str)>) -> Result<()> {
    let mut known: Vec<(&str, &str)> = Vec::new();
    for (name, setting) in columns {
        if let Some((_, other)) = known.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)) {
            return Err(configuration(format!(
                "`{other}` and `{setting}` name the same column `{name}` of table `{table}`; name another column with \
                 one of them"
            )));
        }
        known.push((name, setting));
    }
    Ok(())
}

fn configuration(text: String) -> Error {
    Error::new(ErrorKind::Configuration, text)
}

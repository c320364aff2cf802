//! The table of snapshots: its name and its columns.

/// The table of snapshots of an event store. [`EventTables::snapshots`](super::EventTables::snapshots) sets it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a table of snapshots is passed to `EventTables::snapshots`"]
pub struct SnapshotTable {
    pub(super) table: String,
    pub(super) object: Option<String>,
    pub(super) object_id: String,
    pub(super) version: String,
    pub(super) number: Option<String>,
    pub(super) timestamp: Option<String>,
    pub(super) payload: String,
}

impl SnapshotTable {
    /// Returns a table with the columns of `cqrs-es`: `aggregate_type`, `aggregate_id`, `last_sequence`,
    /// `current_snapshot` and `payload`. The other methods set other columns.
    pub fn new(table: impl Into<String>) -> Self {
        Self {
            table: table.into(),
            object: Some("aggregate_type".to_owned()),
            object_id: "aggregate_id".to_owned(),
            version: "last_sequence".to_owned(),
            number: Some("current_snapshot".to_owned()),
            timestamp: None,
            payload: "payload".to_owned(),
        }
    }

    /// Sets the column of the object name.
    pub fn object_column(mut self, column: impl Into<String>) -> Self {
        self.object = Some(column.into());
        self
    }

    /// Declares that no column contains the object name, because all events have the same one. It needs
    /// [`EventTables::only_object`](super::EventTables::only_object).
    pub fn without_object_column(mut self) -> Self {
        self.object = None;
        self
    }

    /// Sets the column of the object id.
    pub fn object_id_column(mut self, column: impl Into<String>) -> Self {
        self.object_id = column.into();
        self
    }

    /// Sets the column of the version of the last event that the snapshot includes. Its versions are counted like those
    /// of the events.
    pub fn version_column(mut self, column: impl Into<String>) -> Self {
        self.version = column.into();
        self
    }

    /// Sets the column of the number of the snapshot.
    pub fn number_column(mut self, column: impl Into<String>) -> Self {
        self.number = Some(column.into());
        self
    }

    /// Declares that no column contains the number of the snapshot.
    pub fn without_number_column(mut self) -> Self {
        self.number = None;
        self
    }

    /// Sets the column of the time at which the snapshot was recorded.
    pub fn timestamp_column(mut self, column: impl Into<String>) -> Self {
        self.timestamp = Some(column.into());
        self
    }

    /// Sets the column of the state of the aggregate.
    pub fn payload_column(mut self, column: impl Into<String>) -> Self {
        self.payload = column.into();
        self
    }
}

impl From<&str> for SnapshotTable {
    fn from(table: &str) -> Self {
        Self::new(table)
    }
}

impl From<String> for SnapshotTable {
    fn from(table: String) -> Self {
        Self::new(table)
    }
}

//! The tables of an event store: their names and columns, and the rules that every SQL database shares.

mod columns;
mod continuity;
mod names;
mod remedy;
mod snapshot_table;
mod versions;
mod weight;

pub use self::columns::{EventColumn, SnapshotColumn};
pub use self::continuity::Continuity;
pub use self::snapshot_table::SnapshotTable;
pub use self::weight::{BATCH_BYTES, event_bytes, snapshot_bytes};

/// The tables of the crate `cqrs-es`, for `Sqlite::event_store` and `Postgres::event_store`.
///
/// The layout is that of `postgres-es`, `mysql-es` and `sqlite-es`. These crates are not needed.
#[derive(Clone, Copy, Debug)]
pub struct CqrsEs;

impl CqrsEs {
    /// Returns the tables `events` and `snapshots`.
    ///
    /// - `events`: `aggregate_type`, `aggregate_id`, `sequence` (from 1), `event_type`, `event_version`, `payload`,
    ///   `metadata`
    /// - `snapshots`: `aggregate_type`, `aggregate_id`, `last_sequence`, `current_snapshot`, `payload`
    pub fn tables() -> EventTables {
        EventTables {
            events: "events".to_owned(),
            object: Some("aggregate_type".to_owned()),
            object_name: None,
            object_id: "aggregate_id".to_owned(),
            version: "sequence".to_owned(),
            first_version: 1,
            event_type: "event_type".to_owned(),
            schema_version: Some("event_version".to_owned()),
            external_sequencer: None,
            action: None,
            timestamp: None,
            position: None,
            metadata: Some("metadata".to_owned()),
            payload: "payload".to_owned(),
            snapshots: Some(SnapshotTable::new("snapshots")),
        }
    }
}

/// The tables of an event store in a SQL database. Names are those of the database, without quotes.
///
/// Each aggregate has one stream, whose id is the object id. A table may have a schema before its name, for example
/// `shop.events`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a provider reads these tables after `.event_store(…)`"]
pub struct EventTables {
    events: String,
    object: Option<String>,
    object_name: Option<String>,
    object_id: String,
    version: String,
    first_version: u64,
    event_type: String,
    schema_version: Option<String>,
    external_sequencer: Option<String>,
    action: Option<String>,
    timestamp: Option<String>,
    position: Option<String>,
    metadata: Option<String>,
    payload: String,
    snapshots: Option<SnapshotTable>,
}

impl EventTables {
    /// Returns a table of events with the columns `object_name`, `object_id`, `version` (from 0), `type` and `payload`, and
    /// without a table of snapshots. The other methods set further columns, and other names.
    pub fn new(events: impl Into<String>) -> Self {
        Self {
            events: events.into(),
            object: Some("object_name".to_owned()),
            object_name: None,
            object_id: "object_id".to_owned(),
            version: "version".to_owned(),
            first_version: 0,
            event_type: "type".to_owned(),
            schema_version: None,
            external_sequencer: None,
            action: None,
            timestamp: None,
            position: None,
            metadata: None,
            payload: "payload".to_owned(),
            snapshots: None,
        }
    }

    /// Sets the table of events.
    pub fn events(mut self, table: impl Into<String>) -> Self {
        self.events = table.into();
        self
    }

    /// Sets the column of the object name.
    pub fn object_column(mut self, column: impl Into<String>) -> Self {
        self.object = Some(column.into());
        self.object_name = None;
        self
    }

    /// Declares that all events have this object name, and that no column contains it.
    pub fn only_object(mut self, object: impl Into<String>) -> Self {
        self.object = None;
        self.object_name = Some(object.into());
        self
    }

    /// Sets the column of the object id.
    pub fn object_id_column(mut self, column: impl Into<String>) -> Self {
        self.object_id = column.into();
        self
    }

    /// Sets the column of the version, and the version of the first event of each stream in this column.
    pub fn version_column(mut self, column: impl Into<String>, first_version: u64) -> Self {
        self.version = column.into();
        self.first_version = first_version;
        self
    }

    /// Sets the column of the type of the event.
    pub fn type_column(mut self, column: impl Into<String>) -> Self {
        self.event_type = column.into();
        self
    }

    /// Sets the column of the version of the type of the event.
    pub fn schema_version_column(mut self, column: impl Into<String>) -> Self {
        self.schema_version = Some(column.into());
        self
    }

    /// Sets the column of the sequence number that another system assigned.
    pub fn external_sequencer_column(mut self, column: impl Into<String>) -> Self {
        self.external_sequencer = Some(column.into());
        self
    }

    /// Sets the column of the action that caused the event.
    pub fn action_column(mut self, column: impl Into<String>) -> Self {
        self.action = Some(column.into());
        self
    }

    /// Sets the column of the time at which the event was recorded.
    pub fn timestamp_column(mut self, column: impl Into<String>) -> Self {
        self.timestamp = Some(column.into());
        self
    }

    /// Sets the column of the position among all events. Its sequence is advanced after a restore.
    pub fn position_column(mut self, column: impl Into<String>) -> Self {
        self.position = Some(column.into());
        self
    }

    /// Sets the column of the metadata.
    pub fn metadata_column(mut self, column: impl Into<String>) -> Self {
        self.metadata = Some(column.into());
        self
    }

    /// Sets the column of the payload.
    pub fn payload_column(mut self, column: impl Into<String>) -> Self {
        self.payload = column.into();
        self
    }

    /// Sets the table of snapshots. A table that is given by its name has the columns of `cqrs-es`; [`SnapshotTable`]
    /// sets other columns.
    pub fn snapshots(mut self, table: impl Into<SnapshotTable>) -> Self {
        self.snapshots = Some(table.into());
        self
    }

    /// Declares that there is no table of snapshots.
    pub fn without_snapshots(mut self) -> Self {
        self.snapshots = None;
        self
    }
}

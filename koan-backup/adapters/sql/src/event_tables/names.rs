//! Returns the names that a configuration contains.

use koan_backup_core::event_store::EventStoreCapabilities;

use super::{EventTables, SnapshotTable};

impl EventTables {
    /// Returns the name of the table of events, possibly with a schema.
    pub fn events_table(&self) -> &str {
        &self.events
    }

    /// Returns the column of the object name. `None` if [`only_object_name`](Self::only_object_name) returns it.
    pub fn object(&self) -> Option<&str> {
        self.object.as_deref()
    }

    /// Returns the object name of all events, if no column contains it.
    pub fn only_object_name(&self) -> Option<&str> {
        self.object_name.as_deref()
    }

    /// Returns the column of the object id.
    pub fn object_id(&self) -> &str {
        &self.object_id
    }

    /// Returns the column of the version.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Returns the number that the first event of each stream has in the column of the version.
    pub fn first_version(&self) -> u64 {
        self.first_version
    }

    /// Returns the column of the type of the event.
    pub fn event_type(&self) -> &str {
        &self.event_type
    }

    /// Returns the column of the version of the type of the event.
    pub fn schema_version(&self) -> Option<&str> {
        self.schema_version.as_deref()
    }

    /// Returns the column of the sequence number that another system assigned.
    pub fn external_sequencer(&self) -> Option<&str> {
        self.external_sequencer.as_deref()
    }

    /// Returns the column of the action that caused the event.
    pub fn action(&self) -> Option<&str> {
        self.action.as_deref()
    }

    /// Returns the column of the time at which the event was recorded.
    pub fn timestamp(&self) -> Option<&str> {
        self.timestamp.as_deref()
    }

    /// Returns the column of the position among all events.
    pub fn position(&self) -> Option<&str> {
        self.position.as_deref()
    }

    /// Returns the column of the metadata.
    pub fn metadata(&self) -> Option<&str> {
        self.metadata.as_deref()
    }

    /// Returns the column of the payload.
    pub fn payload(&self) -> &str {
        &self.payload
    }

    /// Returns the table of snapshots, if there is one.
    pub fn snapshot_table(&self) -> Option<&SnapshotTable> {
        self.snapshots.as_ref()
    }

    /// Returns what an event store with these tables can contain.
    pub fn capabilities(&self) -> EventStoreCapabilities {
        let mut capabilities = EventStoreCapabilities::default();
        capabilities.snapshots = self.snapshots.is_some();
        capabilities.single_snapshot = self.snapshots.is_some();
        capabilities.positions = self.position.is_some();
        capabilities
    }
}

impl SnapshotTable {
    /// Returns the name of the table, possibly with a schema.
    pub fn table(&self) -> &str {
        &self.table
    }

    /// Returns the column of the object name, if there is one.
    pub fn object(&self) -> Option<&str> {
        self.object.as_deref()
    }

    /// Returns the column of the object id.
    pub fn object_id(&self) -> &str {
        &self.object_id
    }

    /// Returns the column of the version of the last event that the snapshot includes.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Returns the column of the number of the snapshot.
    pub fn number(&self) -> Option<&str> {
        self.number.as_deref()
    }

    /// Returns the column of the time at which the snapshot was recorded.
    pub fn timestamp(&self) -> Option<&str> {
        self.timestamp.as_deref()
    }

    /// Returns the column of the state of the aggregate.
    pub fn payload(&self) -> &str {
        &self.payload
    }
}

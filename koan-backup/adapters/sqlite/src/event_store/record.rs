//! The records of the event store: events and snapshots, as rows contain them.

use koan_backup_core::{
    Error, ErrorKind, Result,
    entity::stream::{StreamEvent, StreamSnapshot},
};
use koan_backup_sql::event_tables::{Continuity, EventColumn, SnapshotColumn, event_bytes, snapshot_bytes};

use super::identity::Identity;
use super::row::StoreRow;
use super::store_tables::{StoreTable, StoreTables};
use super::stored_form::StoreContent;

/// A record that a row of a table of the event store contains.
pub(super) trait StoreRecord: Sized + Send + 'static {
    /// What the columns of the table contain.
    type Column: StoreContent;
    /// The check of the order in which records are read.
    type Order: Send + 'static;

    /// Returns the table, if the event store has one.
    fn table(tables: &StoreTables) -> Option<&StoreTable<Self::Column>>;
    /// Reads a row.
    fn read(row: &StoreRow<'_, Self::Column>) -> Result<Self>;
    /// Returns about how many bytes the record needs in memory.
    fn bytes(&self) -> usize;
    /// Returns the object id and the version.
    fn key(&self) -> (&str, u64);
    /// Begins the check of records with this object name.
    fn order(object: &str) -> Self::Order;
    /// Adds a record to the check.
    fn check(&self, order: &mut Self::Order) -> Result<()>;
}

impl StoreRecord for StreamEvent {
    type Column = EventColumn;
    type Order = Continuity;

    fn table(tables: &StoreTables) -> Option<&StoreTable<EventColumn>> {
        Some(&tables.events)
    }

    fn read(row: &StoreRow<'_, EventColumn>) -> Result<Self> {
        let position = row.number(EventColumn::Position)?;
        if position.is_none() && row.has(EventColumn::Position) {
            return Err(row.unreadable(EventColumn::Position, "is NULL"));
        }
        Ok(Self {
            object_id: row.object_id().to_owned(),
            stream_id: row.object_id().to_owned(),
            version: row.version(),
            event_type: row.required_text(EventColumn::EventType)?,
            schema_version: row.text(EventColumn::SchemaVersion)?,
            external_sequencer: row.text(EventColumn::ExternalSequencer)?,
            action: row.text(EventColumn::Action)?,
            timestamp: row.text(EventColumn::Timestamp)?,
            position,
            metadata: row.json(EventColumn::Metadata)?,
            payload: row.required_json(EventColumn::Payload)?,
        })
    }

    fn bytes(&self) -> usize {
        event_bytes(self)
    }

    fn key(&self) -> (&str, u64) {
        (&self.object_id, self.version)
    }

    fn order(object: &str) -> Continuity {
        Continuity::new(object)
    }

    fn check(&self, order: &mut Continuity) -> Result<()> {
        order.add(&self.object_id, self.version)
    }
}

/// The check that no snapshot is read twice.
pub(super) struct SnapshotOrder {
    object: String,
    last: Option<(String, u64)>,
}

impl StoreRecord for StreamSnapshot {
    type Column = SnapshotColumn;
    type Order = SnapshotOrder;

    fn table(tables: &StoreTables) -> Option<&StoreTable<SnapshotColumn>> {
        tables.snapshots.as_ref()
    }

    fn read(row: &StoreRow<'_, SnapshotColumn>) -> Result<Self> {
        let number = row.number(SnapshotColumn::Number)?.map(u64::try_from).transpose();
        Ok(Self {
            object_id: row.object_id().to_owned(),
            stream_id: row.object_id().to_owned(),
            version: row.version(),
            number: number.map_err(|_| row.unreadable(SnapshotColumn::Number, "is negative"))?,
            name: None,
            timestamp: row.text(SnapshotColumn::Timestamp)?,
            payload: row.required_json(SnapshotColumn::Payload)?,
        })
    }

    fn bytes(&self) -> usize {
        snapshot_bytes(self)
    }

    fn key(&self) -> (&str, u64) {
        (&self.object_id, self.version)
    }

    fn order(object: &str) -> SnapshotOrder {
        SnapshotOrder { object: object.to_owned(), last: None }
    }

    fn check(&self, order: &mut SnapshotOrder) -> Result<()> {
        let is_same = |(id, version): &(String, u64)| *id == self.object_id && *version == self.version;
        if order.last.as_ref().is_some_and(is_same) {
            let (object, object_id) = (order.object.as_str(), self.object_id.as_str());
            let identity = Identity { object, object_id, version: Some(self.version) };
            return Err(Error::new(ErrorKind::Record, format!("{identity}: there are two snapshots"))
                .with_help(
                    "remove one of them, and add a unique index over the object name and the object id",
                ));
        }
        order.last = Some((self.object_id.clone(), self.version));
        Ok(())
    }
}

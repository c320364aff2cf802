//! The tables of an event store in the catalog of the database, with the columns that its settings name.

use std::collections::BTreeMap;
use std::sync::Arc;

use koan_backup_core::{Error, ErrorKind, Result};
use koan_backup_sql::event_tables::{EventColumn, EventTables, SnapshotColumn, SnapshotTable};

use super::super::catalog::{Catalog, Column, Table};
use super::super::literal::literal;
use super::column::{ALIAS, Content, StoredColumn};
use super::lookup::{find_table, require_complete, type_of_event_column, type_of_snapshot_column};

/// The tables of an event store.
#[derive(Clone, Debug)]
pub(in super::super) struct StoreTables {
    pub(super) settings: Arc<EventTables>,
    pub(in super::super) events: Arc<EventsTable>,
    pub(in super::super) snapshots: Option<Arc<SnapshotsTable>>,
}

/// The table of events.
#[derive(Clone, Debug)]
pub(in super::super) struct EventsTable {
    pub(in super::super) keys: KeyColumns,
    pub(super) event_type: StoredColumn,
    pub(super) schema_version: Option<StoredColumn>,
    pub(super) external_sequencer: Option<StoredColumn>,
    pub(super) action: Option<StoredColumn>,
    pub(super) timestamp: Option<StoredColumn>,
    pub(in super::super) position: Option<StoredColumn>,
    pub(super) metadata: Option<StoredColumn>,
    pub(super) payload: StoredColumn,
}

/// The table of snapshots.
#[derive(Clone, Debug)]
pub(in super::super) struct SnapshotsTable {
    pub(in super::super) keys: KeyColumns,
    pub(super) number: Option<StoredColumn>,
    pub(super) timestamp: Option<StoredColumn>,
    pub(super) payload: StoredColumn,
}

/// A table, with the columns that identify its rows.
#[derive(Clone, Debug)]
pub(in super::super) struct KeyColumns {
    pub(in super::super) table: Table,
    pub(in super::super) object: ObjectName,
    pub(in super::super) id: StoredColumn,
    pub(in super::super) version: StoredColumn,
    /// The number of version 0 in the column of the version.
    pub(in super::super) first_version: u64,
}

/// Where the object name of a row is.
#[derive(Clone, Debug)]
pub(in super::super) enum ObjectName {
    Column(StoredColumn),
    /// All rows have this object name.
    Constant(String),
}

impl ObjectName {
    fn new(column: Option<StoredColumn>, settings: &EventTables) -> Self {
        let constant = || Self::Constant(settings.only_object_name().unwrap_or_default().to_owned());
        column.map_or_else(constant, Self::Column)
    }

    pub(super) fn column(&self) -> Option<&StoredColumn> {
        match self {
            Self::Column(column) => Some(column),
            Self::Constant(_) => None,
        }
    }
}

impl StoreTables {
    /// Finds the tables and columns in the catalog.
    ///
    /// # Errors
    /// A table or column does not exist, has a type that an event store cannot have, or cannot be read by the role.
    pub(in super::super) fn find(catalog: &Catalog, settings: &Arc<EventTables>) -> Result<Self> {
        settings.check()?;
        let events = Arc::new(EventsTable::find(catalog, settings)?);
        let snapshots = settings.snapshot_table().map(|table| SnapshotsTable::find(catalog, settings, table));
        Ok(Self { settings: Arc::clone(settings), events, snapshots: snapshots.transpose()?.map(Arc::new) })
    }

    /// Returns the tables, each with the columns that identify its rows.
    pub(in super::super) fn keys(&self) -> impl Iterator<Item = &KeyColumns> {
        [&self.events.keys].into_iter().chain(self.snapshots.iter().map(|snapshots| &snapshots.keys))
    }

    /// Returns each table with its columns that no setting names, except generated columns.
    pub(super) fn uncovered_columns(&self) -> impl Iterator<Item = (&Table, Vec<&str>)> {
        let snapshots = self.snapshots.iter().map(|table| (&table.keys.table, table.columns()));
        let tables = [(&self.events.keys.table, self.events.columns())].into_iter().chain(snapshots);
        tables.map(|(table, named)| {
            let is_named = |column: &&Column| named.iter().any(|named| named.name == column.name);
            let uncovered = table.columns.iter().filter(|column| !column.generated && !is_named(column));
            (table, uncovered.map(|column| column.name.as_str()).collect())
        })
    }
}

impl EventsTable {
    fn find(catalog: &Catalog, settings: &EventTables) -> Result<Self> {
        let missing = || settings.no_events_table(&settings.create_events(type_of_event_column));
        let table = find_table(catalog, settings.events_table(), missing)?;
        let names: BTreeMap<EventColumn, &str> = settings.event_columns().into_iter().collect();
        let optional = |column: EventColumn, content: Content| {
            let Some(name) = names.get(&column) else { return Ok(None) };
            let found = table.columns.iter().find(|found| found.name == *name);
            let found = found.ok_or_else(|| settings.no_event_column(column, name))?;
            StoredColumn::new(table, found, content).map(Some)
        };
        let required = |column: EventColumn, content: Content| {
            optional(column, content)?.ok_or_else(|| settings.no_event_column(column, column.setting()))
        };
        let found = Self {
            keys: KeyColumns {
                table: table.clone(),
                object: ObjectName::new(optional(EventColumn::Object, Content::Key)?, settings),
                id: required(EventColumn::ObjectId, Content::Key)?,
                version: required(EventColumn::Version, Content::Number)?,
                first_version: settings.first_version(),
            },
            event_type: required(EventColumn::EventType, Content::Text)?,
            schema_version: optional(EventColumn::SchemaVersion, Content::Text)?,
            external_sequencer: optional(EventColumn::ExternalSequencer, Content::Text)?,
            action: optional(EventColumn::Action, Content::Text)?,
            timestamp: optional(EventColumn::Timestamp, Content::Timestamp)?,
            position: optional(EventColumn::Position, Content::Number)?,
            metadata: optional(EventColumn::Metadata, Content::Json)?,
            payload: required(EventColumn::Payload, Content::Json)?,
        };
        require_complete(table, &found.columns(), "EventTables")?;
        Ok(found)
    }

    /// Returns the columns that settings name.
    fn columns(&self) -> Vec<&StoredColumn> {
        let mut columns = self.keys.columns();
        columns.extend([&self.event_type, &self.payload]);
        let optional = [
            &self.schema_version,
            &self.external_sequencer,
            &self.action,
            &self.timestamp,
            &self.position,
            &self.metadata,
        ];
        columns.extend(optional.into_iter().flatten());
        columns
    }

    /// Returns the expressions that select an event.
    pub(in super::super) fn selected(&self) -> String {
        let optional = |column: &Option<StoredColumn>, null: &str| {
            column.as_ref().map_or_else(|| format!("NULL::pg_catalog.{null}"), StoredColumn::selected)
        };
        [
            self.keys.selected(),
            self.event_type.selected(),
            self.payload.selected(),
            optional(&self.schema_version, "text"),
            optional(&self.external_sequencer, "text"),
            optional(&self.action, "text"),
            optional(&self.timestamp, "text"),
            optional(&self.position, "int8"),
            optional(&self.metadata, "text"),
        ]
        .join(", ")
    }
}

impl EventsTable {
    /// Returns the query for the events with the object name `$1`.
    pub(in super::super) fn select_all(&self) -> String {
        self.keys.select_all(&self.selected())
    }

    /// Returns the query for the events of the aggregate `$2` with the object name `$1`, up to the number `$3`.
    pub(in super::super) fn select_stream(&self) -> String {
        let (keys, version) = (&self.keys, self.keys.version.qualified());
        format!(
            "SELECT {} FROM {} WHERE {} AND {version} <= $3 ORDER BY {version}",
            self.selected(),
            keys.rows(),
            keys.has_object_and_id("$2")
        )
    }
}

impl SnapshotsTable {
    /// Returns the query for the snapshots with the object name `$1`.
    pub(in super::super) fn select_all(&self) -> String {
        self.keys.select_all(&self.selected())
    }

    /// Returns the query for the snapshots of the aggregate `$2` with the object name `$1`.
    pub(in super::super) fn select_stream(&self) -> String {
        let keys = &self.keys;
        format!(
            "SELECT {} FROM {} WHERE {} ORDER BY {}",
            self.selected(),
            keys.rows(),
            keys.has_object_and_id("$2"),
            keys.version.qualified()
        )
    }

    fn find(catalog: &Catalog, settings: &EventTables, names: &SnapshotTable) -> Result<Self> {
        let missing = || names.not_found(&names.create(type_of_snapshot_column));
        let table = find_table(catalog, names.table(), missing)?;
        let named: BTreeMap<SnapshotColumn, &str> = names.columns().into_iter().collect();
        let optional = |column: SnapshotColumn, content: Content| {
            let Some(name) = named.get(&column) else { return Ok(None) };
            let found = table.columns.iter().find(|found| found.name == *name);
            let found = found.ok_or_else(|| names.no_column(column, name))?;
            StoredColumn::new(table, found, content).map(Some)
        };
        let required = |column: SnapshotColumn, content: Content| {
            optional(column, content)?.ok_or_else(|| names.no_column(column, column.setting()))
        };
        let found = Self {
            keys: KeyColumns {
                table: table.clone(),
                object: ObjectName::new(optional(SnapshotColumn::Object, Content::Key)?, settings),
                id: required(SnapshotColumn::ObjectId, Content::Key)?,
                version: required(SnapshotColumn::Version, Content::Number)?,
                first_version: settings.first_version(),
            },
            number: optional(SnapshotColumn::Number, Content::Number)?,
            timestamp: optional(SnapshotColumn::Timestamp, Content::Timestamp)?,
            payload: required(SnapshotColumn::Payload, Content::Json)?,
        };
        require_complete(table, &found.columns(), "SnapshotTable")?;
        Ok(found)
    }

    fn columns(&self) -> Vec<&StoredColumn> {
        let mut columns = self.keys.columns();
        columns.push(&self.payload);
        columns.extend([&self.number, &self.timestamp].into_iter().flatten());
        columns
    }

    /// Returns the expressions that select a snapshot.
    pub(in super::super) fn selected(&self) -> String {
        let optional = |column: &Option<StoredColumn>, null: &str| {
            column.as_ref().map_or_else(|| format!("NULL::pg_catalog.{null}"), StoredColumn::selected)
        };
        [
            self.keys.selected(),
            self.payload.selected(),
            optional(&self.number, "int8"),
            optional(&self.timestamp, "text"),
        ]
        .join(", ")
    }
}

impl KeyColumns {
    fn columns(&self) -> Vec<&StoredColumn> {
        self.object.column().into_iter().chain([&self.id, &self.version]).collect()
    }

    /// Returns the names of the columns that identify a row.
    pub(super) fn names(&self) -> Vec<&str> {
        self.columns().into_iter().map(|column| column.name.as_str()).collect()
    }

    /// Returns whether a unique index prevents two rows with the same key.
    pub(super) fn is_unique(&self) -> bool {
        self.table.is_unique_over(self.names())
    }

    /// Returns the expressions that select the object id, the version, and whether the row has an object name.
    pub(super) fn selected(&self) -> String {
        let has_object = self
            .object
            .column()
            .map_or_else(|| "true".to_owned(), |column| format!("{} IS NOT NULL", column.qualified()));
        format!("{}, {}, {has_object}", self.id.selected(), self.version.selected())
    }

    /// Returns the table with its alias.
    pub(in super::super) fn rows(&self) -> String {
        format!("{} AS {ALIAS}", self.table.rows())
    }

    /// Returns whether the table can contain rows with an object name.
    pub(in super::super) fn admits_object(&self, object: &str) -> bool {
        match &self.object {
            ObjectName::Column(column) => column.admits(object),
            ObjectName::Constant(name) => name == object,
        }
    }

    /// Returns the condition that a row has the object name `$1`.
    pub(super) fn has_object(&self) -> String {
        match &self.object {
            ObjectName::Column(column) => column.equals("$1"),
            ObjectName::Constant(name) => format!("$1::pg_catalog.text = {}", literal(name)),
        }
    }

    /// Returns the condition that a row has the object name `$1` or none. A read of all rows includes the rows without
    /// an object name, and fails because of them.
    pub(super) fn has_object_or_null(&self) -> String {
        match self.object.column().filter(|column| !column.not_null) {
            Some(column) => format!("({} OR {} IS NULL)", self.has_object(), column.qualified()),
            None => self.has_object(),
        }
    }

    /// Returns the condition that a row has the object name `$1` and an object id, which is an expression.
    pub(super) fn has_object_and_id(&self, id: &str) -> String {
        format!("{} AND {}", self.has_object(), self.id.equals(id))
    }

    fn select_all(&self, selected: &str) -> String {
        let (rows, condition, order) = (self.rows(), self.has_object_or_null(), self.order());
        format!("SELECT {selected} FROM {rows} WHERE {condition} ORDER BY {order}")
    }

    /// Returns the order of the rows: by the bytes of the object id, and by version.
    pub(super) fn order(&self) -> String {
        format!("{} COLLATE \"C\", {}", text_of(&self.id), self.version.qualified())
    }

    /// Returns the number of a version in the column of the version.
    pub(in super::super) fn number_of(&self, object: &str, id: &str, version: u64) -> Result<i64> {
        let number = version.checked_add(self.first_version).and_then(|number| i64::try_from(number).ok());
        number.ok_or_else(|| {
            Error::new(
                ErrorKind::Record,
                format!("{}: the version exceeds the range of numbers", self.row(object, id, version)),
            )
        })
    }
}

/// Returns the expression for a key column as text.
pub(super) fn text_of(column: &StoredColumn) -> String {
    format!("{}::pg_catalog.text", column.qualified())
}

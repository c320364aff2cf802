//! The tables of an event store in the catalog of the database, with the columns that its settings name.

use std::sync::Arc;

use koan_backup_core::{Error, ErrorKind, Result};
use koan_backup_sql::event_tables::EventTables;
use koan_backup_sql::identifier::{listed, quoted};
use koan_backup_sql::tables::is_near;
use tokio_postgres::types::Oid;

use super::super::catalog::{Catalog, Column, Table, TableKind};
use super::super::literal::literal;
use super::column::{ALIAS, Content, StoredColumn};

/// The tables of an event store.
#[derive(Clone, Debug)]
pub(in super::super) struct StoreTables {
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
    pub(in super::super) fn find(catalog: &Catalog, settings: &EventTables) -> Result<Self> {
        let events = SourceTable::find(catalog, settings.events_table())?;
        let mut keys = events.keys(
            (settings.object(), settings.object_name()),
            settings.object_id(),
            settings.version(),
        )?;
        keys.first_version = settings.first_version();
        let first_version = keys.first_version;
        let found = EventsTable {
            keys,
            event_type: events.column(settings.event_type(), Content::Text)?,
            schema_version: events.optional(settings.schema_version(), Content::Text)?,
            external_sequencer: events.optional(settings.external_sequencer(), Content::Text)?,
            action: events.optional(settings.action(), Content::Text)?,
            timestamp: events.optional(settings.timestamp(), Content::Timestamp)?,
            position: events.optional(settings.position(), Content::Number)?,
            metadata: events.optional(settings.metadata(), Content::Json)?,
            payload: events.column(settings.payload(), Content::Json)?,
        };
        events.require_complete(&found.columns())?;
        let snapshots = settings.snapshot_table().map(|names| {
            let table = SourceTable::find(catalog, names.table())?;
            let mut keys =
                table.keys((names.object(), settings.object_name()), names.object_id(), names.version())?;
            keys.first_version = first_version;
            let found = SnapshotsTable {
                keys,
                number: table.optional(names.number(), Content::Number)?,
                timestamp: table.optional(names.timestamp(), Content::Timestamp)?,
                payload: table.column(names.payload(), Content::Json)?,
            };
            table.require_complete(&found.columns())?;
            Ok::<_, Error>(Arc::new(found))
        });
        Ok(Self { events: Arc::new(found), snapshots: snapshots.transpose()? })
    }

    /// Returns the tables, each with the columns that identify its rows.
    pub(in super::super) fn keys(&self) -> impl Iterator<Item = &KeyColumns> {
        [&self.events.keys].into_iter().chain(self.snapshots.iter().map(|snapshots| &snapshots.keys))
    }

    /// Returns the columns of a table that no setting names.
    pub(in super::super) fn uncovered_columns(&self, oid: Oid) -> Vec<String> {
        let snapshots = self.snapshots.iter().filter(|snapshots| snapshots.keys.table.oid == oid);
        let named: Vec<&StoredColumn> = [self.events.columns()]
            .into_iter()
            .filter(|_| self.events.keys.table.oid == oid)
            .chain(snapshots.map(|snapshots| snapshots.columns()))
            .flatten()
            .collect();
        let table = self.keys().map(|keys| &keys.table).find(|table| table.oid == oid);
        let columns = table.map_or(&[][..], |table| &table.columns);
        let is_named = |column: &&Column| named.iter().any(|named| named.name == column.name);
        let uncovered = columns.iter().filter(|column| !column.generated && !is_named(column));
        uncovered.map(|column| column.name.clone()).collect()
    }
}

impl EventsTable {
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
    fn selected(&self) -> String {
        let has_object = self.object.column().map_or_else(
            || "true".to_owned(),
            |column| format!("{} IS NOT NULL", column.qualified()),
        );
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
    pub(super) fn number_of(&self, object: &str, id: &str, version: u64) -> Result<i64> {
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

/// A table of the catalog whose columns are searched.
struct SourceTable<'c>(&'c Table);

impl<'c> SourceTable<'c> {
    fn find(catalog: &'c Catalog, name: &str) -> Result<Self> {
        let refused = |kind, text: String| Err(Error::new(kind, text));
        let visible = catalog.visible().find(|table| table.name == name);
        let qualified = || {
            let (schema, name) = name.split_once('.')?;
            catalog.tables.iter().find(|table| table.schema == schema && table.name == name)
        };
        let hidden = || catalog.tables.iter().find(|table| table.name == name && catalog.lacks_usage(&table.schema));
        let Some(table) = visible.or_else(qualified).or_else(hidden) else {
            let similar = catalog.tables.iter().filter(|table| table.is_table());
            let mut similar = similar.filter(|table| table.name == name || is_near(&table.name, name));
            let hint = similar.next().map_or_else(
                || "create it, for example with the migrations of the application".to_owned(),
                |table| format!("did you mean `{}`?", table.display_name),
            );
            return refused(
                ErrorKind::NotFound,
                format!(
                    "the event store has no table `{name}` in this database; {hint}, or set its name with \
                     `.event_store(…)`"
                ),
            );
        };
        let (display_name, sql) = (&table.display_name, table.quoted());
        if catalog.lacks_usage(&table.schema) {
            let schema = quoted(&table.schema);
            return refused(
                ErrorKind::Provider,
                format!(
                    "the event table `{display_name}` is in a schema that the role is not permitted to use; run `GRANT \
                     USAGE ON SCHEMA {schema} TO` the role"
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
                format!("the event table `{display_name}` is {kind}; name the table that contains the events"),
            );
        }
        if table.is_partition {
            let parents = listed(table.parents.iter().map(String::as_str));
            return refused(
                ErrorKind::Configuration,
                format!("the event table `{display_name}` is a partition; name the partitioned table {parents}"),
            );
        }
        if !table.is_readable && table.columns.iter().any(|column| !column.is_readable) {
            return refused(
                ErrorKind::Provider,
                format!(
                    "the role is not permitted to read the event table `{display_name}`; run `GRANT SELECT ON {sql} TO` \
                     the role"
                ),
            );
        }
        if table.hides_rows {
            return refused(
                ErrorKind::Provider,
                format!(
                    "row-level security hides rows of the event table `{display_name}` from the role; use the owner of \
                     the table or a role with BYPASSRLS, so that no event is missing"
                ),
            );
        }
        Ok(Self(table))
    }

    fn column(&self, name: &str, content: Content) -> Result<StoredColumn> {
        let table = self.0;
        if let Some(column) = table.columns.iter().find(|column| column.name == name) {
            return StoredColumn::new(table, column, content);
        }
        let similar = table.columns.iter().find(|column| is_near(&column.name, name));
        let hint = similar.map_or_else(
            || format!("its columns are {}", listed(table.columns.iter().map(|column| column.name.as_str()))),
            |column| format!("did you mean `{}`?", column.name),
        );
        Err(Error::new(
            ErrorKind::NotFound,
            format!(
                "the event table `{}` has no column `{name}`: {hint}; add the column, or set its name with \
                 `.event_store(…)`",
                table.display_name
            ),
        ))
    }

    fn optional(&self, name: Option<&str>, content: Content) -> Result<Option<StoredColumn>> {
        name.map(|name| self.column(name, content)).transpose()
    }

    /// Finds the columns that identify a row. The object name is in a column, or is the same in all rows.
    fn keys(&self, object: (Option<&str>, Option<&str>), id: &str, version: &str) -> Result<KeyColumns> {
        let object = match object {
            (Some(column), _) => ObjectName::Column(self.column(column, Content::Key)?),
            (None, name) => ObjectName::Constant(name.unwrap_or_default().to_owned()),
        };
        Ok(KeyColumns {
            table: self.0.clone(),
            object,
            id: self.column(id, Content::Key)?,
            version: self.column(version, Content::Number)?,
            first_version: 0,
        })
    }

    /// Refuses a table with a column that needs a value that no setting names, because a restore could not write a row.
    fn require_complete(&self, named: &[&StoredColumn]) -> Result<()> {
        let table = self.0;
        let is_missing = |column: &&Column| {
            column.needs_value && !column.generated && !named.iter().any(|named| named.name == column.name)
        };
        let Some(column) = table.columns.iter().find(is_missing) else { return Ok(()) };
        Err(Error::new(
            ErrorKind::Configuration,
            format!(
                "column `{}` of the event table `{}` is NOT NULL and has no default, and no setting of the event store \
                 names it, so its values would be lost and a restore would fail; name it with a setting of \
                 `EventTables`, give it a default, or drop it",
                column.name, table.display_name
            ),
        ))
    }
}

//! Converts the rows of event tables to events and snapshots, and checks the versions of events.

use std::sync::Arc;

use koan_backup_core::event_store::{JsonText, OpenedStreams, StreamEvent, StreamSnapshot};
use koan_backup_core::{Error, ErrorKind, Result};
use koan_backup_sql::event_tables::Continuity;
use tokio_postgres::Row;
use tokio_postgres::types::FromSqlOwned;

use super::column::{ColumnForm, StoredColumn};
use super::tables::{EventsTable, KeyColumns, SnapshotsTable};

/// Converts the rows of one query.
pub(in super::super) trait RowDecoder: Send + 'static {
    type Value: Send + 'static;

    /// Converts the next row.
    ///
    /// # Errors
    /// The row has no valid value, or contradicts the rows before it.
    fn decode(&mut self, row: &Row) -> Result<Self::Value>;

    /// Checks the end of the rows.
    ///
    /// # Errors
    /// Rows are missing.
    fn finish(&self) -> Result<()> {
        Ok(())
    }
}

/// Converts events that are ordered by object id and version. Each stream must be complete.
#[derive(Debug)]
pub(in super::super) struct EventDecoder {
    table: Arc<EventsTable>,
    object: String,
    continuity: Continuity,
    /// The stream that must have been read at the end, and its last version.
    opened: Option<(String, u64)>,
}

impl EventDecoder {
    /// Returns the decoder of all streams with an object name.
    pub(in super::super) fn new(table: &Arc<EventsTable>, object: &str) -> Self {
        let continuity = Continuity::new(object);
        Self { table: Arc::clone(table), object: object.to_owned(), continuity, opened: None }
    }

    /// Returns the decoder of the stream of an aggregate up to its last version.
    pub(in super::super) fn of_stream(
        table: &Arc<EventsTable>,
        object: &str,
        id: &str,
        version: u64,
    ) -> Self {
        Self { opened: Some((id.to_owned(), version)), ..Self::new(table, object) }
    }
}

impl RowDecoder for EventDecoder {
    type Value = StreamEvent;

    fn decode(&mut self, row: &Row) -> Result<StreamEvent> {
        let event = self.table.event(row, &self.object)?;
        self.continuity.add(&event.object_id, event.version)?;
        Ok(event)
    }

    fn finish(&self) -> Result<()> {
        let opened = self.opened.as_ref();
        opened.map_or(Ok(()), |(id, version)| self.continuity.require_end(id, Some(*version)))
    }
}

/// Converts snapshots.
#[derive(Debug)]
pub(in super::super) struct SnapshotDecoder {
    table: Arc<SnapshotsTable>,
    object: String,
    /// The aggregate to which all snapshots belong, with the events that they need.
    opened: Option<OpenedStreams>,
}

impl SnapshotDecoder {
    /// Returns the decoder of all snapshots with an object name.
    pub(in super::super) fn new(table: &Arc<SnapshotsTable>, object: &str) -> Self {
        Self { table: Arc::clone(table), object: object.to_owned(), opened: None }
    }

    /// Returns the decoder of the snapshots of an aggregate.
    pub(in super::super) fn of_aggregate(table: &Arc<SnapshotsTable>, opened: &OpenedStreams) -> Self {
        Self { opened: Some(opened.clone()), ..Self::new(table, &opened.object) }
    }
}

impl RowDecoder for SnapshotDecoder {
    type Value = StreamSnapshot;

    fn decode(&mut self, row: &Row) -> Result<StreamSnapshot> {
        let snapshot = self.table.snapshot(row, &self.object)?;
        if let Some(opened) = &self.opened {
            opened.require_event_of_snapshot(&snapshot.stream_id, snapshot.version)?;
        }
        Ok(snapshot)
    }
}

impl KeyColumns {
    /// Describes a stream for messages.
    pub(super) fn stream(&self, object: &str, id: &str) -> String {
        format!("stream `{id}` of `{object}` in table `{}`", self.table.display_name)
    }

    /// Describes a row for messages.
    pub(super) fn row(&self, object: &str, id: &str, version: u64) -> String {
        format!("version {version} of {}", self.stream(object, id))
    }

    /// Returns the version that a number in the table means.
    pub(in super::super) fn version_of(&self, object: &str, id: &str, number: i64) -> Result<u64> {
        let version = u64::try_from(number).ok().and_then(|number| number.checked_sub(self.first_version));
        version.ok_or_else(|| {
            Error::new(
                ErrorKind::Record,
                format!(
                    "{} has `{}` {number}, and the first version has {}; correct the number, or set the first version \
                     with `version_column`",
                    self.stream(object, id),
                    self.version.name,
                    self.first_version
                ),
            )
        })
    }

    /// Reads the object id and the version of a row, which are the first two columns of every query.
    pub(super) fn key(&self, row: &Row, object: &str) -> Result<(String, u64)> {
        let null = |column: &StoredColumn| {
            Error::new(
                ErrorKind::Record,
                format!(
                    "table `{}` has a row with NULL in column `{}`, so it belongs to no stream; correct or remove the \
                     row, and make the column NOT NULL",
                    self.table.display_name, column.name
                ),
            )
        };
        let unreadable = |column: &StoredColumn| {
            Error::new(
                ErrorKind::Record,
                format!(
                    "table `{}` has a row whose column `{}` cannot be read; correct the row",
                    self.table.display_name, column.name
                ),
            )
        };
        let has_object = value::<bool>(row, 2);
        let has_object =
            has_object.map_err(|Unreadable| unreadable(self.object.column().unwrap_or(&self.id)))?;
        if has_object != Some(true) {
            return Err(self.object.column().map_or_else(|| null(&self.id), null));
        }
        let id: String = text(row, 0)
            .map_err(|Unreadable| {
                Error::new(
                    ErrorKind::Record,
                    format!(
                        "table `{}` has a row whose `{}` is not valid UTF-8; correct the text",
                        self.table.display_name, self.id.name
                    ),
                )
            })?
            .ok_or_else(|| null(&self.id))?;
        let number: Option<i64> = value(row, 1).map_err(|Unreadable| unreadable(&self.version))?;
        let number = number.ok_or_else(|| null(&self.version))?;
        let version = self.version_of(object, &id, number)?;
        Ok((id, version))
    }
}

/// A value that cannot be read, for example text that is not valid UTF-8.
struct Unreadable;

/// Reads a column as text; `None` is NULL.
fn text(row: &Row, index: usize) -> Result<Option<String>, Unreadable> {
    row.try_get(index).map_err(|_| Unreadable)
}

/// Reads a column whose type the query determines. NULL is `None`.
fn value<T: FromSqlOwned>(row: &Row, index: usize) -> Result<Option<T>, Unreadable> {
    row.try_get(index).map_err(|_| Unreadable)
}

/// One row whose key is known, so that errors can name it.
struct KeyedRow<'r> {
    row: &'r Row,
    name: String,
}

impl KeyedRow<'_> {
    fn error(&self, column: &StoredColumn, fault: &str) -> Error {
        Error::new(ErrorKind::Record, format!("{}: column `{}` {fault}", self.name, column.name))
    }

    fn text(&self, column: &StoredColumn, index: usize) -> Result<Option<String>> {
        text(self.row, index).map_err(|Unreadable| {
            self.error(column, "contains text that is not valid UTF-8; correct the text")
        })
    }

    fn number(&self, column: &StoredColumn, index: usize) -> Result<Option<i64>> {
        value(self.row, index).map_err(|Unreadable| self.error(column, "cannot be read as a number"))
    }

    fn optional_text(&self, column: Option<&StoredColumn>, index: usize) -> Result<Option<String>> {
        column.map_or(Ok(None), |column| self.text(column, index))
    }

    fn required<T>(&self, column: &StoredColumn, value: Option<T>) -> Result<T> {
        value.ok_or_else(|| self.error(column, "is NULL; correct the row, and make the column NOT NULL"))
    }

    fn json(&self, column: &StoredColumn, index: usize) -> Result<Option<JsonText>> {
        let Some(text) = self.text(column, index)? else { return Ok(None) };
        let json = match column.form {
            ColumnForm::Jsonb => JsonText::compacted(&text),
            _ => JsonText::exact(text),
        };
        json.map(Some).map_err(|error| self.error(column, &format!("{error}; correct the text")))
    }

    fn required_json(&self, column: &StoredColumn, index: usize) -> Result<JsonText> {
        let json = self.json(column, index)?;
        self.required(column, json)
    }
}

impl EventsTable {
    /// Converts a row with the columns of [`selected`](Self::selected).
    pub(in super::super) fn event(&self, row: &Row, object: &str) -> Result<StreamEvent> {
        let (object_id, version) = self.keys.key(row, object)?;
        let row = KeyedRow { row, name: self.keys.row(object, &object_id, version) };
        let event_type = row.text(&self.event_type, 3)?;
        Ok(StreamEvent {
            event_type: row.required(&self.event_type, event_type)?,
            payload: row.required_json(&self.payload, 4)?,
            schema_version: row.optional_text(self.schema_version.as_ref(), 5)?,
            external_sequencer: row.optional_text(self.external_sequencer.as_ref(), 6)?,
            action: row.optional_text(self.action.as_ref(), 7)?,
            timestamp: row.optional_text(self.timestamp.as_ref(), 8)?,
            position: match &self.position {
                Some(column) => Some(row.required(column, row.number(column, 9)?)?),
                None => None,
            },
            metadata: self.metadata.as_ref().map_or(Ok(None), |column| row.json(column, 10))?,
            stream_id: object_id.clone(),
            object_id,
            version,
        })
    }
}

impl SnapshotsTable {
    /// Converts a row with the columns of [`selected`](Self::selected).
    pub(in super::super) fn snapshot(&self, row: &Row, object: &str) -> Result<StreamSnapshot> {
        let (object_id, version) = self.keys.key(row, object)?;
        let row =
            KeyedRow { row, name: format!("the snapshot at {}", self.keys.row(object, &object_id, version)) };
        let number = match &self.number {
            Some(column) => {
                let number = row.number(column, 4)?.map(u64::try_from).transpose();
                number.map_err(|_| row.error(column, "is negative; correct the number"))?
            }
            None => None,
        };
        Ok(StreamSnapshot {
            payload: row.required_json(&self.payload, 3)?,
            number,
            name: None,
            timestamp: row.optional_text(self.timestamp.as_ref(), 5)?,
            stream_id: object_id.clone(),
            object_id,
            version,
        })
    }
}

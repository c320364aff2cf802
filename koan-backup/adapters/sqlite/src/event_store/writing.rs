//! Writes the event store in the transaction of a restore.

use std::collections::BTreeMap;
use std::path::Path;

use koan_backup_core::{
    Error, ErrorKind, Result,
    entity::stream::{StreamEvent, StreamSnapshot},
    event_store::{EventKey, PositionedEvent, RemovedObject, SnapshotKey, StreamHead, StreamHeads},
};
use rusqlite::types::ToSql;
use rusqlite::{Connection, OptionalExtension as _, params_from_iter};

use super::super::error::{failed, is_unique_violation};
use super::StoreTables;
use super::identity::Identity;
use super::listing;
use super::record::StoreRecord;
use super::row::StoreRow;
use super::store_tables::StoreTable;
use super::stored_form::StoreContent;
use koan_backup_sql::event_tables::{EventColumn, SnapshotColumn};
use koan_backup_sql::identifier::{quoted, quoted_list};

/// The tables of the event store in the transaction of a restore.
pub(crate) struct EventWriting<'w> {
    connection: &'w Connection,
    path: &'w Path,
    tables: &'w StoreTables,
}

impl<'w> EventWriting<'w> {
    pub(crate) fn new(connection: &'w Connection, path: &'w Path, tables: &'w StoreTables) -> Self {
        Self { connection, path, tables }
    }

    pub(crate) fn is_empty(&self, object: &str) -> Result<bool> {
        Ok(!listing::contains(self.connection, self.path, self.tables, object)?)
    }

    pub(crate) fn object_ids(&self, object: &str, after: Option<&str>, limit: usize) -> Result<Vec<String>> {
        listing::object_ids(self.connection, self.path, self.tables, object, after, limit)
    }

    pub(crate) fn heads(&self, object: &str, object_ids: &[String]) -> Result<Vec<StreamHeads>> {
        let mut heads = Vec::new();
        for object_id in object_ids {
            let version = listing::head(self.connection, self.path, self.tables, object, object_id)?;
            let snapshots =
                listing::snapshot_count(self.connection, self.path, self.tables, object, object_id)?;
            if version.is_some() || snapshots > 0 {
                let stream = version.map(|version| StreamHead { stream_id: object_id.clone(), version });
                heads.push(StreamHeads {
                    object_id: object_id.clone(),
                    streams: stream.into_iter().collect(),
                });
            }
        }
        Ok(heads)
    }

    pub(crate) fn events_at(&self, object: &str, keys: &[EventKey]) -> Result<Vec<StreamEvent>> {
        let mut events = Vec::new();
        for key in keys.iter().filter(|key| key.stream_id == key.object_id) {
            let Some(number) = self.tables.names.number_of(key.version) else { continue };
            let found = self.records_at(object, &key.object_id, number)?;
            let identity = Identity { object, object_id: &key.object_id, version: Some(key.version) };
            events.extend(at_most_one(found, identity, "events")?);
        }
        Ok(events)
    }

    pub(crate) fn events_with_positions(&self, positions: &[i64]) -> Result<Vec<PositionedEvent>> {
        let table = &self.tables.events;
        let Some(position) = table.column(EventColumn::Position) else { return Ok(Vec::new()) };
        let to_error = |error| failed(self.path, &format!("reading table `{}`", table.name), error);
        let columns = quoted_list(table.columns.iter().map(|column| column.name.as_str()));
        let query = format!(
            "SELECT {columns} FROM {} WHERE {} IN (SELECT value FROM json_each(?1))",
            table.quoted(),
            quoted(&position.name)
        );
        let mut statement = self.connection.prepare_cached(&query).map_err(to_error)?;
        let mut rows = statement.query([format!("{positions:?}")]).map_err(to_error)?;
        let mut found = Vec::new();
        while let Some(row) = rows.next().map_err(to_error)? {
            let only = self.tables.names.only_object_name();
            let row = StoreRow::new(&self.tables.names, table, row, only.unwrap_or("?"))?;
            let object = match only {
                Some(only) => only.to_owned(),
                None => row.required_text(EventColumn::Object)?,
            };
            let object_id = row.object_id().to_owned();
            let key = EventKey { stream_id: object_id.clone(), object_id, version: row.version() };
            found.push(PositionedEvent { object, key });
        }
        Ok(found)
    }

    pub(crate) fn snapshot_keys(&self, object: &str, object_ids: &[String]) -> Result<Vec<SnapshotKey>> {
        let Some(table) = self.tables.snapshots.as_ref().filter(|_| self.tables.may_contain(object)) else {
            return Ok(Vec::new());
        };
        let query =
            format!("SELECT {} FROM {} WHERE {}", table.key_columns(), table.quoted(), table.of_aggregate());
        let mut keys = Vec::new();
        for object_id in object_ids {
            keys.extend(self.rows(table, object, &query, &[&object, object_id], |row| {
                let object_id = row.object_id().to_owned();
                Ok(SnapshotKey { stream_id: object_id.clone(), object_id, version: row.version() })
            })?);
        }
        Ok(keys)
    }

    pub(crate) fn snapshots_at(&self, object: &str, keys: &[SnapshotKey]) -> Result<Vec<StreamSnapshot>> {
        let mut snapshots = Vec::new();
        for key in keys.iter().filter(|key| key.stream_id == key.object_id) {
            let Some(number) = self.tables.names.number_of(key.version) else { continue };
            let found = self.records_at(object, &key.object_id, number)?;
            let identity = Identity { object, object_id: &key.object_id, version: Some(key.version) };
            snapshots.extend(at_most_one(found, identity, "snapshots")?);
        }
        Ok(snapshots)
    }

    /// Reads the records of an aggregate that have this number in the column of the version.
    fn records_at<T: StoreRecord>(&self, object: &str, object_id: &str, number: i64) -> Result<Vec<T>> {
        let Some(table) = T::table(self.tables).filter(|_| self.tables.may_contain(object)) else {
            return Ok(Vec::new());
        };
        let columns = quoted_list(table.columns.iter().map(|column| column.name.as_str()));
        let query = format!(
            "SELECT {columns} FROM {} WHERE {} AND {} = ?3",
            table.quoted(),
            table.of_aggregate(),
            table.version()
        );
        self.rows(table, object, &query, &[&object, &object_id, &number], |row| T::read(&row))
    }

    /// Reads the rows of a query that selects each column of the table.
    fn rows<C: StoreContent, T>(
        &self,
        table: &StoreTable<C>,
        object: &str,
        query: &str,
        parameters: &[&dyn ToSql],
        read: impl Fn(StoreRow<'_, C>) -> Result<T>,
    ) -> Result<Vec<T>> {
        let to_error = |error| failed(self.path, &format!("reading table `{}`", table.name), error);
        let mut statement = self.connection.prepare_cached(query).map_err(to_error)?;
        let mut rows = statement.query(parameters).map_err(to_error)?;
        let mut found = Vec::new();
        while let Some(row) = rows.next().map_err(to_error)? {
            found.push(read(StoreRow::new(&self.tables.names, table, row, object)?)?);
        }
        Ok(found)
    }

    pub(crate) fn append(&self, object: &str, events: &[StreamEvent]) -> Result<u64> {
        let table = &self.tables.events;
        self.require_object(object)?;
        let mut last_versions: BTreeMap<&str, Option<u64>> = BTreeMap::new();
        let mut added = 0;
        for event in events {
            let (object_id, version) = (event.object_id.as_str(), Some(event.version));
            let identity = Identity { object, object_id, version };
            require_one_stream(identity, &event.stream_id)?;
            self.tables.require_event_columns(identity, event)?;
            if self.tables.names.number_of(event.version).is_none() {
                return Err(identity.unwritable(&table.name, self.tables.names.version(), "exceeds 64 bits"));
            }
            let last = match last_versions.get(object_id) {
                Some(last) => *last,
                None => listing::head(self.connection, self.path, self.tables, object, object_id)?,
            };
            require_next(identity, last, event.version)?;
            last_versions.insert(object_id, version);
            added += self.insert_event(identity, event)?;
        }
        self.require_distinct_positions(object, events)?;
        Ok(added)
    }

    fn insert_event(&self, identity: Identity<'_>, event: &StreamEvent) -> Result<u64> {
        let table = &self.tables.events;
        let position = match table.column(EventColumn::Position) {
            Some(column) if event.position.is_none() && !table.is_rowid(column) => {
                Some(self.next_position(&column.name)?)
            }
            _ => event.position,
        };
        // SQLite assigns the position if it is an alias of the rowid.
        let is_written = |content: EventColumn| content != EventColumn::Position || position.is_some();
        let columns = table.columns.iter().filter(|column| is_written(column.content));
        let values: Result<Vec<_>> = columns
            .clone()
            .map(|column| {
                let content = self.tables.content_of_event(identity.object, event, position, column.content);
                table.stored(identity, column, content)
            })
            .collect();
        self.insert(table, &table.insert(columns), &values?, identity, "the version or the position")
    }

    fn insert<C>(
        &self,
        table: &StoreTable<C>,
        insert: &str,
        values: &[rusqlite::types::ToSqlOutput<'_>],
        identity: Identity<'_>,
        unique: &str,
    ) -> Result<u64> {
        let to_error = |error: rusqlite::Error| {
            match is_unique_violation(&error) {
            true => Error::with_source(
                ErrorKind::Conflict,
                format!(
                    "{identity}: another row of table `{}` has {unique}, or another value that must be unique",
                    table.name
                ),
                error,
            )
            .with_help("remove the other row, or restore without this value"),
            false => failed(self.path, &format!("writing {identity} to table `{}`", table.name), error),
        }
        };
        let mut statement = self.connection.prepare_cached(insert).map_err(to_error)?;
        let added = statement.execute(params_from_iter(values)).map_err(to_error)?;
        Ok(u64::try_from(added).unwrap_or(u64::MAX))
    }

    /// Returns the position after the largest one.
    fn next_position(&self, column: &str) -> Result<i64> {
        let table = &self.tables.events;
        let to_error = |error| failed(self.path, &format!("reading table `{}`", table.name), error);
        let query = format!("SELECT max({}) FROM {}", quoted(column), table.quoted());
        let mut statement = self.connection.prepare_cached(&query).map_err(to_error)?;
        let last: Option<i64> = statement.query_row([], |row| row.get(0)).map_err(to_error)?;
        last.unwrap_or(0).checked_add(1).ok_or_else(|| {
            Error::new(
                ErrorKind::Constraint,
                format!("table `{}` has no position after the last event", table.name),
            )
        })
    }

    /// Refuses a position that belongs to another event. A unique index refuses it as well, if there is one.
    fn require_distinct_positions(&self, object: &str, events: &[StreamEvent]) -> Result<()> {
        let table = &self.tables.events;
        let Some(column) = table.column(EventColumn::Position).filter(|column| !column.is_unique) else {
            return Ok(());
        };
        let positions: Vec<i64> = events.iter().filter_map(|event| event.position).collect();
        let to_error = |error| failed(self.path, &format!("reading table `{}`", table.name), error);
        let name = quoted(&column.name);
        let query = format!(
            "SELECT {name} FROM {} WHERE {name} IN (SELECT value FROM json_each(?1)) GROUP BY {name} HAVING count(*) > \
             1 LIMIT 1",
            table.quoted()
        );
        let list = format!("{positions:?}");
        let twice: Option<i64> =
            self.connection.query_row(&query, [list], |row| row.get(0)).optional().map_err(to_error)?;
        let Some(position) = twice else { return Ok(()) };
        Err(Error::new(
            ErrorKind::Conflict,
            format!(
                "position {position} of a restored event of {object} belongs to another event of table `{}`",
                table.name
            ),
        )
        .with_help("remove the other event, or restore without positions"))
    }

    pub(crate) fn truncate(&self, object: &str, object_id: &str, stream_id: &str, from: u64) -> Result<u64> {
        let (table, number) = (&self.tables.events, self.tables.names.number_of(from));
        let Some(number) = number.filter(|_| stream_id == object_id) else { return Ok(0) };
        let condition = format!("{} AND {} >= ?3", table.of_aggregate(), table.version());
        self.delete(table, object, &condition, &[&object, &object_id, &number])
    }

    pub(crate) fn remove(&self, object: &str, object_id: &str) -> Result<RemovedObject> {
        let mut removed = RemovedObject::default();
        let parameters: [&dyn ToSql; 2] = [&object, &object_id];
        let events = &self.tables.events;
        removed.events = self.delete(events, object, &events.of_aggregate(), &parameters)?;
        if let Some(snapshots) = &self.tables.snapshots {
            removed.snapshots = self.delete(snapshots, object, &snapshots.of_aggregate(), &parameters)?;
        }
        Ok(removed)
    }

    pub(crate) fn add_snapshots(&self, object: &str, snapshots: &[StreamSnapshot]) -> Result<u64> {
        self.require_object(object)?;
        let mut added = 0;
        for snapshot in snapshots {
            let (object_id, version) = (snapshot.object_id.as_str(), Some(snapshot.version));
            let identity = Identity { object, object_id, version };
            let Some(table) = &self.tables.snapshots else {
                return Err(Error::new(
                    ErrorKind::Unsupported,
                    format!("{identity}: the event store has no snapshots"),
                )
                .with_help("name their table with `EventTables::snapshots`, or omit the snapshots"));
            };
            require_one_stream(identity, &snapshot.stream_id)?;
            self.tables.require_snapshot_columns(table, identity, snapshot)?;
            let too_large = || identity.unwritable(&table.name, "", "exceeds 64 bits");
            let number = snapshot.number.map(i64::try_from).transpose().map_err(|_| too_large())?;
            let stored_version = self.tables.names.number_of(snapshot.version).ok_or_else(too_large)?;
            if self.has_snapshot(table, object, object_id, stored_version)? {
                return Err(Error::new(
                    ErrorKind::Conflict,
                    format!("{identity}: the snapshot exists already"),
                ));
            }
            let values: Result<Vec<_>> = table
                .columns
                .iter()
                .map(|column| {
                    let content = self.tables.content_of_snapshot(object, snapshot, number, column.content);
                    table.stored(identity, column, content)
                })
                .collect();
            let insert = table.insert(table.columns.iter());
            added += self.insert(table, &insert, &values?, identity, "the snapshot of the aggregate")?;
        }
        Ok(added)
    }

    /// Returns whether an aggregate has a snapshot with this number in the column of the version.
    fn has_snapshot(
        &self,
        table: &StoreTable<SnapshotColumn>,
        object: &str,
        object_id: &str,
        number: i64,
    ) -> Result<bool> {
        let to_error = |error| failed(self.path, &format!("reading table `{}`", table.name), error);
        let query = format!(
            "SELECT EXISTS (SELECT 1 FROM {} WHERE {} AND {} = ?3)",
            table.quoted(),
            table.of_aggregate(),
            table.version()
        );
        let mut statement = self.connection.prepare_cached(&query).map_err(to_error)?;
        let parameters: [&dyn ToSql; 3] = [&object, &object_id, &number];
        statement.query_row(parameters, |row| row.get(0)).map_err(to_error)
    }

    pub(crate) fn remove_snapshots(&self, object: &str, keys: &[SnapshotKey]) -> Result<u64> {
        let Some(table) = &self.tables.snapshots else { return Ok(0) };
        let condition = format!("{} AND {} = ?3", table.of_aggregate(), table.version());
        let mut removed = 0;
        for key in keys.iter().filter(|key| key.stream_id == key.object_id) {
            let Some(number) = self.tables.names.number_of(key.version) else { continue };
            removed += self.delete(table, object, &condition, &[&object, &key.object_id, &number])?;
        }
        Ok(removed)
    }

    fn delete<C: StoreContent>(
        &self,
        table: &StoreTable<C>,
        object: &str,
        condition: &str,
        parameters: &[&dyn ToSql],
    ) -> Result<u64> {
        if !self.tables.may_contain(object) {
            return Ok(0);
        }
        let to_error = |error| failed(self.path, &format!("removing rows of table `{}`", table.name), error);
        let delete = format!("DELETE FROM {} WHERE {condition}", table.quoted());
        let removed =
            self.connection.prepare_cached(&delete).and_then(|mut delete| delete.execute(parameters));
        Ok(u64::try_from(removed.map_err(to_error)?).unwrap_or(u64::MAX))
    }

    /// Refuses an object name that the tables cannot contain.
    fn require_object(&self, object: &str) -> Result<()> {
        if self.tables.may_contain(object) {
            return Ok(());
        }
        let only = self.tables.names.only_object_name().unwrap_or_default();
        Err(Error::new(
            ErrorKind::Unsupported,
            format!("table `{}` contains only the object name {only}, not {object}", self.tables.events.name),
        )
        .with_help("add a column for the object name, and name it with `EventTables::object_column`"))
    }
}

/// Refuses two records with the same key.
fn at_most_one<T>(found: Vec<T>, identity: Identity<'_>, what: &str) -> Result<Option<T>> {
    if found.len() > 1 {
        let text = format!("{identity}: there are two {what} with this version, so the stream is damaged");
        return Err(Error::new(ErrorKind::Record, text).with_help("remove one of them"));
    }
    Ok(found.into_iter().next())
}

/// Refuses a second stream of an aggregate.
fn require_one_stream(identity: Identity<'_>, stream_id: &str) -> Result<()> {
    if stream_id == identity.object_id {
        return Ok(());
    }
    let text = format!(
        "{identity} belongs to stream `{stream_id}`, but tables have one stream for each aggregate, whose \
                        id is the object id"
    );
    Err(Error::new(ErrorKind::Unsupported, text).with_help("restore it into a store with several streams"))
}

/// Refuses an event that does not continue its stream.
fn require_next(identity: Identity<'_>, last: Option<u64>, version: u64) -> Result<()> {
    let expected = last.map_or(Some(0), |last| last.checked_add(1));
    if expected == Some(version) {
        return Ok(());
    }
    if last.is_some_and(|last| version <= last) {
        return Err(Error::new(ErrorKind::Conflict, format!("{identity}: the event exists already"))
            .with_help("remove the stream first, or restore with `replace_existing`"));
    }
    let text = format!("{identity} does not continue the stream, so an event is missing");
    Err(Error::new(ErrorKind::Record, text).with_help("restore a backup whose streams have no gaps"))
}

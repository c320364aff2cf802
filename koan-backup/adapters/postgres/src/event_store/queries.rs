//! The queries of an event store that return few rows.

use futures::TryStreamExt as _;
use koan_backup_core::event_store::{
    EventKey, OpenedStream, OpenedStreams, PositionedEvent, SnapshotKey, StreamEvent, StreamHead,
    StreamHeads, StreamPart, StreamSnapshot, StreamState,
};
use koan_backup_core::{Error, ErrorKind, Result};
use koan_backup_sql::event_tables::Continuity;
use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};

use super::super::connection::Connection;
use super::super::error::failed;
use super::column::StoredColumn;
use super::tables::{KeyColumns, ObjectName, StoreTables};

/// A parameter of a query with its type.
pub(in super::super) type Parameter<'p> = (&'p (dyn ToSql + Sync), Type);

impl StoreTables {
    /// Opens the stream of an aggregate.
    pub(in super::super) async fn open(
        &self,
        connection: &Connection,
        object: &str,
        id: &str,
    ) -> Result<Option<OpenedStreams>> {
        let keys = &self.events.keys;
        let (mut version, mut snapshot_count) = (None, 0);
        if keys.admits_object(object) && keys.id.admits(id) {
            let (rows, of_stream) = (keys.rows(), keys.has_object_and_id("$2"));
            let number = keys.version.selected();
            let query = format!(
                "SELECT pg_catalog.count(*), pg_catalog.min({number}), pg_catalog.max({number}) \
                 FROM {rows} WHERE {of_stream}"
            );
            let parameters: [Parameter<'_>; 2] = [(&object, Type::TEXT), (&id, Type::TEXT)];
            let found = keys.query(connection, "opening a stream", &query, &parameters).await?;
            let numbers = |row: &Row| {
                Ok::<_, tokio_postgres::Error>((
                    row.try_get::<_, i64>(0)?,
                    row.try_get::<_, Option<i64>>(1)?,
                    row.try_get::<_, Option<i64>>(2)?,
                ))
            };
            let numbers = found
                .first()
                .map(numbers)
                .transpose()
                .map_err(|error| keys.failed("opening a stream", &error))?;
            if let Some((count, Some(first), Some(last))) = numbers {
                let first = keys.version_of(object, id, first)?;
                let last = keys.version_of(object, id, last)?;
                if first != 0 || i64::try_from(last).ok().and_then(|last| last.checked_add(1)) != Some(count)
                {
                    return Err(keys.find_damage(connection, object, id).await?);
                }
                version = Some(last);
            } else if let Some((1.., ..)) = numbers {
                return Err(keys.null_version(object, id));
            }
        }
        let snapshots = self.snapshots.iter().map(|snapshots| &snapshots.keys);
        for keys in snapshots.filter(|keys| keys.admits_object(object) && keys.id.admits(id)) {
            let query = format!(
                "SELECT pg_catalog.count(*) FROM {} WHERE {}",
                keys.rows(),
                keys.has_object_and_id("$2")
            );
            let parameters: [Parameter<'_>; 2] = [(&object, Type::TEXT), (&id, Type::TEXT)];
            snapshot_count = keys.number(connection, "counting the snapshots", &query, &parameters).await?;
        }
        if version.is_none() && snapshot_count == 0 {
            return Ok(None);
        }
        let stream = OpenedStream { stream_id: id.to_owned(), state: StreamState::Active, version };
        Ok(Some(OpenedStreams {
            object: object.to_owned(),
            object_id: id.to_owned(),
            streams: vec![stream],
            document: None,
            snapshot_count,
        }))
    }

    /// Returns the number of records of a part.
    pub(in super::super) async fn count(
        &self,
        connection: &Connection,
        object: &str,
        part: StreamPart,
    ) -> Result<u64> {
        let keys = match (part, &self.snapshots) {
            (StreamPart::Events, _) => &self.events.keys,
            (StreamPart::Snapshots, Some(snapshots)) => &snapshots.keys,
            _ => return Ok(0),
        };
        if !keys.admits_object(object) {
            return Ok(0);
        }
        let query =
            format!("SELECT pg_catalog.count(*) FROM {} WHERE {}", keys.rows(), keys.has_object_or_null());
        keys.number(connection, "counting the rows", &query, &[(&object, Type::TEXT)]).await
    }

    /// Returns whether no row has an object name.
    pub(in super::super) async fn is_empty(&self, connection: &Connection, object: &str) -> Result<bool> {
        for keys in self.keys().filter(|keys| keys.admits_object(object)) {
            let query = format!(
                "SELECT pg_catalog.count(*) FROM (SELECT FROM {} WHERE {} LIMIT 1) AS one",
                keys.rows(),
                keys.has_object()
            );
            if keys.number(connection, "looking for rows", &query, &[(&object, Type::TEXT)]).await? > 0 {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Returns the last versions of those of these aggregates that exist.
    pub(in super::super) async fn heads(
        &self,
        connection: &Connection,
        object: &str,
        ids: &[String],
    ) -> Result<Vec<StreamHeads>> {
        let events = &self.events.keys;
        let Some(first) = self.keys().find(|keys| keys.admits_object(object)) else { return Ok(Vec::new()) };
        let ids: Vec<&String> = ids.iter().filter(|id| self.keys().all(|keys| keys.id.admits(id))).collect();
        let last = match events.admits_object(object) {
            true => format!(
                "(SELECT pg_catalog.max({}) FROM {} WHERE {})",
                events.version.selected(),
                events.rows(),
                events.has_object_and_id("k.id")
            ),
            false => "NULL::pg_catalog.int8".to_owned(),
        };
        let mut snapshots = self.snapshots.iter().map(|snapshots| &snapshots.keys);
        let has_snapshot = snapshots.find(|keys| keys.admits_object(object)).map_or_else(
            || "false".to_owned(),
            |keys| format!("EXISTS (SELECT FROM {} WHERE {})", keys.rows(), keys.has_object_and_id("k.id")),
        );
        // The parameter of the object name is not used by each form of the query.
        let query = format!(
            "SELECT k.id, {last}, {has_snapshot} FROM pg_catalog.unnest($2::pg_catalog.text[]) AS k(id) \
             WHERE $1::pg_catalog.text IS NOT NULL"
        );
        let parameters: [Parameter<'_>; 2] = [(&object, Type::TEXT), (&ids, Type::TEXT_ARRAY)];
        let operation = "reading the last versions";
        let mut heads = Vec::new();
        for row in first.query(connection, operation, &query, &parameters).await? {
            let read = || Ok::<_, tokio_postgres::Error>((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?));
            let (object_id, last, has_snapshot): (String, Option<i64>, bool) =
                read().map_err(|error| first.failed(operation, &error))?;
            if last.is_none() && !has_snapshot {
                continue;
            }
            let head = |number| {
                let version = events.version_of(object, &object_id, number)?;
                Ok::<_, Error>(StreamHead { stream_id: object_id.clone(), version })
            };
            let streams = last.map(head).transpose()?.into_iter().collect();
            heads.push(StreamHeads { object_id, streams });
        }
        Ok(heads)
    }

    /// Returns those of these events that exist.
    pub(in super::super) async fn events_at(
        &self,
        connection: &Connection,
        object: &str,
        keys: &[(&str, u64)],
    ) -> Result<Vec<StreamEvent>> {
        let table = &self.events.keys;
        let rows = table.rows_at(connection, &self.events.selected(), object, keys).await?;
        rows.iter().map(|row| self.events.event(row, object)).collect()
    }

    /// Returns the events that have one of these positions. Rows without an object name, an object id or a version are
    /// omitted.
    pub(in super::super) async fn events_with_positions(
        &self,
        connection: &Connection,
        positions: &[i64],
    ) -> Result<Vec<PositionedEvent>> {
        let keys = &self.events.keys;
        let Some(position) = self.events.position.as_ref().filter(|_| !positions.is_empty()) else {
            return Ok(Vec::new());
        };
        let column = keys.object.column();
        let object = column.map_or_else(|| "NULL::pg_catalog.text".to_owned(), StoredColumn::selected);
        let query = format!(
            "SELECT {object}, {}, {} FROM {} WHERE {} = ANY ($1)",
            keys.id.selected(),
            keys.version.selected(),
            keys.rows(),
            position.qualified()
        );
        let parameters: [Parameter<'_>; 1] = [(&positions, Type::INT8_ARRAY)];
        let operation = "searching events by their positions";
        let to_error = |error: tokio_postgres::Error| keys.failed(operation, &error);
        let mut found = Vec::new();
        for row in keys.query(connection, operation, &query, &parameters).await? {
            let object: Option<String> = match &keys.object {
                ObjectName::Column(_) => row.try_get(0).map_err(to_error)?,
                ObjectName::Constant(name) => Some(name.clone()),
            };
            let object_id: Option<String> = row.try_get(1).map_err(to_error)?;
            let number: Option<i64> = row.try_get(2).map_err(to_error)?;
            let (Some(object), Some(object_id), Some(number)) = (object, object_id, number) else { continue };
            let version = keys.version_of(&object, &object_id, number)?;
            let key = EventKey { stream_id: object_id.clone(), object_id, version };
            found.push(PositionedEvent { object, key });
        }
        Ok(found)
    }

    /// Returns those of these snapshots that exist.
    pub(in super::super) async fn snapshots_at(
        &self,
        connection: &Connection,
        object: &str,
        keys: &[(&str, u64)],
    ) -> Result<Vec<StreamSnapshot>> {
        let Some(snapshots) = &self.snapshots else { return Ok(Vec::new()) };
        let rows = snapshots.keys.rows_at(connection, &snapshots.selected(), object, keys).await?;
        rows.iter().map(|row| snapshots.snapshot(row, object)).collect()
    }

    /// Returns the keys of the snapshots of these aggregates.
    pub(in super::super) async fn snapshot_keys(
        &self,
        connection: &Connection,
        object: &str,
        ids: &[String],
    ) -> Result<Vec<SnapshotKey>> {
        let Some(snapshots) = &self.snapshots else { return Ok(Vec::new()) };
        let keys = &snapshots.keys;
        let ids: Vec<&String> = ids.iter().filter(|id| keys.id.admits(id)).collect();
        if !keys.admits_object(object) || ids.is_empty() {
            return Ok(Vec::new());
        }
        let query = format!(
            "SELECT {} FROM pg_catalog.unnest($2::pg_catalog.text[]) AS k(id) JOIN {} ON {}",
            keys.selected(),
            keys.rows(),
            keys.has_object_and_id("k.id")
        );
        let parameters: [Parameter<'_>; 2] = [(&object, Type::TEXT), (&ids, Type::TEXT_ARRAY)];
        let rows = keys.query(connection, "reading the keys of the snapshots", &query, &parameters).await?;
        let key = |row| {
            let (object_id, version) = keys.key(row, object)?;
            Ok(SnapshotKey { stream_id: object_id.clone(), object_id, version })
        };
        rows.iter().map(key).collect()
    }
}

impl KeyColumns {
    fn null_version(&self, object: &str, id: &str) -> Error {
        Error::new(
            ErrorKind::Record,
            format!(
                "{} has an event with NULL in column `{}`; correct or remove the row",
                self.stream(object, id),
                self.version.name
            ),
        )
    }

    /// Returns the error for the first gap or duplicate of a stream whose versions are not those from 0 to the last.
    async fn find_damage(&self, connection: &Connection, object: &str, id: &str) -> Result<Error> {
        let operation = "searching the gap of a stream";
        let query = format!(
            "SELECT {} FROM {} WHERE {} ORDER BY {}",
            self.version.selected(),
            self.rows(),
            self.has_object_and_id("$2"),
            self.version.qualified()
        );
        let parameters: [Parameter<'_>; 2] = [(&object, Type::TEXT), (&id, Type::TEXT)];
        let rows = connection.client.query_typed_raw(&query, parameters).await;
        let mut rows = std::pin::pin!(rows.map_err(|error| self.failed(operation, &error))?);
        let mut continuity = Continuity::new(object);
        while let Some(row) = rows.try_next().await.map_err(|error| self.failed(operation, &error))? {
            let number: Option<i64> = row.try_get(0).map_err(|error| self.failed(operation, &error))?;
            let Some(number) = number else { break };
            if let Err(damage) = continuity.add(id, self.version_of(object, id, number)?) {
                return Ok(damage);
            }
        }
        Ok(self.null_version(object, id))
    }

    /// Returns the rows with these ids and versions.
    async fn rows_at(
        &self,
        connection: &Connection,
        selected: &str,
        object: &str,
        keys: &[(&str, u64)],
    ) -> Result<Vec<Row>> {
        let (mut ids, mut numbers) = (Vec::new(), Vec::new());
        for (id, version) in keys.iter().filter(|(id, _)| self.admits_object(object) && self.id.admits(id)) {
            ids.push(*id);
            numbers.push(self.number_of(object, id, *version)?);
        }
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let query = format!(
            "SELECT {selected} FROM unnest($2::pg_catalog.text[], $3::pg_catalog.int8[]) AS k(id, number) \
             JOIN {} ON {} AND {} = k.number",
            self.rows(),
            self.has_object_and_id("k.id"),
            self.version.qualified()
        );
        let parameters: [Parameter<'_>; 3] =
            [(&object, Type::TEXT), (&ids, Type::TEXT_ARRAY), (&numbers, Type::INT8_ARRAY)];
        self.query(connection, "reading rows by their versions", &query, &parameters).await
    }

    /// Runs a query that returns few rows.
    pub(super) async fn query(
        &self,
        connection: &Connection,
        operation: &str,
        query: &str,
        parameters: &[Parameter<'_>],
    ) -> Result<Vec<Row>> {
        let rows = connection.client.query_typed(query, parameters).await;
        rows.map_err(|error| self.failed(operation, &error))
    }

    /// Returns the number that a query returns.
    pub(super) async fn number(
        &self,
        connection: &Connection,
        operation: &str,
        query: &str,
        parameters: &[Parameter<'_>],
    ) -> Result<u64> {
        let rows = self.query(connection, operation, query, parameters).await?;
        let number = rows.first().map(|row| row.try_get::<_, i64>(0)).transpose();
        let number = number.map_err(|error| self.failed(operation, &error))?;
        Ok(number.and_then(|number| u64::try_from(number).ok()).unwrap_or(0))
    }

    pub(super) fn failed(&self, operation: &str, error: &tokio_postgres::Error) -> Error {
        failed(&format!("{operation} of event table `{}`", self.table.display_name), error)
    }
}

//! Removes events and snapshots from the tables of an event store.

use koan_backup_core::event_store::RemovedObject;
use koan_backup_core::{Error, ErrorKind, Result};
use koan_backup_sql::identifier::quoted;
use tokio_postgres::types::Type;

use super::super::connection::Connection;
use super::queries::Parameter;
use super::tables::{KeyColumns, StoreTables};

/// Selects a foreign key that changes or deletes rows of another table when a row is deleted.
const ACTING_FOREIGN_KEY: &str = "
    SELECT c.conname::text, c.conrelid::pg_catalog.regclass::text FROM pg_catalog.pg_constraint c
    WHERE c.contype = 'f' AND c.confrelid = $1 AND c.confdeltype IN ('c', 'n', 'd') ORDER BY 2, 1 LIMIT 1";

impl StoreTables {
    /// Removes the events of a stream from a version on. Returns the number of removed events.
    pub(in super::super) async fn truncate(
        &self,
        connection: &Connection,
        object: &str,
        id: &str,
        from: u64,
    ) -> Result<u64> {
        let keys = &self.events.keys;
        if !keys.admits_object(object) || !keys.id.admits(id) {
            return Ok(0);
        }
        keys.require_no_action(connection).await?;
        let first = keys.number_of(object, id, from)?;
        let condition = format!("{} AND {} >= $3", keys.has_object_and_id("$2"), keys.version.qualified());
        let parameters: [Parameter<'_>; 3] = [(&object, Type::TEXT), (&id, Type::TEXT), (&first, Type::INT8)];
        keys.delete(connection, &condition, &parameters).await
    }

    /// Removes all events and snapshots of an aggregate.
    pub(in super::super) async fn remove(
        &self,
        connection: &Connection,
        object: &str,
        id: &str,
    ) -> Result<RemovedObject> {
        let mut removed = RemovedObject::default();
        let snapshots = self.snapshots.iter().map(|snapshots| &snapshots.keys);
        let tables = [(&self.events.keys, true)].into_iter().chain(snapshots.map(|keys| (keys, false)));
        for (keys, has_events) in tables.filter(|(keys, _)| keys.admits_object(object) && keys.id.admits(id))
        {
            keys.require_no_action(connection).await?;
            let parameters: [Parameter<'_>; 2] = [(&object, Type::TEXT), (&id, Type::TEXT)];
            let count = keys.delete(connection, &keys.has_object_and_id("$2"), &parameters).await?;
            if has_events {
                removed.events = count;
            } else {
                removed.snapshots = count;
            }
        }
        Ok(removed)
    }

    /// Removes snapshots. Returns the number of removed snapshots.
    pub(in super::super) async fn remove_snapshots(
        &self,
        connection: &Connection,
        object: &str,
        removed: &[(&str, u64)],
    ) -> Result<u64> {
        let Some(snapshots) = &self.snapshots else { return Ok(0) };
        let keys = &snapshots.keys;
        if !keys.admits_object(object) {
            return Ok(0);
        }
        keys.require_no_action(connection).await?;
        let (mut ids, mut numbers) = (Vec::new(), Vec::new());
        for (id, version) in removed.iter().filter(|(id, _)| keys.id.admits(id)) {
            ids.push(*id);
            numbers.push(keys.number_of(object, id, *version)?);
        }
        let condition = format!(
            "EXISTS (SELECT FROM unnest($2::pg_catalog.text[], $3::pg_catalog.int8[]) AS k(id, number) \
             WHERE {} AND {} = k.number)",
            keys.has_object_and_id("k.id"),
            keys.version.qualified()
        );
        let parameters: [Parameter<'_>; 3] =
            [(&object, Type::TEXT), (&ids, Type::TEXT_ARRAY), (&numbers, Type::INT8_ARRAY)];
        keys.delete(connection, &condition, &parameters).await
    }
}

impl KeyColumns {
    async fn delete(
        &self,
        connection: &Connection,
        condition: &str,
        parameters: &[Parameter<'_>],
    ) -> Result<u64> {
        let delete = format!("DELETE FROM {} WHERE {condition}", self.rows());
        let deleted = connection.client.execute_typed(&delete, parameters).await;
        deleted.map_err(|error| self.failed("removing rows", &error))
    }

    /// Refuses a removal that would change rows of other tables through a foreign key.
    async fn require_no_action(&self, connection: &Connection) -> Result<()> {
        let oid = self.table.oid;
        let operation = "reading the foreign keys";
        let rows = self.query(connection, operation, ACTING_FOREIGN_KEY, &[(&oid, Type::OID)]).await?;
        let Some(row) = rows.first() else { return Ok(()) };
        let read = || Ok::<_, tokio_postgres::Error>((row.try_get(0)?, row.try_get(1)?));
        let (constraint, table): (String, String) = read().map_err(|error| self.failed(operation, &error))?;
        Err(Error::new(
            ErrorKind::Unsupported,
            format!(
                "rows of event table `{}` cannot be removed, because foreign key {} of table {table} would change rows \
                 of that table; alter it to ON DELETE NO ACTION",
                self.table.display_name,
                quoted(&constraint)
            ),
        ))
    }
}

//! Reads the records of a table of the event store in batches of bounded size.

use koan_backup_core::{Error, ErrorKind, Result};
use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use super::super::error::failed;
use super::super::snapshot::Reader;
use super::listing::require_object_names;
use super::record::StoreRecord;
use super::row::StoreRow;
use super::store_tables::{StoreTable, StoreTables};
use koan_backup_sql::event_tables::BATCH_BYTES;
use koan_backup_sql::identifier::quoted_list;

/// A read of all records of an object name or of an aggregate, which continues after each batch.
pub(super) struct BatchRead<T: StoreRecord> {
    object: String,
    /// The aggregate. `None` for all aggregates with the object name.
    object_id: Option<String>,
    /// The object id and the number of the version of the last record.
    last: Option<(String, i64)>,
    order: T::Order,
    count: u64,
}

impl<T: StoreRecord> BatchRead<T> {
    pub(super) fn new(object: &str, object_id: Option<&str>) -> Self {
        Self {
            object: object.to_owned(),
            object_id: object_id.map(str::to_owned),
            last: None,
            order: T::order(object),
            count: 0,
        }
    }

    /// Returns the check of the records that were read.
    pub(super) fn order(&self) -> &T::Order {
        &self.order
    }

    /// Reads the next batch. It is empty at the end.
    ///
    /// # Errors
    /// The table cannot be read, contains a value that cannot be preserved, or the read omitted rows.
    pub(super) fn next(&mut self, reader: &Reader, tables: &StoreTables) -> Result<Vec<T>> {
        let Some(table) = T::table(tables).filter(|_| tables.may_contain(&self.object)) else {
            return Ok(Vec::new());
        };
        let connection = &reader.connection;
        if self.last.is_none() && self.object_id.is_none() {
            require_object_names(connection, &reader.path, table)?;
        }
        let to_error = |error| failed(&reader.path, &format!("reading table `{}`", table.name), error);
        let (query, parameters) = self.query(table);
        let mut statement = connection.prepare_cached(&query).map_err(to_error)?;
        let mut rows = statement.query(params_from_iter(parameters)).map_err(to_error)?;
        // The first row is the last of the previous batch. It is read again, because another row with the same version
        // would otherwise be omitted.
        if self.last.is_some() && rows.next().map_err(to_error)?.is_none() {
            return Err(omitted(&table.name));
        }
        let (mut batch, mut bytes) = (Vec::new(), 0);
        while let Some(row) = rows.next().map_err(to_error)? {
            let row = StoreRow::new(&tables.names, table, row, &self.object)?;
            let record = T::read(&row)?;
            bytes += record.bytes();
            if bytes > BATCH_BYTES && !batch.is_empty() {
                break;
            }
            record.check(&mut self.order)?;
            batch.push(record);
        }
        drop(rows);
        self.count += u64::try_from(batch.len()).unwrap_or(u64::MAX);
        match batch.last().map(T::key) {
            Some((object_id, version)) => {
                let number = tables.names.number_of(version).unwrap_or(i64::MAX);
                self.last = Some((object_id.to_owned(), number));
            }
            None => {
                self.require_all(connection, table).map_err(to_error)?.ok_or_else(|| omitted(&table.name))?
            }
        }
        Ok(batch)
    }

    fn query(&self, table: &StoreTable<T::Column>) -> (String, Vec<Value>) {
        let columns = quoted_list(table.columns.iter().map(|column| column.name.as_str()));
        let (id, version) = (table.id(), table.version());
        let mut parameters = vec![Value::Text(self.object.clone())];
        let condition = match (&self.object_id, &self.last) {
            (Some(object_id), last) => {
                parameters.push(Value::Text(object_id.clone()));
                let after =
                    last.as_ref().map_or("", |_| " AND {version} >= ?3").replace("{version}", &version);
                parameters.extend(last.iter().map(|(_, number)| Value::Integer(*number)));
                format!("{}{after}", table.of_aggregate())
            }
            (None, Some((object_id, number))) => {
                parameters.extend([Value::Text(object_id.clone()), Value::Integer(*number)]);
                format!("{} AND ({id}, {version}) >= (?2, ?3)", table.of_object())
            }
            (None, None) => table.of_object(),
        };
        let query =
            format!("SELECT {columns} FROM {} WHERE {condition} ORDER BY {id}, {version}", table.quoted());
        (query, parameters)
    }

    /// Compares the number of records of an object name with the rows of the table itself. Returns `None` if they
    /// differ.
    fn require_all(
        &self,
        connection: &Connection,
        table: &StoreTable<T::Column>,
    ) -> rusqlite::Result<Option<()>> {
        if self.object_id.is_some() {
            return Ok(Some(()));
        }
        let query =
            format!("SELECT count(*) FROM {} NOT INDEXED WHERE {}", table.quoted(), table.of_object());
        let rows: i64 = connection.query_row(&query, [&self.object], |row| row.get(0))?;
        Ok((u64::try_from(rows).ok() == Some(self.count)).then_some(()))
    }
}

/// Returns the error about a read that did not return all rows.
fn omitted(table: &str) -> Error {
    Error::new(
        ErrorKind::Provider,
        format!("reading table `{table}` through an index omitted or repeated rows, so the database file is damaged"),
    )
    .with_help("copy the file, run `REINDEX` and `PRAGMA integrity_check`, then back up again")
}

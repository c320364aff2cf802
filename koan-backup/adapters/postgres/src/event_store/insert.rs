//! Inserts events and snapshots with parameters, in batches of bounded size.

use koan_backup_core::event_store::{JsonText, StreamEvent, StreamSnapshot};
use koan_backup_core::{Error, ErrorKind, Result};
use koan_backup_sql::event_tables::{event_bytes, snapshot_bytes};
use koan_backup_sql::identifier::quoted_list;
use tokio_postgres::types::Type;

use super::super::connection::Connection;
use super::super::error::failed;
use super::super::literal::literal;
use super::column::StoredColumn;
use super::queries::Parameter;
use super::tables::{EventsTable, KeyColumns, SnapshotsTable};

/// The maximum number of rows in one statement.
const MAX_ROWS: usize = 2_000;
/// The number of bytes after which a statement gets no further row.
const MAX_STATEMENT_BYTES: usize = 4 << 20;

/// A column with the values of the inserted rows.
pub(super) struct InsertedColumn<'v> {
    column: &'v StoredColumn,
    values: Values<'v>,
}

/// The values of a column.
enum Values<'v> {
    Text(Vec<Option<&'v str>>),
    Number(Vec<Option<i64>>),
}

/// Why rows were not inserted.
enum Refusal {
    Server(tokio_postgres::Error),
    /// The type of a column would change the text of a row, which is counted from 0.
    Changed {
        row: usize,
        column: String,
    },
}

/// A record that is inserted into a table of an event store.
pub(super) trait InsertedRow: Sized + Sync {
    /// The table.
    type Table: Sync;

    /// Returns the columns that identify a row of the table.
    fn keys(table: &Self::Table) -> &KeyColumns;

    /// Describes the record for messages.
    fn name(&self, keys: &KeyColumns, object: &str) -> String;

    /// Returns about how many bytes the record has.
    fn bytes(&self) -> usize;

    /// Returns whether the statement that inserts another record can insert this one.
    fn fits(&self, other: &Self) -> bool;

    /// Returns the columns of some records, each of which the table can represent.
    fn columns<'v>(table: &'v Self::Table, object: &str, rows: &'v [Self])
    -> Result<Vec<InsertedColumn<'v>>>;
}

/// Inserts records in their order, and returns the number of inserted rows.
pub(super) async fn insert_all<R: InsertedRow>(
    connection: &Connection,
    table: &R::Table,
    object: &str,
    rows: &[R],
) -> Result<u64> {
    let (mut inserted, mut rest) = (0u64, rows);
    while let Some(first) = rest.first() {
        let mut bytes = 0;
        let fits = rest.iter().take(MAX_ROWS).take_while(|row| {
            let fits = bytes < MAX_STATEMENT_BYTES && row.fits(first);
            bytes += row.bytes();
            fits
        });
        let (batch, others) = rest.split_at(fits.count().max(1));
        inserted += insert_batch(connection, table, object, batch).await?;
        rest = others;
    }
    Ok(inserted)
}

/// Inserts the records of one statement. An error names the refused record.
async fn insert_batch<R: InsertedRow>(
    connection: &Connection,
    table: &R::Table,
    object: &str,
    rows: &[R],
) -> Result<u64> {
    let keys = R::keys(table);
    let operation = format!("writing event table `{}`", keys.table.display_name);
    connection.run(&operation, "SAVEPOINT koan_events").await?;
    let error = match insert(connection, keys, object, R::columns(table, object, rows)?).await {
        Ok(inserted) => {
            connection.run(&operation, "RELEASE SAVEPOINT koan_events").await?;
            return require_count(keys, rows.len(), inserted);
        }
        Err(Refusal::Changed { row, column }) => {
            let name = rows.get(row).map(|row| row.name(keys, object)).unwrap_or_default();
            return Err(Error::new(
                ErrorKind::Record,
                format!(
                    "{name}: the type of column `{column}` would change the value; give the column a type that contains \
                     it, for example `text`"
                ),
            ));
        }
        Err(Refusal::Server(error)) => error,
    };
    if error.as_db_error().is_none() {
        return Err(failed(&operation, &error));
    }
    // The refused record is found by inserting the records one by one.
    connection.run(&operation, "ROLLBACK TO SAVEPOINT koan_events").await?;
    for row in rows {
        let one = R::columns(table, object, std::slice::from_ref(row))?;
        if let Err(Refusal::Server(error)) = insert(connection, keys, object, one).await {
            return Err(failed(&format!("writing {}", row.name(keys, object)), &error));
        }
    }
    Err(failed(&operation, &error))
}

async fn insert(
    connection: &Connection,
    keys: &KeyColumns,
    object: &str,
    columns: Vec<InsertedColumn<'_>>,
) -> Result<u64, Refusal> {
    let query = insert_statement(keys, &columns);
    let mut parameters: Vec<Parameter<'_>> = vec![(&object, Type::TEXT)];
    parameters.extend(columns.iter().map(|inserted| -> Parameter<'_> {
        match &inserted.values {
            Values::Text(values) => (values, Type::TEXT_ARRAY),
            Values::Number(values) => (values, Type::INT8_ARRAY),
        }
    }));
    let row = connection.client.query_typed_one(&query, &parameters).await.map_err(Refusal::Server)?;
    let read = || Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?));
    let (inserted, changed, column): (i64, Option<i64>, Option<String>) = read().map_err(Refusal::Server)?;
    match (changed, column) {
        (Some(number), Some(column)) => {
            let row = usize::try_from(number).ok().and_then(|number| number.checked_sub(1)).unwrap_or(0);
            Err(Refusal::Changed { row, column })
        }
        _ => Ok(u64::try_from(inserted).unwrap_or(0)),
    }
}

/// Returns the statement that inserts rows. It returns the number of inserted rows, and the first row with a text that the
/// type of its column would change.
fn insert_statement(keys: &KeyColumns, columns: &[InsertedColumn<'_>]) -> String {
    let object = keys.object.column().map(|column| (column, "$1::pg_catalog.text".to_owned()));
    let values = columns.iter().enumerate().map(|(index, inserted)| (inserted.column, format!("i.c{index}")));
    let written: Vec<(&StoredColumn, String)> = object.into_iter().chain(values).collect();
    let names = quoted_list(written.iter().map(|(column, _)| column.name.as_str()));
    let casts: Vec<String> = written.iter().map(|(column, value)| column.cast(value)).collect();
    let changes: Vec<String> = written
        .iter()
        .filter_map(|(column, value)| {
            let condition = column.is_changed(value)?;
            Some(format!(" WHEN {condition} THEN {}", literal(&column.name)))
        })
        .collect();
    let arrays: Vec<String> = columns
        .iter()
        .enumerate()
        .map(|(index, inserted)| match inserted.values {
            Values::Text(_) => format!("${}::pg_catalog.text[]", index + 2),
            Values::Number(_) => format!("${}::pg_catalog.int8[]", index + 2),
        })
        .collect();
    let input: Vec<String> = (0..columns.len()).map(|index| format!("c{index}")).collect();
    let overriding =
        if written.iter().any(|(column, _)| column.is_identity) { "OVERRIDING SYSTEM VALUE " } else { "" };
    // Only the name without a schema accepts several arrays; the search path begins with `pg_catalog`.
    format!(
        "WITH input AS MATERIALIZED (SELECT * FROM unnest({}) WITH ORDINALITY AS i({}, number)), \
         written AS (INSERT INTO {} ({names}) {overriding}SELECT {} FROM input AS i ORDER BY i.number RETURNING 1) \
         SELECT (SELECT pg_catalog.count(*) FROM written), x.number, x.name \
         FROM (SELECT) AS one LEFT JOIN LATERAL (SELECT y.number, y.name \
         FROM (SELECT i.number, CASE{} ELSE NULL END::pg_catalog.text AS name FROM input AS i) AS y \
         WHERE y.name IS NOT NULL ORDER BY y.number LIMIT 1) AS x ON true",
        arrays.join(", "),
        input.join(", "),
        keys.table.quoted(),
        casts.join(", "),
        if changes.is_empty() { " WHEN false THEN ''".to_owned() } else { changes.concat() },
    )
}

/// Refuses a number of inserted rows that differs from the number of records.
fn require_count(keys: &KeyColumns, expected: usize, inserted: u64) -> Result<u64> {
    if u64::try_from(expected).is_ok_and(|expected| expected == inserted) {
        return Ok(inserted);
    }
    let table = &keys.table.display_name;
    Err(Error::new(
        ErrorKind::Constraint,
        format!(
            "{expected} rows were written to event table `{table}`, but the server counted {inserted}: a trigger, rule or \
             policy adds, discards or redirects rows; restore as the owner of the table"
        ),
    ))
}

/// Collects the columns of records.
struct ColumnsOf<'v, R> {
    rows: &'v [R],
    columns: Vec<InsertedColumn<'v>>,
}

impl<'v, R> ColumnsOf<'v, R> {
    fn text(&mut self, column: Option<&'v StoredColumn>, value: impl Fn(&'v R) -> Option<&'v str>) {
        if let Some(column) = column {
            let values = Values::Text(self.rows.iter().map(value).collect());
            self.columns.push(InsertedColumn { column, values });
        }
    }

    fn number(
        &mut self,
        column: Option<&'v StoredColumn>,
        value: impl Fn(&'v R) -> Result<Option<i64>>,
    ) -> Result<()> {
        if let Some(column) = column {
            let values = Values::Number(self.rows.iter().map(value).collect::<Result<_>>()?);
            self.columns.push(InsertedColumn { column, values });
        }
        Ok(())
    }
}

impl InsertedRow for StreamEvent {
    type Table = EventsTable;

    fn keys(table: &EventsTable) -> &KeyColumns {
        &table.keys
    }

    fn name(&self, keys: &KeyColumns, object: &str) -> String {
        keys.row(object, &self.object_id, self.version)
    }

    fn bytes(&self) -> usize {
        event_bytes(self)
    }

    fn fits(&self, other: &Self) -> bool {
        self.position.is_some() == other.position.is_some()
    }

    fn columns<'v>(
        table: &'v EventsTable,
        object: &str,
        rows: &'v [Self],
    ) -> Result<Vec<InsertedColumn<'v>>> {
        let keys = &table.keys;
        let mut columns = ColumnsOf { rows, columns: Vec::new() };
        columns.text(Some(&keys.id), |event| Some(&event.object_id));
        columns.number(Some(&keys.version), |event| {
            keys.number_of(object, &event.object_id, event.version).map(Some)
        })?;
        columns.text(Some(&table.event_type), |event| Some(&event.event_type));
        columns.text(Some(&table.payload), |event| Some(event.payload.stored_text()));
        columns.text(table.schema_version.as_ref(), |event| event.schema_version.as_deref());
        columns.text(table.external_sequencer.as_ref(), |event| event.external_sequencer.as_deref());
        columns.text(table.action.as_ref(), |event| event.action.as_deref());
        columns.text(table.timestamp.as_ref(), |event| event.timestamp.as_deref());
        columns.text(table.metadata.as_ref(), |event| event.metadata.as_ref().map(JsonText::stored_text));
        // PostgreSQL assigns the positions of events without one: others were assigned before.
        let has_positions = rows.iter().all(|event| event.position.is_some());
        let position = table.position.as_ref().filter(|_| has_positions);
        columns.number(position, |event| Ok(event.position))?;
        Ok(columns.columns)
    }
}

impl InsertedRow for StreamSnapshot {
    type Table = SnapshotsTable;

    fn keys(table: &SnapshotsTable) -> &KeyColumns {
        &table.keys
    }

    fn name(&self, keys: &KeyColumns, object: &str) -> String {
        format!("the snapshot at {}", keys.row(object, &self.object_id, self.version))
    }

    fn bytes(&self) -> usize {
        snapshot_bytes(self)
    }

    fn fits(&self, _: &Self) -> bool {
        true
    }

    fn columns<'v>(
        table: &'v SnapshotsTable,
        object: &str,
        rows: &'v [Self],
    ) -> Result<Vec<InsertedColumn<'v>>> {
        let keys = &table.keys;
        let mut columns = ColumnsOf { rows, columns: Vec::new() };
        columns.text(Some(&keys.id), |snapshot| Some(&snapshot.object_id));
        columns.number(Some(&keys.version), |snapshot| {
            keys.number_of(object, &snapshot.object_id, snapshot.version).map(Some)
        })?;
        columns.text(Some(&table.payload), |snapshot| Some(snapshot.payload.stored_text()));
        columns.text(table.timestamp.as_ref(), |snapshot| snapshot.timestamp.as_deref());
        columns.number(table.number.as_ref(), |snapshot| {
            let number = snapshot.number.map(i64::try_from).transpose();
            number.map_err(|_| {
                let text =
                    format!("{}: its number exceeds the range of numbers", snapshot.name(keys, object));
                Error::new(ErrorKind::Record, text)
            })
        })?;
        Ok(columns.columns)
    }
}

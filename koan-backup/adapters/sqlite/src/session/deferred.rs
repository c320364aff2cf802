//! Records whose unique values belong to rows that are overwritten later.
//!
//! Two rows may swap their values, or each row may get the value of the next row. Each record then conflicts
//! with a row, although the final state is valid. Such records are deferred: at the end, the rows that they
//! replace are deleted before the records are inserted. A conflict at that point is an error.

use koan_backup_core::{Error, ErrorKind, Result, value::Value};
use rusqlite::params_from_iter;
use rusqlite::types::{Value as StoredValue, ValueRef};

use super::super::bind::Stored;
use super::super::catalog::indexes;
use super::super::error::{failed, is_constraint};
use super::target::Target;
use super::transaction::Transaction;
use koan_backup_sql::identifier::{quoted, quoted_list};

/// The deferred records, in a temporary table.
#[derive(Debug)]
pub(super) struct Deferred {
    table: String,
    count: u64,
}

impl Deferred {
    /// Creates an empty list. `number` is the number of the target.
    pub(super) fn new(number: usize) -> Self {
        Self { table: format!("koan_deferred_{number}"), count: 0 }
    }

    /// Defers a record to the end.
    pub(super) fn add(
        &mut self,
        transaction: &Transaction,
        target: &Target,
        stored: &[Stored<'_>],
    ) -> Result<()> {
        let lost = |error| self.lost(transaction, target, error);
        let columns: Vec<String> = (0..stored.len()).map(|index| format!("c{index}")).collect();
        if self.count == 0 {
            let sql =
                format!("CREATE TEMP TABLE {} (n INTEGER PRIMARY KEY, {})", self.table, columns.join(", "));
            transaction.connection.execute_batch(&sql).map_err(lost)?;
        }
        let parameters: Vec<String> = (1..=stored.len()).map(|index| format!("?{index}")).collect();
        let sql = format!(
            "INSERT INTO temp.{} ({}) VALUES ({})",
            self.table,
            columns.join(", "),
            parameters.join(", ")
        );
        let mut insert = transaction.connection.prepare_cached(&sql).map_err(lost)?;
        insert.execute(params_from_iter(stored)).map_err(lost)?;
        self.count += 1;
        Ok(())
    }

    /// Writes the deferred records and returns their number.
    ///
    /// # Errors
    /// A record has a unique value that belongs to a row that is not overwritten. The error names both.
    pub(super) fn finish(self, transaction: &Transaction, target: &Target) -> Result<u64> {
        if self.count == 0 {
            return Ok(0);
        }
        let lost = |error| self.lost(transaction, target, error);
        let connection = &transaction.connection;
        let main = quoted(&target.mapping.table.name);
        let names: Vec<&str> = target.columns.iter().map(|column| column.name.as_str()).collect();
        // The values of columns without a field, and of a rowid that no column names, are kept.
        let mut others: Vec<String> =
            target.mapping.unmapped_columns.iter().map(|column| quoted(&column.name)).collect();
        if target.mapping.table.rowid_alias().is_none() {
            others.extend(target.mapping.table.rowid_name().map(str::to_owned));
        }
        let parked = format!("{}_rows", self.table);
        let places: Vec<String> = (0..others.len()).map(|index| format!("o{index}")).collect();
        let place_list = places.iter().map(|place| format!(", {place}")).collect::<String>();
        let sql = format!("CREATE TEMP TABLE {parked} (n INTEGER PRIMARY KEY{place_list})");
        connection.execute_batch(&sql).map_err(lost)?;
        let key_places: Vec<String> = target.key.iter().map(|column| format!("c{column}")).collect();
        let other_list = others.iter().map(|other| format!(", {other}")).collect::<String>();
        let condition = target.key_condition(2);
        let park = format!(
            "INSERT INTO temp.{parked} (n{place_list}) SELECT ?1{other_list} FROM main.{main} WHERE {condition}"
        );
        let delete = format!("DELETE FROM main.{main} WHERE {}", target.key_condition(1));
        {
            let mut park = connection.prepare(&park).map_err(lost)?;
            let mut delete = connection.prepare(&delete).map_err(lost)?;
            for n in 1..=self.count {
                let key = self.row(transaction, &key_places, n).map_err(lost)?;
                let n = StoredValue::Integer(i64::try_from(n).unwrap_or(i64::MAX));
                park.execute(params_from_iter(std::iter::once(&n).chain(&key))).map_err(lost)?;
                delete.execute(params_from_iter(&key)).map_err(lost)?;
            }
        }
        let columns: Vec<String> = (0..names.len()).map(|index| format!("d.c{index}")).collect();
        let columns = columns.join(", ");
        let names = quoted_list(names);
        let new = format!(
            "INSERT OR ABORT INTO main.{main} ({names}) SELECT {columns} FROM temp.{} AS d WHERE d.n = ?1",
            self.table
        );
        let parked_columns = places.iter().map(|place| format!(", p.{place}")).collect::<String>();
        let again = format!(
            "INSERT OR ABORT INTO main.{main} ({names}{other_list}) SELECT {columns}{parked_columns} FROM temp.{} AS d \
             JOIN temp.{parked} AS p ON p.n = d.n WHERE d.n = ?1",
            self.table
        );
        let mut new = connection.prepare(&new).map_err(lost)?;
        let mut again = connection.prepare(&again).map_err(lost)?;
        let mut written = 0;
        for n in 1..=self.count {
            let number = i64::try_from(n).unwrap_or(i64::MAX);
            let inserted = match again.execute([number]) {
                Ok(0) => new.execute([number]),
                other => other,
            };
            match inserted {
                Ok(1) => written += 1,
                Ok(_) => {}
                Err(error) if is_constraint(&error) => {
                    let places: Vec<String> =
                        (0..target.columns.len()).map(|index| format!("c{index}")).collect();
                    let stored = self.row(transaction, &places, n).map_err(lost)?;
                    let values: Vec<ValueRef<'_>> = stored.iter().map(ValueRef::from).collect();
                    return Err(refused(transaction, target, &values, &error));
                }
                Err(error) => return Err(lost(error)),
            }
        }
        drop((new, again));
        let sql = format!("DROP TABLE temp.{parked}; DROP TABLE temp.{}", self.table);
        connection.execute_batch(&sql).map_err(lost)?;
        Ok(written)
    }

    fn row(
        &self,
        transaction: &Transaction,
        places: &[String],
        n: u64,
    ) -> rusqlite::Result<Vec<StoredValue>> {
        let query = format!("SELECT {} FROM temp.{} WHERE n = ?1", places.join(", "), self.table);
        let mut statement = transaction.connection.prepare_cached(&query)?;
        let n = i64::try_from(n).unwrap_or(i64::MAX);
        statement.query_row([n], |row| (0..places.len()).map(|index| row.get(index)).collect())
    }

    fn lost(&self, transaction: &Transaction, target: &Target, error: rusqlite::Error) -> Error {
        failed(&transaction.path, &format!("writing {}", target.entity.name()), error)
    }
}

/// Returns the error of a record that violates a constraint, with the row that it conflicts with if one is
/// found.
pub(super) fn refused(
    transaction: &Transaction,
    target: &Target,
    stored: &[ValueRef<'_>],
    error: &rusqlite::Error,
) -> Error {
    let (name, table) = (target.entity.name(), &target.mapping.table.name);
    let key = key_text(target, target.key.iter().map(|&column| stored[column]));
    let other = in_the_way(transaction, target, stored).ok().flatten();
    let other = other.map_or_else(String::new, |(columns, other)| {
        let columns = columns.iter().map(|column| format!("`{column}`")).collect::<Vec<_>>().join(", ");
        format!(
            "; row `{other}` has the same {columns}: change or remove one of them, or restore with `replace_existing` if that row \
             is not in the archive"
        )
    });
    Error::new(
        ErrorKind::Constraint,
        format!("{name} `{key}` was refused by table `{table}`: {error}{other}"),
    )
}

/// Finds another row that has the values of a record in the columns of a unique index. Returns the row and
/// these columns.
fn in_the_way(
    transaction: &Transaction,
    target: &Target,
    stored: &[ValueRef<'_>],
) -> rusqlite::Result<Option<(Vec<String>, String)>> {
    let (connection, table) = (&transaction.connection, &target.mapping.table.name);
    let keys = quoted_list(target.key_names());
    for index in indexes(connection, table)? {
        let Some(columns) = index.plain_columns().filter(|_| index.unique) else { continue };
        let place = |name: &&str| target.columns.iter().position(|column| column.name == **name);
        let Some(places) = columns.iter().map(place).collect::<Option<Vec<_>>>() else { continue };
        let condition =
            columns.iter().enumerate().map(|(index, name)| format!("{} IS ?{}", quoted(name), index + 1));
        let condition = condition.collect::<Vec<_>>().join(" AND ");
        let own = target.key_condition(columns.len() + 1);
        let query =
            format!("SELECT {keys} FROM main.{} WHERE {condition} AND NOT ({own}) LIMIT 1", quoted(table));
        let mut statement = connection.prepare(&query)?;
        let values = places.iter().chain(&target.key).map(|&column| Bound(stored[column]));
        let mut rows = statement.query(params_from_iter(values))?;
        if let Some(row) = rows.next()? {
            let other = (0..target.key.len()).map(|part| row.get_ref(part)).collect::<Result<Vec<_>, _>>()?;
            let columns = columns.into_iter().map(str::to_owned).collect();
            return Ok(Some((columns, key_text(target, other.into_iter()))));
        }
    }
    Ok(None)
}

/// A stored value as a parameter of a statement.
struct Bound<'v>(ValueRef<'v>);

impl rusqlite::ToSql for Bound<'_> {
    fn to_sql(&self) -> rusqlite::Result<rusqlite::types::ToSqlOutput<'_>> {
        Ok(rusqlite::types::ToSqlOutput::Borrowed(self.0))
    }
}

/// Returns the key of a row as text for an error, or a placeholder if the records are encrypted.
pub(super) fn key_text<'v>(target: &Target, values: impl Iterator<Item = ValueRef<'v>>) -> String {
    let values: Vec<Value<'v>> = values
        .map(|value| match value {
            ValueRef::Null => Value::Null,
            ValueRef::Integer(integer) => Value::I64(integer),
            ValueRef::Real(real) => Value::F64(real),
            ValueRef::Text(text) => Value::Str(String::from_utf8_lossy(text)),
            ValueRef::Blob(blob) => Value::Bytes(blob.into()),
        })
        .collect();
    let fields = target.entity.schema().key_fields().map(|(_, field)| field.name.as_str());
    target.entity.key_text(fields.zip(&values))
}

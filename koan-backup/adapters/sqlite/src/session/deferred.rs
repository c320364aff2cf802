//! Defers records whose unique values belong to rows that later records overwrite.
//!
//! Compared with the existing rows, two records of an archive may have swapped their unique values, or each
//! record may have the value of the next one. Each record then conflicts with an existing row, although the
//! final state is valid. Such a record is deferred until all other records are written. Then the rows that
//! the deferred records replace are deleted, and the records are inserted. A conflict at that point is an
//! error.

use koan_backup_core::{Error, ErrorKind, Result, value::Value};
use rusqlite::params_from_iter;
use rusqlite::types::{Value as StoredValue, ValueRef};

use super::super::bind::Stored;
use super::super::catalog::indexes;
use super::super::error::{failed, is_constraint};
use super::target::Target;
use super::transaction::Transaction;
use koan_backup_sql::identifier::{quoted, quoted_list};

/// The deferred records of a target, in a temporary table.
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

    /// Defers a record until all other records are written.
    pub(super) fn add(
        &mut self,
        transaction: &Transaction,
        target: &Target,
        stored: &[Stored<'_>],
    ) -> Result<()> {
        let to_error = |error| self.to_error(transaction, target, error);
        let columns: Vec<String> = (0..stored.len()).map(|index| format!("c{index}")).collect();
        if self.count == 0 {
            let sql =
                format!("CREATE TEMP TABLE {} (n INTEGER PRIMARY KEY, {})", self.table, columns.join(", "));
            transaction.connection.execute_batch(&sql).map_err(to_error)?;
        }
        let parameters: Vec<String> = (1..=stored.len()).map(|index| format!("?{index}")).collect();
        let sql = format!(
            "INSERT INTO temp.{} ({}) VALUES ({})",
            self.table,
            columns.join(", "),
            parameters.join(", ")
        );
        let mut insert = transaction.connection.prepare_cached(&sql).map_err(to_error)?;
        insert.execute(params_from_iter(stored)).map_err(to_error)?;
        self.count += 1;
        Ok(())
    }

    /// Writes the deferred records and returns their number.
    ///
    /// # Errors
    /// A record has a unique value that belongs to a row that no record overwrites. The error contains the
    /// keys of the record and of the row.
    pub(super) fn finish(self, transaction: &Transaction, target: &Target) -> Result<u64> {
        if self.count == 0 {
            return Ok(0);
        }
        let to_error = |error| self.to_error(transaction, target, error);
        let connection = &transaction.connection;
        let main = quoted(&target.mapping.table.name);
        let names: Vec<&str> = target.columns.iter().map(|column| column.name.as_str()).collect();
        // The deleted rows are inserted again with the values of their columns without a field, and with
        // their rowid if no column is an alias of it. These values are saved in a second temporary table.
        let mut others: Vec<String> =
            target.mapping.unmapped_columns.iter().map(|column| quoted(&column.name)).collect();
        if target.mapping.table.rowid_alias().is_none() {
            others.extend(target.mapping.table.rowid_name().map(str::to_owned));
        }
        let saved = format!("{}_rows", self.table);
        let saved_columns: Vec<String> = (0..others.len()).map(|index| format!("o{index}")).collect();
        let saved_list = saved_columns.iter().map(|column| format!(", {column}")).collect::<String>();
        let sql = format!("CREATE TEMP TABLE {saved} (n INTEGER PRIMARY KEY{saved_list})");
        connection.execute_batch(&sql).map_err(to_error)?;
        let key_columns: Vec<String> = target.key.iter().map(|column| format!("c{column}")).collect();
        let other_list = others.iter().map(|other| format!(", {other}")).collect::<String>();
        let condition = target.key_condition(2);
        let save = format!(
            "INSERT INTO temp.{saved} (n{saved_list}) SELECT ?1{other_list} FROM main.{main} WHERE {condition}"
        );
        let delete = format!("DELETE FROM main.{main} WHERE {}", target.key_condition(1));
        {
            let mut save = connection.prepare(&save).map_err(to_error)?;
            let mut delete = connection.prepare(&delete).map_err(to_error)?;
            for n in 1..=self.count {
                let key = self.row(transaction, &key_columns, n).map_err(to_error)?;
                let n = StoredValue::Integer(i64::try_from(n).unwrap_or(i64::MAX));
                save.execute(params_from_iter(std::iter::once(&n).chain(&key))).map_err(to_error)?;
                delete.execute(params_from_iter(&key)).map_err(to_error)?;
            }
        }
        let columns: Vec<String> = (0..names.len()).map(|index| format!("d.c{index}")).collect();
        let columns = columns.join(", ");
        let names = quoted_list(names);
        let insert_new = format!(
            "INSERT OR ABORT INTO main.{main} ({names}) SELECT {columns} FROM temp.{} AS d WHERE d.n = ?1",
            self.table
        );
        let saved_columns = saved_columns.iter().map(|column| format!(", p.{column}")).collect::<String>();
        let insert_replaced = format!(
            "INSERT OR ABORT INTO main.{main} ({names}{other_list}) SELECT {columns}{saved_columns} FROM \
             temp.{} AS d JOIN temp.{saved} AS p ON p.n = d.n WHERE d.n = ?1",
            self.table
        );
        let mut insert_new = connection.prepare(&insert_new).map_err(to_error)?;
        let mut insert_replaced = connection.prepare(&insert_replaced).map_err(to_error)?;
        let mut written = 0;
        for n in 1..=self.count {
            let number = i64::try_from(n).unwrap_or(i64::MAX);
            let inserted = match insert_replaced.execute([number]) {
                Ok(0) => insert_new.execute([number]),
                other => other,
            };
            match inserted {
                Ok(1) => written += 1,
                Ok(_) => {}
                Err(error) if is_constraint(&error) => {
                    let columns: Vec<String> =
                        (0..target.columns.len()).map(|index| format!("c{index}")).collect();
                    let stored = self.row(transaction, &columns, n).map_err(to_error)?;
                    let values: Vec<ValueRef<'_>> = stored.iter().map(ValueRef::from).collect();
                    return Err(constraint_error(transaction, target, &values, &error));
                }
                Err(error) => return Err(to_error(error)),
            }
        }
        drop((insert_new, insert_replaced));
        let sql = format!("DROP TABLE temp.{saved}; DROP TABLE temp.{}", self.table);
        connection.execute_batch(&sql).map_err(to_error)?;
        Ok(written)
    }

    /// Reads these columns of the deferred record with the number `n`.
    fn row(
        &self,
        transaction: &Transaction,
        columns: &[String],
        n: u64,
    ) -> rusqlite::Result<Vec<StoredValue>> {
        let query = format!("SELECT {} FROM temp.{} WHERE n = ?1", columns.join(", "), self.table);
        let mut statement = transaction.connection.prepare_cached(&query)?;
        let n = i64::try_from(n).unwrap_or(i64::MAX);
        statement.query_row([n], |row| (0..columns.len()).map(|index| row.get(index)).collect())
    }

    fn to_error(&self, transaction: &Transaction, target: &Target, error: rusqlite::Error) -> Error {
        failed(&transaction.path, &format!("writing {}", target.entity.name()), error)
    }
}

/// Returns the error for a record that violates a constraint. If the record conflicts with another row, the
/// error contains the key of that row.
pub(super) fn constraint_error(
    transaction: &Transaction,
    target: &Target,
    stored: &[ValueRef<'_>],
    error: &rusqlite::Error,
) -> Error {
    let (name, table) = (target.entity.name(), &target.mapping.table.name);
    let key = key_text(target, target.key.iter().map(|&column| stored[column]));
    let conflict = conflicting_row(transaction, target, stored).ok().flatten();
    let conflict = conflict.map_or_else(String::new, |(columns, other)| {
        let columns = columns.iter().map(|column| format!("`{column}`")).collect::<Vec<_>>().join(", ");
        format!(
            "; row `{other}` has the same {columns}; change or remove one of the two rows, or restore with \
             `replace_existing` if the archive does not contain row `{other}`"
        )
    });
    Error::new(ErrorKind::Constraint, format!("table `{table}` refused {name} `{key}`: {error}{conflict}"))
}

/// Finds another row that has the values of a record in the columns of a unique index. Returns these columns
/// and the key of the row.
fn conflicting_row(
    transaction: &Transaction,
    target: &Target,
    stored: &[ValueRef<'_>],
) -> rusqlite::Result<Option<(Vec<String>, String)>> {
    let (connection, table) = (&transaction.connection, &target.mapping.table.name);
    let keys = quoted_list(target.key_names());
    for index in indexes(connection, table)? {
        let Some(columns) = index.plain_columns().filter(|_| index.unique) else { continue };
        let position = |name: &&str| target.columns.iter().position(|column| column.name == **name);
        let Some(positions) = columns.iter().map(position).collect::<Option<Vec<_>>>() else { continue };
        let condition =
            columns.iter().enumerate().map(|(index, name)| format!("{} IS ?{}", quoted(name), index + 1));
        let condition = condition.collect::<Vec<_>>().join(" AND ");
        let same_key = target.key_condition(columns.len() + 1);
        let query = format!(
            "SELECT {keys} FROM main.{} WHERE {condition} AND NOT ({same_key}) LIMIT 1",
            quoted(table)
        );
        let mut statement = connection.prepare(&query)?;
        let values = positions.iter().chain(&target.key).map(|&column| Bound(stored[column]));
        let mut rows = statement.query(params_from_iter(values))?;
        if let Some(row) = rows.next()? {
            let other =
                (0..target.key.len()).map(|index| row.get_ref(index)).collect::<Result<Vec<_>, _>>()?;
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

/// Returns the key of a row as text for an error message, or a placeholder if the records are encrypted.
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

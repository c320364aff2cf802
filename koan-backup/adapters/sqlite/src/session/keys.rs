//! Records the keys that were written, to detect duplicate keys in the archive.

use koan_backup_core::Result;
use rusqlite::{Connection, params_from_iter};

use super::super::bind::Stored;
use super::super::catalog::Affinity;
use super::super::error::{failed, is_constraint};
use super::target::Target;
use super::transaction::Transaction;
use koan_backup_sql::identifier::quoted;

/// The keys that were written, in a temporary table. The table is created with the first key.
#[derive(Debug)]
pub(super) struct WrittenKeys {
    table: String,
    /// The statement that inserts a key; `None` until the temporary table is created.
    insert: Option<String>,
}

impl WrittenKeys {
    /// Creates an empty list. `number` is the number of the target.
    pub(super) fn new(number: usize) -> Self {
        Self { table: format!("koan_written_{number}"), insert: None }
    }

    /// Records the key of a record. Returns `false` if an equal key was recorded before, by the key equality
    /// of the table. Two NULLs are considered equal.
    pub(super) fn record(
        &mut self,
        transaction: &Transaction,
        target: &Target,
        stored: &[Stored<'_>],
    ) -> Result<bool> {
        let to_error = |error| {
            let operation = format!("recording the keys of {}", target.entity.name());
            failed(&transaction.path, &operation, error)
        };
        let insert = match &self.insert {
            Some(insert) => insert,
            None => {
                let insert = self.create_table(&transaction.connection, target).map_err(to_error)?;
                self.insert.insert(insert)
            }
        };
        let mut statement = transaction.connection.prepare_cached(insert).map_err(to_error)?;
        match statement.execute(params_from_iter(target.key.iter().map(|&column| &stored[column]))) {
            Ok(_) => Ok(true),
            Err(error) if is_constraint(&error) => Ok(false),
            Err(error) => Err(to_error(error)),
        }
    }

    /// Creates the temporary table and returns the statement that inserts a key.
    fn create_table(&self, connection: &Connection, target: &Target) -> rusqlite::Result<String> {
        let table = quoted(&self.table);
        let columns = key_columns(target).join(", ");
        connection.execute_batch(&format!("CREATE TEMP TABLE {table} ({columns})"))?;
        for (number, collations) in target.equality.comparisons().enumerate() {
            let unique = collations.enumerate().map(|(index, collation)| {
                format!("k{index} IS NULL, ifnull(k{index}, 0) COLLATE {}", quoted(collation))
            });
            connection.execute_batch(&format!(
                "CREATE UNIQUE INDEX temp.{} ON {table} ({})",
                quoted(&format!("{}_key_{number}", self.table)),
                unique.collect::<Vec<_>>().join(", ")
            ))?;
        }
        let parameters: Vec<String> = (1..=target.key.len()).map(|index| format!("?{index}")).collect();
        Ok(format!("INSERT OR ABORT INTO temp.{table} VALUES ({})", parameters.join(", ")))
    }

    /// Drops the temporary table.
    pub(super) fn discard(self, transaction: &Transaction) -> Result<()> {
        if self.insert.is_none() {
            return Ok(());
        }
        let dropped =
            transaction.connection.execute_batch(&format!("DROP TABLE temp.{}", quoted(&self.table)));
        dropped.map_err(|error| failed(&transaction.path, "discarding the recorded keys", error))
    }

    /// Indexes the temporary table and returns its name, or `None` if no key was recorded.
    pub(super) fn into_table(self, transaction: &Transaction, target: &Target) -> Result<Option<String>> {
        if self.insert.is_none() {
            return Ok(None);
        }
        let columns: Vec<String> = (0..target.key.len()).map(|index| format!("k{index}")).collect();
        let sql = format!(
            "CREATE INDEX temp.{} ON {} ({})",
            quoted(&format!("{}_search", self.table)),
            quoted(&self.table),
            columns.join(", ")
        );
        let created = transaction.connection.execute_batch(&sql);
        created.map_err(|error| failed(&transaction.path, "indexing the recorded keys", error))?;
        Ok(Some(self.table))
    }
}

/// Returns the SQL definitions of the columns `k0`, `k1`, … of a temporary table for keys. The columns have
/// the affinities and collations of the target's key columns.
pub(super) fn key_columns(target: &Target) -> Vec<String> {
    let collations = target.equality.comparisons().next().into_iter().flatten();
    let columns = target.key_names().zip(collations).enumerate().map(|(index, (name, collation))| {
        let column = target.mapping.table.columns.iter().find(|column| column.name == name);
        let affinity = match column.map(|column| column.affinity) {
            Some(Affinity::Integer) => "INTEGER",
            Some(Affinity::Text) => "TEXT",
            Some(Affinity::Real) => "REAL",
            Some(Affinity::Numeric) => "NUMERIC",
            Some(Affinity::Blob) | None => "BLOB",
        };
        format!("k{index} {affinity} COLLATE {}", quoted(collation))
    });
    columns.collect()
}

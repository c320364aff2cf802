//! Remembers the keys that were written, to refuse duplicate keys in the archive.

use koan_backup_core::Result;
use rusqlite::{Connection, params_from_iter};

use super::super::bind::Stored;
use super::super::catalog::Affinity;
use super::super::error::{failed, is_constraint};
use super::target::Target;
use super::transaction::Transaction;
use koan_backup_sql::identifier::quoted;

/// The keys in a temporary table, which is created with the first key.
#[derive(Debug)]
pub(super) struct WrittenKeys {
    table: String,
    insert: Option<String>,
}

impl WrittenKeys {
    /// Returns an empty list. `number` is the number of the target.
    pub(super) fn new(number: usize) -> Self {
        Self { table: format!("koan_written_{number}"), insert: None }
    }

    /// Remembers a key. Returns `false` if an equal key was remembered before, as the table compares keys.
    /// NULLs are equal.
    pub(super) fn remember(
        &mut self,
        transaction: &Transaction,
        target: &Target,
        stored: &[Stored<'_>],
    ) -> Result<bool> {
        let lost = |error| {
            let what = format!("remembering the keys of {}", target.entity.name());
            failed(&transaction.path, &what, error)
        };
        let insert = match &self.insert {
            Some(insert) => insert,
            None => {
                let made = self.make(&transaction.connection, target).map_err(lost)?;
                self.insert.insert(made)
            }
        };
        let mut statement = transaction.connection.prepare_cached(insert).map_err(lost)?;
        match statement.execute(params_from_iter(target.key.iter().map(|&column| &stored[column]))) {
            Ok(_) => Ok(true),
            Err(error) if is_constraint(&error) => Ok(false),
            Err(error) => Err(lost(error)),
        }
    }

    fn make(&self, connection: &Connection, target: &Target) -> rusqlite::Result<String> {
        let table = quoted(&self.table);
        let columns = key_columns(target).join(", ");
        connection.execute_batch(&format!("CREATE TEMP TABLE {table} ({columns})"))?;
        for (way, collations) in target.equality.comparisons().enumerate() {
            let unique = collations.enumerate().map(|(index, collation)| {
                format!("k{index} IS NULL, ifnull(k{index}, 0) COLLATE {}", quoted(collation))
            });
            connection.execute_batch(&format!(
                "CREATE UNIQUE INDEX temp.{} ON {table} ({})",
                quoted(&format!("{}_key_{way}", self.table)),
                unique.collect::<Vec<_>>().join(", ")
            ))?;
        }
        let parameters: Vec<String> = (1..=target.key.len()).map(|index| format!("?{index}")).collect();
        Ok(format!("INSERT OR ABORT INTO temp.{table} VALUES ({})", parameters.join(", ")))
    }

    /// Drops the keys.
    pub(super) fn forget(self, transaction: &Transaction) -> Result<()> {
        if self.insert.is_none() {
            return Ok(());
        }
        let dropped =
            transaction.connection.execute_batch(&format!("DROP TABLE temp.{}", quoted(&self.table)));
        dropped.map_err(|error| failed(&transaction.path, "forgetting the keys that were written", error))
    }

    /// Indexes the table of the keys and returns its name, or `None` if there is no key.
    pub(super) fn keep(self, transaction: &Transaction, target: &Target) -> Result<Option<String>> {
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
        let made = transaction.connection.execute_batch(&sql);
        made.map_err(|error| failed(&transaction.path, "indexing the keys that were written", error))?;
        Ok(Some(self.table))
    }
}

/// Returns the columns `k0`, `k1`, … of a temporary table that compares keys as the key columns of the target
/// do.
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

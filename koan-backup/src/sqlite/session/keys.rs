//! The keys that were written, so that none is written twice.

use koan_backup_core::Result;
use rusqlite::{Connection, params_from_iter};

use super::super::bind::Stored;
use super::super::catalog::{Affinity, indexes};
use super::super::error::{failed, is_constraint};
use super::super::identifier::{quoted, quoted_list};
use super::super::number;
use super::target::Target;
use super::transaction::Transaction;

/// Keys in a temporary table, which is made when the first one comes.
#[derive(Debug)]
pub(super) struct WrittenKeys {
    table: String,
    insert: Option<String>,
}

impl WrittenKeys {
    /// Nothing yet; `number` is of this target alone.
    pub(super) fn new(number: usize) -> Self {
        Self { table: format!("koan_written_{number}"), insert: None }
    }

    /// Remembers a key. False when it was there, by the affinity and the collation of the key's columns; NULL is NULL.
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
        let collations = column_collations(connection, target)?;
        let mut columns = Vec::new();
        let mut unique = Vec::new();
        for (index, (name, collation)) in target.key_names().zip(&collations).enumerate() {
            let column = target.mapping.table.columns.iter().find(|column| column.name == name);
            let affinity = match column.map(|column| column.affinity) {
                Some(Affinity::Integer) => "INTEGER",
                Some(Affinity::Text) => "TEXT",
                Some(Affinity::Real) => "REAL",
                Some(Affinity::Numeric) => "NUMERIC",
                Some(Affinity::Blob) | None => "BLOB",
            };
            let collation = quoted(collation);
            columns.push(format!("k{index} {affinity} COLLATE {collation}"));
            unique.push(format!("k{index} IS NULL, ifnull(k{index}, 0) COLLATE {collation}"));
        }
        connection.execute_batch(&format!(
            "CREATE TEMP TABLE {table} ({}); CREATE UNIQUE INDEX temp.{} ON {table} ({})",
            columns.join(", "),
            quoted(&format!("{}_key", self.table)),
            unique.join(", ")
        ))?;
        let parameters: Vec<String> = (1..=collations.len()).map(|index| format!("?{index}")).collect();
        Ok(format!("INSERT OR ABORT INTO temp.{table} VALUES ({})", parameters.join(", ")))
    }

    /// Lets the keys go.
    pub(super) fn forget(self, transaction: &Transaction) -> Result<()> {
        if self.insert.is_none() {
            return Ok(());
        }
        let dropped =
            transaction.connection.execute_batch(&format!("DROP TABLE temp.{}", quoted(&self.table)));
        dropped.map_err(|error| failed(&transaction.path, "forgetting the keys that were written", error))
    }

    /// The table the keys are in, which can be searched by them from now on; `None` when there is no key.
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

/// The collations of the key's columns. Only an index tells them, so an empty one is made for a moment.
fn column_collations(connection: &Connection, target: &Target) -> rusqlite::Result<Vec<String>> {
    let name = format!("koan_restore_collations of {}", target.mapping.table.name);
    connection.execute_batch(&format!(
        "SAVEPOINT koan_collations; CREATE INDEX main.{} ON {} ({}) WHERE 0",
        quoted(&name),
        quoted(&target.mapping.table.name),
        quoted_list(target.key_names())
    ))?;
    let collations = index_collations(connection, &name)?;
    connection.execute_batch("ROLLBACK TO koan_collations; RELEASE koan_collations")?;
    Ok(collations.into_iter().map(|(_, collation)| collation).collect())
}

fn index_collations(connection: &Connection, index: &str) -> rusqlite::Result<Vec<(Option<String>, String)>> {
    let mut statement =
        connection.prepare("SELECT name, coll FROM pragma_index_xinfo(?1) WHERE key ORDER BY seqno")?;
    statement.query_map([index], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}

/// Tells whether two keys are one to the unique index they are in.
#[derive(Debug)]
pub(super) struct SameKey {
    collations: Vec<Collation>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Collation {
    Binary,
    NoCase,
    RTrim,
}

impl SameKey {
    pub(super) fn new(connection: &Connection, target: &Target) -> rusqlite::Result<Self> {
        let key: Vec<&str> = target.key_names().collect();
        let mut collations = vec![Collation::Binary; key.len()];
        for index in indexes(connection, &target.mapping.table.name)? {
            if !index.unique || index.partial || index.columns.len() != key.len() {
                continue;
            }
            for (name, collation) in index_collations(connection, &index.name)? {
                let place = key.iter().position(|&column| name.as_deref() == Some(column));
                let Some(place) = place else { break };
                match collation.to_ascii_uppercase().as_str() {
                    "NOCASE" => collations[place] = Collation::NoCase,
                    "RTRIM" => collations[place] = Collation::RTrim,
                    _ => {}
                }
            }
        }
        Ok(Self { collations })
    }

    #[inline]
    pub(super) fn same<'s>(
        &self,
        one: impl Iterator<Item = &'s Stored<'s>>,
        other: impl Iterator<Item = &'s Stored<'s>>,
    ) -> bool {
        one.zip(other).zip(&self.collations).all(|((one, other), collation)| match (one, other) {
            (Stored::Integer(one), Stored::Integer(other)) => one == other,
            (Stored::Text(one), Stored::Text(other)) => match collation {
                Collation::Binary => one == other,
                Collation::NoCase => one.eq_ignore_ascii_case(other),
                Collation::RTrim => one.trim_end_matches(' ') == other.trim_end_matches(' '),
            },
            (Stored::Integer(integer), Stored::Real(real))
            | (Stored::Real(real), Stored::Integer(integer)) => number::float_of(*integer) == Some(*real),
            (one, other) => one == other,
        })
    }
}

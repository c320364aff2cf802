//! Drops the indexes of a table while records are written, and creates a temporary index over its key.

use std::time::Instant;

use koan_backup_core::{
    Error, ErrorKind, Result,
    provider::{SuspendedKind, SuspendedObject},
};
use rusqlite::Connection;

use super::super::catalog::index_collations;
use super::super::error::{failed, is_constraint};
use super::deferred::key_text;
use super::suspended::droppable_indexes;
use super::target::Target;
use super::transaction::Transaction;
use koan_backup_sql::identifier::{quoted, quoted_list};

/// The indexes that were dropped. They are recreated with their original SQL.
///
/// The indexes are dropped and recreated within the transaction, so they still exist if the process ends
/// before the commit.
#[derive(Debug, Default)]
pub(super) struct SuspendedIndexes {
    dropped: Vec<DroppedIndex>,
    /// The statistics of ANALYZE about these indexes, which SQLite deletes with the indexes.
    statistics: Vec<(String, Option<String>)>,
    /// The name of the temporary index over the key.
    key_index: Option<String>,
}

/// An index that was dropped.
#[derive(Debug)]
struct DroppedIndex {
    name: String,
    /// The SQL that creates the index.
    sql: String,
    /// The columns with their collations, if the index is unique.
    unique: Option<Vec<(String, String)>>,
}

/// Whether the temporary index over the key is unique.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KeyIndex {
    /// The index is unique and refuses a duplicate key.
    Unique,
    /// The index is not unique, because existing rows may have the same key.
    NotUnique,
}

impl SuspendedIndexes {
    /// Drops the indexes that may be dropped according to the options, for a table with this number of rows.
    pub(super) fn drop_all(
        &mut self,
        transaction: &Transaction,
        target: &Target,
        rows_before: u64,
    ) -> Result<()> {
        let (table, options) = (&target.mapping.table.name, &transaction.options);
        let to_error =
            |error| failed(&transaction.path, &format!("dropping the indexes of table `{table}`"), error);
        let (connection, key) = (&transaction.connection, target.key_names().collect::<Vec<_>>());
        let indexes = droppable_indexes(connection, &target.request, table, &key, options, rows_before);
        for index in indexes.map_err(to_error)? {
            let Some(sql) = index.sql.clone() else { continue };
            let collations = index_collations(connection, &index.name).map_err(to_error)?;
            let columns = collations.into_iter().map(|(name, collation)| Some((name?, collation)));
            let unique = columns.collect::<Option<Vec<_>>>().filter(|_| index.unique);
            let statistics = statistics(connection, table, &index.name).map_err(to_error)?;
            self.statistics.extend(statistics.into_iter().map(|text| (index.name.clone(), text)));
            connection
                .execute_batch(&format!("DROP INDEX main.{}", quoted(&index.name)))
                .map_err(to_error)?;
            self.dropped.push(DroppedIndex { name: index.name, sql, unique });
        }
        // The reversed list is in the order in which the indexes were created.
        self.dropped.reverse();
        Ok(())
    }

    /// Creates a temporary index over a key that has no unique index.
    pub(super) fn index_key(
        &mut self,
        transaction: &Transaction,
        target: &Target,
        key_index: KeyIndex,
    ) -> Result<()> {
        let table = &target.mapping.table.name;
        let name = format!("koan_restore_key of {table}");
        let unique = if key_index == KeyIndex::Unique { "UNIQUE " } else { "" };
        let columns = quoted_list(target.key_names());
        let sql = format!("CREATE {unique}INDEX main.{} ON {} ({columns})", quoted(&name), quoted(table));
        transaction.connection.execute_batch(&sql).map_err(|error| {
            failed(&transaction.path, &format!("indexing the key of table `{table}`"), error)
        })?;
        self.key_index = Some(name);
        Ok(())
    }

    /// Drops the temporary index, recreates the dropped indexes and returns them.
    pub(super) fn put_back(self, transaction: &Transaction, target: &Target) -> Result<Vec<SuspendedObject>> {
        let table = &target.mapping.table.name;
        let what = format!("rebuilding the indexes of table `{table}`");
        if let Some(key_index) = self.key_index {
            let dropped =
                transaction.connection.execute_batch(&format!("DROP INDEX main.{}", quoted(&key_index)));
            dropped.map_err(|error| failed(&transaction.path, &what, error))?;
        }
        let mut suspended = Vec::with_capacity(self.dropped.len());
        for DroppedIndex { name, sql, unique } in self.dropped {
            let started = Instant::now();
            transaction.connection.execute_batch(&sql).map_err(|error| {
                if is_constraint(&error) {
                    return Error::new(
                        ErrorKind::Constraint,
                        format!(
                            "records of {} violate the unique index `{name}` of table `{table}`: {error}{}",
                            target.entity.name(),
                            unique
                                .and_then(|columns| duplicates_text(transaction, target, &columns))
                                .unwrap_or_default()
                        ),
                    );
                }
                failed(&transaction.path, &what, error)
            })?;
            suspended.push(SuspendedObject::put_back(SuspendedKind::Index, name, table, started));
        }
        for (index, text) in self.statistics {
            let insert = "INSERT OR ABORT INTO main.sqlite_stat1 (tbl, idx, stat) VALUES (?1, ?2, ?3)";
            let inserted = transaction.connection.execute(insert, (table, index, text));
            inserted.map_err(|error| failed(&transaction.path, &what, error))?;
        }
        Ok(suspended)
    }
}

/// Returns the part of an error message with the keys of two records that have the same values in these
/// columns.
fn duplicates_text(
    transaction: &Transaction,
    target: &Target,
    columns: &[(String, String)],
) -> Option<String> {
    let (connection, table) = (&transaction.connection, quoted(&target.mapping.table.name));
    let list = |term: &dyn Fn(&str, &str) -> String, separator: &str| {
        let terms = columns.iter().map(|(name, collation)| term(&quoted(name), &quoted(collation)));
        terms.collect::<Vec<_>>().join(separator)
    };
    let names = list(&|name, _| name.to_owned(), ", ");
    let not_null = list(&|name, _| format!("{name} IS NOT NULL"), " AND ");
    let groups = list(&|name, collation| format!("{name} COLLATE {collation}"), ", ");
    let equal = list(&|name, collation| format!("t.{name} = repeated.{name} COLLATE {collation}"), " AND ");
    let keys = target.key_names().map(|name| format!("t.{}", quoted(name))).collect::<Vec<_>>().join(", ");
    let query = format!(
        "SELECT {keys} FROM (SELECT {names} FROM main.{table} WHERE {not_null} GROUP BY {groups} \
         HAVING count(*) > 1 LIMIT 1) AS repeated JOIN main.{table} AS t ON {equal} LIMIT 2"
    );
    let mut statement = connection.prepare(&query).ok()?;
    let mut rows = statement.query([]).ok()?;
    let mut found = Vec::new();
    while let Ok(Some(row)) = rows.next() {
        let key =
            (0..target.key.len()).map(|index| row.get_ref(index)).collect::<Result<Vec<_>, _>>().ok()?;
        found.push(format!("`{}`", key_text(target, key.into_iter())));
    }
    Some(format!(
        "; {} have the same values in its columns; correct one of these records in the database that was \
         backed up",
        found.join(" and ")
    ))
}

/// Returns the statistics of ANALYZE about an index.
fn statistics(connection: &Connection, table: &str, index: &str) -> rusqlite::Result<Vec<Option<String>>> {
    let exists = "SELECT 1 FROM main.sqlite_schema WHERE name = 'sqlite_stat1'";
    if !connection.prepare_cached(exists)?.exists([])? {
        return Ok(Vec::new());
    }
    let mut statement =
        connection.prepare_cached("SELECT stat FROM main.sqlite_stat1 WHERE tbl = ?1 AND idx = ?2")?;
    statement.query_map([table, index], |row| row.get(0))?.collect()
}

//! Indexes that wait while a table is filled, and one that helps to find its keys.

use koan_backup_core::{Error, ErrorKind, Result};
use rusqlite::Connection;

use super::super::catalog::{Index, index_collations, indexes};
use super::super::error::{failed, is_constraint};
use super::deferred::key_text;
use super::target::Target;
use super::transaction::Transaction;
use koan_backup_sql::identifier::{quoted, quoted_list};

/// Indexes that were dropped, to be made again by the very text they were made by.
///
/// All of it happens within the transaction: whatever ends the process, the indexes are there.
#[derive(Debug, Default)]
pub(super) struct WaitingIndexes {
    dropped: Vec<Dropped>,
    /// What ANALYZE found out about them, which goes with them.
    statistics: Vec<(String, Option<String>)>,
    helper: Option<String>,
}

/// An index that was dropped.
#[derive(Debug)]
struct Dropped {
    /// The text it was made by.
    sql: String,
    /// Its columns with their collations, if it is unique.
    unique: Option<Vec<(String, String)>>,
}

/// Whether a key can be there twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keys {
    Unique,
    Any,
}

impl WaitingIndexes {
    /// Drops the indexes that the key does not need.
    pub(super) fn drop_all(&mut self, transaction: &Transaction, target: &Target) -> Result<()> {
        let table = &target.mapping.table.name;
        let lost =
            |error| failed(&transaction.path, &format!("dropping the indexes of table `{table}`"), error);
        for index in indexes(&transaction.connection, table).map_err(lost)? {
            let Some(sql) = index.sql.clone() else { continue };
            // Of one that is partial or over expressions it cannot be told afterwards which records it refuses.
            let is_checked = index.unique && index.plain_columns().is_none();
            if !is_checked && !serves_key(&index, target) {
                let collations = index_collations(&transaction.connection, &index.name).map_err(lost)?;
                let columns = collations.into_iter().map(|(name, collation)| Some((name?, collation)));
                let unique = columns.collect::<Option<Vec<_>>>().filter(|_| index.unique);
                let statistics = statistics(&transaction.connection, table, &index.name).map_err(lost)?;
                self.statistics.extend(statistics.into_iter().map(|text| (index.name.clone(), text)));
                transaction
                    .connection
                    .execute_batch(&format!("DROP INDEX main.{}", quoted(&index.name)))
                    .map_err(lost)?;
                self.dropped.push(Dropped { sql, unique });
            }
        }
        // The order in which they were made.
        self.dropped.reverse();
        Ok(())
    }

    /// Makes an index over a key that has none.
    pub(super) fn help(&mut self, transaction: &Transaction, target: &Target, keys: Keys) -> Result<()> {
        let table = &target.mapping.table.name;
        let name = format!("koan_restore_key of {table}");
        let unique = if keys == Keys::Unique { "UNIQUE " } else { "" };
        let columns = quoted_list(target.key_names());
        let sql = format!("CREATE {unique}INDEX main.{} ON {} ({columns})", quoted(&name), quoted(table));
        transaction.connection.execute_batch(&sql).map_err(|error| {
            failed(&transaction.path, &format!("indexing the key of table `{table}`"), error)
        })?;
        self.helper = Some(name);
        Ok(())
    }

    /// Puts everything back as it was.
    pub(super) fn put_back(self, transaction: &Transaction, target: &Target) -> Result<()> {
        let table = &target.mapping.table.name;
        let what = format!("rebuilding the indexes of table `{table}`");
        if let Some(helper) = self.helper {
            let dropped =
                transaction.connection.execute_batch(&format!("DROP INDEX main.{}", quoted(&helper)));
            dropped.map_err(|error| failed(&transaction.path, &what, error))?;
        }
        for Dropped { sql, unique } in self.dropped {
            transaction.connection.execute_batch(&sql).map_err(|error| {
                if is_constraint(&error) {
                    return Error::new(
                        ErrorKind::Constraint,
                        format!(
                            "records of {} break a unique index: {error}{}",
                            target.entity.name(),
                            unique
                                .and_then(|columns| equal_rows(transaction, target, &columns))
                                .unwrap_or_default()
                        ),
                    );
                }
                failed(&transaction.path, &what, error)
            })?;
        }
        for (index, text) in self.statistics {
            let insert = "INSERT OR ABORT INTO main.sqlite_stat1 (tbl, idx, stat) VALUES (?1, ?2, ?3)";
            let inserted = transaction.connection.execute(insert, (table, index, text));
            inserted.map_err(|error| failed(&transaction.path, &what, error))?;
        }
        Ok(())
    }
}

/// Two records that have the same values in these columns, for an error text.
fn equal_rows(transaction: &Transaction, target: &Target, columns: &[(String, String)]) -> Option<String> {
    let (connection, table) = (&transaction.connection, quoted(&target.mapping.table.name));
    let list = |part: &dyn Fn(&str, &str) -> String, between: &str| {
        let parts = columns.iter().map(|(name, collation)| part(&quoted(name), &quoted(collation)));
        parts.collect::<Vec<_>>().join(between)
    };
    let names = list(&|name, _| name.to_owned(), ", ");
    let is_set = list(&|name, _| format!("{name} IS NOT NULL"), " AND ");
    let groups = list(&|name, collation| format!("{name} COLLATE {collation}"), ", ");
    let equal = list(&|name, collation| format!("t.{name} = twice.{name} COLLATE {collation}"), " AND ");
    let keys = target.key_names().map(|name| format!("t.{}", quoted(name))).collect::<Vec<_>>().join(", ");
    let query = format!(
        "SELECT {keys} FROM (SELECT {names} FROM main.{table} WHERE {is_set} GROUP BY {groups} HAVING count(*) > 1 LIMIT 1) \
         AS twice JOIN main.{table} AS t ON {equal} LIMIT 2"
    );
    let mut statement = connection.prepare(&query).ok()?;
    let mut rows = statement.query([]).ok()?;
    let mut found = Vec::new();
    while let Ok(Some(row)) = rows.next() {
        let key = (0..target.key.len()).map(|part| row.get_ref(part)).collect::<Result<Vec<_>, _>>().ok()?;
        found.push(format!("`{}`", key_text(target, key.into_iter())));
    }
    Some(format!(
        "; {} have the same values there: correct one of them where it comes from",
        found.join(" and ")
    ))
}

/// What ANALYZE noted of an index.
fn statistics(connection: &Connection, table: &str, index: &str) -> rusqlite::Result<Vec<Option<String>>> {
    let exists = "SELECT 1 FROM main.sqlite_schema WHERE name = 'sqlite_stat1'";
    if !connection.prepare_cached(exists)?.exists([])? {
        return Ok(Vec::new());
    }
    let mut statement =
        connection.prepare_cached("SELECT stat FROM main.sqlite_stat1 WHERE tbl = ?1 AND idx = ?2")?;
    statement.query_map([table, index], |row| row.get(0))?.collect()
}

fn serves_key(index: &Index, target: &Target) -> bool {
    let mut columns: Vec<Option<&str>> = index.columns.iter().map(Option::as_deref).collect();
    let mut key: Vec<Option<&str>> = target.key_names().map(Some).collect();
    columns.sort_unstable();
    key.sort_unstable();
    index.unique && !index.partial && columns == key
}

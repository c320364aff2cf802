//! Finds dangling references: foreign keys whose parent row does not exist.

use std::collections::BTreeMap;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension as _, Result, Row};

use super::catalog::indexes;
use koan_backup_sql::identifier::{listed, quoted};

/// The maximum number of rows that an error message lists.
const MAX_LISTED_ROWS: usize = 5;

/// Counts the rows of a table that refer to a missing row, by parent table.
pub(super) fn count_dangling(connection: &Connection, table: &str) -> Result<BTreeMap<String, u64>> {
    let mut counts = BTreeMap::new();
    for key in foreign_keys(connection, table)? {
        let query =
            format!("SELECT count(*) FROM main.{} AS c WHERE {}", quoted(table), key.dangling_condition());
        let count: i64 = connection.query_row(&query, [], |row| row.get(0))?;
        let count = u64::try_from(count).unwrap_or(0);
        if count > 0 {
            *counts.entry(key.parent).or_default() += count;
        }
    }
    Ok(counts)
}

/// Whether a restore changes the rowids of existing rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rowids {
    Unchanged,
    Changed,
}

/// The rows of a child table that were restored from an archive that records dangling references.
#[derive(Debug, Default)]
pub(super) struct RestoredRows {
    /// The number of dangling references that the archive recorded, by parent table.
    pub(super) recorded: BTreeMap<String, u64>,
    /// The restored rows.
    pub(super) rows: RowSelection,
}

/// A selection of the rows of a table.
#[derive(Debug, Default)]
pub(super) enum RowSelection {
    /// All rows.
    #[default]
    All,
    /// The rows whose keys are in temporary tables. Each element has the names of the key columns, and the
    /// name of the temporary table with the columns `k0`, `k1`, ….
    Keyed(Vec<(Vec<String>, String)>),
}

/// The references to one parent table that became dangling during a restore.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BrokenReference {
    pub(super) parent: String,
    pub(super) count: u64,
    /// A list of some of the rows, for an error message.
    pub(super) examples: String,
}

/// Records the dangling references of a table in a temporary table.
pub(super) fn record_dangling(connection: &Connection, table: &str, rowids: Rowids) -> Result<()> {
    connection.execute_batch(
        "CREATE TEMP TABLE IF NOT EXISTS koan_dangling (child, fk, identity); CREATE INDEX IF NOT EXISTS \
         temp.koan_dangling_row ON koan_dangling (child, fk, identity)",
    )?;
    for key in foreign_keys(connection, table)? {
        let insert = format!(
            "INSERT INTO temp.koan_dangling SELECT ?1, ?2, {} FROM main.{} AS c WHERE {}",
            key.identity(&identifying_columns(connection, table, rowids)?),
            quoted(table),
            key.dangling_condition()
        );
        connection.execute(&insert, (table, key.id))?;
    }
    Ok(())
}

/// Returns the first parent table to which a table has dangling references that existed neither before the
/// restore nor in the archive.
pub(super) fn newly_broken(
    connection: &Connection,
    table: &str,
    rowids: Rowids,
    restored: Option<&RestoredRows>,
) -> Result<Option<BrokenReference>> {
    let columns = identifying_columns(connection, table, rowids)?;
    let mut parents: BTreeMap<String, ReferenceCounts> = BTreeMap::new();
    for key in foreign_keys(connection, table)? {
        let listed_columns: Vec<&String> = match columns.as_slice() {
            [] => key.columns.iter().collect(),
            columns if columns.len() > 8 => key.columns.iter().collect(),
            columns => columns.iter().collect(),
        };
        let list: Vec<String> = listed_columns
            .iter()
            .enumerate()
            .map(|(index, name)| format!("c.{} AS s{index}", quoted(name)))
            .collect();
        let names: Vec<String> = (0..listed_columns.len()).map(|index| format!("s{index}")).collect();
        let query = format!(
            "SELECT (SELECT count(*) FROM temp.koan_dangling AS d WHERE d.child = ?1 AND d.fk = ?2 AND \
             d.identity = i), count(*), max(r), {} FROM (SELECT {} AS i, {} AS r, {} FROM main.{} AS c WHERE \
             {}) GROUP BY i",
            names.join(", "),
            key.identity(&columns),
            is_restored_condition(restored),
            list.join(", "),
            quoted(table),
            key.dangling_condition()
        );
        let counts = parents.entry(key.parent.clone()).or_default();
        let mut statement = connection.prepare(&query)?;
        let mut rows = statement.query((table, key.id))?;
        while let Some(row) = rows.next()? {
            let (before, after): (i64, i64) = (row.get(0)?, row.get(1)?);
            let new = u64::try_from(after - before).unwrap_or(0);
            let old = u64::try_from(after.min(before)).unwrap_or(0);
            let is_restored: bool = row.get(2)?;
            if is_restored {
                counts.restored += new;
                counts.restored_before += old;
            } else {
                counts.others += new;
            }
            let examples = if is_restored { &mut counts.restored_examples } else { &mut counts.examples };
            if new > 0 && examples.len() < MAX_LISTED_ROWS {
                examples.push(row_text(row, &listed_columns));
            }
        }
    }
    for (parent, counts) in parents {
        let recorded = restored.and_then(|restored| restored.recorded.get(&parent)).copied().unwrap_or(0);
        // A dangling reference that existed before and was restored again must be counted only once.
        let allowed = recorded.saturating_sub(counts.restored_before);
        let (mut count, mut examples) = (counts.others, counts.examples);
        if counts.restored > allowed {
            count += counts.restored - allowed;
            examples.extend(counts.restored_examples);
        }
        if count > 0 {
            let examples = listed(examples.iter().take(MAX_LISTED_ROWS).map(String::as_str));
            return Ok(Some(BrokenReference { parent, count, examples }));
        }
    }
    Ok(None)
}

/// The numbers of dangling references to one parent table, with examples of the rows.
#[derive(Default)]
struct ReferenceCounts {
    /// New dangling references of restored rows.
    restored: u64,
    /// Dangling references of restored rows that existed before the restore.
    restored_before: u64,
    /// New dangling references of rows that were not restored.
    others: u64,
    restored_examples: Vec<String>,
    examples: Vec<String>,
}

/// A foreign key that can be checked.
struct ForeignKey {
    id: i64,
    parent: String,
    columns: Vec<String>,
    /// The referenced columns; `None` if the parent table does not exist.
    parent_columns: Option<Vec<String>>,
}

impl ForeignKey {
    /// Returns the SQL condition that the parent of row `c` does not exist.
    fn dangling_condition(&self) -> String {
        let not_null: Vec<String> =
            self.columns.iter().map(|column| format!("c.{} IS NOT NULL", quoted(column))).collect();
        let not_null = not_null.join(" AND ");
        let Some(parent_columns) = &self.parent_columns else { return not_null };
        // A foreign key compares values with the affinity and the collation of the parent column. SQLite uses
        // the affinity and collation of the left operand if the right operand is an expression, so `+` turns
        // the child column into an expression.
        let equal: Vec<String> = parent_columns
            .iter()
            .zip(&self.columns)
            .map(|(parent, child)| format!("p.{} = +c.{}", quoted(parent), quoted(child)))
            .collect();
        format!(
            "{not_null} AND NOT EXISTS (SELECT 1 FROM main.{} AS p WHERE {})",
            quoted(&self.parent),
            equal.join(" AND ")
        )
    }

    /// Returns an SQL expression for a text that identifies row `c` and its reference.
    fn identity(&self, columns: &[String]) -> String {
        let parts: Vec<String> = columns
            .iter()
            .chain(&self.columns)
            .map(|column| {
                let column = quoted(column);
                format!(
                    "CASE typeof(c.{column}) WHEN 'text' THEN 't' || hex(c.{column}) ELSE \
                         quote(c.{column}) END"
                )
            })
            .collect();
        parts.join(" || ',' || ")
    }
}

/// Reads the foreign keys of a table. Foreign keys whose parent columns are not unique are left out, because
/// SQLite itself cannot check them.
fn foreign_keys(connection: &Connection, table: &str) -> Result<Vec<ForeignKey>> {
    let mut statement = connection.prepare_cached(
        "SELECT id, \"table\", \"from\", \"to\" FROM pragma_foreign_key_list(?1) ORDER BY id, seq",
    )?;
    let mut rows = statement.query([table])?;
    let mut found: Vec<(ForeignKey, Vec<Option<String>>)> = Vec::new();
    while let Some(row) = rows.next()? {
        let (id, column, to): (i64, String, Option<String>) = (row.get(0)?, row.get(2)?, row.get(3)?);
        match found.last_mut().filter(|(key, _)| key.id == id) {
            Some((key, referred)) => {
                key.columns.push(column);
                referred.push(to);
            }
            None => {
                let key = ForeignKey { id, parent: row.get(1)?, columns: vec![column], parent_columns: None };
                found.push((key, vec![to]));
            }
        }
    }
    let mut keys = Vec::new();
    for (mut key, referred) in found {
        let kind = "SELECT type FROM pragma_table_list WHERE schema = 'main' AND name = ?1 COLLATE NOCASE";
        match connection.query_row(kind, [&key.parent], |row| row.get::<_, String>(0)).optional()?.as_deref()
        {
            None => keys.push(key),
            Some("table") => {
                let primary = primary_key(connection, &key.parent)?;
                let columns = match referred.into_iter().collect::<Option<Vec<String>>>() {
                    Some(columns) => columns,
                    None => primary.clone(),
                };
                let is_key =
                    same_names(&columns, &primary) || has_unique_index(connection, &key.parent, &columns)?;
                if is_key && columns.len() == key.columns.len() {
                    key.parent_columns = Some(columns);
                    keys.push(key);
                }
            }
            Some(_) => {}
        }
    }
    Ok(keys)
}

fn has_unique_index(connection: &Connection, table: &str, columns: &[String]) -> Result<bool> {
    Ok(indexes(connection, table)?.into_iter().any(|index| {
        let covers_all_rows = index.unique && !index.partial;
        covers_all_rows
            && index
                .columns
                .into_iter()
                .collect::<Option<Vec<String>>>()
                .is_some_and(|index_columns| same_names(&index_columns, columns))
    }))
}

/// Returns whether two lists contain the same names, in any order.
fn same_names(one: &[String], other: &[String]) -> bool {
    let sorted = |names: &[String]| {
        let mut names: Vec<String> = names.iter().map(|name| name.to_ascii_lowercase()).collect();
        names.sort_unstable();
        names
    };
    sorted(one) == sorted(other)
}

fn primary_key(connection: &Connection, table: &str) -> Result<Vec<String>> {
    let mut key =
        connection.prepare_cached("SELECT name FROM pragma_table_info(?1) WHERE pk > 0 ORDER BY pk")?;
    key.query_map([table], |row| row.get(0))?.collect()
}

/// Returns the columns that identify the rows of a table: the primary key if there is one, else the rowid if
/// the restore does not change it, else all columns.
fn identifying_columns(connection: &Connection, table: &str, rowids: Rowids) -> Result<Vec<String>> {
    let primary = primary_key(connection, table)?;
    if !primary.is_empty() {
        return Ok(primary);
    }
    let mut all = connection.prepare_cached("SELECT name FROM pragma_table_xinfo(?1) ORDER BY cid")?;
    let all: Vec<String> = all.query_map([table], |row| row.get(0))?.collect::<Result<_>>()?;
    let is_free = |name: &&str| !all.iter().any(|column| column.eq_ignore_ascii_case(name));
    match ["rowid", "_rowid_", "oid"].into_iter().find(is_free) {
        Some(rowid) if rowids == Rowids::Unchanged => Ok(vec![rowid.to_owned()]),
        _ => Ok(all),
    }
}

/// Returns an SQL condition that is true if row `c` was restored.
fn is_restored_condition(restored: Option<&RestoredRows>) -> String {
    match restored.map(|restored| &restored.rows) {
        None => "0".to_owned(),
        Some(RowSelection::All) => "1".to_owned(),
        Some(RowSelection::Keyed(tables)) => {
            let found = tables.iter().map(|(key, table)| {
                let equal: Vec<String> = key
                    .iter()
                    .enumerate()
                    .map(|(index, name)| format!("c.{} IS w.k{index}", quoted(name)))
                    .collect();
                format!("EXISTS (SELECT 1 FROM temp.{} AS w WHERE {})", quoted(table), equal.join(" AND "))
            });
            let found: Vec<String> = found.collect();
            if found.is_empty() { "0".to_owned() } else { found.join(" OR ") }
        }
    }
}

/// Formats a row for an error message. The first three columns of the query are not columns of the row.
fn row_text(row: &Row<'_>, names: &[&String]) -> String {
    let part = |(index, name): (usize, &&String)| match row.get_ref(index + 3) {
        Ok(ValueRef::Integer(integer)) => format!("{name}={integer}"),
        Ok(ValueRef::Real(real)) => format!("{name}={real}"),
        Ok(ValueRef::Text(text)) => {
            format!("{name}={:?}", String::from_utf8_lossy(text).chars().take(64).collect::<String>())
        }
        Ok(ValueRef::Blob(blob)) => {
            let hex: String = blob.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
            format!("{name}=x'{hex}'")
        }
        _ => format!("{name}=NULL"),
    };
    names.iter().enumerate().map(part).collect::<Vec<_>>().join(", ")
}

//! Foreign keys that point nowhere.

use std::collections::BTreeMap;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension as _, Result, Row};

use super::catalog::indexes;
use koan_backup_sql::identifier::{listed, quoted};

/// How many rows an error text names.
const NAMED: usize = 5;

/// How many rows of a table refer to a row that does not exist, by the table referred to. Without foreign keys, none.
pub(super) fn dangling(connection: &Connection, table: &str) -> Result<BTreeMap<String, u64>> {
    let mut counts = BTreeMap::new();
    for key in foreign_keys(connection, table)? {
        let query =
            format!("SELECT count(*) FROM main.{} AS c WHERE {}", quoted(table), key.points_nowhere());
        let count: i64 = connection.query_row(&query, [], |row| row.get(0))?;
        let count = u64::try_from(count).unwrap_or(0);
        if count > 0 {
            *counts.entry(key.parent).or_default() += count;
        }
    }
    Ok(counts)
}

/// Whether rows keep their rowid while they are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rowids {
    Stay,
    Change,
}

/// Rows of a child table that came out of an archive, some of which pointed nowhere already when it was made.
#[derive(Debug, Default)]
pub(super) struct Brought {
    /// How many pointed nowhere, by the table referred to.
    pub(super) recorded: BTreeMap<String, u64>,
    /// Which they are.
    pub(super) rows: Rows,
}

/// Rows of a table.
#[derive(Debug, Default)]
pub(super) enum Rows {
    #[default]
    All,
    /// Those whose keys are in temporary tables: the names of the key columns, and the table with columns `k0`, `k1`, ….
    Keyed(Vec<(Vec<String>, String)>),
}

/// References that point nowhere and did not before.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Broken {
    pub(super) parent: String,
    pub(super) count: u64,
    /// Some of the rows, as an error text lists them.
    pub(super) examples: String,
}

/// Remembers which rows of a table point nowhere, in a temporary table.
pub(super) fn remember(connection: &Connection, table: &str, rowids: Rowids) -> Result<()> {
    connection.execute_batch(
        "CREATE TEMP TABLE IF NOT EXISTS koan_dangling (child, fk, identity); \
         CREATE INDEX IF NOT EXISTS temp.koan_dangling_row ON koan_dangling (child, fk, identity)",
    )?;
    for key in foreign_keys(connection, table)? {
        let insert = format!(
            "INSERT INTO temp.koan_dangling SELECT ?1, ?2, {} FROM main.{} AS c WHERE {}",
            key.identity(&identity(connection, table, rowids)?),
            quoted(table),
            key.points_nowhere()
        );
        connection.execute(&insert, (table, key.id))?;
    }
    Ok(())
}

/// The first foreign key of a table under which rows point nowhere that neither did so before nor were brought along so.
pub(super) fn newly_broken(
    connection: &Connection,
    table: &str,
    rowids: Rowids,
    brought: Option<&Brought>,
) -> Result<Option<Broken>> {
    let columns = identity(connection, table, rowids)?;
    let mut parents: BTreeMap<String, Tally> = BTreeMap::new();
    for key in foreign_keys(connection, table)? {
        let shown: Vec<&String> = match columns.as_slice() {
            [] => key.columns.iter().collect(),
            columns if columns.len() > 8 => key.columns.iter().collect(),
            columns => columns.iter().collect(),
        };
        let list: Vec<String> =
            shown.iter().enumerate().map(|(index, name)| format!("c.{} AS s{index}", quoted(name))).collect();
        let names: Vec<String> = (0..shown.len()).map(|index| format!("s{index}")).collect();
        let query = format!(
            "SELECT (SELECT count(*) FROM temp.koan_dangling AS d WHERE d.child = ?1 AND d.fk = ?2 AND d.identity = i), \
             count(*), max(r), {} FROM (SELECT {} AS i, {} AS r, {} FROM main.{} AS c WHERE {}) GROUP BY i",
            names.join(", "),
            key.identity(&columns),
            restored(brought),
            list.join(", "),
            quoted(table),
            key.points_nowhere()
        );
        let tally = parents.entry(key.parent.clone()).or_default();
        let mut statement = connection.prepare(&query)?;
        let mut rows = statement.query((table, key.id))?;
        while let Some(row) = rows.next()? {
            let (before, now): (i64, i64) = (row.get(0)?, row.get(1)?);
            let new = u64::try_from(now - before).unwrap_or(0);
            let old = u64::try_from(now.min(before)).unwrap_or(0);
            let is_restored: bool = row.get(2)?;
            if is_restored {
                tally.brought += new;
                tally.brought_before += old;
            } else {
                tally.others += new;
            }
            let examples = if is_restored { &mut tally.brought_examples } else { &mut tally.examples };
            if new > 0 && examples.len() < NAMED {
                examples.push(text(row, &shown));
            }
        }
    }
    for (parent, tally) in parents {
        let recorded = brought.and_then(|brought| brought.recorded.get(&parent)).copied().unwrap_or(0);
        // One that was there already and came along as well is one.
        let allowed = recorded.saturating_sub(tally.brought_before);
        let (mut count, mut examples) = (tally.others, tally.examples);
        if tally.brought > allowed {
            count += tally.brought - allowed;
            examples.extend(tally.brought_examples);
        }
        if count > 0 {
            let examples = listed(examples.iter().take(NAMED).map(String::as_str));
            return Ok(Some(Broken { parent, count, examples }));
        }
    }
    Ok(None)
}

/// What is counted of the references to one table.
#[derive(Default)]
struct Tally {
    brought: u64,
    brought_before: u64,
    others: u64,
    brought_examples: Vec<String>,
    examples: Vec<String>,
}

/// A foreign key that can be checked.
struct ForeignKey {
    id: i64,
    parent: String,
    columns: Vec<String>,
    /// The columns referred to; `None` when there is no such table.
    parent_columns: Option<Vec<String>>,
}

impl ForeignKey {
    /// The condition of a row `c` that points nowhere.
    fn points_nowhere(&self) -> String {
        let set: Vec<String> =
            self.columns.iter().map(|column| format!("c.{} IS NOT NULL", quoted(column))).collect();
        let set = set.join(" AND ");
        let Some(parent_columns) = &self.parent_columns else { return set };
        // As a foreign key compares: by the affinity and the collation of the column referred to, which come from the
        // left, where the right is an expression.
        let equal: Vec<String> = parent_columns
            .iter()
            .zip(&self.columns)
            .map(|(parent, child)| format!("p.{} = +c.{}", quoted(parent), quoted(child)))
            .collect();
        format!(
            "{set} AND NOT EXISTS (SELECT 1 FROM main.{} AS p WHERE {})",
            quoted(&self.parent),
            equal.join(" AND ")
        )
    }

    /// What tells a row `c` and where it points from all others, as text.
    fn identity(&self, columns: &[String]) -> String {
        let parts: Vec<String> = columns
            .iter()
            .chain(&self.columns)
            .map(|column| {
                let column = quoted(column);
                format!("CASE typeof(c.{column}) WHEN 'text' THEN 't' || hex(c.{column}) ELSE quote(c.{column}) END")
            })
            .collect();
        parts.join(" || ',' || ")
    }
}

/// The foreign keys of a table, but for those that refer to what is no key: SQLite itself cannot check them.
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
                let is_key = same(&columns, &primary) || has_unique_index(connection, &key.parent, &columns)?;
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
        let is_whole = index.unique && !index.partial;
        is_whole
            && index
                .columns
                .into_iter()
                .collect::<Option<Vec<String>>>()
                .is_some_and(|of_index| same(&of_index, columns))
    }))
}

/// Whether two lists have the same names, in any order.
fn same(one: &[String], other: &[String]) -> bool {
    let folded = |names: &[String]| {
        let mut names: Vec<String> = names.iter().map(|name| name.to_ascii_lowercase()).collect();
        names.sort_unstable();
        names
    };
    folded(one) == folded(other)
}

fn primary_key(connection: &Connection, table: &str) -> Result<Vec<String>> {
    let mut key =
        connection.prepare_cached("SELECT name FROM pragma_table_info(?1) WHERE pk > 0 ORDER BY pk")?;
    key.query_map([table], |row| row.get(0))?.collect()
}

/// The columns that tell the rows of a table apart: the primary key, else the rowid where it stays, else all.
fn identity(connection: &Connection, table: &str, rowids: Rowids) -> Result<Vec<String>> {
    let primary = primary_key(connection, table)?;
    if !primary.is_empty() {
        return Ok(primary);
    }
    let mut all = connection.prepare_cached("SELECT name FROM pragma_table_xinfo(?1) ORDER BY cid")?;
    let all: Vec<String> = all.query_map([table], |row| row.get(0))?.collect::<Result<_>>()?;
    let is_free = |name: &&str| !all.iter().any(|column| column.eq_ignore_ascii_case(name));
    match ["rowid", "_rowid_", "oid"].into_iter().find(is_free) {
        Some(rowid) if rowids == Rowids::Stay => Ok(vec![rowid.to_owned()]),
        _ => Ok(all),
    }
}

/// Whether a row `c` came out of an archive.
fn restored(brought: Option<&Brought>) -> String {
    match brought.map(|brought| &brought.rows) {
        None => "0".to_owned(),
        Some(Rows::All) => "1".to_owned(),
        Some(Rows::Keyed(tables)) => {
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

/// A row as an error text shows it, its values after three others.
fn text(row: &Row<'_>, names: &[&String]) -> String {
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

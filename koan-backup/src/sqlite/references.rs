//! Foreign keys that point nowhere.

use std::collections::BTreeMap;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Result};

use super::identifier::{listed, quoted, quoted_list};

/// How many rows of a table refer to a row that does not exist, by the table referred to. Without foreign keys, none.
pub(super) fn dangling(connection: &Connection, table: &str) -> Result<BTreeMap<String, u64>> {
    let mut keys = connection.prepare_cached("SELECT 1 FROM pragma_foreign_key_list(?1)")?;
    if !keys.exists([table])? {
        return Ok(BTreeMap::new());
    }
    let mut statement = connection.prepare_cached(
        "SELECT parent, count(*) FROM pragma_foreign_key_check(?1) GROUP BY parent ORDER BY parent",
    )?;
    let counted = statement.query_map([table], |row| {
        let count: i64 = row.get(1)?;
        Ok((row.get(0)?, u64::try_from(count).unwrap_or(0)))
    })?;
    match counted.collect() {
        // A foreign key whose parent has no such key: SQLite itself cannot tell, and lets everything pass.
        Err(error) if error.to_string().contains("foreign key mismatch") => Ok(BTreeMap::new()),
        counted => counted,
    }
}

/// Up to five of the rows of `table` that refer to a missing row of `parent`, by their primary key, for an error text.
pub(super) fn examples(connection: &Connection, table: &str, parent: &str) -> Result<String> {
    let mut rowids = connection.prepare(
        "SELECT DISTINCT rowid FROM pragma_foreign_key_check(?1) WHERE parent = ?2 AND rowid IS NOT NULL ORDER BY rowid LIMIT 5",
    )?;
    let rowids: Vec<i64> = rowids.query_map([table, parent], |row| row.get(0))?.collect::<Result<_>>()?;
    let mut key = connection.prepare("SELECT name FROM pragma_table_info(?1) WHERE pk > 0 ORDER BY pk")?;
    let key: Vec<String> = key.query_map([table], |row| row.get(0))?.collect::<Result<_>>()?;
    if rowids.is_empty() || key.is_empty() {
        return Ok(listed(
            rowids.iter().map(|id| format!("rowid={id}")).collect::<Vec<_>>().iter().map(String::as_str),
        ));
    }
    let columns = quoted_list(key.iter().map(String::as_str));
    let mut row =
        connection.prepare(&format!("SELECT {columns} FROM main.{} WHERE rowid = ?1", quoted(table)))?;
    let mut texts = Vec::new();
    for rowid in rowids {
        texts.push(row.query_row([rowid], |row| {
            let part = |(index, name): (usize, &String)| match row.get_ref(index) {
                Ok(ValueRef::Integer(integer)) => format!("{name}={integer}"),
                Ok(ValueRef::Text(text)) => {
                    format!("{name}={:?}", String::from_utf8_lossy(text).chars().take(64).collect::<String>())
                }
                _ => format!("rowid={rowid}"),
            };
            Ok(key.iter().enumerate().map(part).collect::<Vec<_>>().join(", "))
        })?);
    }
    Ok(listed(texts.iter().map(String::as_str)))
}

//! Finds the full-text indexes with external content, whose text is in another table or in a view.

use rusqlite::{Connection, Result};

use super::super::catalog::{Catalog, TableKind};
use super::tokens::tokens;

/// A full-text index with external content: its text is in another table or in a view, from which the index
/// can be rebuilt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ExternalIndex {
    pub(super) name: String,
    /// The name of the content table or view; empty for a contentless index.
    pub(super) content: String,
    /// The FTS version: 5 for FTS5, 4 for FTS3 and FTS4.
    pub(super) version: u8,
}

/// Returns the full-text indexes that declare a content table or view.
pub(super) fn external_indexes(connection: &Connection, catalog: &Catalog) -> Result<Vec<ExternalIndex>> {
    let mut statement =
        connection.prepare_cached("SELECT sql FROM main.sqlite_schema WHERE type = 'table' AND name = ?1")?;
    let mut found = Vec::new();
    for table in catalog.tables.iter().filter(|table| table.kind == TableKind::Virtual) {
        let sql: Option<String> = statement.query_row([&table.name], |row| row.get(0))?;
        let index = sql.as_deref().and_then(|sql| external_index(&table.name, sql));
        found.extend(index.filter(|index| !index.content.is_empty()));
    }
    Ok(found)
}

/// Parses the option `content` in the SQL of a full-text index. Returns `None` if the table is not a
/// full-text index or does not have the option.
pub(super) fn external_index(name: &str, sql: &str) -> Option<ExternalIndex> {
    let tokens = tokens(sql);
    let module = tokens.iter().position(|token| token.is_word("using")).and_then(|at| tokens.get(at + 1))?;
    if !["fts3", "fts4", "fts5"].iter().any(|name| module.is_word(name)) {
        return None;
    }
    let at = tokens.windows(3).position(|window| {
        matches!(window, [before, name, equals]
            if (before.is_punctuation('(') || before.is_punctuation(',')) && name.is_word("content") && equals.is_punctuation('='))
    })?;
    let content = tokens.get(at + 3)?.content()?.to_owned();
    Some(ExternalIndex {
        name: name.to_owned(),
        content,
        version: if module.is_word("fts5") { 5 } else { 4 },
    })
}

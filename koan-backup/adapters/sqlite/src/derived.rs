//! Data that triggers compute from the rows of a table. Triggers do not fire during a restore.

mod external_index;
mod follow;
pub(super) mod tokens;
mod trigger_writes;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use koan_backup_core::{
    Error, ErrorKind,
    provider::{Finding, Severity},
};
use rusqlite::{Connection, Result};

use super::catalog::{Catalog, TableKind};
use super::mapping::Mapping;
use external_index::{ExternalIndex, external_indexes};
use follow::{Follow, follow};
use koan_backup_sql::identifier::quoted;
use trigger_writes::{TriggerWrite, reads, trigger_writes};

/// Tables and columns (`table.column`) that triggers fill and that the application recomputes after a
/// restore. The value describes how the application recomputes them.
#[derive(Clone, Debug, Default)]
pub(super) struct Recomputed(Arc<BTreeMap<String, String>>);

impl Recomputed {
    pub(super) fn add(&mut self, name: String, reason: String) {
        Arc::make_mut(&mut self.0).insert(name.to_lowercase(), reason);
    }

    pub(super) fn without_reason(&self) -> Option<&str> {
        self.0.iter().find(|(_, reason)| reason.trim().is_empty()).map(|(name, _)| name.as_str())
    }

    fn reason(&self, name: &str) -> Option<&str> {
        self.0.get(&name.to_lowercase()).map(String::as_str)
    }
}

/// Reports what would be stale after a restore of these tables, with the remedy.
pub(super) fn assess(
    connection: &Connection,
    catalog: &Catalog,
    recomputed: &Recomputed,
    mappings: &[(&'static str, Mapping)],
) -> Result<Vec<Finding>> {
    let rebuilt = external_indexes(connection, catalog)?;
    let mut findings = Vec::new();
    for (entity, mapping) in mappings {
        let table = &mapping.table;
        for index in rebuilt.iter().filter(|index| depends_on(connection, catalog, index, &table.name)) {
            if let Some(reason) = recomputed.reason(&index.name) {
                let text = format!(
                    "full-text index `{}` follows table `{}` and is not rebuilt: it must be computed again, \
                     by {reason}",
                    index.name, table.name
                );
                findings.push(Finding::new(Severity::Warning, *entity, text));
                continue;
            }
            if let Some(text) = unknown_content(connection, catalog, index)? {
                findings.push(Finding::new(Severity::Error, *entity, text));
            } else if let Err(error) = check_rebuild(connection, catalog, index) {
                let text = format!(
                    "full-text index `{}` follows table `{}` and cannot be rebuilt here: {error}; drop it \
                     before the restore and make it again afterwards, or name it with \
                     `Sqlite::options(…).recomputed`",
                    index.name, table.name
                );
                findings.push(Finding::new(Severity::Error, *entity, text));
            }
        }
        let mut reported = BTreeSet::new();
        let writes = trigger_writes(connection, table).unwrap_or_else(|error| {
            let text = format!(
                "the data that the triggers of table `{}` fill cannot be determined: {error}; triggers do \
                 not fire in a restore",
                table.name
            );
            findings.push(Finding::new(Severity::Warning, *entity, text));
            BTreeSet::new()
        });
        for write in writes {
            let Some((name, severity)) = stale_name(&write, catalog, &rebuilt, mappings) else { continue };
            if !reported.insert(name.clone()) {
                continue;
            }
            let what = format!(
                "trigger `{}` of table `{}` fills `{name}`, and triggers do not fire in a restore",
                write.trigger, table.name
            );
            let (severity, text) = match (severity, recomputed.reason(&name)) {
                (_, Some(reason)) => {
                    (Severity::Warning, format!("{what}: it must be computed again, by {reason}"))
                }
                (Severity::Error, None) => (
                    Severity::Error,
                    format!(
                        "{what}, so it would not match the restored rows: it must be computed again \
                         afterwards; declare how with `Sqlite::options(…).recomputed(\"{name}\", \"…\")`, or \
                         map it to an entity"
                    ),
                ),
                (severity, None) => (
                    severity,
                    format!("{what}: it is left unchanged, because it is not a target of this restore"),
                ),
            };
            findings.push(Finding::new(severity, *entity, text));
        }
    }
    Ok(findings)
}

/// Returns why the rows that an index contains are unknown, or `None` if they are known.
fn unknown_content(
    connection: &Connection,
    catalog: &Catalog,
    index: &ExternalIndex,
) -> Result<Option<String>> {
    let Follow::Unknown { trigger, table } = follow(connection, catalog, index)? else { return Ok(None) };
    Ok(Some(format!(
        "trigger `{trigger}` of table `{table}` writes full-text index `{0}` under a condition or in a way \
         that a rebuild of the index would not follow, so a search might find rows that it leaves out: the \
         index must be computed again after the restore; declare how with \
         `Sqlite::options(…).recomputed(\"{0}\", \"…\")`",
        index.name
    )))
}

/// Compiles the statements that would rebuild an index.
fn check_rebuild(connection: &Connection, catalog: &Catalog, index: &ExternalIndex) -> Result<()> {
    if let Follow::Select(sql) = follow(connection, catalog, index)? {
        connection.prepare(&sql)?;
    }
    connection.prepare(&format!("SELECT * FROM main.{}", quoted(&index.name))).map(drop)
}

/// Returns the name of data that a trigger fills and that no archive contains, and the severity of the
/// finding.
fn stale_name(
    write: &TriggerWrite,
    catalog: &Catalog,
    rebuilt: &[ExternalIndex],
    mappings: &[(&'static str, Mapping)],
) -> Option<(String, Severity)> {
    let table = catalog.tables.iter().find(|table| table.name.eq_ignore_ascii_case(&write.table))?;
    match table.kind {
        TableKind::Virtual if rebuilt.iter().any(|index| index.name == table.name) => None,
        TableKind::Virtual => Some((table.name.clone(), Severity::Error)),
        TableKind::View | TableKind::Shadow => None,
        TableKind::Table => {
            let restored = mappings
                .iter()
                .map(|(_, mapping)| mapping)
                .find(|mapping| mapping.table.name.eq_ignore_ascii_case(&table.name));
            match (restored, &write.column) {
                (None, _) => Some((table.name.clone(), Severity::Warning)),
                (Some(_), None) => None,
                (Some(mapping), Some(column)) => {
                    let mut unmapped = mapping.unmapped_columns.iter();
                    let is_unmapped = unmapped.any(|other| other.name.eq_ignore_ascii_case(column));
                    is_unmapped.then(|| (format!("{}.{column}", table.name), Severity::Error))
                }
            }
        }
    }
}

/// Rebuilds the full-text indexes whose content is in one of these tables, within the transaction of the
/// restore.
///
/// # Errors
/// An index cannot be rebuilt.
pub(super) fn rebuild<'t>(
    connection: &Connection,
    catalog: &Catalog,
    recomputed: &Recomputed,
    tables: impl Iterator<Item = &'t str> + Clone,
) -> koan_backup_core::Result<()> {
    let to_error =
        |error| Error::with_source(ErrorKind::Provider, "reading the full-text indexes failed", error);
    for index in external_indexes(connection, catalog).map_err(to_error)? {
        let is_stale = tables.clone().any(|table| depends_on(connection, catalog, &index, table));
        if !is_stale || recomputed.reason(&index.name).is_some() {
            continue;
        }
        if let Some(text) = unknown_content(connection, catalog, &index).map_err(to_error)? {
            return Err(Error::new(ErrorKind::Constraint, text));
        }
        let name = quoted(&index.name);
        let command = |command: &str| {
            connection
                .execute(&format!("INSERT INTO main.{name} ({name}) VALUES ('{command}')"), [])
                .map(drop)
        };
        let rebuilt = match follow(connection, catalog, &index).map_err(to_error)? {
            Follow::Select(sql) => {
                command("delete-all").and_then(|()| connection.execute(&sql, []).map(drop))
            }
            _ => command("rebuild"),
        };
        rebuilt.map_err(|error| {
            Error::with_source(
                ErrorKind::Provider,
                format!(
                    "full-text index `{}`, which follows restored rows, cannot be rebuilt; drop it before \
                     the restore and make it again afterwards",
                    index.name
                ),
                error,
            )
        })?;
    }
    Ok(())
}

/// Returns whether the content of an index is the table, or a view that may read it.
fn depends_on(connection: &Connection, catalog: &Catalog, index: &ExternalIndex, table: &str) -> bool {
    if index.content.eq_ignore_ascii_case(table) {
        return true;
    }
    let is_view = catalog
        .tables
        .iter()
        .any(|other| other.kind == TableKind::View && other.name.eq_ignore_ascii_case(&index.content));
    is_view && reads(connection, &index.content, table).unwrap_or(true)
}

#[cfg(test)]
mod tests {
    use super::external_index::external_index;

    #[test]
    fn the_content_option_of_a_full_text_table_is_found_in_every_spelling() {
        for (sql, content) in [
            ("CREATE VIRTUAL TABLE f USING fts5(a, content='docs')", Some("docs")),
            ("CREATE VIRTUAL TABLE f USING FTS5(a, b, content = docs, content_rowid=id)", Some("docs")),
            ("CREATE VIRTUAL TABLE f USING fts5 ( a , content=\"my docs\" )", Some("my docs")),
            ("CREATE VIRTUAL TABLE f USING fts4(content=\"do\"\"cs\", a)", Some("do\"cs")),
            ("CREATE VIRTUAL TABLE f USING fts5(a /* content='x' */, content=[d], prefix='2 3')", Some("d")),
            ("CREATE VIRTUAL TABLE f USING fts5(a, content='')", Some("")),
            ("CREATE VIRTUAL TABLE f USING fts5(content, a)", None),
            ("CREATE VIRTUAL TABLE f USING fts5(a, tokenize = 'porter content=x')", None),
            ("CREATE VIRTUAL TABLE f USING rtree(id, content, x)", None),
        ] {
            let found = external_index("f", sql).map(|index| index.content);
            assert_eq!(found.as_deref(), content, "{sql}");
        }
    }
}

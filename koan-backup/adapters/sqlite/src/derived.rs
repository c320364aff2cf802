//! Finds and rebuilds derived data: data that triggers compute from the rows of a table. Triggers do not fire
//! during a restore.

mod external_index;
mod fill_method;
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
use fill_method::{FillMethod, fill_method};
use koan_backup_sql::identifier::quoted;
use trigger_writes::{TriggerWrite, reads, trigger_writes};

/// The tables and columns (`table.column`) that triggers fill and that the application recomputes after a
/// restore, in lower case. The value describes how the application recomputes them.
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

/// Returns findings about the derived data that would be stale after a restore of these tables, with the
/// remedies.
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
                    "full-text index `{}` is filled from table `{}` and is declared as recomputed, so the \
                     restore does not rebuild it; recompute it after the restore ({reason})",
                    index.name, table.name
                );
                findings.push(Finding::new(Severity::Warning, *entity, text));
                continue;
            }
            if let Some(text) = unknown_fill_method(connection, catalog, index)? {
                findings.push(Finding::new(Severity::Error, *entity, text));
            } else if let Err(error) = check_rebuild(connection, catalog, index) {
                let text = format!(
                    "full-text index `{}` is filled from table `{}` and cannot be rebuilt on this \
                     connection: {error}; drop the index before the restore and create it again afterwards, \
                     or declare it with `Sqlite::options(…).recomputed_after_restore(\"{}\", \"…\")`",
                    index.name, table.name, index.name
                );
                findings.push(Finding::new(Severity::Error, *entity, text));
            }
        }
        let mut reported = BTreeSet::new();
        let writes = trigger_writes(connection, table).unwrap_or_else(|error| {
            let text = format!(
                "the data that the triggers of table `{}` fill cannot be determined: {error}; triggers do \
                 not fire during a restore, so check this data afterwards",
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
            let cause = format!(
                "trigger `{}` of table `{}` fills `{name}`, and triggers do not fire during a restore",
                write.trigger, table.name
            );
            let (severity, text) = match (severity, recomputed.reason(&name)) {
                (_, Some(reason)) => {
                    (Severity::Warning, format!("{cause}; recompute `{name}` after the restore ({reason})"))
                }
                (Severity::Error, None) => (
                    Severity::Error,
                    format!(
                        "{cause}, so `{name}` would not match the restored rows; map it to an entity, or \
                         recompute it after the restore and declare this with \
                         `Sqlite::options(…).recomputed_after_restore(\"{name}\", \"…\")`"
                    ),
                ),
                (severity, None) => (
                    severity,
                    format!(
                        "{cause}, so `{name}`, which is not a target of this restore, is left unchanged; \
                         check that it matches the restored rows"
                    ),
                ),
            };
            findings.push(Finding::new(severity, *entity, text));
        }
    }
    Ok(findings)
}

/// Returns the message that the method of filling an index is unknown, or `None` if it is known.
fn unknown_fill_method(
    connection: &Connection,
    catalog: &Catalog,
    index: &ExternalIndex,
) -> Result<Option<String>> {
    let FillMethod::Unknown { trigger, table } = fill_method(connection, catalog, index)? else {
        return Ok(None);
    };
    Ok(Some(format!(
        "trigger `{trigger}` of table `{table}` writes full-text index `{0}` under a condition or in a way \
         that a rebuild of the index would ignore, so a search might find rows that the trigger excludes; \
         recompute the index after the restore and declare this with \
         `Sqlite::options(…).recomputed_after_restore(\"{0}\", \"…\")`",
        index.name
    )))
}

/// Compiles the statements that would rebuild an index. Returns an error if one of them does not compile.
fn check_rebuild(connection: &Connection, catalog: &Catalog, index: &ExternalIndex) -> Result<()> {
    if let FillMethod::Select(sql) = fill_method(connection, catalog, index)? {
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

/// Rebuilds the full-text indexes whose content table is one of these tables, within the transaction of the
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
        if let Some(text) = unknown_fill_method(connection, catalog, &index).map_err(to_error)? {
            return Err(Error::new(ErrorKind::Constraint, text));
        }
        let name = quoted(&index.name);
        let command = |command: &str| {
            connection
                .execute(&format!("INSERT INTO main.{name} ({name}) VALUES ('{command}')"), [])
                .map(drop)
        };
        let rebuilt = match fill_method(connection, catalog, &index).map_err(to_error)? {
            FillMethod::Select(sql) => {
                command("delete-all").and_then(|()| connection.execute(&sql, []).map(drop))
            }
            _ => command("rebuild"),
        };
        rebuilt.map_err(|error| {
            Error::with_source(
                ErrorKind::Provider,
                format!(
                    "full-text index `{}`, which is filled from restored rows, cannot be rebuilt; drop the \
                     index before the restore and create it again afterwards",
                    index.name
                ),
                error,
            )
        })?;
    }
    Ok(())
}

/// Returns whether the content table of an index is `table`, or a view that may read `table`.
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

//! The state of a database outside of table rows: standalone sequences, large objects, materialized views.

use std::collections::{BTreeMap, BTreeSet};

use koan_backup_core::{Error, ErrorKind, Result};
use tokio_postgres::types::Oid;

use super::catalog::{Catalog, Table};
use super::connection::Connection;
use super::error::failed;
use super::materialized;
use super::sequence::{self, Sequences};

/// The options for state outside of table rows: see [`PostgresOptions`](super::PostgresOptions).
#[derive(Clone, Debug, Default)]
pub(super) struct StateOptions {
    /// Standalone sequences that need no backup, each with a reason.
    pub(super) ignored_sequences: BTreeMap<String, String>,
    /// Materialized views that need no refresh, each with a reason.
    pub(super) ignored_views: BTreeMap<String, String>,
    /// The reason why large objects need no backup.
    pub(super) ignored_large_objects: Option<String>,
    /// Columns as `table.column` that the application recomputes after a restore, each with a description of
    /// how it does so.
    pub(super) recomputed_columns: BTreeMap<String, String>,
    pub(super) materialized_views: MaterializedViews,
}

impl StateOptions {
    /// Fails if an option has no reason.
    pub(super) fn require_reasons(&self) -> Result<()> {
        let first_without_reason = |kind: &'static str, options: &BTreeMap<String, String>| {
            let found = options.iter().find(|(_, reason)| reason.trim().is_empty());
            found.map(|(name, _)| format!("{kind} `{name}`"))
        };
        let large = self.ignored_large_objects.as_ref().filter(|reason| reason.trim().is_empty());
        let without_reason = first_without_reason("sequence", &self.ignored_sequences)
            .or_else(|| first_without_reason("materialized view", &self.ignored_views))
            .or_else(|| first_without_reason("column", &self.recomputed_columns))
            .or_else(|| large.map(|_| "large objects".to_owned()));
        match without_reason {
            None => Ok(()),
            Some(object) => Err(Error::new(
                ErrorKind::Configuration,
                format!(
                    "{object}: the reason for the exclusion from backups or restores is empty; pass a reason \
                     to the option"
                ),
            )),
        }
    }
}

/// What a restore does with materialized views that depend on restored tables.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum MaterializedViews {
    /// The views are not refreshed, and are reported.
    #[default]
    Stale,
    /// The views are refreshed within the transaction.
    Refreshed,
}

/// Selects the sequences that no column owns and that no default or identity column uses.
const STANDALONE: &str = "
    SELECT c.oid, n.nspname::text, c.relname::text FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = 'S' AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                      WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid
                          AND d.deptype IN ('a', 'i', 'e'))
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_attrdef'::regclass
                      AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = c.oid)
    ORDER BY 2, 3";

/// Returns a message with a remedy for each object whose state no backup contains, and for each option that
/// refers to an object that does not exist. `covered` contains the tables of the entities.
pub(super) async fn uncovered(
    connection: &Connection,
    catalog: &Catalog,
    covered: &BTreeSet<Oid>,
    options: &StateOptions,
) -> Result<Vec<String>> {
    let operation = "looking for state outside of tables";
    let tables: Vec<&Table> = catalog.tables.iter().filter(|table| covered.contains(&table.oid)).collect();
    let all: Vec<&Table> = catalog.tables.iter().filter(|table| table.is_table()).collect();
    let mut texts = Vec::new();
    let of_entities = Sequences::read(connection, &tables).await?;
    for found in of_entities.all.iter().filter(|found| !found.may_read) {
        if let Some(table) = tables.iter().find(|table| table.oid == found.table) {
            texts.push(sequence::unreadable_message(found, table));
        }
    }
    let used: BTreeSet<Oid> =
        Sequences::read(connection, &all).await?.all.iter().map(|found| found.oid).collect();
    let rows = connection.client.query(STANDALONE, &[]).await.map_err(|error| failed(operation, &error))?;
    let mut standalone = BTreeSet::new();
    for row in rows {
        let read = || Ok::<_, tokio_postgres::Error>((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?));
        let (oid, schema, name): (Oid, String, String) = read().map_err(|error| failed(operation, &error))?;
        if !used.contains(&oid) {
            standalone.insert(catalog.display_name(&schema, &name));
        }
    }
    for name in standalone.iter().filter(|name| !options.ignored_sequences.contains_key(*name)) {
        texts.push(format!(
            "sequence `{name}` belongs to no table, so backups do not contain its position; let a column own \
             it (ALTER SEQUENCE … OWNED BY …), or declare why it needs no backup with \
             `.ignore_sequence(\"{}\", \"…\")`",
            name.escape_debug()
        ));
    }
    for name in options.ignored_sequences.keys().filter(|name| !standalone.contains(*name)) {
        texts.push(format!(
            "`.ignore_sequence` contains `{name}`, but there is no standalone sequence with this name; remove \
             the name from the options"
        ));
    }
    let oids: Vec<Oid> = covered.iter().copied().collect();
    let dependent = materialized::depending_on(connection, catalog, &oids).await?;
    let views: Vec<&Table> = catalog.materialized_views().collect();
    for view in &views {
        let is_refreshed = options.materialized_views == MaterializedViews::Refreshed
            && dependent.iter().any(|dependent| dependent.oid == view.oid);
        if is_refreshed || options.ignored_views.contains_key(&view.display_name) {
            continue;
        }
        texts.push(format!(
            "materialized view `{}` contains rows that no backup contains and that a restore does not change; \
             let restores refresh it with `.refresh_materialized_views()`, or declare why it needs no refresh \
             with `.ignore_materialized_view(\"{}\", \"…\")`",
            view.display_name,
            view.display_name.escape_debug(),
        ));
    }
    for name in
        options.ignored_views.keys().filter(|name| !views.iter().any(|view| view.display_name == **name))
    {
        texts.push(format!(
            "`.ignore_materialized_view` contains `{name}`, but there is no materialized view with this name; \
             remove the name from the options"
        ));
    }
    if options.ignored_large_objects.is_none() {
        let count = "SELECT pg_catalog.count(*) FROM pg_catalog.pg_largeobject_metadata";
        let count = connection.number(operation, count).await?;
        if count > 0 {
            texts.push(format!(
                "the database has {count} large objects, which no backup contains; store such content in \
                 columns of type `bytea`, or declare why it needs no backup with \
                 `.ignore_large_objects(\"…\")`"
            ));
        }
    }
    Ok(texts)
}

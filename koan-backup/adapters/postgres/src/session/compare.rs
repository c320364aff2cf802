//! Compares the records of a target with the existing rows, for dry runs and for the counts of
//! `replace_existing`.

use koan_backup_core::{
    ConflictMode, Error, ErrorKind, Result,
    entity::EntityCodec,
    provider::{SessionOptions, WriteCounts},
};
use tokio_postgres::types::Oid;

use super::super::catalog::Catalog;
use super::super::connection::Connection;
use super::super::error::failed;
use super::super::mapping::Mapping;
use super::checks;
use super::foreign_key_actions::{self, ForeignKeyConstraint};
use super::key_checks::{require_distinct_keys, require_one_row_per_key};
use super::loading::{Loading, fails_on_existing, first_existing};
use super::references::{ForeignKey, SubstituteRows};
use super::rewrite::{FinalState, require_rewritable};
use super::row_equality::{count_matched, count_unchanged, text};
use super::target::Target;
use super::unique::Unique;
use koan_backup_sql::identifier::quoted;

/// Ends the dry run of a target: returns the counts that a restore would report, or the error that it would
/// return. The records are in a temporary table of the transaction, which is rolled back.
pub(super) async fn finish_dry_run(
    connection: &Connection,
    options: &SessionOptions,
    loading: &Loading,
) -> Result<WriteCounts> {
    let mut counts = WriteCounts::default();
    let Some(staging_table) = &loading.staging_table else { return Ok(counts) };
    let target = &loading.target;
    let operation = format!("comparing {}", target.entity.name());
    require_distinct_keys(connection, target, staging_table).await?;
    connection.run(&operation, &format!("ANALYZE {staging_table}")).await?;
    if fails_on_existing(options)
        && let Some(key) = first_existing(connection, loading, staging_table).await?
    {
        return Err(target.already_exists_error(&key));
    }
    let rows = target.mapping.table.rows();
    let matched = count_matched(connection, target, staging_table, &operation).await?;
    counts.inserted = loading.sent.saturating_sub(matched);
    let (keeps, replaces) = (options.conflict == ConflictMode::Keep, options.replace_existing);
    if keeps && !replaces {
        counts.kept = matched;
    } else {
        if !replaces {
            require_one_row_per_key(connection, target, staging_table).await?;
        }
        counts.unchanged = count_unchanged(connection, target, staging_table, &operation).await?;
        counts.updated = matched.saturating_sub(counts.unchanged);
    }
    let mut refusals = target.defaults.iter();
    if counts.inserted > 0
        && let Some(refusal) =
            refusals.find_map(|default| default.refusal(&target.mapping.table.display_name))
    {
        let text = format!("{}: {refusal}", target.entity.name());
        return Err(Error::new(ErrorKind::Constraint, text));
    }
    if options.replace_existing {
        let all = connection.number(&operation, &format!("SELECT pg_catalog.count(*) FROM {rows}")).await?;
        counts.deleted = all.saturating_sub(matched);
    }
    let final_state = FinalState::from_options(options);
    if let Some(error) =
        checks::violation_among(connection, target, &final_state.written(target, staging_table)).await?
    {
        return Err(error);
    }
    let constraints = Unique::all(connection, target).await?;
    if let Some(error) =
        Unique::first_violation_among(connection, &constraints, &final_state.rows(target, staging_table))
            .await?
    {
        return Err(error);
    }
    if matches!(final_state, FinalState::Merged) && counts.updated > 0 {
        require_rewritable(connection, options, target, staging_table, &constraints).await?;
    }
    Ok(counts)
}

/// The rows that tables would contain after a restore, for which a dry run checks the foreign keys at its
/// end.
#[derive(Debug, Default)]
pub(super) struct Compared(Vec<(Oid, String)>);

impl Compared {
    /// Adds a target. Its staging table exists until the transaction ends.
    pub(super) fn add(&mut self, options: &SessionOptions, loading: &Loading) {
        if let Some(staging_table) = &loading.staging_table {
            let rows = FinalState::from_options(options).rows(&loading.target, staging_table);
            self.0.push((loading.target.mapping.table.oid, rows));
        }
    }

    /// Returns the error for dangling references if the restore would increase their number, otherwise
    /// `None`.
    pub(super) async fn violation(
        &self,
        connection: &Connection,
        catalog: &Catalog,
        options: &SessionOptions,
        written: &[(EntityCodec, Mapping)],
    ) -> Result<Option<Error>> {
        let operation = "comparing references";
        let rows_of = |table: Oid| {
            let found = self.0.iter().find(|(oid, _)| *oid == table);
            found.map(|(_, rows)| rows.as_str())
        };
        for (table, _) in &self.0 {
            for row in foreign_key_actions::rows(connection, *table, operation).await? {
                let found = ForeignKey::from_row(&row, foreign_key_actions::FOREIGN_KEY)
                    .map_err(|error| failed(operation, &error))?;
                let Some(foreign_key) = found else { continue };
                let final_rows =
                    SubstituteRows { child: rows_of(foreign_key.child), parent: rows_of(foreign_key.parent) };
                let after = foreign_key.count(connection, final_rows).await?;
                if after > 0 && after > foreign_key.count(connection, SubstituteRows::default()).await? {
                    return foreign_key.violation(connection, catalog, written, final_rows).await;
                }
                let reference =
                    ForeignKeyConstraint::from_row(&row).map_err(|error| failed(operation, &error))?;
                if !options.keep_constraints || reference.is_deferrable {
                    continue;
                }
                for (child, parent) in self.states_at_statements(&foreign_key, options) {
                    let rows = SubstituteRows { child: child.as_deref(), parent: parent.as_deref() };
                    if let Some(error) = foreign_key.violation(connection, catalog, written, rows).await? {
                        return Ok(Some(explain_kept_constraint(error)));
                    }
                }
            }
        }
        Ok(None)
    }
}

impl Compared {
    /// Returns the rows of the referencing and the referenced table after each statement at which a restore
    /// checks a foreign key that is neither suspended nor deferred. `None` means the current rows of the
    /// table.
    fn states_at_statements(
        &self,
        foreign_key: &ForeignKey,
        options: &SessionOptions,
    ) -> Vec<(Option<String>, Option<String>)> {
        let position = |table: Oid| self.0.iter().position(|(oid, _)| *oid == table);
        let (child, parent) = (position(foreign_key.child), position(foreign_key.parent));
        let rows = |position: Option<usize>| Some(self.0.get(position?)?.1.clone());
        let mut states = Vec::new();
        if child.is_some() {
            // Targets are written one after another, so the referenced table has its new rows only if it is
            // an earlier target or the same table.
            states.push((rows(child), rows(parent.filter(|parent| Some(*parent) <= child))));
        }
        if parent.is_some() && parent != child && options.replace_existing {
            let none = format!("(SELECT * FROM {} AS n LIMIT 0)", foreign_key.parent_rows);
            states.push((rows(child.filter(|child| Some(*child) < parent)), Some(none)));
        }
        states
    }
}

/// Adds an explanation to the error of a foreign key that is not suspended because of `keep_constraints`.
pub(super) fn explain_kept_constraint(error: Error) -> Error {
    let code = error.code().map(str::to_owned);
    let text = format!(
        "{error}; with `keep_constraints`, a foreign key that is not DEFERRABLE is checked at each statement, \
         so a record must come after the records that it refers to, and a row that other rows refer to cannot \
         be deleted; restore without `keep_constraints`"
    );
    let explained = Error::new(error.kind(), text);
    code.into_iter().fold(explained, Error::with_code)
}

/// The name of the column that contains [`row_hash`] in a copy of rows.
const HASH: &str = "\"koan row hash\"";

/// Returns the SQL expression of a 128-bit hash of a row `t` of a table, with the column alias of the hash.
pub(super) fn row_hash(target: &Target) -> String {
    format!("{} AS {HASH}", hash_of(target))
}

fn hash_of(target: &Target) -> String {
    let texts: Vec<String> =
        target.columns.iter().map(|column| text(column, &format!("t.{}", quoted(&column.name)))).collect();
    let row = format!("ROW({})::pg_catalog.text COLLATE \"C\"", texts.join(", "));
    format!(
        "ARRAY[pg_catalog.hashtextextended({row}, 0), pg_catalog.hashtextextended({row}, 7046029254386353131)]"
    )
}

/// Returns the counts of a target whose rows were all replaced, by comparing the rows of the table with the
/// recorded keys and hashes of the previous rows.
pub(super) async fn replacement_counts(
    connection: &Connection,
    target: &Target,
    previous: &str,
    operation: &str,
) -> Result<WriteCounts> {
    let (rows, same_key) = (target.mapping.table.rows(), target.same_key_of_copy());
    let count = |sql: String| async move { connection.number(operation, &sql).await };
    let before = count(format!("SELECT pg_catalog.count(*) FROM {previous}")).await?;
    let all = count(format!("SELECT pg_catalog.count(*) FROM {rows}")).await?;
    let existed_before = format!(
        "SELECT pg_catalog.count(*) FROM {rows} AS t WHERE EXISTS (SELECT FROM {previous} AS s WHERE {same_key}"
    );
    let matched = count(format!("{existed_before})")).await?;
    let mut counts = WriteCounts::default();
    if matched > 0 {
        counts.unchanged = count(format!("{existed_before} AND s.{HASH} = {})", hash_of(target))).await?;
    }
    counts.updated = matched.saturating_sub(counts.unchanged);
    counts.inserted = all.saturating_sub(matched);
    counts.deleted = before.saturating_sub(matched);
    Ok(counts)
}

//! Sends the records of one target to the server and writes them to the table.

use std::sync::Arc;
use std::time::Duration;

use koan_backup_core::{
    Error, Result,
    provider::{RecordBatch, SessionIntent, SessionOptions, TargetTracker, WriteCounts},
};

use super::super::catalog::{Catalog, TableKind};
use super::super::connection::Connection;
use super::super::error::{failed, kind_and_message};
use super::super::insert_only;
use super::balance::ExpectedRows;
use super::copy::{RefusedCopy, RunningCopy};
use super::extent::Extent;
use super::interference::Interference;
use super::loading::Loading;
use super::suspended::Suspended;
use super::table_lock::{Locked, lock};
use super::target::Target;
use super::{compare, key_checks, merge};
use koan_backup_sql::identifier::quoted;

/// The time limit of the search for a refused record in the archive.
const SEARCH_TIMEOUT: Duration = Duration::from_secs(20);

impl Loading {
    /// Prepares the table of a target: suspends its objects, deletes its rows if the restore replaces them,
    /// and creates the staging table if the records are not sent directly to the table.
    pub(super) async fn begin(
        connection: &Connection,
        catalog: &Catalog,
        options: &SessionOptions,
        suspended: &mut Suspended,
        mut target: Target,
        number: usize,
    ) -> Result<Self> {
        let operation = format!("preparing table `{}`", target.mapping.table.display_name);
        target.read_equality(connection).await?;
        target.find_recomputed(connection).await?;
        if options.intent == SessionIntent::Compare {
            target.find_defaults(connection).await?;
        }
        let (mut previous, mut is_empty, mut rows_before, mut locked) = (None, false, None, Locked::No);
        if options.intent == SessionIntent::Apply {
            locked = lock(connection, &target, &operation).await?;
            is_empty = is_table_empty(connection, &target, &operation).await?;
            let extent = Extent::new(options, &target.request, is_empty);
            target.refusing_publications =
                insert_only::publications(connection, &target.mapping.table, extent).await?;
            suspended.suspend(connection, catalog, &target, extent).await?;
            if locked == Locked::Yes {
                rows_before = match (extent.is_bulk, suspended.interference) {
                    (true, _) => Some(0),
                    (false, Interference::Possible) => {
                        let rows = target.mapping.table.rows();
                        let count = format!("SELECT pg_catalog.count(*) FROM {rows}");
                        Some(connection.number(&operation, &count).await?)
                    }
                    (false, Interference::Impossible) => None,
                };
            }
            if extent.deletes {
                let emptied = delete_rows(connection, extent, suspended, &target, number, &operation).await;
                previous = Some(emptied.map_err(|error| target.explained(error))?);
            }
        }
        let route = Route::choose(&target, options, is_empty, suspended.interference);
        let staging_table = match route {
            Route::Direct => None,
            Route::Staged => Some(create_staging_table(connection, &target, number, &operation).await?),
        };
        let into = match &staging_table {
            Some(staging_table) => staging_table.clone(),
            None => target.mapping.table.quoted(),
        };
        let (columns, copy_format) = (target.column_list(), target.copy_format.name());
        let copy = format!("COPY {into} ({columns}) FROM STDIN (FORMAT {copy_format})");
        let statement = connection.client.prepare(&copy).await.map_err(|error| failed(&operation, &error))?;
        Ok(Self {
            target: Arc::new(target),
            staging_table,
            previous,
            rows_before,
            locked,
            interference: suspended.interference,
            statement,
            running: None,
            sent: 0,
            written: 0,
        })
    }

    /// Sends a batch of records to the server.
    pub(super) async fn write(&mut self, connection: &Connection, batch: RecordBatch) -> Result<()> {
        let first = self.written;
        self.written += batch.count();
        let records = batch.into_encoded(&self.target.entity, self.target.as_ref(), first)?;
        let mut copy = match self.running.take() {
            Some(copy) => copy,
            None => {
                let begun = RunningCopy::begin(connection, &self.statement, self.target.copy_format).await;
                begun.map_err(|error| failed(&self.operation(), &error))?
            }
        };
        if let Err(error) = copy.send(records).await {
            return Err(self.refused(copy.refused(error)).await);
        }
        let is_full = copy.is_full();
        self.running = Some(copy);
        if is_full { self.confirm().await } else { Ok(()) }
    }

    /// Waits until the server has confirmed the records that were sent.
    async fn confirm(&mut self) -> Result<()> {
        let Some(copy) = self.running.take() else { return Ok(()) };
        let (sent, inserted) = match copy.finish().await {
            Ok(counts) => counts,
            Err(refusal) => return Err(self.refused(refusal).await),
        };
        if inserted != sent {
            return Err(self.count_mismatch(sent, inserted));
        }
        self.sent += sent;
        Ok(())
    }

    /// Returns the description of the operation for errors.
    fn operation(&self) -> String {
        format!("writing {}", self.target.entity.name())
    }

    /// Finishes the target. Returns the counts, and the expected rows of the table if they must be checked
    /// before the commit.
    pub(super) async fn finish(
        mut self,
        connection: &Connection,
        options: &SessionOptions,
    ) -> Result<(WriteCounts, Option<ExpectedRows>)> {
        self.confirm().await?;
        if self.sent != self.written {
            return Err(TargetTracker::unfinished());
        }
        if options.intent == SessionIntent::Compare {
            return Ok((compare::finish_dry_run(connection, options, &self).await?, None));
        }
        let operation = self.operation();
        let mut counts = WriteCounts::default();
        match (&self.staging_table, self.replaces(options)) {
            (Some(staging_table), false) => {
                counts = merge::merge_by_key(connection, options, &self, staging_table).await?
            }
            (Some(staging_table), true) => {
                key_checks::require_distinct_keys(connection, &self.target, staging_table).await?;
                counts.inserted = merge::insert_all(connection, &self.target, staging_table).await?;
                if counts.inserted != self.sent {
                    return Err(self.count_mismatch(self.sent, counts.inserted));
                }
            }
            (None, _) => {
                counts.inserted = self.sent;
                if !self.target.refuses_duplicate_keys() {
                    let rows = self.target.mapping.table.rows();
                    key_checks::require_distinct_keys(connection, &self.target, &rows).await?;
                }
            }
        }
        let rows_after = self.rows_before.map(|before| before + counts.inserted);
        if let Some(previous) = &self.previous {
            counts = compare::replacement_counts(connection, &self.target, previous, &operation).await?;
            if counts.records() != self.sent {
                return Err(self.count_mismatch(self.sent, counts.records()));
            }
        }
        let mut expected = None;
        let mut temporary = vec![self.previous];
        match self.staging_table {
            Some(staging_table) if self.interference == Interference::Possible => {
                expected = Some(ExpectedRows::new(self.target, rows_after, staging_table, self.locked));
            }
            staging_table => temporary.push(staging_table),
        }
        for table in temporary.into_iter().flatten() {
            connection.run(&operation, &format!("DROP TABLE {table}")).await?;
        }
        Ok((counts, expected))
    }

    fn replaces(&self, options: &SessionOptions) -> bool {
        options.replace_existing || self.staging_table.is_none()
    }

    /// Returns the error of a COPY that the server refused, with the key of the refused record.
    async fn refused(&self, RefusedCopy { error, records }: RefusedCopy) -> Error {
        let (name, table) = (self.target.entity.name(), &self.target.mapping.table.display_name);
        let Some(refusal) = error.as_db_error() else { return failed(&self.operation(), &error) };
        let position = refusal.where_().and_then(copy_position);
        let Some(index) = position.as_ref().and_then(|(line, _)| line.checked_sub(1)) else {
            return failed(&self.operation(), &error);
        };
        let found = tokio::time::timeout(SEARCH_TIMEOUT, records.key_text(index)).await;
        let Ok(Some(key)) = found else {
            return failed(
                &format!("{} (a record whose key could not be read from the archive)", self.operation()),
                &error,
            );
        };
        if refusal.code().code() == "23505"
            && self.target.refuses_duplicate_keys()
            && self.is_key(refusal.constraint())
        {
            return self.target.duplicate_key_error(&[key]);
        }
        let column = position.and_then(|(_, column)| column);
        let column = column.map_or_else(String::new, |column| format!(", column `{column}`"));
        let (kind, message) = kind_and_message(refusal);
        let text = format!("table `{table}` refused {name} `{key}`{column}: {message}");
        Error::new(kind, text).with_code(refusal.code().code().to_owned())
    }

    /// Returns whether a unique constraint is the constraint of the key. The constraints of a partition have
    /// other names than the constraints of the partitioned table. If the partitioned table has only one
    /// unique constraint, the violated constraint is assumed to be the constraint of the key.
    fn is_key(&self, constraint: Option<&str>) -> bool {
        let table = &self.target.mapping.table;
        let mut keys =
            table.unique_indexes_over(self.target.key_columns().map(|column| column.name.as_str()));
        let is_named = constraint.is_some_and(|constraint| keys.any(|index| index.name == constraint));
        is_named || (table.kind == TableKind::Partitioned && table.unique.len() == 1)
    }
}

/// How the records of a target are written to its table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Route {
    /// The records are sent to the table.
    Direct,
    /// The records are sent to a temporary table first.
    Staged,
}

impl Route {
    /// Determines the route of a target whose computed columns are known, depending on whether the table is
    /// empty.
    pub(in super::super) fn choose(
        target: &Target,
        options: &SessionOptions,
        is_empty: bool,
        interference: Interference,
    ) -> Self {
        let is_direct = options.intent == SessionIntent::Apply
            && options.may_use_bulk_mode()
            && (is_empty || options.replace_existing)
            // The effects of triggers are found by comparing the table with the staging table before the
            // commit.
            && interference == Interference::Impossible
            && !target.has_conversions()
            && target.recomputed.is_empty()
            // If the database considers keys with different texts equal, an error during COPY does not show
            // the keys of both records.
            && (target.has_exact_key() || !target.refuses_duplicate_keys());
        if is_direct { Self::Direct } else { Self::Staged }
    }
}

/// Returns whether the table of a target has no rows.
pub(in super::super) async fn is_table_empty(
    connection: &Connection,
    target: &Target,
    operation: &str,
) -> Result<bool> {
    let rows = target.mapping.table.rows();
    let any = format!("SELECT pg_catalog.count(*) FROM (SELECT FROM {rows} LIMIT 1) AS x");
    Ok(connection.number(operation, &any).await? == 0)
}

/// Stores the key and a hash of each row in a temporary table, and deletes all rows. Returns the name of the
/// temporary table.
async fn delete_rows(
    connection: &Connection,
    extent: Extent,
    suspended: &Suspended,
    target: &Target,
    number: usize,
    operation: &str,
) -> Result<String> {
    let rows = target.mapping.table.rows();
    let keys = target.key_columns().map(|column| format!("t.{}", quoted(&column.name)));
    let selected: Vec<String> = keys.chain([compare::row_hash(target)]).collect();
    let previous = format!("pg_temp.{}", quoted(&format!("koan_previous_{number}")));
    let create = format!(
        "CREATE TEMPORARY TABLE {} ON COMMIT DROP AS SELECT {} FROM {rows} AS t; ANALYZE {previous}",
        quoted(&format!("koan_previous_{number}")),
        selected.join(", ")
    );
    connection.run(operation, &create).await?;
    let may_truncate = format!(
        "SELECT pg_catalog.has_table_privilege({}::oid, 'TRUNCATE')::int::int8",
        target.mapping.table.oid
    );
    let truncates = extent.may_truncate
        && target.mapping.table.kind == TableKind::Table
        && suspended.is_unreferenced(connection, &target.mapping.table).await?
        && connection.number(operation, &may_truncate).await? == 1;
    let delete = if truncates { format!("TRUNCATE {rows}") } else { format!("DELETE FROM {rows}") };
    connection.run(operation, &delete).await?;
    Ok(previous)
}

/// Creates the staging table of a target, a temporary table with the columns of the target. Returns its name.
async fn create_staging_table(
    connection: &Connection,
    target: &Target,
    number: usize,
    operation: &str,
) -> Result<String> {
    let name = quoted(&format!("koan_stage_{number}"));
    let column = |column: &super::target_column::TargetColumn| {
        let name = quoted(&column.name);
        if column.is_composite() { format!("NULL::pg_catalog.jsonb AS {name}") } else { name }
    };
    let recomputed = target.recomputed.iter().map(|recomputed| quoted(&recomputed.column));
    let columns: Vec<String> = target.columns.iter().map(column).chain(recomputed).collect();
    let create = format!(
        "CREATE TEMPORARY TABLE {name} ON COMMIT DROP AS SELECT {} FROM {} WITH NO DATA",
        columns.join(", "),
        target.mapping.table.rows(),
    );
    connection.run(operation, &create).await?;
    for recomputed in &target.recomputed {
        connection.run(operation, &recomputed.create_trigger(&format!("pg_temp.{name}"))).await?;
    }
    Ok(format!("pg_temp.{name}"))
}

/// Returns the line and column at which a COPY stopped, from the context of its error: `COPY track, line 3,
/// column name: "…"`. The server may use another language.
fn copy_position(context: &str) -> Option<(usize, Option<String>)> {
    let first = context.lines().find(|line| line.starts_with("COPY "))?;
    // The text after the colon is content of the record.
    let position = first.split(": ").next()?;
    let mut parts = position.rsplit(", ");
    let last = parts.next()?.trim_end_matches(':');
    let number = |part: &str| part.split(' ').next_back()?.parse::<usize>().ok();
    match number(last) {
        Some(line) => Some((line, None)),
        None => Some((number(parts.next()?)?, last.split(' ').next_back().map(str::to_owned))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_copy_position_contains_line_and_column_but_no_content() {
        assert_eq!(
            copy_position("COPY a, line 3, column b: \"s3cret, line 9\""),
            Some((3, Some("b".to_owned())))
        );
        assert_eq!(copy_position("COPY a, line 12"), Some((12, None)));
        assert_eq!(copy_position("COPY a, line 12: \"1\ts3cret\""), Some((12, None)));
        assert_eq!(copy_position("SQL statement"), None);
    }
}

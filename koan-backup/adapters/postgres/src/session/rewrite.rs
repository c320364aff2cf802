//! Overwrites rows that exchange unique values, or that take over a unique value of another row.
//!
//! The final state is valid, but an UPDATE checks unique and exclusion constraints row by row, and an
//! intermediate state violates them. If the UPDATE is refused, the rows that change are deleted and inserted
//! again within the transaction. Columns without a field keep their values.

use koan_backup_core::{ConflictMode, Error, ErrorKind, Result, provider::SessionOptions};
use tokio_postgres::error::{DbError, SqlState};
use tokio_postgres::types::Oid;

use super::super::connection::Connection;
use super::super::error::{failed, kind_and_message};
use super::checks;
use super::row_equality::same_row;
use super::target::Target;
use super::target_column::TargetColumn;
use super::triggers::TRIGGERS;
use super::unique::Unique;
use koan_backup_sql::identifier::{listed, quoted};

/// The rows that a table contains after a restore.
#[derive(Clone, Copy, Debug)]
pub(super) enum FinalState {
    /// The records of the archive, and the rows that are not in the archive.
    Merged,
    /// The previous rows, and the records of the archive with other keys.
    Kept,
    /// The records of the archive only.
    Replaced,
}

/// The result of a statement that a constraint may refuse.
pub(super) enum Attempt {
    /// The statement changed this number of rows.
    Succeeded(u64),
    /// A constraint refused the statement, and it was rolled back.
    Refused(tokio_postgres::Error),
}

/// Selects the foreign keys to a table that delete or change rows when rows of the table are deleted. With
/// `$2`, also selects the foreign keys that refuse such a deletion immediately.
const FOREIGN_KEYS_ON_DELETE: &str = "
    SELECT k.conname::text, k.conrelid::regclass::text,
           pg_catalog.pg_has_role(c.relowner, 'USAGE')
             AND NOT EXISTS (SELECT FROM pg_catalog.pg_trigger t WHERE t.tgconstraint = k.oid AND t.tgenabled <> 'O'),
           k.conrelid, k.confupdtype <> 'a' OR EXISTS (
             SELECT FROM pg_catalog.pg_index u WHERE u.indrelid = k.confrelid AND NOT u.indisprimary
             AND u.indimmediate AND (u.indisunique OR u.indisexclusion))
    FROM pg_catalog.pg_constraint k JOIN pg_catalog.pg_class c ON c.oid = k.conrelid
    WHERE k.contype = 'f' AND k.confrelid = $1 AND (k.confdeltype <> 'a' OR $2 AND NOT k.condeferrable) ORDER BY 1";

impl FinalState {
    pub(super) fn from_options(options: &SessionOptions) -> Self {
        match (options.replace_existing, options.conflict) {
            (true, _) => Self::Replaced,
            (false, ConflictMode::Overwrite) => Self::Merged,
            _ => Self::Kept,
        }
    }

    /// Returns a subquery for the records of a staging table that are written. It contains a column without a
    /// field only if the value of the column is known.
    pub(super) fn written(self, target: &Target, staging_table: &str) -> String {
        let (rows, same_key, same) = (target.mapping.table.rows(), target.same_key(), same_row(target));
        let sent = |column: &TargetColumn| format!("{} AS {}", column.converted(), quoted(&column.name));
        let mut all: Vec<String> = target.columns.iter().map(sent).collect();
        let known = target.mapping.unmapped_columns.iter().filter_map(|column| {
            let name = quoted(&column.name);
            match (target.source_of(&column.name), target.default_of(&column.name)) {
                ("s", _) => Some(format!("s.{name}")),
                (_, None) => None,
                (_, Some(default)) => match self {
                    Self::Merged if !column.is_readable => None,
                    Self::Merged => {
                        Some(format!("CASE WHEN {ROW_EXISTS} THEN t.{name} ELSE {default} END AS {name}"))
                    }
                    Self::Kept | Self::Replaced => Some(format!("{default} AS {name}")),
                },
            }
        });
        all.extend(known);
        let all = all.join(", ");
        let written = match self {
            Self::Replaced => format!("(SELECT {all} FROM {staging_table} AS s)"),
            Self::Kept => format!(
                "(SELECT {all} FROM {staging_table} AS s WHERE NOT EXISTS (SELECT FROM {rows} AS t WHERE {same_key}))"
            ),
            Self::Merged if target.defaults.is_empty() => format!(
                "(SELECT {all} FROM {staging_table} AS s WHERE NOT EXISTS (SELECT FROM {rows} AS t WHERE {same_key} AND {same}))"
            ),
            Self::Merged => format!(
                "(SELECT {all} FROM {staging_table} AS s LEFT JOIN {} ON {same_key} WHERE {ROW_EXISTS} IS NULL OR NOT \
                 ({same}))",
                marked_rows(target)
            ),
        };
        target.with_known_generated(written)
    }

    /// Returns a subquery for the rows of a target after the records of a staging table were written.
    pub(super) fn rows(self, target: &Target, staging_table: &str) -> String {
        let (rows, same_key) = (target.mapping.table.rows(), target.same_key());
        let other = |prefix: &str| -> Vec<String> {
            let columns = target.mapping.unmapped_columns.iter();
            columns
                .map(|column| match prefix {
                    "" => format!("NULL::{} AS {}", column.declared, quoted(&column.name)),
                    _ => format!("{prefix}{}", quoted(&column.name)),
                })
                .collect()
        };
        // An inserted record gets the default of a column if the default is known.
        let inserted = |column: &str, other: String, prefix: &str| match (target.default_of(column), prefix) {
            (None, _) => other,
            (Some(default), "") => format!("{default} AS {}", quoted(column)),
            (Some(default), _) => {
                format!("CASE WHEN {ROW_EXISTS} THEN {other} ELSE {default} END AS {}", quoted(column))
            }
        };
        // For a written record, the staging table contains the values of computed columns.
        let written = |prefix: &str| -> Vec<String> {
            let columns = target.mapping.unmapped_columns.iter().zip(other(prefix));
            columns
                .map(|(column, other)| match target.source_of(&column.name) {
                    "s" => format!("s.{}", quoted(&column.name)),
                    _ => inserted(&column.name, other, prefix),
                })
                .collect()
        };
        let marked = if target.defaults.is_empty() { format!("{rows} AS t") } else { marked_rows(target) };
        let listed = |mut columns: Vec<String>, others: Vec<String>| {
            columns.extend(others);
            columns.join(", ")
        };
        let sent = |column: &TargetColumn| format!("{} AS {}", column.converted(), quoted(&column.name));
        let sent: Vec<String> = target.columns.iter().map(sent).collect();
        let existing: Vec<String> =
            target.columns.iter().map(|column| format!("t.{}", quoted(&column.name))).collect();
        let rows = match self {
            Self::Replaced => format!("(SELECT {} FROM {staging_table} AS s)", listed(sent, written(""))),
            Self::Merged => format!(
                "(SELECT {} FROM {rows} AS t WHERE NOT EXISTS (SELECT FROM {staging_table} AS s WHERE {same_key}) \
                 UNION ALL SELECT {} FROM {staging_table} AS s LEFT JOIN {marked} ON {same_key})",
                listed(existing, other("t.")),
                listed(sent, written("t."))
            ),
            Self::Kept => format!(
                "(SELECT {} FROM {rows} AS t UNION ALL SELECT {} FROM {staging_table} AS s \
                 WHERE NOT EXISTS (SELECT FROM {rows} AS t WHERE {same_key}))",
                listed(existing, other("t.")),
                listed(sent, written(""))
            ),
        };
        target.with_generated(rows)
    }
}

/// The SQL expression that is true for a row `t` of [`marked_rows`], and NULL if an outer join found no row.
const ROW_EXISTS: &str = "t.\"koan exists\"";

/// Returns the source of the rows `t` of a target's table, with the additional column [`ROW_EXISTS`].
fn marked_rows(target: &Target) -> String {
    let table = &target.mapping.table;
    let columns = table.columns.iter().filter(|column| column.is_readable);
    let columns: Vec<String> = columns.map(|column| format!("i.{}", quoted(&column.name))).collect();
    format!("(SELECT true AS \"koan exists\", {} FROM {} AS i) AS t", columns.join(", "), table.rows())
}

/// Runs a statement that a constraint may refuse. A refused statement leaves the transaction unchanged.
pub(super) async fn attempt(connection: &Connection, operation: &str, sql: &str) -> Result<Attempt> {
    connection.run(operation, "SAVEPOINT koan_attempt").await?;
    match connection.client.execute(sql, &[]).await {
        Ok(count) => {
            connection.run(operation, "RELEASE SAVEPOINT koan_attempt").await?;
            Ok(Attempt::Succeeded(count))
        }
        Err(error) if is_row_comparison_violation(error.code()) || is_single_row_violation(error.code()) => {
            let back = "ROLLBACK TO SAVEPOINT koan_attempt; RELEASE SAVEPOINT koan_attempt";
            connection.run(operation, back).await?;
            Ok(Attempt::Refused(error))
        }
        Err(error) => Err(failed(operation, &error)),
    }
}

/// Returns whether a constraint that compares rows with each other was violated.
fn is_row_comparison_violation(code: Option<&SqlState>) -> bool {
    let states = [SqlState::UNIQUE_VIOLATION, SqlState::EXCLUSION_VIOLATION, SqlState::FOREIGN_KEY_VIOLATION];
    code.is_some_and(|code| states.contains(code))
}

/// Returns whether a constraint on single rows was violated.
fn is_single_row_violation(code: Option<&SqlState>) -> bool {
    code.is_some_and(|code| [SqlState::CHECK_VIOLATION, SqlState::NOT_NULL_VIOLATION].contains(code))
}

/// Returns whether a statement was refused for a reason other than a unique or exclusion constraint. Deleting
/// the rows and inserting them again would then fail as well.
pub(super) fn is_unresolvable_by_rewrite(error: &tokio_postgres::Error) -> bool {
    error.code() == Some(&SqlState::FOREIGN_KEY_VIOLATION) || is_single_row_violation(error.code())
}

/// Returns the error for a statement that a constraint refused. The error contains the keys of the records
/// that violate the constraint in the final state. Returns `None` if there are no such records, or if the
/// constraint is a foreign key.
pub(super) async fn explained(
    connection: &Connection,
    target: &Target,
    staging_table: &str,
    final_state: FinalState,
    refused: &tokio_postgres::Error,
) -> Result<Option<Error>> {
    if refused.code() == Some(&SqlState::FOREIGN_KEY_VIOLATION) {
        return Ok(None);
    }
    if is_single_row_violation(refused.code()) {
        return checks::violation_among(connection, target, &final_state.written(target, staging_table))
            .await;
    }
    let mut constraints = Unique::all(connection, target).await?;
    let name = refused.as_db_error().and_then(DbError::constraint);
    // A constraint of a partition has another name, so it may not be found.
    let position = constraints.iter().position(|constraint| Some(constraint.name.as_str()) == name);
    if let Some(position) = position {
        constraints = vec![constraints.swap_remove(position)];
    }
    Unique::first_violation_among(connection, &constraints, &final_state.rows(target, staging_table)).await
}

/// Deletes the rows that change and inserts them again.
pub(super) async fn rewrite(
    connection: &Connection,
    target: &Target,
    staging_table: &str,
    operation: &str,
    refused: &tokio_postgres::Error,
) -> Result<u64> {
    if let Some(obstacle) = obstacle(connection, target, None, operation).await? {
        return Err(value_exchange_error(target, &server_message(refused), &obstacle));
    }
    let (rows, same_key, same) = (target.mapping.table.rows(), target.same_key(), same_row(target));
    let sent = target.columns.iter();
    let sent = sent.map(|column| format!("{} AS {}", column.converted(), quoted(&column.name)));
    let others = target.mapping.unmapped_columns.iter();
    let selected: Vec<String> = sent
        .chain(
            others
                .clone()
                .map(|column| format!("{}.{}", target.source_of(&column.name), quoted(&column.name))),
        )
        .collect();
    let names = target.columns.iter().map(|column| quoted(&column.name));
    let names: Vec<String> = names.chain(others.map(|column| quoted(&column.name))).collect();
    let names = names.join(", ");
    let moved = "pg_temp.koan_moved";
    let create = format!(
        "CREATE TEMPORARY TABLE koan_moved ON COMMIT DROP AS SELECT {} FROM {staging_table} AS s JOIN {rows} AS t \
         ON {same_key} AND NOT ({same})",
        selected.join(", ")
    );
    connection.run(operation, &create).await?;
    let delete =
        format!("DELETE FROM {rows} AS t USING {staging_table} AS s WHERE {same_key} AND NOT ({same})");
    let insert = format!(
        "INSERT INTO {} ({names}) OVERRIDING SYSTEM VALUE SELECT {names} FROM {moved}",
        target.mapping.table.quoted()
    );
    let deleted = changed_rows(attempt(connection, operation, &delete).await?, target)?;
    let inserted = changed_rows(attempt(connection, operation, &insert).await?, target)?;
    connection.run(operation, &format!("DROP TABLE {moved}")).await?;
    if deleted != inserted {
        let text = format!(
            "{operation} failed: {deleted} rows of table `{}` were deleted to be inserted again, but only \
             {inserted} rows were inserted, because a trigger or policy discards rows; restore as the owner of \
             the table",
            target.mapping.table.display_name
        );
        return Err(Error::new(ErrorKind::Constraint, text));
    }
    Ok(inserted)
}

/// Returns the number of rows that a statement changed, or the error of a refused statement.
fn changed_rows(attempt: Attempt, target: &Target) -> Result<u64> {
    match attempt {
        Attempt::Succeeded(count) => Ok(count),
        Attempt::Refused(error) => Err(value_exchange_error(
            target,
            &server_message(&error),
            "the rows that change cannot be deleted and inserted again",
        )),
    }
}

/// Fails if records take over unique values of other rows, and the rows cannot be deleted and inserted again.
/// An UPDATE might succeed, depending on the order in which it processes the rows, but this order is not
/// known in advance.
pub(super) async fn require_rewritable(
    connection: &Connection,
    options: &SessionOptions,
    target: &Target,
    staging_table: &str,
    constraints: &[Unique],
) -> Result<()> {
    let operation = format!("comparing {}", target.entity.name());
    let Some(obstacle) = obstacle(connection, target, Some(options), &operation).await? else {
        return Ok(());
    };
    let (rows, same_key, same) = (target.mapping.table.rows(), target.same_key(), same_row(target));
    let existing: Vec<String> =
        target.columns.iter().map(|column| format!("t.{}", quoted(&column.name))).collect();
    let sent = |column: &TargetColumn| format!("{} AS {}", column.converted(), quoted(&column.name));
    let sent: Vec<String> = target.columns.iter().map(sent).collect();
    let changing = format!("{staging_table} AS s JOIN {rows} AS t ON {same_key} AND NOT ({same})");
    let before = format!("(SELECT {} FROM {changing})", existing.join(", "));
    let after = format!("(SELECT {} FROM {changing})", sent.join(", "));
    for constraint in constraints.iter().filter(|constraint| constraint.is_immediate) {
        let found = constraint.keys_with_taken_values(connection, target, &before, &after).await?;
        if let Some(keys) = found {
            let details = format!(
                "constraint `{}`; among them {}",
                constraint.name,
                listed(keys.iter().map(String::as_str))
            );
            return Err(value_exchange_error(target, &details, &obstacle));
        }
    }
    Ok(())
}

/// Returns why the rows of a target cannot be deleted and inserted again, or `None` if they can. A dry run
/// passes its options as `dry_run`.
async fn obstacle(
    connection: &Connection,
    target: &Target,
    dry_run: Option<&SessionOptions>,
    operation: &str,
) -> Result<Option<String>> {
    let table = &target.mapping.table;
    for privilege in ["DELETE", "INSERT"] {
        let has =
            format!("SELECT pg_catalog.has_table_privilege({}::oid, '{privilege}')::int::int8", table.oid);
        if connection.number(operation, &has).await? == 0 {
            return Ok(Some(format!("the role has no {privilege} privilege on the table")));
        }
    }
    let keeps_constraints = dry_run.is_some_and(|options| options.keep_constraints);
    let foreign_keys =
        connection.client.query(FOREIGN_KEYS_ON_DELETE, &[&table.oid, &keeps_constraints]).await;
    for row in foreign_keys.map_err(|error| failed(operation, &error))? {
        let read = |index| row.try_get::<_, String>(index).map_err(|error| failed(operation, &error));
        let (name, child) = (read(0)?, read(1)?);
        let is_droppable: bool = row.try_get(2).map_err(|error| failed(operation, &error))?;
        // A restore drops the foreign keys that it may drop. An exception is a foreign key of a table that is
        // restored earlier, at which time it is not known that rows of this table will be deleted.
        if let (Some(options), true) = (dry_run.filter(|options| !options.keep_constraints), is_droppable) {
            let read = || Ok::<(Oid, bool), tokio_postgres::Error>((row.try_get(3)?, row.try_get(4)?));
            let (referring, is_always_dropped) = read().map_err(|error| failed(operation, &error))?;
            let is_empty = format!("SELECT pg_catalog.count(*) FROM (SELECT FROM {child} LIMIT 1) AS x");
            if is_always_dropped
                || !target.earlier_tables.contains(&referring)
                || (options.may_drop_constraints() && connection.number(operation, &is_empty).await? == 0)
            {
                continue;
            }
        }
        return Ok(Some(format!(
            "foreign key `{name}` of `{child}` refuses the deletion of rows or has an ON DELETE action, and \
             cannot be suspended"
        )));
    }
    if !table.is_owned {
        let triggers = connection.client.query(TRIGGERS, &[&table.oid]).await;
        if !triggers.map_err(|error| failed(operation, &error))?.is_empty() {
            let text = "its triggers would fire, and only the owner of the table can disable them";
            return Ok(Some(text.to_owned()));
        }
    }
    Ok(None)
}

fn server_message(refused: &tokio_postgres::Error) -> String {
    refused.as_db_error().map_or_else(|| refused.to_string(), |error| kind_and_message(error).1)
}

/// Returns the error for records that take over unique values of other rows, if the rows cannot be deleted
/// and inserted again.
fn value_exchange_error(target: &Target, details: &str, obstacle: &str) -> Error {
    let (name, table) = (target.entity.name(), &target.mapping.table.display_name);
    Error::new(
        ErrorKind::Constraint,
        format!(
            "records of {name} exchange values that must be unique in table `{table}` ({details}), so the rows \
             must be deleted and inserted again, but {obstacle}; restore as the owner of the tables, make the \
             constraint DEFERRABLE, or restore with `replace_existing`"
        ),
    )
}

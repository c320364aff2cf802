//! Defaults of columns without a field: the values that inserted rows get in these columns.

use koan_backup_core::{
    Result,
    provider::{Finding, Severity},
};
use tokio_postgres::error::SqlState;

use super::connection::Connection;
use super::derived::{self, RecomputedColumn};
use super::error::{failed, kind_and_message};
use super::mapping::Mapping;
use koan_backup_sql::identifier::quoted;

/// Selects the defaults of a table's columns, including defaults of domains. The expression is `NULL` for a
/// column without a default.
const DEFAULTS: &str = "
    SELECT a.attname::text,
           COALESCE(pg_catalog.pg_get_expr(d.adbin, d.adrelid), pg_catalog.pg_get_expr(t.typdefaultbin, 0), 'NULL')
    FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
    LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' AND a.attidentity = ''";

/// Selects the CHECK constraints that new rows of a table must satisfy.
pub(super) const CHECKS: &str = "
    SELECT k.conname::text, pg_catalog.pg_get_expr(k.conbin, k.conrelid) FROM pg_catalog.pg_constraint k
    WHERE k.conrelid = $1 AND k.contype = 'c' AND COALESCE((pg_catalog.to_jsonb(k) ->> 'conenforced')::bool, true)
    ORDER BY k.conname";

/// A column without a field, and the value that a new row gets in it.
#[derive(Clone, Debug)]
pub(super) struct ColumnDefault {
    pub(super) column: String,
    declared: String,
    expression: String,
    outcome: Outcome,
}

/// The result of evaluating the default of a column.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Outcome {
    /// A value that the column accepts.
    Value,
    /// The column refuses a new row, for this reason.
    Refused { reason: String, depends_on_role: bool },
    /// Unknown, because evaluating the default would have written something, for example to a sequence.
    Unknown,
}

/// Whether a transaction is open when a default is evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TransactionState {
    /// A transaction is open. The evaluation neither ends nor changes it.
    Open,
    /// No transaction is open.
    None,
}

impl ColumnDefault {
    /// Returns the expression of the value that a new row gets, if evaluating it writes nothing.
    pub(super) fn value(&self) -> Option<String> {
        (self.outcome == Outcome::Value).then(|| format!("({})::{}", self.expression, self.declared))
    }

    /// Returns why no row can be inserted, or `None` if rows can be inserted.
    pub(super) fn refusal(&self, table: &str) -> Option<String> {
        let Outcome::Refused { reason, .. } = &self.outcome else { return None };
        let Self { column, expression, .. } = self;
        Some(format!(
            "column `{column}` of table `{table}` has no field, and its default `{expression}` {reason}, so no \
             record can be inserted; correct the default, or add the field"
        ))
    }

    /// Returns whether another role might be able to insert rows.
    pub(super) fn depends_on_role(&self) -> bool {
        matches!(self.outcome, Outcome::Refused { depends_on_role: true, .. })
    }
}

/// Evaluates the default of each column that has no field and that no trigger function computes. Columns
/// without a default get NULL.
///
/// Each default is evaluated in a read-only subtransaction that is rolled back, so that no sequence advances.
pub(super) async fn find(
    connection: &Connection,
    mapping: &Mapping,
    recomputed: &[RecomputedColumn],
    transaction: TransactionState,
) -> Result<Vec<ColumnDefault>> {
    let is_computed = |name: &str| recomputed.iter().any(|computed| computed.column == name);
    let columns: Vec<_> =
        mapping.unmapped_columns.iter().filter(|column| !is_computed(&column.name)).collect();
    if columns.is_empty() {
        return Ok(Vec::new());
    }
    let operation = format!("reading the defaults of table `{}`", mapping.table.display_name);
    let to_error = |error| failed(&operation, &error);
    let rows = connection.client.query(DEFAULTS, &[&mapping.table.oid]).await.map_err(to_error)?;
    let mut expressions = Vec::new();
    for row in &rows {
        let name = row.try_get::<_, String>(0).map_err(to_error)?;
        expressions.push((name, row.try_get::<_, String>(1).map_err(to_error)?));
    }
    let isolated = IsolatedQueries { connection, operation: &operation, transaction };
    let mut found = Vec::new();
    for column in columns {
        // `findings::of_mapping` reports a NOT NULL column without a default, and an identity column
        // generates its numbers itself.
        let found_expression = expressions.iter().find(|(name, _)| *name == column.name);
        let Some((name, expression)) = found_expression else { continue };
        if column.needs_value {
            continue;
        }
        // The expression is evaluated once, because a second evaluation could return another value.
        let value = format!("x.v::{}", column.declared);
        // An explicit cast truncates a value that is too long, but an INSERT refuses such a value.
        let is_truncated = match column.declared.starts_with("character")
            || column.declared.starts_with("bit")
        {
            true => format!("pg_catalog.rtrim(x.v::text) IS DISTINCT FROM pg_catalog.rtrim(({value})::text)"),
            false => "false".to_owned(),
        };
        let query = format!(
            "SELECT (CASE WHEN {is_truncated} THEN 2 ELSE pg_catalog.num_nulls({value}) END)::int8 \
             FROM (SELECT ({expression}) AS v OFFSET 0) AS x"
        );
        let outcome = match isolated.number(&query).await? {
            Ok(2) => refused("is too long for the type of the column"),
            Ok(1) if column.not_null => refused("is NULL, although the column is NOT NULL"),
            Ok(_) => Outcome::Value,
            Err(error) => outcome_of_error(&error),
        };
        let (column, declared) = (name.clone(), column.declared.clone());
        found.push(ColumnDefault { column, declared, expression: expression.clone(), outcome });
    }
    Ok(found)
}

fn refused(reason: &str) -> Outcome {
    Outcome::Refused { reason: reason.to_owned(), depends_on_role: false }
}

fn outcome_of_error(error: &tokio_postgres::Error) -> Outcome {
    match error.as_db_error() {
        // The connection is lost. The next use of the connection returns the error.
        None => Outcome::Unknown,
        Some(refusal) if *refusal.code() == SqlState::READ_ONLY_SQL_TRANSACTION => Outcome::Unknown,
        Some(refusal) => {
            let depends_on_role = *refusal.code() == SqlState::INSUFFICIENT_PRIVILEGE;
            Outcome::Refused {
                reason: format!("raises an error ({})", kind_and_message(refusal).1),
                depends_on_role,
            }
        }
    }
}

/// Finds the CHECK constraints of a table that refuse every new row, because they depend only on columns
/// without a field. Returns a message for each of these constraints.
///
/// `generated` contains the generated columns, each with its expression.
pub(super) async fn refusing_checks(
    connection: &Connection,
    mapping: &Mapping,
    defaults: &[ColumnDefault],
    generated: &[(String, String)],
) -> Result<Vec<String>> {
    let values: Vec<String> = defaults
        .iter()
        .filter_map(|default| Some(format!("{} AS {}", default.value()?, quoted(&default.column))))
        .collect();
    if values.is_empty() {
        return Ok(Vec::new());
    }
    let table = &mapping.table.display_name;
    let operation = format!("reading the constraints of table `{table}`");
    let isolated = IsolatedQueries { connection, operation: &operation, transaction: TransactionState::None };
    let default_row = format!("(SELECT {}) AS \"koan row\"", values.join(", "));
    let mut columns = vec!["\"koan row\".*".to_owned()];
    for (name, expression) in generated {
        if isolated
            .number(&format!("SELECT pg_catalog.num_nulls({expression})::int8 FROM {default_row}"))
            .await?
            .is_ok()
        {
            columns.push(format!("{expression} AS {}", quoted(name)));
        }
    }
    let row = format!("(SELECT {} FROM {default_row}) AS \"koan row\"", columns.join(", "));
    let checks = connection.client.query(CHECKS, &[&mapping.table.oid]).await;
    let mut refusals = Vec::new();
    for check in checks.map_err(|error| failed(&operation, &error))? {
        let name: String = check.try_get(0).map_err(|error| failed(&operation, &error))?;
        let condition: String = check.try_get(1).map_err(|error| failed(&operation, &error))?;
        // A condition that needs other columns does not compile in this query.
        let violations = format!("SELECT pg_catalog.count(*) FROM {row} WHERE NOT ({condition})");
        if let Ok(1) = isolated.number(&violations).await? {
            refusals.push(format!(
                "constraint `{name}` of table `{table}` depends on columns without a field, and their defaults \
                 violate it, so no record can be inserted; add the fields, or change the defaults or the \
                 constraint"
            ));
        }
    }
    Ok(refusals)
}

/// Returns a finding for each default and each constraint that refuses new rows. `severity` is the severity
/// for a restore that inserts rows.
pub(super) async fn assess(
    connection: &Connection,
    entity: &str,
    mapping: &Mapping,
    recomputed: &[RecomputedColumn],
    severity: Severity,
) -> Result<Vec<(Finding, FindingCause)>> {
    let defaults = find(connection, mapping, recomputed, TransactionState::None).await?;
    let mut findings = Vec::new();
    for default in &defaults {
        let cause = if default.depends_on_role() { FindingCause::Role } else { FindingCause::Table };
        let refusal = default.refusal(&mapping.table.display_name);
        findings.extend(refusal.map(|refusal| (Finding::new(severity, entity, refusal), cause)));
    }
    let generated = derived::generated(connection, &mapping.table).await?;
    for refusal in refusing_checks(connection, mapping, &defaults, &generated).await? {
        findings.push((Finding::new(severity, entity, refusal), FindingCause::Table));
    }
    Ok(findings)
}

/// The cause of a finding about a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FindingCause {
    /// The finding is caused by the privileges of the role.
    Role,
    /// The finding is caused by the table alone.
    Table,
}

/// Runs queries that may fail, and that must neither write anything nor end the transaction.
pub(super) struct IsolatedQueries<'a> {
    pub(super) connection: &'a Connection,
    pub(super) operation: &'a str,
    pub(super) transaction: TransactionState,
}

impl IsolatedQueries<'_> {
    /// Returns the number that a query returns, or the error of the server.
    pub(super) async fn number(&self, sql: &str) -> Result<Result<i64, tokio_postgres::Error>> {
        let (begin, end) = match self.transaction {
            TransactionState::Open => (
                "SAVEPOINT koan_trial; SET LOCAL transaction_read_only = on",
                "ROLLBACK TO SAVEPOINT koan_trial; RELEASE SAVEPOINT koan_trial",
            ),
            TransactionState::None => ("BEGIN READ ONLY", "ROLLBACK"),
        };
        self.connection.run(self.operation, begin).await?;
        let row = self.connection.client.query_one(sql, &[]).await;
        self.connection.run(self.operation, end).await?;
        Ok(row.and_then(|row| row.try_get(0)))
    }
}

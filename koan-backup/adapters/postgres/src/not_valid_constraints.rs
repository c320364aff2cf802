//! Finds rows that violate a constraint that was added later as `NOT VALID`.

use koan_backup_core::{
    Result,
    provider::{Finding, RestoreTarget, Severity},
};

use super::connection::Connection;
use super::error::failed;
use super::mapping::Mapping;

const UNVALIDATED: &str =
    "SELECT conname::text, pg_catalog.pg_get_expr(conbin, conrelid) FROM pg_catalog.pg_constraint
    WHERE conrelid = $1 AND contype = 'c' AND NOT convalidated
      AND COALESCE((pg_catalog.to_jsonb(pg_constraint) ->> 'conenforced')::bool, true)
    ORDER BY conname";

/// Reports rows of a target that violate a constraint that is `NOT VALID`. These rows remain in the table,
/// but cannot be inserted again.
///
/// For a backup, which contains these rows, `severity` is `Error`. Before a restore it is unknown whether the
/// archive contains these rows; only a dry run determines this.
pub(super) async fn assess(
    connection: &Connection,
    target: &RestoreTarget,
    mapping: &Mapping,
    severity: Severity,
) -> Result<Vec<Finding>> {
    let (oid, table) = (mapping.table.oid, &mapping.table.display_name);
    let operation = format!("reading the constraints of table `{table}`");
    let rows =
        connection.client.query(UNVALIDATED, &[&oid]).await.map_err(|error| failed(&operation, &error))?;
    let mut findings = Vec::new();
    for row in rows {
        let name: String = row.try_get(0).map_err(|error| failed(&operation, &error))?;
        let expression: String = row.try_get(1).map_err(|error| failed(&operation, &error))?;
        let violating = format!(
            "SELECT pg_catalog.count(*) FROM (SELECT FROM {} WHERE NOT ({expression}) LIMIT 1) AS violating",
            mapping.table.rows()
        );
        let operation = format!("checking constraint `{name}` of table `{table}`");
        let count = match connection.number(&operation, &violating).await {
            Ok(count) => count,
            // The condition itself fails for a row, or it calls a function that the role is not permitted to
            // call.
            Err(error) => {
                findings.push(Finding::new(
                    Severity::Warning,
                    target.entity.name(),
                    format!(
                        "it is unknown whether rows of table `{table}` satisfy constraint `{name}`, which is \
                         NOT VALID: {}",
                        error.chain()
                    ),
                ));
                continue;
            }
        };
        if count > 0 {
            findings.push(Finding::new(
                severity,
                target.entity.name(),
                format!(
                    "table `{table}` has rows that violate constraint `{name}`, which is NOT VALID, and these \
                     rows cannot be inserted again; correct the rows and run ALTER TABLE … VALIDATE \
                     CONSTRAINT, or drop the constraint"
                ),
            ));
        }
    }
    Ok(findings)
}

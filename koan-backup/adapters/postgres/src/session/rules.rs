//! Rewrite rules: statements that `CREATE RULE … DO ALSO` adds to a statement, and that `DO INSTEAD` executes
//! instead of it.
//!
//! A rule applies to INSERT, UPDATE and DELETE, but not to COPY. The archive already contains the effects of
//! rules, and a redirected row would be counted as written. Rules are therefore disabled within the
//! transaction, and put back to their previous state before the commit.

use koan_backup_core::provider::SuspendedKind;
use koan_backup_core::{Error, ErrorKind, Result};

use super::super::catalog::Table;
use super::super::connection::Connection;
use super::super::error::failed;
use super::suspended_work::PutBackStatement;
use koan_backup_sql::identifier::{listed, quoted};

/// Selects the rules of a table that are not disabled, their state, and whether they apply in this session.
const RULES: &str = "
    SELECT r.rulename::text, r.ev_enabled::text,
           r.ev_enabled = 'A' OR r.ev_enabled =
               CASE pg_catalog.current_setting('session_replication_role') WHEN 'replica' THEN 'R' ELSE 'O' END
    FROM pg_catalog.pg_rewrite r
    WHERE r.ev_class = $1 AND r.ev_type IN ('2', '3', '4') AND r.ev_enabled <> 'D'
    ORDER BY r.rulename";

/// A rule that is not disabled.
#[derive(Debug)]
pub(in super::super) struct Rule {
    pub(in super::super) name: String,
    /// The state in `pg_rewrite`.
    state: String,
    /// Whether the rule applies in this session.
    pub(in super::super) applies: bool,
}

/// Reads the rules of a table that are not disabled. Rules of its partitions and of tables that inherit from
/// it do not apply to statements on the table itself.
pub(in super::super) async fn rules_of(
    connection: &Connection,
    table: &Table,
    operation: &str,
) -> Result<Vec<Rule>> {
    let rows =
        connection.client.query(RULES, &[&table.oid]).await.map_err(|error| failed(operation, &error))?;
    let rule = |row: &tokio_postgres::Row| {
        Ok(Rule { name: row.try_get(0)?, state: row.try_get(1)?, applies: row.try_get(2)? })
    };
    rows.iter().map(rule).collect::<Result<_, _>>().map_err(|error| failed(operation, &error))
}

/// Returns why a role that does not own a table cannot restore into the table. Returns `None` if the role
/// owns the table or no rule applies.
pub(in super::super) fn refusal(table: &Table, rules: &[Rule]) -> Option<String> {
    let applying = rules.iter().filter(|rule| rule.applies);
    let applying: Vec<&str> = applying.map(|rule| rule.name.as_str()).collect();
    if table.is_owned || applying.is_empty() {
        return None;
    }
    Some(format!(
        "rewrite rules {} of table `{}` would change or redirect the written rows, and only the owner of the \
         table can disable them; restore as the owner, or have the owner disable them (ALTER TABLE … DISABLE \
         RULE)",
        listed(applying),
        table.display_name
    ))
}

/// Disables the rules of a table, and returns the statements that put each rule back to its previous state.
pub(super) async fn disable(
    connection: &Connection,
    table: &Table,
    operation: &str,
) -> Result<Vec<PutBackStatement>> {
    let rules = rules_of(connection, table, operation).await?;
    if let Some(refusal) = refusal(table, &rules) {
        return Err(Error::new(ErrorKind::Unsupported, refusal));
    }
    let mut put_back = Vec::new();
    if !table.is_owned {
        return Ok(put_back);
    }
    for rule in rules {
        let (relation, quoted_name) = (table.quoted(), quoted(&rule.name));
        connection.run(operation, &format!("ALTER TABLE {relation} DISABLE RULE {quoted_name}")).await?;
        let state = match rule.state.as_str() {
            "R" => "ENABLE REPLICA",
            "A" => "ENABLE ALWAYS",
            _ => "ENABLE",
        };
        put_back.push(PutBackStatement {
            kind: SuspendedKind::Rule,
            table: table.display_name.clone(),
            operation: format!("enabling rule {quoted_name} of table `{}` again", table.display_name),
            name: rule.name,
            sql: format!("ALTER TABLE {relation} {state} RULE {quoted_name}"),
        });
    }
    Ok(put_back)
}

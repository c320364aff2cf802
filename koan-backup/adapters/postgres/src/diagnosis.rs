//! Examines the privileges of the role: which tables it can read, and which it could write in a restore.

use koan_backup_core::{
    Result,
    entity::EntityCodec,
    provider::{ProviderDiagnosis, ProviderFinding},
};
use koan_backup_sql::identifier::{listed, quoted};

use super::catalog::{Catalog, Table};
use super::connection::Connection;
use super::coverage::{self, CoverageSettings};
use super::error::failed;
use super::mapping::{self, Mapping, find_table, named_sets};

/// Describes the database, and examines the tables of `entities`.
pub(super) async fn diagnose(
    connection: &Connection,
    entities: &[EntityCodec],
    settings: &CoverageSettings<'_>,
) -> Result<ProviderDiagnosis> {
    let role = role(connection).await?;
    let mut diagnosis = ProviderDiagnosis::new(coverage::describe(connection, entities, settings).await?);
    diagnosis.summary = format!("{}, role {role}", diagnosis.summary);
    let catalog = Catalog::read(connection).await?;
    let mut tables = Vec::new();
    for entity in entities {
        let Ok(root) = find_table(&catalog, entity) else { continue };
        let sets = named_sets(&catalog, root);
        for table in std::iter::once(root).chain(sets.into_iter().map(|(_, table)| table)) {
            diagnosis.findings.extend(unreadable(entity, table, &role));
            tables.push(table);
        }
    }
    let event_tables = settings.find_event_tables(&catalog)?;
    tables.extend(event_tables.iter().flat_map(|tables| tables.keys()).map(|keys| &keys.table));
    diagnosis.findings.extend(not_writable(connection, &tables, &role).await?);
    Ok(diagnosis)
}

async fn role(connection: &Connection) -> Result<String> {
    let row = connection.client.query_one("SELECT CURRENT_USER::text", &[]).await;
    row.and_then(|row| row.try_get(0)).map_err(|error| failed("reading the role", &error))
}

/// Returns the finding that the role cannot read the rows of an entity, with the command that permits it.
fn unreadable(entity: &EntityCodec, table: &Table, role: &str) -> Option<ProviderFinding> {
    let mapping = Mapping::of_table(table, entity).ok()?;
    mapping::unreadable(&mapping)?;
    let name = &table.display_name;
    let (fault, remedy) =
        match table.hides_rows && mapping.columns.iter().all(|mapped| mapped.column.is_readable) {
            false => (
                format!("role {role} may not read table `{name}`"),
                format!("GRANT SELECT ON {} TO {};", table.quoted(), quoted(role)),
            ),
            true => (
                format!("row-level security hides rows of table `{name}` from role {role}"),
                format!(
                    "use the owner of the table, or a role that sees every row: ALTER ROLE {} BYPASSRLS;",
                    quoted(role)
                ),
            ),
        };
    Some(ProviderFinding::unreadable(entity.name(), fault, remedy))
}

/// Returns the finding that restores with this role fail.
async fn not_writable(
    connection: &Connection,
    tables: &[&Table],
    role: &str,
) -> Result<Option<ProviderFinding>> {
    let operation = "checking whether the server is a standby";
    if connection.number(operation, "SELECT pg_catalog.pg_is_in_recovery()::int::int8").await? == 1 {
        let message = "the server is a standby, which is read-only, so restores into it fail";
        return Ok(Some(ProviderFinding::not_writable(message, "restore to the primary")));
    }
    let mut refused: Vec<&Table> = Vec::new();
    for table in tables {
        let oid = table.oid;
        let is_writable = format!(
            "SELECT (pg_catalog.has_table_privilege({oid}::oid, 'INSERT') \
             AND pg_catalog.has_table_privilege({oid}::oid, 'UPDATE') \
             AND pg_catalog.has_table_privilege({oid}::oid, 'DELETE'))::int::int8"
        );
        let operation = format!("reading the privileges on table `{}`", table.display_name);
        if connection.number(&operation, &is_writable).await? == 0 {
            refused.push(table);
        }
    }
    if refused.is_empty() {
        return Ok(None);
    }
    let names = listed(refused.iter().map(|table| table.display_name.as_str()));
    let quoted_names: Vec<_> = refused.iter().map(|table| table.quoted()).collect();
    Ok(Some(ProviderFinding::not_writable(
        format!("role {role} may not write {names}, so restores with this role fail"),
        format!(
            "restore with another role, or: GRANT INSERT, UPDATE, DELETE ON {} TO {};",
            quoted_names.join(", "),
            quoted(role)
        ),
    )))
}

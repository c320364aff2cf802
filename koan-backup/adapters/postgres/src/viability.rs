//! Determines whether a restore would succeed without losing data, without writing.

use koan_backup_core::{
    Result,
    provider::{Finding, RestoreTarget, SessionIntent, SessionOptions, Severity},
};
use serde::Deserialize as _;

use super::catalog::{Catalog, Column, references};
use super::connection::Connection;
use super::defaults::{self, FindingCause};
use super::derived::{self, RecomputedColumn};
use super::error::failed;
use super::insert_only;
use super::mapping::{self, Mapping};
use super::materialized;
use super::not_valid_constraints;
use super::physical::PhysicalForm;
use super::sequence::{Sequence, SequenceUse, Sequences};
use super::session::{
    Extent, Interference, Route, SuspensionPreview, TRIGGERS, Target, foreign_keys_that_prevent_restore,
    is_table_empty, refusing_rules, rules_of,
};
use super::state::{MaterializedViews, StateOptions};
use koan_backup_sql::findings::{self, TargetTable, UnmappedColumnKind};
use koan_backup_sql::identifier::listed;

/// The operation for which the targets are assessed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AssessedOperation {
    /// A restore by this role, or its dry run.
    Restore,
    /// A backup before it is published. Another role may restore it, so findings that depend on the role are
    /// omitted.
    Backup,
}

/// Assesses whether the targets can be restored, without writing.
pub(super) async fn assess(
    connection: &Connection,
    targets: &[RestoreTarget],
    options: &SessionOptions,
    state: &StateOptions,
    operation: AssessedOperation,
) -> Result<Vec<Finding>> {
    let catalog = Catalog::read(connection).await?;
    let mut findings = Vec::new();
    let mut mappings = Vec::new();
    let (mut disabled_triggers, mut preview) = (Vec::new(), SuspensionPreview::default());
    for target in targets {
        let name = target.entity.name();
        match mapping::find(&catalog, &target.entity, &target.set) {
            Ok(mapping) => {
                let computed = derived::recomputed(connection, &mapping).await?;
                assess_columns(target, &mapping, &computed, options, &mut findings);
                let triggers = assess_privileges(connection, name, &mapping, options, &mut findings).await?;
                disabled_triggers.push(triggers);
                assess_sequences(connection, target, &mapping, options, &mut findings).await?;
                findings.extend(derived::findings(connection, name, &mapping, state).await?);
                assess_defaults(connection, name, &mapping, &computed, options, operation, &mut findings)
                    .await?;
                if operation == AssessedOperation::Restore {
                    assess_interference(connection, target, &mapping, options, &mut preview, &mut findings)
                        .await?;
                }
                if mapping::unreadable(&mapping).is_none() {
                    let severity = match operation {
                        AssessedOperation::Restore => Severity::Warning,
                        AssessedOperation::Backup => Severity::Error,
                    };
                    findings
                        .extend(not_valid_constraints::assess(connection, target, &mapping, severity).await?);
                }
                mappings.push((name, mapping));
            }
            Err(error) => findings.push(findings::of_table(target, &error, options)),
        }
    }
    let tables: Vec<_> = mappings
        .iter()
        .map(|(entity, mapping)| TargetTable {
            entity,
            id: mapping.table.oid,
            table: &mapping.table.display_name,
        })
        .collect();
    findings.extend(findings::of_shared_tables(&tables));
    let disabled_triggers =
        mappings.iter().zip(disabled_triggers).filter(|(_, triggers)| !triggers.is_empty());
    let disabled_triggers: Vec<_> = disabled_triggers
        .map(|((name, mapping), triggers)| (*name, mapping.table.display_name.as_str(), triggers))
        .collect();
    findings.extend(findings::of_triggers(&disabled_triggers));
    assess_references(connection, &catalog, &mappings, &mut findings).await?;
    assess_views(connection, &catalog, &mappings, state, operation, &mut findings).await?;
    if let (SessionIntent::Apply, Some(target)) = (options.intent, targets.first()) {
        let standby = "SELECT pg_catalog.pg_is_in_recovery()::int::int8";
        if connection.number("checking whether the server is a standby", standby).await? == 1 {
            findings.push(Finding::new(
                Severity::Error,
                target.entity.name(),
                "the server is a standby, which is read-only; restore to the primary",
            ));
        }
    }
    Ok(findings)
}

/// Adds findings about the columns of one target.
fn assess_columns(
    target: &RestoreTarget,
    mapping: &Mapping,
    recomputed: &[RecomputedColumn],
    options: &SessionOptions,
    findings: &mut Vec<Finding>,
) {
    let (entity, table) = (&target.entity, &mapping.table.display_name);
    let requirement = |column: &Column| match column.needs_value {
        _ if recomputed.iter().any(|computed| computed.column == column.name) => {
            UnmappedColumnKind::Recomputed
        }
        true => UnmappedColumnKind::Required,
        false => UnmappedColumnKind::Optional,
    };
    let physical =
        target.physical.as_ref().and_then(|json| PhysicalForm::deserialize(json).ok()).unwrap_or_default();
    let without_column = &physical.fields_without_column;
    findings.extend(findings::of_mapping(entity, mapping, requirement, without_column, options));
    if !mapping.table.is_unique_over(mapping.key_columns().map(|column| column.name.as_str())) {
        findings.push(Finding::new(
            Severity::Note,
            entity.name(),
            format!(
                "table `{table}` has no unique index over the key of the entity, so a restore searches for \
                 duplicate keys itself, which is slower; add a unique index to avoid this"
            ),
        ));
    }
}

/// Adds findings about missing privileges of the role. Returns the names of the triggers that the restore
/// disables.
async fn assess_privileges(
    connection: &Connection,
    entity: &str,
    mapping: &Mapping,
    options: &SessionOptions,
    findings: &mut Vec<Finding>,
) -> Result<Vec<String>> {
    let (table, oid) = (&mapping.table.display_name, mapping.table.oid);
    let operation = format!("reading the properties of table `{table}`");
    let mut required = vec!["SELECT"];
    let is_written = options.intent == SessionIntent::Apply;
    required.extend(is_written.then_some("INSERT"));
    match (options.replace_existing, options.conflict) {
        _ if !is_written => {}
        (true, _) => required.push("DELETE"),
        (false, koan_backup_core::ConflictMode::Overwrite) => required.push("UPDATE"),
        _ => {}
    }
    // Privileges on the columns of the entity are sufficient for reading.
    required
        .retain(|privilege| *privilege != "SELECT" || is_written || mapping::unreadable(mapping).is_some());
    for privilege in required {
        let has = format!("SELECT pg_catalog.has_table_privilege({oid}::oid, '{privilege}')::int::int8");
        if connection.number(&operation, &has).await? == 0 {
            findings.push(Finding::new(
                Severity::Error,
                entity,
                format!(
                    "the role has no {privilege} privilege on table `{table}`; grant the privilege, or restore \
                     as the owner"
                ),
            ));
        }
    }
    let triggers =
        connection.client.query(TRIGGERS, &[&oid]).await.map_err(|error| failed(&operation, &error))?;
    // A partition may belong to another role, which alone can disable its triggers.
    let can_disable = |row: &tokio_postgres::Row| {
        mapping.table.is_owned && row.try_get::<_, bool>(4).is_ok_and(|is_owned| is_owned)
    };
    let names_where = |is_disabled: bool| -> Vec<String> {
        let rows = triggers.iter().filter(|row| can_disable(row) == is_disabled);
        rows.filter_map(|row| row.try_get(2).ok()).collect()
    };
    let firing = names_where(false);
    if !firing.is_empty() {
        let list = listed(firing.iter().map(String::as_str));
        findings.push(Finding::new(
            Severity::Warning,
            entity,
            format!(
                "triggers {list} of table `{table}` fire during the restore, because only the owner of the \
                 table can disable them; restore as the owner, so that they do not fire"
            ),
        ));
    }
    Ok(names_where(true))
}

/// Adds findings about sequences that would not continue at the required position.
async fn assess_sequences(
    connection: &Connection,
    target: &RestoreTarget,
    mapping: &Mapping,
    options: &SessionOptions,
    findings: &mut Vec<Finding>,
) -> Result<()> {
    let (entity, table) = (target.entity.name(), &mapping.table.display_name);
    let recorded = PhysicalForm::sequences_of(target);
    let sequences = Sequences::read(connection, &[&mapping.table]).await?;
    for sequence in &sequences.all {
        let name = &sequence.name;
        if options.intent == SessionIntent::Apply && !sequence.may_advance {
            let severity = if sequence.is_needed() { Severity::Error } else { Severity::Warning };
            findings.push(Finding::new(
                severity,
                entity,
                format!(
                    "the role is not permitted to advance sequence `{name}` of table `{table}`, so inserts after the \
                     restore would fail; run GRANT SELECT, UPDATE ON SEQUENCE … TO the role"
                ),
            ));
        }
        let state = sequence.recorded(&recorded);
        let follows_from_rows =
            sequences.all.iter().any(|other| other.oid == sequence.oid && other.usage == SequenceUse::Direct);
        if state.is_none() && !follows_from_rows {
            findings.push(Finding::new(
                Severity::Warning,
                entity,
                format!(
                    "the archive does not contain the position of sequence `{name}` of table `{table}`, and \
                     the position does not follow from the rows; compare the sequence with the rows after the \
                     restore, and set it with `setval`"
                ),
            ));
        } else if state.is_some_and(|state| !(sequence.min..=sequence.max).contains(&state.last_value)) {
            findings.push(Finding::new(
                Severity::Warning,
                entity,
                format!(
                    "the archive contains a position of sequence `{name}` of table `{table}` that is beyond \
                     its MINVALUE or MAXVALUE, so the position is not restored; alter the sequence, or set it \
                     with `setval` after the restore"
                ),
            ));
        }
    }
    let exists = |name: &str, column: &Option<String>| {
        let is_same = |found: &Sequence| found.name == name || (column.is_some() && found.column == *column);
        sequences.all.iter().any(is_same)
    };
    for state in recorded.iter().filter(|state| !exists(&state.name, &state.column)) {
        findings.push(Finding::new(
            Severity::Warning,
            entity,
            format!(
                "the archive contains the position of sequence `{}.{}`, but table `{table}` uses no sequence \
                 with this name or for this column, so the position is not restored",
                state.schema, state.name
            ),
        ));
    }
    Ok(())
}

/// Adds findings about defaults and constraints that refuse new rows regardless of the records.
async fn assess_defaults(
    connection: &Connection,
    entity: &str,
    mapping: &Mapping,
    computed: &[RecomputedColumn],
    options: &SessionOptions,
    operation: AssessedOperation,
    findings: &mut Vec<Finding>,
) -> Result<()> {
    let table = &mapping.table;
    let inserts = operation == AssessedOperation::Backup || options.replace_existing || {
        let any = format!("SELECT pg_catalog.count(*) FROM (SELECT FROM {} LIMIT 1) AS one", table.rows());
        let description = format!("reading the properties of table `{}`", table.display_name);
        table.is_readable && !table.hides_rows && connection.number(&description, &any).await? == 0
    };
    // Existing rows need no default. Only a dry run determines whether all records exist as rows.
    let severity = if inserts { Severity::Error } else { Severity::Warning };
    let found = defaults::assess(connection, entity, mapping, computed, severity).await?;
    let is_reported =
        |cause: &FindingCause| operation == AssessedOperation::Restore || *cause == FindingCause::Table;
    findings.extend(found.into_iter().filter(|(_, cause)| is_reported(cause)).map(|(finding, _)| finding));
    Ok(())
}

/// Adds findings about materialized views that depend on restored tables.
async fn assess_views(
    connection: &Connection,
    catalog: &Catalog,
    mappings: &[(&'static str, Mapping)],
    state: &StateOptions,
    operation: AssessedOperation,
    findings: &mut Vec<Finding>,
) -> Result<()> {
    let tables: Vec<u32> = mappings.iter().map(|(_, mapping)| mapping.table.oid).collect();
    for view in materialized::depending_on(connection, catalog, &tables).await? {
        let name = &view.display_name;
        let (severity, text) = match state.materialized_views {
            MaterializedViews::Refreshed if operation == AssessedOperation::Backup => continue,
            MaterializedViews::Refreshed if !view.may_refresh => (
                Severity::Error,
                format!(
                    "the role is not permitted to refresh materialized view `{name}`; restore as the owner of the view"
                ),
            ),
            MaterializedViews::Refreshed => {
                (Severity::Note, format!("materialized view `{name}` will be refreshed"))
            }
            MaterializedViews::Stale if state.ignored_views.contains_key(name) => continue,
            MaterializedViews::Stale => (
                Severity::Warning,
                format!(
                    "materialized view `{name}` depends on restored tables and is not refreshed; run REFRESH \
                     MATERIALIZED VIEW afterwards, or set `.refresh_materialized_views()`"
                ),
            ),
        };
        let mut finding = Finding::new(severity, "", text);
        finding.entity = None;
        findings.push(finding);
    }
    Ok(())
}

/// Adds findings about objects of the database that would change, hide or refuse rows during a restore, and
/// about objects that the restore suspends.
async fn assess_interference(
    connection: &Connection,
    request: &RestoreTarget,
    mapping: &Mapping,
    options: &SessionOptions,
    preview: &mut SuspensionPreview,
    findings: &mut Vec<Finding>,
) -> Result<()> {
    let (table, entity) = (&mapping.table, request.entity.name());
    let operation = format!("reading the properties of table `{}`", table.display_name);
    let policies = format!("SELECT pg_catalog.row_security_active({}::oid)::int::int8", table.oid);
    if connection.number(&operation, &policies).await? == 1 {
        let text = format!(
            "row-level security of table `{}` applies to the role, so rows could be hidden or refused; restore \
             as a role with BYPASSRLS, or as the owner of a table without FORCE ROW LEVEL SECURITY",
            table.display_name
        );
        findings.push(Finding::new(Severity::Error, entity, text));
        return Ok(());
    }
    let rules = rules_of(connection, table, &operation).await?;
    if let Some(refusal) = refusing_rules(table, &rules) {
        findings.push(Finding::new(Severity::Error, entity, refusal));
    } else if !rules.is_empty() && table.is_owned {
        let text = format!(
            "rewrite rules {} of table `{}` are disabled during the restore; their previous effects are \
             restored only as far as the archive contains them",
            listed(rules.iter().map(|rule| rule.name.as_str())),
            table.display_name
        );
        findings.push(Finding::new(Severity::Note, entity, text));
    }
    // Another finding already reports a target that cannot be written.
    if mapping.problem(&request.entity).is_some() || !table.is_readable {
        return Ok(());
    }
    let Ok(mut target) = Target::new(request.clone(), mapping.clone()) else { return Ok(()) };
    target.read_equality(connection).await?;
    let is_empty = is_table_empty(connection, &target, &operation).await?;
    let extent = Extent::new(options, request, is_empty);
    let mut refusals = foreign_keys_that_prevent_restore(connection, &target, extent).await?;
    refusals.extend(target.refusing_identity(extent));
    findings.extend(insert_only::assess(connection, entity, table, extent).await?);
    if options.intent == SessionIntent::Apply {
        findings.extend(preview.add(connection, &target, extent).await?);
    }
    let may =
        "SELECT pg_catalog.has_database_privilege(pg_catalog.current_database(), 'TEMPORARY')::int::int8";
    if connection.number(&operation, may).await? == 0 {
        target.find_recomputed(connection).await?;
        let route = Route::choose(&target, options, is_empty, Interference::detect(connection).await?);
        // A temporary table stores the keys of deleted rows. A table that is empty now may have rows when the
        // restore begins.
        let is_certain = extent.deletes || route == Route::Staged;
        let severity = if is_certain { Severity::Error } else { Severity::Warning };
        let text = "the role is not permitted to create temporary tables in this database, which a restore needs to \
                    compare records; run GRANT TEMPORARY ON DATABASE … TO the role";
        findings.push(Finding::new(severity, entity, text));
    }
    findings.extend(refusals.into_iter().map(|refusal| Finding::new(Severity::Error, entity, refusal)));
    Ok(())
}

/// Adds findings about the foreign keys of restored tables that refer to tables that are not restored, or
/// that the role cannot suspend.
async fn assess_references(
    connection: &Connection,
    catalog: &Catalog,
    mappings: &[(&'static str, Mapping)],
    findings: &mut Vec<Finding>,
) -> Result<()> {
    for reference in references(connection).await? {
        let child = mappings.iter().find(|(_, mapping)| mapping.table.oid == reference.child);
        let is_parent_restored = mappings.iter().any(|(_, mapping)| mapping.table.oid == reference.parent);
        let Some((name, mapping)) = child else { continue };
        let table = &mapping.table.display_name;
        let referenced = catalog.tables.iter().find(|table| table.oid == reference.parent);
        let referenced = referenced.map_or_else(
            || "a table of PostgreSQL or of an extension".to_owned(),
            |table| format!("table `{}`", table.display_name),
        );
        if !is_parent_restored {
            findings.push(Finding::new(
                Severity::Note,
                *name,
                format!(
                    "table `{table}` refers to {referenced}, which is not restored; the referenced rows must \
                     exist in the database"
                ),
            ));
        } else if !mapping.table.is_owned {
            findings.push(Finding::new(
                Severity::Warning,
                *name,
                format!(
                    "the role does not own table `{table}`, so its foreign key to {referenced} is checked at \
                     each statement unless the foreign key is DEFERRABLE; restore as the owner"
                ),
            ));
        }
    }
    Ok(())
}

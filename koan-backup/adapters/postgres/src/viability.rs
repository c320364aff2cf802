//! Finds what would make a restore fail, without writing.

use koan_backup_core::{
    Result,
    provider::{Finding, RestoreTarget, SessionIntent, SessionOptions, Severity},
};
use serde::Deserialize as _;

use super::catalog::{Catalog, references};
use super::connection::Connection;
use super::defaults::{self, ColumnRole};
use super::derived::{self, RecomputedColumn};
use super::error::failed;
use super::insert_only;
use super::mapping::Mapping;
use super::materialized;
use super::not_valid_constraints;
use super::physical::PhysicalForm;
use super::sequence::{SequenceUse, Sequences};
use super::session::{
    Extent, Interference, Route, SuspensionPreview, TRIGGERS, Target, is_empty_now, refusing_references,
    refusing_rules, rules_of,
};
use super::state::{MaterializedViews, StateOptions};
use koan_backup_sql::findings::{self, TargetTable, UnmappedColumn};
use koan_backup_sql::identifier::listed;

/// The occasion for which the targets are assessed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Occasion {
    /// A restore by this role, or its dry run.
    Restore,
    /// A backup that was just completed. Another role may restore it, so findings that depend on the role are
    /// omitted.
    Backup,
}

/// Assesses the targets without writing.
pub(super) async fn assess(
    connection: &Connection,
    targets: &[RestoreTarget],
    options: &SessionOptions,
    state: &StateOptions,
    occasion: Occasion,
) -> Result<Vec<Finding>> {
    let catalog = Catalog::read(connection).await?;
    let mut findings = Vec::new();
    let mut mappings = Vec::new();
    let (mut silenced, mut preview) = (Vec::new(), SuspensionPreview::default());
    for target in targets {
        let name = target.entity.name();
        match Mapping::find(&catalog, &target.entity, &target.set) {
            Ok(mapping) => {
                let computed = derived::recomputed(connection, &mapping).await?;
                look_at(target, &mapping, &computed, options, &mut findings);
                let triggers = look_at_privileges(connection, name, &mapping, options, &mut findings).await?;
                silenced.push(triggers);
                look_at_sequences(connection, target, &mapping, options, &mut findings).await?;
                findings.extend(derived::findings(connection, name, &mapping, state).await?);
                look_at_defaults(connection, name, &mapping, &computed, options, occasion, &mut findings)
                    .await?;
                if occasion == Occasion::Restore {
                    look_at_interference(connection, target, &mapping, options, &mut preview, &mut findings)
                        .await?;
                }
                if mapping.unreadable().is_none() {
                    let severity = match occasion {
                        Occasion::Restore => Severity::Warning,
                        Occasion::Backup => Severity::Error,
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
    let silenced = mappings.iter().zip(silenced).filter(|(_, triggers)| !triggers.is_empty());
    let silenced: Vec<_> = silenced
        .map(|((name, mapping), triggers)| (*name, mapping.table.display_name.as_str(), triggers))
        .collect();
    findings.extend(findings::of_triggers(&silenced));
    look_at_references(connection, &catalog, &mappings, &mut findings).await?;
    look_at_views(connection, &catalog, &mappings, state, occasion, &mut findings).await?;
    if let (SessionIntent::Apply, Some(target)) = (options.intent, targets.first()) {
        let standby = "SELECT pg_catalog.pg_is_in_recovery()::int::int8";
        if connection.number("asking whether this is a standby", standby).await? == 1 {
            findings.push(Finding::new(
                Severity::Error,
                target.entity.name(),
                "this is a standby, which cannot be written; restore to the primary",
            ));
        }
    }
    Ok(findings)
}

/// Adds findings about the columns of one target.
fn look_at(
    target: &RestoreTarget,
    mapping: &Mapping,
    recomputed: &[RecomputedColumn],
    options: &SessionOptions,
    findings: &mut Vec<Finding>,
) {
    let (entity, table) = (&target.entity, &mapping.table.display_name);
    if let Some(problem) = mapping.problem(entity) {
        findings.push(Finding::new(Severity::Error, entity.name(), problem));
    }
    let computed = mapping.key_columns().filter(|column| column.generated).map(|column| column.name.as_str());
    findings.extend(findings::of_computed_keys(entity, table, computed));
    let is_computed = |name: &str| recomputed.iter().any(|computed| computed.column == name);
    let unmapped = mapping
        .unmapped_columns
        .iter()
        .filter(|column| !is_computed(&column.name))
        .map(|column| UnmappedColumn { name: &column.name, is_needed: column.needs_value });
    findings.extend(findings::of_unmapped_columns(entity, table, unmapped, options));
    let physical =
        target.physical.as_ref().and_then(|json| PhysicalForm::deserialize(json).ok()).unwrap_or_default();
    let fields = mapping.unmapped_fields.iter().map(|&index| &entity.schema().fields[index]);
    let lost = fields.filter(|field| !physical.fields_without_column.contains(&field.name));
    findings.extend(findings::of_unmapped_fields(entity, table, lost));
    if !mapping.table.is_unique_over(mapping.key_columns().map(|column| column.name.as_str())) {
        findings.push(Finding::new(
            Severity::Note,
            entity.name(),
            format!(
                "nothing in table `{table}` makes its key unique; records are compared with each other first"
            ),
        ));
    }
}

/// Adds findings about missing privileges of the role. Returns the names of the triggers that do not fire.
async fn look_at_privileges(
    connection: &Connection,
    entity: &str,
    mapping: &Mapping,
    options: &SessionOptions,
    findings: &mut Vec<Finding>,
) -> Result<Vec<String>> {
    let (table, oid) = (&mapping.table.display_name, mapping.table.oid);
    let what = format!("reading about table `{table}`");
    let mut wanted = vec!["SELECT"];
    let is_written = options.intent == SessionIntent::Apply;
    wanted.extend(is_written.then_some("INSERT"));
    match (options.replace_existing, options.conflict) {
        _ if !is_written => {}
        (true, _) => wanted.push("DELETE"),
        (false, koan_backup_core::ConflictMode::Overwrite) => wanted.push("UPDATE"),
        _ => {}
    }
    // Privileges on the columns of the entity are enough to read it.
    wanted.retain(|privilege| *privilege != "SELECT" || is_written || mapping.unreadable().is_some());
    for privilege in wanted {
        let has = format!("SELECT pg_catalog.has_table_privilege({oid}::oid, '{privilege}')::int::int8");
        if connection.number(&what, &has).await? == 0 {
            findings.push(Finding::new(
                Severity::Error,
                entity,
                format!("the role may not {privilege} on table `{table}`; grant it, or restore as the owner"),
            ));
        }
    }
    let triggers = connection.client.query(TRIGGERS, &[&oid]).await.map_err(|error| failed(&what, &error))?;
    // Triggers of a partition that belongs to another role fire as well.
    let is_silenced = |row: &tokio_postgres::Row| {
        mapping.table.is_owned && row.try_get::<_, bool>(4).is_ok_and(|is_owned| is_owned)
    };
    let names_where = |wanted: bool| -> Vec<String> {
        let rows = triggers.iter().filter(|row| is_silenced(row) == wanted);
        rows.filter_map(|row| row.try_get(2).ok()).collect()
    };
    let firing = names_where(false);
    if !firing.is_empty() {
        let list = listed(firing.iter().map(String::as_str));
        findings.push(Finding::new(
            Severity::Warning,
            entity,
            format!("triggers {list} of table `{table}` fire, because only its owner can silence them"),
        ));
    }
    Ok(names_where(true))
}

/// Adds findings about sequences that would not continue at the required position.
async fn look_at_sequences(
    connection: &Connection,
    target: &RestoreTarget,
    mapping: &Mapping,
    options: &SessionOptions,
    findings: &mut Vec<Finding>,
) -> Result<()> {
    let (entity, table) = (target.entity.name(), &mapping.table.display_name);
    let recorded = PhysicalForm::sequences_of(target);
    let sequences = Sequences::of(connection, &[&mapping.table]).await?;
    for sequence in &sequences.all {
        let name = &sequence.name;
        if options.intent == SessionIntent::Apply && !sequence.may_move {
            let severity = if sequence.is_needed() { Severity::Error } else { Severity::Warning };
            findings.push(Finding::new(
                severity,
                entity,
                format!(
                    "the role may not move sequence `{name}` of table `{table}` on, so that inserting afterwards would fail; \
                     GRANT SELECT, UPDATE ON SEQUENCE to it"
                ),
            ));
        }
        let state = sequence.recorded(&recorded);
        let is_told =
            sequences.all.iter().any(|other| other.oid == sequence.oid && other.usage == SequenceUse::Direct);
        if state.is_none() && !is_told {
            findings.push(Finding::new(
                Severity::Warning,
                entity,
                format!(
                    "the archive does not hold where sequence `{name}` of table `{table}` stood, and the rows do not tell it; \
                     compare it with the rows after the restore, and set it with `setval`"
                ),
            ));
        } else if state.is_some_and(|state| !(sequence.min..=sequence.max).contains(&state.last_value)) {
            findings.push(Finding::new(
                Severity::Warning,
                entity,
                format!(
                    "sequence `{name}` of table `{table}` cannot go to where it stood, which is beyond its MINVALUE or MAXVALUE"
                ),
            ));
        }
    }
    let is_there = |name: &str, column: &Option<String>| {
        sequences.all.iter().any(|there| there.name == name || (column.is_some() && there.column == *column))
    };
    for state in recorded.iter().filter(|state| !is_there(&state.name, &state.column)) {
        findings.push(Finding::new(
            Severity::Warning,
            entity,
            format!(
                "the archive holds where sequence `{}.{}` stood, and table `{table}` uses no such sequence, so that it is not \
                 restored",
                state.schema, state.name
            ),
        ));
    }
    Ok(())
}

/// Adds findings about defaults and constraints that refuse new rows regardless of the records.
async fn look_at_defaults(
    connection: &Connection,
    entity: &str,
    mapping: &Mapping,
    computed: &[RecomputedColumn],
    options: &SessionOptions,
    occasion: Occasion,
    findings: &mut Vec<Finding>,
) -> Result<()> {
    let table = &mapping.table;
    let inserts = occasion == Occasion::Backup || options.replace_existing || {
        let any = format!("SELECT pg_catalog.count(*) FROM (SELECT FROM {} LIMIT 1) AS one", table.rows());
        let what = format!("reading about table `{}`", table.display_name);
        table.is_readable && !table.hides_rows && connection.number(&what, &any).await? == 0
    };
    // Existing rows need no default. Only a dry run shows whether all records exist as rows.
    let severity = if inserts { Severity::Error } else { Severity::Warning };
    let found = defaults::assess(connection, entity, mapping, computed, severity).await?;
    let is_told = |role: &ColumnRole| occasion == Occasion::Restore || *role == ColumnRole::OfTheTable;
    findings.extend(found.into_iter().filter(|(_, role)| is_told(role)).map(|(finding, _)| finding));
    Ok(())
}

/// Adds findings about materialized views that depend on restored tables.
async fn look_at_views(
    connection: &Connection,
    catalog: &Catalog,
    mappings: &[(&'static str, Mapping)],
    state: &StateOptions,
    occasion: Occasion,
    findings: &mut Vec<Finding>,
) -> Result<()> {
    let tables: Vec<u32> = mappings.iter().map(|(_, mapping)| mapping.table.oid).collect();
    for view in materialized::depending_on(connection, catalog, &tables).await? {
        let name = &view.display_name;
        let (severity, text) = match state.materialized_views {
            MaterializedViews::Refreshed if occasion == Occasion::Backup => continue,
            MaterializedViews::Refreshed if !view.may_refresh => (
                Severity::Error,
                format!("materialized view `{name}` cannot be refreshed by this role; restore as its owner"),
            ),
            MaterializedViews::Refreshed => {
                (Severity::Note, format!("materialized view `{name}` will be refreshed"))
            }
            MaterializedViews::Stale if state.ignored_views.contains_key(name) => continue,
            MaterializedViews::Stale => (
                Severity::Warning,
                format!(
                    "materialized view `{name}` depends on what is restored and keeps its rows; REFRESH MATERIALIZED VIEW \
                     afterwards, or set `.refresh_materialized_views()`"
                ),
            ),
        };
        let mut finding = Finding::new(severity, "", text);
        finding.entity = None;
        findings.push(finding);
    }
    Ok(())
}

/// Adds findings about triggers, rules and policies that would change other rows than those of the records,
/// or that make a restore fail.
async fn look_at_interference(
    connection: &Connection,
    request: &RestoreTarget,
    mapping: &Mapping,
    options: &SessionOptions,
    preview: &mut SuspensionPreview,
    findings: &mut Vec<Finding>,
) -> Result<()> {
    let (table, entity) = (&mapping.table, request.entity.name());
    let what = format!("reading about table `{}`", table.display_name);
    let policies = format!("SELECT pg_catalog.row_security_active({}::oid)::int::int8", table.oid);
    if connection.number(&what, &policies).await? == 1 {
        let text = format!(
            "row-level security of table `{}` applies to the role, so rows could be hidden or refused; restore as a role with \
             BYPASSRLS, or as the owner of a table without FORCE ROW LEVEL SECURITY",
            table.display_name
        );
        findings.push(Finding::new(Severity::Error, entity, text));
        return Ok(());
    }
    let rules = rules_of(connection, table, &what).await?;
    if let Some(refusal) = refusing_rules(table, &rules) {
        findings.push(Finding::new(Severity::Error, entity, refusal));
    } else if !rules.is_empty() && table.is_owned {
        let text = format!(
            "rewrite rules {} of table `{}` are disabled during the restore; what they did is restored only if it is in the \
             archive",
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
    let is_empty = is_empty_now(connection, &target, &what).await?;
    let extent = Extent::of(options, request, is_empty);
    let mut refusals = refusing_references(connection, &target, extent).await?;
    refusals.extend(target.refusing_identity(extent));
    findings.extend(insert_only::assess(connection, entity, table, extent).await?);
    if options.intent == SessionIntent::Apply {
        findings.extend(preview.add(connection, &target, extent).await?);
    }
    let may =
        "SELECT pg_catalog.has_database_privilege(pg_catalog.current_database(), 'TEMPORARY')::int::int8";
    if connection.number(&what, may).await? == 0 {
        target.find_recomputed(connection).await?;
        let route = Route::of(&target, options, is_empty, Interference::of(connection).await?);
        // A temporary table holds the keys of removed rows. A table that is empty now may have rows when the
        // restore begins.
        let is_certain = extent.deletes || route == Route::Staged;
        let severity = if is_certain { Severity::Error } else { Severity::Warning };
        let text = "the role may not create temporary tables in this database, which a restore compares records in; GRANT \
                    TEMPORARY ON DATABASE to it";
        findings.push(Finding::new(severity, entity, text));
    }
    findings.extend(refusals.into_iter().map(|refusal| Finding::new(Severity::Error, entity, refusal)));
    Ok(())
}

/// Adds findings about tables that restored tables refer to and that are not restored.
async fn look_at_references(
    connection: &Connection,
    catalog: &Catalog,
    mappings: &[(&'static str, Mapping)],
    findings: &mut Vec<Finding>,
) -> Result<()> {
    for reference in references(connection).await? {
        let child = mappings.iter().find(|(_, mapping)| mapping.table.oid == reference.child);
        let parent = mappings.iter().any(|(_, mapping)| mapping.table.oid == reference.parent);
        let Some((name, mapping)) = child else { continue };
        let table = &mapping.table.display_name;
        let to = catalog.tables.iter().find(|table| table.oid == reference.parent);
        let to = to.map_or("another table", |table| table.display_name.as_str());
        if !parent {
            findings.push(Finding::new(
                Severity::Note,
                *name,
                format!(
                    "table `{table}` refers to `{to}`, which is not restored; rows it refers to must be there"
                ),
            ));
        } else if !mapping.table.is_owned {
            findings.push(Finding::new(
                Severity::Warning,
                *name,
                format!(
                    "the role does not own table `{table}`, so its foreign key to `{to}` is checked record by record unless it \
                     is DEFERRABLE; restore as the owner"
                ),
            ));
        }
    }
    Ok(())
}

//! Determines whether a restore would succeed, without writing.

use koan_backup_core::{
    ErrorKind, Result,
    provider::{Finding, RestoreTarget, SessionIntent, SessionOptions, Severity},
};
use serde::Deserialize as _;

use super::catalog::{Column, indexes, references, triggers};
use super::connection::Access;
use super::ddl;
use super::derived;
use super::error::failed;
use super::form::FormReplay;
use super::index_check::{index_faults, table_rows};
use super::key_equality::unknown_collations;
use super::mapping::{self, Mapping};
use super::new_rows;
use super::observed_encoding::key_forms;
use super::session::droppable_indexes;
use super::snapshot::{PhysicalForm, Reader};
use super::unwritable;
use koan_backup_sql::findings::{self, TargetTable, UnmappedColumnKind};
use koan_backup_sql::identifier::quoted;

/// Returns the findings about all targets, without writing.
pub(super) fn assess(
    reader: &Reader,
    targets: &[RestoreTarget],
    options: &SessionOptions,
    access: Access,
) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    let mut mappings = Vec::new();
    for target in targets {
        let name = target.entity.name();
        match mapping::find(&reader.catalog, &target.entity, &target.set) {
            Ok(mapping) => {
                assess_columns(target, &mapping, options, &mut findings);
                if !options.replace_existing {
                    assess_key_forms(reader, target, &mapping, &mut findings)
                        .map_err(|error| failed(&reader.path, "reading the keys", error))?;
                }
                assess_new_rows(reader, name, &mapping, options, &mut findings)
                    .map_err(|error| failed(&reader.path, "reading the constraints", error))?;
                mappings.push((name, mapping));
            }
            Err(error) => {
                findings.push(findings::of_table(target, &error, options));
                if error.kind() == ErrorKind::NotFound && options.create_missing {
                    findings.extend(
                        ddl::problem(&target.entity)
                            .map(|problem| Finding::new(Severity::Error, name, problem)),
                    );
                }
            }
        }
    }
    let tables: Vec<_> = mappings
        .iter()
        .map(|(entity, mapping)| TargetTable { entity, id: &mapping.table.name, table: &mapping.table.name })
        .collect();
    findings.extend(findings::of_shared_tables(&tables));
    let to_error = |error| failed(&reader.path, "reading the tables", error);
    assess_schema(reader, &mappings, &mut findings).map_err(to_error)?;
    assess_damage(reader, &mappings, options, &mut findings).map_err(to_error)?;
    assess_indexes(reader, targets, options, &mut findings).map_err(to_error)?;
    findings.extend(
        derived::assess(&reader.connection, &reader.catalog, &reader.recomputed, &mappings)
            .map_err(to_error)?,
    );
    let read_only = access == Access::ReadOnly || reader.connection.is_readonly("main").unwrap_or(false);
    if let (true, SessionIntent::Apply, Some(target)) = (read_only, options.intent, targets.first()) {
        findings.push(Finding::new(
            Severity::Error,
            target.entity.name(),
            format!(
                "the database `{}` is read-only, so no record can be written; check the permissions of the \
                 file, and open the database without `read_only`",
                reader.path.display()
            ),
        ));
    }
    Ok(findings)
}

/// Adds the findings about the columns of one target.
fn assess_columns(
    target: &RestoreTarget,
    mapping: &Mapping,
    options: &SessionOptions,
    findings: &mut Vec<Finding>,
) {
    let requirement = |column: &Column| {
        let is_rowid = mapping.table.rowid_alias().is_some_and(|alias| alias.name == column.name);
        match column.not_null && !column.has_default && !is_rowid {
            true => UnmappedColumnKind::Required,
            false => UnmappedColumnKind::Optional,
        }
    };
    let physical =
        target.physical.as_ref().and_then(|json| PhysicalForm::deserialize(json).ok()).unwrap_or_default();
    let without_column = &physical.fields_without_column;
    findings.extend(findings::of_mapping(&target.entity, mapping, requirement, without_column, options));
}

/// Adds the findings about a table that refuses all rows, whatever the records contain: because of unknown
/// functions, or because of the values that new rows get in columns without a field.
fn assess_new_rows(
    reader: &Reader,
    entity: &str,
    mapping: &Mapping,
    options: &SessionOptions,
    findings: &mut Vec<Finding>,
) -> rusqlite::Result<()> {
    if let Some(refusal) = unwritable::refusal(&reader.connection, &reader.collations, mapping)? {
        findings.push(Finding::new(Severity::Error, entity, refusal));
        return Ok(());
    }
    let refusals = new_rows::refusals(&reader.connection, &reader.collations, mapping)?;
    if refusals.is_empty() {
        return Ok(());
    }
    // Existing rows need no default. Only a dry run finds out whether the row of every record exists.
    let has_rows = format!("SELECT EXISTS (SELECT 1 FROM main.{} NOT INDEXED)", quoted(&mapping.table.name));
    let inserts_rows = options.replace_existing
        || !reader.connection.query_row(&has_rows, [], |row| row.get::<_, bool>(0))?;
    let severity = if inserts_rows { Severity::Error } else { Severity::Warning };
    findings.extend(refusals.into_iter().map(|refusal| Finding::new(severity, entity, refusal)));
    Ok(())
}

/// Adds the findings about the forms in which the key is stored. A record would not find its existing row if
/// the key of the row has another form, and would be inserted as a second row.
fn assess_key_forms(
    reader: &Reader,
    target: &RestoreTarget,
    mapping: &Mapping,
    findings: &mut Vec<Finding>,
) -> rusqlite::Result<()> {
    let entity = &target.entity;
    let recorded = target.physical.as_ref().and_then(|json| PhysicalForm::deserialize(json).ok());
    let forms = key_forms(&reader.connection, mapping)?;
    for (&index, forms) in mapping.key.iter().zip(&forms) {
        let Some(forms) = forms else { continue };
        let mapped = &mapping.columns[index];
        let default = mapped.column_type.default;
        let archived = recorded.as_ref().map(|physical| match physical.columns.get(&mapped.column.name) {
            // An unknown form is reported when the target is begun.
            Some(json) => FormReplay::recorded(json).unwrap_or_else(|_| FormReplay::constant(default)),
            None => FormReplay::constant(default),
        });
        let archived = archived.as_ref().map_or(&[][..], FormReplay::forms);
        let different = archived.iter().find(|form| !forms.matches(**form));
        let why = if forms.is_mixed() {
            "stores its values in several forms".to_owned()
        } else if let Some(form) = different {
            let existing = forms.forms().map(|form| form.to_string()).collect::<Vec<_>>();
            format!("stores values in the form {}, but the archive in the form {form}", existing.join(", "))
        } else {
            continue;
        };
        findings.push(Finding::new(
            Severity::Error,
            entity.name(),
            format!(
                "key column `{}` of table `{}` {why}: a record might not find its row and would be inserted \
                 as a second row; convert the column to the form of the archive, or restore with \
                 `replace_existing`",
                mapped.column.name, mapping.table.name
            ),
        ));
    }
    Ok(())
}

/// Adds the findings about damaged indexes and unknown collations. With a damaged index, a record might not
/// find its row; without the collation, no record can be written.
fn assess_damage(
    reader: &Reader,
    mappings: &[(&'static str, Mapping)],
    options: &SessionOptions,
    findings: &mut Vec<Finding>,
) -> rusqlite::Result<()> {
    for (name, mapping) in mappings {
        let table = &mapping.table.name;
        let mut add = |message: String| findings.push(Finding::new(Severity::Error, *name, message));
        let columns = mapping.table.columns.iter().map(|column| column.name.as_str());
        for collation in unknown_collations(&reader.connection, &reader.collations, table, columns)? {
            add(format!(
                "table `{table}` uses the collation `{collation}`, which is not defined on this connection, so \
                 no record can be written; define it with \
                 `Sqlite::options(…).collation(\"{collation}\", …)`"
            ));
        }
        if !options.replace_existing {
            let rows = table_rows(&reader.connection, table)?;
            let faults = index_faults(&reader.connection, &reader.collations, table, rows)?;
            faults.iter().for_each(|fault| add(fault.message(table)));
        }
    }
    Ok(())
}

/// Adds the findings about the indexes that the restore would drop and rebuild.
fn assess_indexes(
    reader: &Reader,
    targets: &[RestoreTarget],
    options: &SessionOptions,
    findings: &mut Vec<Finding>,
) -> rusqlite::Result<()> {
    if options.intent == SessionIntent::Compare {
        return Ok(());
    }
    for target in targets {
        // A target without a table has already been reported.
        let Ok(mapping) = mapping::find(&reader.catalog, &target.entity, &target.set) else { continue };
        let (connection, table) = (&reader.connection, &mapping.table.name);
        let key: Vec<&str> =
            mapping.key.iter().map(|&index| mapping.columns[index].column.name.as_str()).collect();
        let rows = table_rows(connection, table)?;
        let indexes = droppable_indexes(connection, target, table, &key, options, rows)?;
        let names = indexes.iter().map(|index| index.name.as_str());
        findings.extend(findings::of_suspended_indexes(target.entity.name(), table, names));
    }
    Ok(())
}

/// Adds the findings about triggers, keys and foreign keys.
fn assess_schema(
    reader: &Reader,
    mappings: &[(&'static str, Mapping)],
    findings: &mut Vec<Finding>,
) -> rusqlite::Result<()> {
    let pairs = references(&reader.connection)?;
    let mut disabled = Vec::new();
    for (name, mapping) in mappings {
        let table = &mapping.table.name;
        let mut add = |message: String| findings.push(Finding::new(Severity::Note, *name, message));
        let triggers = triggers(&reader.connection, table)?;
        if !triggers.is_empty() {
            disabled.push((*name, table.as_str(), triggers));
        }
        let parents = pairs.iter().filter(|(child, _)| child == table).map(|(_, parent)| parent);
        for parent in parents.filter(|parent| !mappings.iter().any(|(_, other)| other.table.name == **parent))
        {
            add(format!(
                "table `{table}` refers to table `{parent}`, which is not restored; the referenced rows must \
                 exist in the database"
            ));
        }
        if !has_unique_key(reader, mapping)? {
            add(format!(
                "table `{table}` has no unique index over the key of the entity, so a restore searches the row \
                 of each record separately, which is slower; add a unique index to avoid this"
            ));
        }
    }
    findings.extend(findings::of_triggers(&disabled));
    Ok(())
}

/// Returns whether the key of the entity is the primary key of the table or has a unique index.
fn has_unique_key(reader: &Reader, mapping: &Mapping) -> rusqlite::Result<bool> {
    let mut key: Vec<&str> =
        mapping.key.iter().map(|&index| mapping.columns[index].column.name.as_str()).collect();
    key.sort_unstable();
    let mut primary: Vec<&str> =
        mapping.table.primary_key().iter().map(|column| column.name.as_str()).collect();
    primary.sort_unstable();
    if primary == key {
        return Ok(true);
    }
    let indexes = indexes(&reader.connection, &mapping.table.name)?;
    Ok(indexes.iter().any(|index| index.makes_unique(key.iter().copied())))
}

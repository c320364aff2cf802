//! The findings of viability that are the same for every SQL database.

use koan_backup_core::{
    Error, ErrorKind,
    entity::EntityCodec,
    provider::{Finding, RestoreTarget, SessionOptions, Severity},
    schema::FieldSchema,
};

use super::identifier::listed;
use super::mapping::{Mapping, SqlColumn, SqlTable};
use super::tables::shared;

/// What a column without a field requires of a new row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnmappedColumnKind {
    /// A row cannot be inserted without a value for the column.
    Required,
    /// A row can be inserted without a value for the column.
    Optional,
    /// The application computes the values of the column again after a restore.
    Recomputed,
}

/// Returns the finding about a target whose table was not found, or is ambiguous.
pub fn of_table(target: &RestoreTarget, error: &Error, options: &SessionOptions) -> Finding {
    let name = target.entity.name();
    match error.kind() {
        ErrorKind::NotFound if options.create_missing => {
            let text =
                format!("the table for set `{}` does not exist; the restore will create it", target.set);
            Finding::new(Severity::Note, name, text)
        }
        ErrorKind::NotFound => {
            let text = format!("{error}; or let the restore create the table with `create_missing`");
            Finding::new(Severity::Error, name, text)
        }
        _ => Finding::new(Severity::Error, name, error.to_string()),
    }
}

/// Returns findings about the differences between the columns of a table and the fields of an entity.
///
/// `requirement` returns what a column without a field requires of a new row. `fields_without_column`
/// contains the fields that had no column during the backup either, so that the archive has no values of
/// these fields.
pub fn of_mapping<T: SqlTable>(
    entity: &EntityCodec,
    mapping: &Mapping<T>,
    requirement: impl Fn(&T::Column) -> UnmappedColumnKind,
    fields_without_column: &[String],
    options: &SessionOptions,
) -> Vec<Finding> {
    let table = mapping.table.display_name();
    let problem = mapping.problem(entity).map(|text| Finding::new(Severity::Error, entity.name(), text));
    let generated = mapping.key_columns().filter(|column| column.is_generated());
    let computed_keys = generated.map(|column| of_computed_key(entity, table, column.name()));
    let unmapped = mapping.unmapped_columns.iter();
    let columns = unmapped
        .filter_map(|column| of_unmapped_column(entity, table, column.name(), requirement(column), options));
    let fields = mapping.unmapped_fields.iter().map(|&index| &entity.schema().fields[index]);
    let archived = fields.filter(|field| !fields_without_column.contains(&field.name));
    let lost = archived.filter_map(|field| of_unmapped_field(entity, table, field));
    problem.into_iter().chain(computed_keys).chain(columns).chain(lost).collect()
}

fn of_unmapped_column(
    entity: &EntityCodec,
    table: &str,
    name: &str,
    requirement: UnmappedColumnKind,
    options: &SessionOptions,
) -> Option<Finding> {
    let column = format!("column `{name}` of table `{table}` has no field");
    let (severity, text) = match (requirement, options.replace_existing) {
        (UnmappedColumnKind::Recomputed, _) => return None,
        (UnmappedColumnKind::Required, _) => (
            Severity::Error,
            format!(
                "{column}, is NOT NULL and has no default, so no record can be inserted; add the field, \
                 or give the column a default"
            ),
        ),
        (UnmappedColumnKind::Optional, true) => (
            Severity::Warning,
            format!(
                "{column}: its values are lost, because the rows are replaced; the new rows get its \
                 default"
            ),
        ),
        (UnmappedColumnKind::Optional, false) => {
            (Severity::Note, format!("{column}: existing rows keep its values, and new rows get its default"))
        }
    };
    Some(Finding::new(severity, entity.name(), text))
}

/// Returns the finding about a key column that the database computes: no record can be written to its table.
fn of_computed_key(entity: &EntityCodec, table: &str, column: &str) -> Finding {
    let text = format!(
        "key column `{column}` of table `{table}` is computed by the database, so no record can be \
         inserted; declare another key for the entity"
    );
    Finding::new(Severity::Error, entity.name(), text)
}

/// Returns a finding about an optional field without a column. A required field without a column is a problem
/// of the mapping instead.
fn of_unmapped_field(entity: &EntityCodec, table: &str, field: &FieldSchema) -> Option<Finding> {
    let text = format!(
        "field `{}` has no column in table `{table}`, so its values cannot be restored; add the column",
        field.name
    );
    let is_optional = !field.required && !field.key;
    is_optional.then(|| Finding::new(Severity::Error, entity.name(), text))
}

/// Returns one finding about all triggers that do not fire. `disabled` contains the entity, the table and the
/// names of the triggers. One finding for each trigger would distract from the other findings.
pub fn of_triggers(disabled: &[(&'static str, &str, Vec<String>)]) -> Option<Finding> {
    let names = |triggers: &[String]| listed(triggers.iter().map(String::as_str));
    let consequence = "rows and values that they wrote are restored only if the archive contains them";
    match disabled {
        [] => None,
        [(entity, table, triggers)] => {
            let text = format!(
                "triggers {} of table `{table}` do not fire during the restore; {consequence}",
                names(triggers)
            );
            Some(Finding::new(Severity::Note, *entity, text))
        }
        several => {
            let tables: Vec<_> = several
                .iter()
                .map(|(_, table, triggers)| format!("`{table}` ({})", names(triggers)))
                .collect();
            let text = format!(
                "triggers of {} tables do not fire during the restore: {}; {consequence}",
                several.len(),
                tables.join(", ")
            );
            Some(Finding::general(Severity::Note, text))
        }
    }
}

/// Returns a note about the indexes of a table that a restore drops and rebuilds.
pub fn of_suspended_indexes<'a>(
    entity: &str,
    table: &str,
    indexes: impl IntoIterator<Item = &'a str>,
) -> Option<Finding> {
    let names = listed(indexes);
    let text = format!(
        "indexes {names} of table `{table}` are dropped, and rebuilt before the commit; `.keep_indexes()` \
         prevents this"
    );
    (!names.is_empty()).then(|| Finding::new(Severity::Note, entity, text))
}

/// The table of a target.
#[derive(Debug)]
pub struct TargetTable<'a, I> {
    /// The name of the entity.
    pub entity: &'static str,
    /// The identifier of the table in its database.
    pub id: I,
    /// The name of the table in messages.
    pub table: &'a str,
}

/// Returns a finding for each target whose table is the table of another target.
pub fn of_shared_tables<I: PartialEq>(targets: &[TargetTable<'_, I>]) -> Vec<Finding> {
    let finding = |(index, target): (usize, &TargetTable<'_, I>)| {
        let others = targets
            .iter()
            .enumerate()
            .filter(|(position, other)| *position != index && other.id == target.id);
        let others: Vec<&str> = others.map(|(_, other)| other.entity).collect();
        (!others.is_empty())
            .then(|| Finding::new(Severity::Error, target.entity, shared(target.table, others)))
    };
    targets.iter().enumerate().filter_map(finding).collect()
}

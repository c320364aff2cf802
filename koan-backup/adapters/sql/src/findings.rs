//! The findings of viability that are the same for every SQL database.

use koan_backup_core::{
    Error, ErrorKind,
    entity::EntityCodec,
    provider::{Finding, RestoreTarget, SessionOptions, Severity},
    schema::FieldSchema,
};

use super::identifier::listed;
use super::tables::shared;

/// A column without a field.
#[derive(Debug)]
pub struct UnmappedColumn<'a> {
    /// The name of the column.
    pub name: &'a str,
    /// Whether a row cannot be inserted without a value for the column.
    pub is_needed: bool,
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

/// Returns findings about the columns of a table without a field.
pub fn of_unmapped_columns<'a>(
    entity: &EntityCodec,
    table: &str,
    columns: impl Iterator<Item = UnmappedColumn<'a>>,
    options: &SessionOptions,
) -> Vec<Finding> {
    let finding = |UnmappedColumn { name, is_needed }: UnmappedColumn<'_>| {
        let column = format!("column `{name}` of table `{table}` has no field");
        let (severity, text) = match (is_needed, options.replace_existing) {
            (true, _) => (
                Severity::Error,
                format!(
                    "{column}, is NOT NULL and has no default, so no record can be inserted; add the field, \
                     or give the column a default"
                ),
            ),
            (false, true) => (
                Severity::Warning,
                format!(
                    "{column}: its values are lost, because the rows are replaced; the new rows get its \
                     default"
                ),
            ),
            (false, false) => (
                Severity::Note,
                format!("{column}: existing rows keep its values, and new rows get its default"),
            ),
        };
        Finding::new(severity, entity.name(), text)
    };
    columns.map(finding).collect()
}

/// Returns findings about key columns that the database computes. No record can be written to their table.
pub fn of_computed_keys<'a>(
    entity: &EntityCodec,
    table: &str,
    columns: impl Iterator<Item = &'a str>,
) -> Vec<Finding> {
    let finding = |column| {
        let text = format!(
            "key column `{column}` of table `{table}` is computed by the database, so no record can be \
             inserted; declare another key for the entity"
        );
        Finding::new(Severity::Error, entity.name(), text)
    };
    columns.map(finding).collect()
}

/// Returns findings about optional fields that have no column in the table, although the archive contains
/// their values.
pub fn of_unmapped_fields<'a>(
    entity: &EntityCodec,
    table: &str,
    fields: impl Iterator<Item = &'a FieldSchema>,
) -> Vec<Finding> {
    let lost = fields.filter(|field| !field.required && !field.key).map(|field| {
        let text = format!(
            "field `{}` has no column in table `{table}`, so its values cannot be restored; add the column",
            field.name
        );
        Finding::new(Severity::Error, entity.name(), text)
    });
    lost.collect()
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

//! What would go wrong in a restore into tables, as far as it is the same in every SQL database.

use koan_backup_core::{
    EntityCodec, Error, ErrorKind, FieldSchema, Finding, RestoreTarget, SessionOptions, Severity,
};

use super::identifier::listed;
use super::tables::shared;

/// A column that is in no field.
pub struct UnmappedColumn<'a> {
    pub name: &'a str,
    /// Whether a row cannot be inserted without a value for it.
    pub is_needed: bool,
}

/// A target whose table was not found, or not with certainty.
pub fn of_table(target: &RestoreTarget, error: &Error, options: &SessionOptions) -> Finding {
    let name = target.entity.name();
    match error.kind() {
        ErrorKind::NotFound if options.create_missing => {
            let text = format!("its table for set `{}` does not exist and will be made", target.set);
            Finding::new(Severity::Note, name, text)
        }
        ErrorKind::NotFound => {
            let text = format!("{error}; or let the restore make the table with `create_missing`");
            Finding::new(Severity::Error, name, text)
        }
        _ => Finding::new(Severity::Error, name, error.to_string()),
    }
}

/// Columns of a table that are in no field.
pub fn of_unmapped_columns<'a>(
    entity: &EntityCodec,
    table: &str,
    columns: impl Iterator<Item = UnmappedColumn<'a>>,
    options: &SessionOptions,
) -> Vec<Finding> {
    let of = |UnmappedColumn { name, is_needed }: UnmappedColumn<'_>| {
        let column = format!("column `{name}` of table `{table}` is in no field");
        let (severity, text) = match (is_needed, options.replace_existing) {
            (true, _) => (
                Severity::Error,
                format!(
                    "{column}, is NOT NULL and has no default, so no record can be inserted; add the field, or give the \
                     column a default"
                ),
            ),
            (false, true) => {
                (Severity::Warning, format!("{column}: what it holds is lost, and its default comes in"))
            }
            (false, false) => {
                (Severity::Note, format!("{column}: it keeps its value, new rows get its default"))
            }
        };
        Finding::new(severity, entity.name(), text)
    };
    columns.map(of).collect()
}

/// Key columns that the database computes: no record can be written.
pub fn of_computed_keys<'a>(
    entity: &EntityCodec,
    table: &str,
    columns: impl Iterator<Item = &'a str>,
) -> Vec<Finding> {
    let of = |column| {
        let text = format!(
            "key column `{column}` of table `{table}` is computed by the database, so no record can be inserted; declare another \
             key for the entity"
        );
        Finding::new(Severity::Error, entity.name(), text)
    };
    columns.map(of).collect()
}

/// Fields that have no column in a table, and had one where the archive was read.
pub fn of_unmapped_fields<'a>(
    entity: &EntityCodec,
    table: &str,
    fields: impl Iterator<Item = &'a FieldSchema>,
) -> Vec<Finding> {
    let lost = fields.filter(|field| !field.required && !field.key).map(|field| {
        let text = format!(
            "field `{}` has no column in table `{table}`, so what it holds cannot be restored; add the column",
            field.name
        );
        Finding::new(Severity::Error, entity.name(), text)
    });
    lost.collect()
}

/// Triggers that do not fire, by table: one finding for all of them, so that they hide no other.
pub fn of_triggers(silenced: &[(&'static str, &str, Vec<String>)]) -> Option<Finding> {
    let names = |triggers: &[String]| listed(triggers.iter().map(String::as_str));
    let rest = "what they did is restored only if it is in the archive";
    match silenced {
        [] => None,
        [(entity, table, triggers)] => {
            let text = format!("triggers {} of table `{table}` do not fire; {rest}", names(triggers));
            Some(Finding::new(Severity::Note, *entity, text))
        }
        several => {
            let tables: Vec<_> = several
                .iter()
                .map(|(_, table, triggers)| format!("`{table}` ({})", names(triggers)))
                .collect();
            let text =
                format!("triggers of {} tables do not fire: {}; {rest}", several.len(), tables.join(", "));
            Some(Finding::general(Severity::Note, text))
        }
    }
}

/// The table that a target is in.
pub struct Taken<'a, I> {
    pub entity: &'static str,
    /// What tells it from all others.
    pub id: I,
    pub table: &'a str,
}

/// Targets that are in one table.
pub fn of_sharing<I: PartialEq>(taken: &[Taken<'_, I>]) -> Vec<Finding> {
    let of = |(index, one): (usize, &Taken<'_, I>)| {
        let others = taken.iter().enumerate().filter(|(other, taken)| *other != index && taken.id == one.id);
        let others: Vec<&str> = others.map(|(_, other)| other.entity).collect();
        (!others.is_empty()).then(|| Finding::new(Severity::Error, one.entity, shared(one.table, others)))
    };
    taken.iter().enumerate().filter_map(of).collect()
}

//! Determines the forms in which a table already stores its values.
//!
//! Records that were not backed up from SQLite are written in these forms. A record then finds the row with
//! its key, and the application reads values in the form that it expects.

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Result};

use super::catalog::Affinity;
use super::column_type::ColumnType;
use super::form::{Form, INTEGER, NATIVE, REAL, Shape};
use super::mapping::Mapping;
use koan_backup_sql::field_kind::FieldKind;
use koan_backup_sql::identifier::{quoted, quoted_list};

/// The number of rows that are sampled to find the forms of a table.
const MAX_SAMPLED_ROWS: usize = 64;

/// Returns the forms of each mapped column in a sample of the rows, the most frequent one first.
pub(super) fn observed_forms(connection: &Connection, mapping: &Mapping) -> Result<Vec<Vec<Form>>> {
    let mut form_counts: Vec<Vec<(Form, usize)>> = vec![Vec::new(); mapping.columns.len()];
    let columns = quoted_list(mapping.columns.iter().map(|mapped| mapped.column.name.as_str()));
    let query =
        format!("SELECT {columns} FROM main.{} LIMIT {MAX_SAMPLED_ROWS}", quoted(&mapping.table.name));
    let mut statement = connection.prepare(&query)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        for (index, mapped) in mapping.columns.iter().enumerate() {
            let stored = row.get_ref(index)?;
            if stored == ValueRef::Null {
                continue;
            }
            if let Ok((_, Some(form))) = mapped.column_type.read(stored) {
                count_form(&mut form_counts[index], form);
            }
        }
    }
    Ok(mapping
        .columns
        .iter()
        .zip(form_counts)
        .map(|(mapped, mut forms)| {
            let default = mapped.column_type.default;
            forms.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
            forms.into_iter().map(|(form, _)| form.single(default)).collect()
        })
        .collect())
}

/// Counts the form of one value. Forms with a common variant are counted together.
fn count_form(form_counts: &mut Vec<(Form, usize)>, form: Form) {
    for (known, count) in form_counts.iter_mut() {
        if let Some(common) = known.common(form) {
            *known = common;
            *count += 1;
            return;
        }
    }
    form_counts.push((form, 1));
}

/// The forms of all values of one key column.
#[derive(Debug)]
pub(super) struct KeyForms {
    column_type: ColumnType,
    groups: Vec<Group>,
    /// Whether the column has values that cannot be written in any form, such as a UUID that mixes upper and
    /// lower case.
    pub(super) has_irregular_values: bool,
}

/// A group of values that have a form in common.
#[derive(Debug)]
struct Group {
    form: Form,
    /// Whether SQLite compares all values of the group as numbers, whatever their storage class.
    numeric: bool,
}

impl KeyForms {
    /// Returns whether no single form can represent all values. The form of an existing key is then unknown.
    pub(super) fn is_mixed(&self) -> bool {
        self.has_irregular_values || (self.groups.len() > 1 && !self.are_numbers())
    }

    /// Returns whether a key that is written in `form` can compare equal to an existing key.
    pub(super) fn matches(&self, form: Form) -> bool {
        self.groups.is_empty()
            || self.groups.iter().any(|group| group.form.common(form).is_some())
            || (self.are_numbers() && is_number(&self.column_type, form))
    }

    /// Returns one form of each group.
    pub(super) fn forms(&self) -> impl Iterator<Item = Form> {
        self.groups.iter().map(|group| group.form.single(self.column_type.default))
    }

    fn are_numbers(&self) -> bool {
        self.groups.iter().all(|group| group.numeric)
    }

    fn record(&mut self, stored: ValueRef<'_>) {
        // A value that cannot be read is not the key of any record.
        let Ok((_, form)) = self.column_type.read(stored) else { return };
        let is_stored_number = matches!(stored, ValueRef::Integer(_) | ValueRef::Real(_));
        let Some(form) = form else {
            self.has_irregular_values |= !is_stored_number;
            return;
        };
        let numeric = is_stored_number && is_number(&self.column_type, form);
        for group in &mut self.groups {
            if let Some(common) = group.form.common(form) {
                group.form = common;
                group.numeric &= numeric;
                return;
            }
        }
        self.groups.push(Group { form, numeric });
    }
}

/// Returns whether SQLite compares a value of this form as a number. SQLite compares INTEGER and REAL values
/// by their numeric value.
fn is_number(column_type: &ColumnType, form: Form) -> bool {
    let native = match column_type.kind {
        FieldKind::Integer | FieldKind::Float64 | FieldKind::Bool => column_type.affinity != Affinity::Text,
        _ => column_type.affinity.is_numeric(),
    };
    match form.shape {
        Shape::StorageClass => form.has(INTEGER | REAL) || (native && form.has(NATIVE)),
        Shape::Unix(unit) => unit == column_type.unit,
        _ => false,
    }
}

/// Returns the forms of each key column over all rows; `None` for a column whose values can have only one
/// form.
pub(super) fn key_forms(connection: &Connection, mapping: &Mapping) -> Result<Vec<Option<KeyForms>>> {
    let mut forms: Vec<Option<KeyForms>> = mapping
        .key
        .iter()
        .map(|&index| {
            let column_type = mapping.columns[index].column_type;
            can_have_several_forms(&column_type).then(|| KeyForms {
                column_type,
                groups: Vec::new(),
                has_irregular_values: false,
            })
        })
        .collect();
    if forms.iter().all(Option::is_none) {
        return Ok(forms);
    }
    let columns = quoted_list(mapping.key.iter().map(|&index| mapping.columns[index].column.name.as_str()));
    let query = format!("SELECT {columns} FROM main.{}", quoted(&mapping.table.name));
    let mut statement = connection.prepare(&query)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        for (index, forms) in forms.iter_mut().enumerate() {
            match (forms, row.get_ref(index)?) {
                (None, _) | (_, ValueRef::Null) => {}
                (Some(forms), stored) => forms.record(stored),
            }
        }
    }
    Ok(forms)
}

/// Returns whether a value can be stored in several forms that SQLite does not compare as equal.
fn can_have_several_forms(column_type: &ColumnType) -> bool {
    match column_type.kind {
        // The type of the value alone determines its form.
        FieldKind::AsSerialized | FieldKind::Extra => false,
        FieldKind::Integer => !matches!(column_type.affinity, Affinity::Integer | Affinity::Numeric),
        _ => true,
    }
}

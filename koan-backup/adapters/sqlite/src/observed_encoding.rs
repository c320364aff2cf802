//! The forms a table already uses, seen from its first rows.
//!
//! Records from elsewhere are written in these forms, so that a key that is there already is found, and so that the
//! application reads what it is used to.

use koan_backup_core::entity::EntityCodec;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Result};

use super::catalog::Affinity;
use super::column_type::{ColumnType, Kind};
use super::form::{Form, INTEGER, NATIVE, REAL, Shape};
use super::mapping::Mapping;
use koan_backup_sql::identifier::{quoted, quoted_list};

/// How many rows tell the habits of a table.
const ROWS: usize = 64;

/// The forms of each place of the mapping, the most frequent one first.
pub(super) fn habits(
    connection: &Connection,
    entity: &EntityCodec,
    mapping: &Mapping,
) -> Result<Vec<Vec<Form>>> {
    let mut seen: Vec<Vec<(Form, usize)>> = vec![Vec::new(); mapping.places.len()];
    let columns = quoted_list(mapping.places.iter().map(|place| place.column.name.as_str()));
    let query = format!("SELECT {columns} FROM main.{} LIMIT {ROWS}", quoted(&mapping.table.name));
    let mut statement = connection.prepare(&query)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        for (index, place) in mapping.places.iter().enumerate() {
            let stored = row.get_ref(index)?;
            if stored == ValueRef::Null {
                continue;
            }
            if let Ok((_, Some(form))) = place.column_type(entity).read(stored) {
                count(&mut seen[index], form);
            }
        }
    }
    Ok(mapping
        .places
        .iter()
        .zip(seen)
        .map(|(place, mut forms)| {
            let default = place.column_type(entity).default;
            forms.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
            forms.into_iter().map(|(form, _)| form.single(default)).collect()
        })
        .collect())
}

fn count(seen: &mut Vec<(Form, usize)>, form: Form) {
    for (known, count) in seen.iter_mut() {
        if let Some(common) = known.common(form) {
            *known = common;
            *count += 1;
            return;
        }
    }
    seen.push((form, 1));
}

/// The forms of all values of one key column.
#[derive(Debug)]
pub(super) struct KeyForms {
    column_type: ColumnType,
    groups: Vec<Group>,
    /// Whether there are values that no form writes, such as a UUID of both upper and lower case.
    pub(super) has_loose: bool,
}

/// Values that have a form in common.
#[derive(Debug)]
struct Group {
    form: Form,
    /// Whether SQLite compares all of them as numbers, whatever their storage class.
    numeric: bool,
}

impl KeyForms {
    /// Whether no single form writes every value as it is, so that a key may be there in another form than expected.
    pub(super) fn is_mixed(&self) -> bool {
        self.has_loose || (self.groups.len() > 1 && !self.are_numbers())
    }

    /// Whether a key in that form is found where it is.
    pub(super) fn matches(&self, form: Form) -> bool {
        self.groups.is_empty()
            || self.groups.iter().any(|group| group.form.common(form).is_some())
            || (self.are_numbers() && is_number(&self.column_type, form))
    }

    /// One form of each group.
    pub(super) fn forms(&self) -> impl Iterator<Item = Form> {
        self.groups.iter().map(|group| group.form.single(self.column_type.default))
    }

    fn are_numbers(&self) -> bool {
        self.groups.iter().all(|group| group.numeric)
    }

    fn note(&mut self, stored: ValueRef<'_>) {
        // What cannot be read is no key that a record could have.
        let Ok((_, form)) = self.column_type.read(stored) else { return };
        let is_stored_number = matches!(stored, ValueRef::Integer(_) | ValueRef::Real(_));
        let Some(form) = form else {
            self.has_loose |= !is_stored_number;
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

/// Whether what is written in the form is a number to SQLite, which compares INTEGER and REAL by their value.
fn is_number(column_type: &ColumnType, form: Form) -> bool {
    let native = match column_type.kind {
        Kind::Integer | Kind::Float64 | Kind::Bool => column_type.affinity != Affinity::Text,
        _ => column_type.affinity.is_numeric(),
    };
    match form.shape {
        Shape::Plain => form.has(INTEGER | REAL) || (native && form.has(NATIVE)),
        Shape::Unix(unit) => unit == column_type.unit,
        _ => false,
    }
}

/// The forms of each part of the key, over all rows; `None` where a value has one form only.
pub(super) fn key_forms(
    connection: &Connection,
    entity: &EntityCodec,
    mapping: &Mapping,
) -> Result<Vec<Option<KeyForms>>> {
    let mut forms: Vec<Option<KeyForms>> = mapping
        .key
        .iter()
        .map(|&place| {
            let column_type = mapping.places[place].column_type(entity);
            has_forms(&column_type).then(|| KeyForms { column_type, groups: Vec::new(), has_loose: false })
        })
        .collect();
    if forms.iter().all(Option::is_none) {
        return Ok(forms);
    }
    let columns = quoted_list(mapping.key.iter().map(|&place| mapping.places[place].column.name.as_str()));
    let query = format!("SELECT {columns} FROM main.{}", quoted(&mapping.table.name));
    let mut statement = connection.prepare(&query)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        for (index, forms) in forms.iter_mut().enumerate() {
            match (forms, row.get_ref(index)?) {
                (None, _) | (_, ValueRef::Null) => {}
                (Some(forms), stored) => forms.note(stored),
            }
        }
    }
    Ok(forms)
}

/// Whether one value can be stored in several ways that SQLite tells apart.
fn has_forms(column_type: &ColumnType) -> bool {
    match column_type.kind {
        // The type of the value is the form.
        Kind::Own | Kind::Extra => false,
        Kind::Integer => !matches!(column_type.affinity, Affinity::Integer | Affinity::Numeric),
        _ => true,
    }
}

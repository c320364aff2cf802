//! The forms a table already uses, seen from its first rows.
//!
//! Records from elsewhere are written in these forms, so that a key that is there already is found, and so that the
//! application reads what it is used to.

use koan_backup_core::EntityCodec;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Result};

use super::form::Form;
use super::identifier::{quoted, quoted_list};
use super::mapping::Mapping;

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

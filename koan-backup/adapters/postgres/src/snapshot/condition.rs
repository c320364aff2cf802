//! Finds the record of one key.

use koan_backup_core::{entity::EntityCodec, value::Value};

use super::super::mapping::{Content, Mapping};
use super::super::types::StoredType;
use koan_backup_sql::identifier::quoted;

/// The condition that finds a record by the values of its key fields, in their order.
pub(super) fn condition(entity: &EntityCodec, mapping: &Mapping, key: &[Value<'static>]) -> String {
    let fields: Vec<usize> = entity.schema().key_fields().map(|(index, _)| index).collect();
    let mut terms = Vec::new();
    for &index in &mapping.key {
        let place = &mapping.places[index];
        let Content::Field(field) = place.content else { continue };
        let value = fields.iter().position(|&other| other == field).and_then(|index| key.get(index));
        let column = quoted(&place.column.name);
        let text = match value.map(|value| place.column_type.text(value)) {
            Some(Ok(text)) => text,
            // What cannot be in the column is not found in it.
            Some(Err(_)) | None => return "false".to_owned(),
        };
        terms.push(match (text, &place.column.stored) {
            (None, _) => format!("{column} IS NULL"),
            (Some(text), StoredType::Enum) => format!("{column}::pg_catalog.text = {}", literal(&text)),
            (Some(text), _) => format!("{column} = {}::{}", literal(&text), place.column.declared),
        });
    }
    if terms.is_empty() { "false".to_owned() } else { terms.join(" AND ") }
}

/// A text as SQL takes it; `standard_conforming_strings` is on.
fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

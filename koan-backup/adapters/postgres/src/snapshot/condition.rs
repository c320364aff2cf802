//! The SQL condition that selects the record with a key.

use koan_backup_core::{entity::EntityCodec, value::Value};

use super::super::literal::literal;
use super::super::mapping::Mapping;
use super::super::types::StoredType;
use koan_backup_sql::content::Content;
use koan_backup_sql::identifier::quoted;

/// Returns the condition that selects a record by its key. `key` contains the values of the key fields, in
/// their order.
pub(super) fn condition(entity: &EntityCodec, mapping: &Mapping, key: &[Value<'static>]) -> String {
    let fields: Vec<usize> = entity.schema().key_fields().map(|(index, _)| index).collect();
    let mut terms = Vec::new();
    for &index in &mapping.key {
        let mapped = &mapping.columns[index];
        let Content::Field(field) = mapped.content else { continue };
        let value = fields.iter().position(|&other| other == field).and_then(|index| key.get(index));
        let column = quoted(&mapped.column.name);
        let text = match value.map(|value| mapped.column_type.text(value)) {
            Some(Ok(text)) => text,
            // No row contains a value that the column cannot store.
            Some(Err(_)) | None => return "false".to_owned(),
        };
        terms.push(match (text, &mapped.column.stored) {
            (None, _) => format!("{column} IS NULL"),
            (Some(text), StoredType::Enum) => format!("{column}::pg_catalog.text = {}", literal(&text)),
            (Some(text), _) => format!("{column} = {}::{}", literal(&text), mapped.column.declared),
        });
    }
    if terms.is_empty() { "false".to_owned() } else { terms.join(" AND ") }
}

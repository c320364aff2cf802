//! Manifests with the field names of the original designs beside those of the archive format.

use koan_backup_core::archive::Manifest;
use serde_json::{Map, Value, json};

use super::duration_text;

/// Returns a manifest as it is stored, and in addition `version` and `duration`, and for each entity `entityType`
/// and `errorMessage`.
pub(crate) fn manifest_document(manifest: &Manifest, profile: &str) -> Value {
    let mut document = match serde_json::to_value(manifest) {
        Ok(Value::Object(document)) => document,
        _ => Map::new(),
    };
    document.insert("version".to_owned(), json!(manifest.format_version.to_string()));
    document.insert("duration".to_owned(), json!(duration_text(manifest.duration_ms)));
    document.insert("storageProfile".to_owned(), json!(profile));
    if let Some(Value::Array(entities)) = document.get_mut("entities") {
        for (entity, stored) in entities.iter_mut().filter_map(Value::as_object_mut).zip(&manifest.entities) {
            entity.insert("entityType".to_owned(), json!(stored.entity));
            entity.insert("errorMessage".to_owned(), json!(stored.error));
        }
    }
    Value::Object(document)
}

//! Manifests with the field names of the original designs beside those of the archive format.

use koan_backup_core::archive::Manifest;
use serde_json::{Value, json};

use super::duration_text;
use crate::problem::{Problem, ProblemKind};

/// Returns a manifest as it is stored, and in addition `version` and `duration`, and for each entity `entityType`
/// and `errorMessage`.
///
/// # Errors
/// The manifest cannot be serialized.
pub(crate) fn manifest_document(manifest: &Manifest, profile: &str) -> Result<Value, Problem> {
    let Ok(Value::Object(mut document)) = serde_json::to_value(manifest) else {
        return Err(Problem::new(ProblemKind::Internal, "the manifest could not be serialized"));
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
    Ok(Value::Object(document))
}

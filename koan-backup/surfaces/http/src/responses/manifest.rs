//! Manifests with the field names of the original designs beside those of the archive format.

use koan_backup_core::archive::{Manifest, SchemaSnapshots};
use koan_backup_core::schema::EntitySchema;
use serde_json::{Map, Value, json};

use super::duration_text;
use crate::problem::{Problem, ProblemKind};
use crate::state::Shared;

/// Returns a manifest as it is stored, and in addition `version` and `duration`, and for each entity `entityType`,
/// `errorMessage` and `schemaSnapshot`. The schema snapshots are read from the archive.
///
/// # Errors
/// The manifest cannot be serialized.
pub(crate) async fn manifest_document(
    shared: &Shared,
    manifest: &Manifest,
    profile: &str,
) -> Result<Value, Problem> {
    let schemas = shared.schemas.read(&shared.koan, manifest, profile).await?;
    document(manifest, profile, schemas.as_deref())
}

fn document(manifest: &Manifest, profile: &str, schemas: Option<&SchemaSnapshots>) -> Result<Value, Problem> {
    let Ok(Value::Object(mut document)) = serde_json::to_value(manifest) else {
        return Err(Problem::new(ProblemKind::Internal, "the manifest could not be serialized"));
    };
    document.insert("version".to_owned(), json!(manifest.format_version.to_string()));
    document.insert("duration".to_owned(), json!(duration_text(manifest.duration_ms)));
    document.insert("storageProfile".to_owned(), json!(profile));
    if let Some(Value::Array(entities)) = document.get_mut("entities") {
        for (entity, stored) in entities.iter_mut().filter_map(Value::as_object_mut).zip(&manifest.entities) {
            let schema = schemas.and_then(|schemas| schemas.get(&stored.entity));
            entity.insert("entityType".to_owned(), json!(stored.entity));
            entity.insert("errorMessage".to_owned(), json!(stored.error));
            entity.insert("schemaSnapshot".to_owned(), schema.map_or(Value::Null, snapshot));
        }
    }
    Ok(Value::Object(document))
}

/// Returns the names of the fields, and the type of each as it is written in the source code.
fn snapshot(schema: &EntitySchema) -> Value {
    let names: Vec<_> = schema.fields.iter().map(|field| field.name.as_str()).collect();
    let types: Map<_, _> =
        schema.fields.iter().map(|field| (field.name.clone(), json!(field.rust_type))).collect();
    json!({ "properties": names, "types": types })
}

//! Compares the schema of an entity in the archive with its current type.

use super::plan::PlannedRestore;
use crate::archive::SchemaSnapshots;
use crate::foundation::digest;
use crate::foundation::error::ErrorKind;
use crate::foundation::schema::{EntitySchema, LogicalType};
use crate::provider::{Finding, Severity};

/// Whether the values of fields that the type does not have may be lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FieldLoss {
    Allowed,
    Refused,
}

/// Returns the differences between the schema in the archive and the type in this binary.
pub(super) fn findings(entry: &PlannedRestore, schemas: &SchemaSnapshots, loss: FieldLoss) -> Vec<Finding> {
    let (name, current) = (entry.codec.name(), entry.codec.schema());
    if entry.entity.schema_fingerprint == digest::of_schema(current) {
        return Vec::new();
    }
    let Some(archived) = schemas.get(&entry.entity.entity) else {
        let message = "its type has changed since the backup, and the archive contains no schema to compare; \
                       every record is still checked";
        return vec![Finding::new(Severity::Warning, name, message)];
    };
    let mut findings = lost_fields(name, archived, current, loss);
    let may_be_renamed = archived.fields.iter().any(|field| current.position(&field.name).is_none());
    for field in &current.fields {
        match archived.position(&field.name) {
            // A field of an enum may belong to a variant that no record has.
            None if field.required && !current.variants && entry.entity.item_count > 0 => {
                let severity = if may_be_renamed { Severity::Warning } else { Severity::Error };
                let message = format!(
                    "field `{}` is new and has no default, so records without it cannot be \
                     decoded; give it `#[serde(default)]`",
                    field.name
                );
                findings.push(Finding::new(severity, name, message));
            }
            None => {
                let message =
                    format!("field `{}` is new; records without it get its serde default", field.name);
                findings.push(Finding::new(Severity::Note, name, message));
            }
            Some(index) if !same_type(&archived.fields[index].logical, &field.logical) => {
                let (old_type, new_type) = (&archived.fields[index].logical, &field.logical);
                let message =
                    format!("field `{}` has changed its type from {old_type:?} to {new_type:?}", field.name);
                findings.push(Finding::new(Severity::Warning, name, message));
            }
            Some(_) => {}
        }
    }
    findings
}

/// Returns whether two types are the same. The schema snapshot of an encrypted entity has no variants.
fn same_type(archived: &LogicalType, current: &LogicalType) -> bool {
    match (archived, current) {
        (LogicalType::Enum { variants }, LogicalType::Enum { .. }) if variants.is_empty() => true,
        (archived, current) => archived == current,
    }
}

fn lost_fields(name: &str, archived: &EntitySchema, current: &EntitySchema, loss: FieldLoss) -> Vec<Finding> {
    if current.open {
        return Vec::new();
    }
    let missing = archived.fields.iter().filter(|field| current.position(&field.name).is_none());
    missing
        .map(|field| {
            let (severity, remedy) = match loss {
                FieldLoss::Allowed => {
                    (Severity::Warning, "its values will be lost, as allowed by `.allow_field_loss()`")
                }
                FieldLoss::Refused => (
                    Severity::Error,
                    "its values would be lost; add the field; if the type reads it under another name, or \
                 the values are not needed, use `.allow_field_loss()`",
                ),
            };
            Finding::new(
                severity,
                name,
                format!("field `{}` of the archive is not in the type: {remedy}", field.name),
            )
        })
        .collect()
}

/// The kind of the error for findings that make a restore fail.
pub(super) const NOT_VIABLE_KIND: ErrorKind = ErrorKind::Incompatible;

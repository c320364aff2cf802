//! Compares the schema of an entity in the archive with its type now.

use super::plan::PlannedRestore;
use crate::archive::SchemaSnapshots;
use crate::foundation::error::ErrorKind;
use crate::foundation::schema::{EntitySchema, LogicalType};
use crate::provider::{Finding, Severity};

/// Whether fields of the archive may be lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FieldLoss {
    Allowed,
    Refused,
}

/// Returns the differences between the schema in the archive and the type in this binary.
pub(super) fn findings(part: &PlannedRestore, schemas: &SchemaSnapshots, loss: FieldLoss) -> Vec<Finding> {
    let (name, now) = (part.codec.name(), part.codec.schema());
    if part.entity.schema_fingerprint == now.fingerprint() {
        return Vec::new();
    }
    let Some(then) = schemas.get(&part.entity.entity) else {
        let message =
            "its type has changed since the backup, which kept no schema; every record is still checked";
        return vec![Finding::new(Severity::Warning, name, message)];
    };
    let mut findings = lost_fields(name, then, now, loss);
    let may_be_renamed = then.fields.iter().any(|field| now.position(&field.name).is_none());
    for field in &now.fields {
        match then.position(&field.name) {
            // A field of an enum may belong to a variant that no record has.
            None if field.required && !now.variants && part.entity.item_count > 0 => {
                let severity = if may_be_renamed { Severity::Warning } else { Severity::Error };
                let message = format!(
                    "field `{}` is new and has no default, so that records without it do not decode; give it `#[serde(default)]`",
                    field.name
                );
                findings.push(Finding::new(severity, name, message));
            }
            None => {
                let message = format!("field `{}` is new: it takes its default, as serde has it", field.name);
                findings.push(Finding::new(Severity::Note, name, message));
            }
            Some(index) if !same_type(&then.fields[index].logical, &field.logical) => {
                let (was, is) = (&then.fields[index].logical, &field.logical);
                let message = format!("field `{}` was {was:?} and is {is:?}", field.name);
                findings.push(Finding::new(Severity::Warning, name, message));
            }
            Some(_) => {}
        }
    }
    findings
}

/// Returns whether two types are the same. The schema snapshot of an encrypted entity has no variants.
fn same_type(then: &LogicalType, now: &LogicalType) -> bool {
    match (then, now) {
        (LogicalType::Enum { variants }, LogicalType::Enum { .. }) if variants.is_empty() => true,
        (then, now) => then == now,
    }
}

fn lost_fields(name: &str, then: &EntitySchema, now: &EntitySchema, loss: FieldLoss) -> Vec<Finding> {
    if now.open {
        return Vec::new();
    }
    let gone = then.fields.iter().filter(|field| now.position(&field.name).is_none());
    gone.map(|field| {
        let (severity, remedy) = match loss {
            FieldLoss::Allowed => (Severity::Warning, "its values are lost, as allowed"),
            FieldLoss::Refused => (
                Severity::Error,
                "its values would be lost; add the field, or, if the type reads it under another name or it may go, say so with \
                 `.allow_field_loss()`",
            ),
        };
        Finding::new(severity, name, format!("field `{}` of the archive is not in the type: {remedy}", field.name))
    })
    .collect()
}

/// The kind of the error for findings that make a restore fail.
pub(super) const KIND: ErrorKind = ErrorKind::Incompatible;

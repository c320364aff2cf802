//! The declaration of an entity, which a derive or a registration generates.

mod fault;
mod field;
mod key;

use serde::{Deserialize, Serialize};

use self::field::{FieldKind, names_of};
use self::key::{push_traced, traced_field};
use super::policy::PolicyDeclaration;
use crate::foundation::schema::{
    EntitySchema, FieldSchema, LogicalType, Traced, Unordered, WireForm, trace_field, trace_names,
};

pub use self::field::{FieldDeclaration, OrderProbe, Presence, order_with, traced_with, wire_with};
pub use self::key::KeyDeclaration;

/// The declaration of an entity. All its fields are constant.
#[derive(Clone, Copy, Debug)]
pub struct EntityDeclaration {
    /// The name of the entity in archives, reports and manifests.
    pub name: &'static str,
    /// Older names of the entity, which archives may still contain.
    pub aliases: &'static [&'static str],
    /// The table, if it does not follow from the name of the entity.
    pub table: Option<&'static str>,
    /// The provider, if it is not the default provider.
    pub provider: Option<&'static str>,
    /// The name in URLs, if it is not the name of the entity.
    pub route: Option<&'static str>,
    /// The value of `module_path!()` at the type.
    pub module_path: &'static str,
    /// The identifier of the type.
    pub ident: &'static str,
    /// The value of `file!()` at the declaration.
    pub file: &'static str,
    /// The value of `line!()` at the declaration.
    pub line: u32,
    /// The type of the key, as it is written in the source.
    pub key_type: &'static str,
    /// The `#[entity_backup]` attribute, if there is one.
    pub policy: Option<PolicyDeclaration>,
    /// The source of the fields.
    pub shape: Shape,
}

/// The source of the fields of an entity.
#[derive(Clone, Copy, Debug)]
pub enum Shape {
    /// The declared fields of a struct.
    Struct(&'static [FieldDeclaration]),
    /// The declared fields of all variants of an enum that serde serializes as a map. A field may occur in
    /// several variants.
    Enum {
        /// The name of the field that identifies the variant, if serde writes one.
        tag: Option<&'static str>,
        /// The fields of each variant.
        variants: &'static [&'static [FieldDeclaration]],
    },
    /// No declared fields: the schema is traced from the `Deserialize` implementation of the type.
    Traced {
        /// Returns the names of the fields that the type requests from its deserializer.
        names: fn() -> Option<&'static [&'static str]>,
        /// Traces one field.
        field: fn(&'static str) -> Traced,
        /// The probe that searches the type for a list whose elements have no defined order.
        order: OrderProbe,
        /// The key fields.
        key: &'static [KeyDeclaration],
    },
}

impl Shape {
    /// Returns the traced shape of `T` with these key fields.
    pub const fn traced<T: Serialize + for<'de> Deserialize<'de>>(key: &'static [KeyDeclaration]) -> Self {
        Self::Traced { names: trace_names::<T>, field: trace_field::<T>, order: OrderProbe::of::<T>(), key }
    }
}

impl EntityDeclaration {
    /// Returns the lists whose elements have no defined order, each with the field that contains it.
    pub(super) fn unordered(&self) -> Vec<(String, Unordered)> {
        let of_fields = |fields: &[FieldDeclaration]| {
            let found = fields.iter().filter_map(|field| {
                let found = field.order.and_then(|probe| (probe.0)())?;
                let is_flattened = matches!(field.kind, FieldKind::Flattened { .. });
                Some((if is_flattened { String::new() } else { field.name.to_owned() }, found))
            });
            found.collect::<Vec<_>>()
        };
        match self.shape {
            Shape::Struct(fields) => of_fields(fields),
            Shape::Enum { variants, .. } => variants.iter().flat_map(|fields| of_fields(fields)).collect(),
            Shape::Traced { order, .. } => {
                (order.0)().map(|found| (String::new(), found)).into_iter().collect()
            }
        }
    }

    /// Builds the schema. Each call traces the type again.
    pub(super) fn schema(&self) -> EntitySchema {
        let mut schema = EntitySchema { fields: Vec::new(), open: false, variants: false };
        match self.shape {
            Shape::Struct(fields) => fields.iter().for_each(|field| field.push_schemas(&mut schema)),
            Shape::Enum { tag, variants } => {
                schema.variants = true;
                if let Some(tag) = tag {
                    let traced = Traced::of(LogicalType::Text);
                    schema.fields.push(FieldSchema { required: true, ..traced_field(tag, traced, false) });
                }
                variants.iter().for_each(|fields| merge_variant(&mut schema, fields));
                make_unshared_fields_optional(&mut schema, variants, tag);
            }
            Shape::Traced { names, field, key, .. } => push_traced(&mut schema, names(), field, key),
        }
        schema
    }
}

/// Adds the fields of a variant to the schema. A field whose type differs between variants becomes JSON.
fn merge_variant(schema: &mut EntitySchema, fields: &[FieldDeclaration]) {
    let mut variant = EntitySchema { fields: Vec::new(), open: false, variants: true };
    fields.iter().for_each(|field| field.push_schemas(&mut variant));
    schema.open |= variant.open;
    for field in variant.fields {
        match schema.fields.iter_mut().find(|known| known.name == field.name) {
            None => schema.fields.push(field),
            Some(known) => {
                known.key |= field.key;
                known.nullable |= field.nullable;
                known.required &= field.required;
                if known.logical != field.logical || known.wire != field.wire {
                    known.logical = LogicalType::Json;
                    known.wire = WireForm::Own;
                }
            }
        }
    }
}

/// Marks every field that does not occur in all variants as optional, because records of the other variants
/// lack it.
fn make_unshared_fields_optional(
    schema: &mut EntitySchema,
    variants: &[&[FieldDeclaration]],
    tag: Option<&str>,
) {
    let names: Vec<Vec<String>> = variants.iter().map(|fields| names_of(fields)).collect();
    for field in &mut schema.fields {
        let shared = names.iter().all(|names| names.contains(&field.name));
        if !shared && Some(field.name.as_str()) != tag {
            field.nullable = true;
            field.required = false;
        }
    }
}

//! Faults of a declaration that the macro cannot detect. They are found when the context is built.

use super::field::{FieldDeclaration, names_of};
use super::key::{DeclaredKey, KeyDeclaration};
use super::{EntityDeclaration, Shape};
use crate::foundation::schema::{EntitySchema, FieldSchema, LogicalType};

impl EntityDeclaration {
    /// Returns a fault of the declared key or of the names of the fields that the macro cannot detect, or
    /// `None` if there is none.
    pub(in crate::entity) fn fault(&self, schema: &EntitySchema) -> Option<String> {
        self.key_fault(schema).or_else(|| self.duplicate_field(schema)).or_else(|| {
            schema.key_fields().find_map(|(_, field)| {
                let declared = self.declared_key().into_iter().find(|key| key.name == field.name);
                Some(format!("the key field `{}` {}", field.name, key_type_fault(field, declared.as_ref())?))
            })
        })
    }

    /// Returns a message if serde writes a key field or a tag twice, because another field has the same name, for
    /// example in a flattened struct. Other duplicate names are not refused here, because the names of a flattened
    /// struct include the aliases that it only reads.
    fn duplicate_field(&self, schema: &EntitySchema) -> Option<String> {
        let (tag, records): (_, Vec<Vec<String>>) = match self.shape {
            Shape::Enum { tag, variants } => {
                let with_tag = |fields: &&[FieldDeclaration]| {
                    tag.map(str::to_owned).into_iter().chain(names_of(fields)).collect()
                };
                (tag, variants.iter().map(with_tag).collect())
            }
            Shape::Struct(fields) => {
                let tag = fields.iter().find(|field| field.tag).map(|field| field.name);
                (tag, vec![names_of(fields)])
            }
            Shape::Traced { .. } => (None, Vec::new()),
        };
        let is_checked = |name: &String| {
            tag == Some(name.as_str()) || schema.key_fields().any(|(_, field)| field.name == *name)
        };
        let mut duplicates = records.iter().flat_map(|names| {
            names.iter().enumerate().filter(|(index, name)| names[..*index].contains(name))
        });
        let (_, name) = duplicates.find(|(_, name)| is_checked(name))?;
        Some(format!(
            "serde writes two fields called `{name}`, of which a reader keeps one; rename one of them, also if it is a tag or \
             in a flattened struct"
        ))
    }

    /// Returns the declared key fields, in the order of their declaration.
    fn declared_key(&self) -> Vec<DeclaredKey> {
        let of_fields = |fields: &[FieldDeclaration]| {
            fields.iter().flat_map(FieldDeclaration::declared_keys).collect::<Vec<_>>()
        };
        match self.shape {
            Shape::Traced { key, .. } => key.iter().map(KeyDeclaration::declared).collect(),
            Shape::Struct(fields) => of_fields(fields),
            Shape::Enum { variants, .. } => {
                variants.first().map(|fields| of_fields(fields)).unwrap_or_default()
            }
        }
    }

    fn key_fault(&self, schema: &EntitySchema) -> Option<String> {
        let nested = self.declared_key().into_iter().find_map(|key| {
            let is_field = |name: &&&str| schema.fields.iter().any(|field| field.name == **name);
            key.through.iter().find(is_field).map(|outer| (key.name, *outer))
        });
        if let Some((key, outer)) = nested {
            return Some(format!(
                "the key field `{key}` is declared within `{outer}`, which serde does not flatten, so it is not a field of the \
                 record; add `#[serde(flatten)]` to `{outer}`, or choose another key"
            ));
        }
        let found: Vec<_> = schema.key_fields().map(|(_, field)| field.name.as_str()).collect();
        let declared: Vec<_> = self.declared_key().into_iter().map(|key| key.name).collect();
        if found.is_empty() && declared.is_empty() {
            return Some("the entity has no key field".to_owned());
        }
        (found != declared).then(|| {
            let fields: Vec<_> = schema.fields.iter().map(|field| format!("`{}`", field.name)).collect();
            format!(
                "the key is declared as {declared:?}, but the type is deserialized from the fields {}; declare the key fields \
                 with their serde names, in the order of these fields",
                fields.join(", ")
            )
        })
    }
}

/// Returns why values of a type cannot identify a record.
fn key_type_fault(field: &FieldSchema, declared: Option<&DeclaredKey>) -> Option<&'static str> {
    if declared.is_some_and(|key| key.is_unit) {
        return Some("is always `null`, so all records have the same key; choose another key");
    }
    if field.nullable && !declared.is_some_and(|key| key.is_adapted) {
        return Some("can be `null`, and a record without a key cannot be identified; choose another key");
    }
    match field.logical {
        LogicalType::Float { .. } => Some(
            "is a floating-point number, which databases round and compare in different ways; use an integer, a decimal or \
             text, or choose another key",
        ),
        LogicalType::Map => Some("is a map, which databases do not compare; choose another key"),
        _ => None,
    }
}

//! The declaration of a field.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::key::{DeclaredKey, KeyDeclaration, push_traced};
use crate::foundation::canonical::{CanonicalError, CanonicalSerializer};
use crate::foundation::schema::{
    EntitySchema, FieldSchema, LogicalType, TraceError, Traced, Tracer, Unordered, WireForm, trace,
    trace_field, trace_names, trace_with, unordered, wire_form, wire_form_with,
};

/// A probe that searches a type for a list whose elements have no defined order.
#[derive(Clone, Copy)]
pub struct OrderProbe(pub(super) fn() -> Option<Unordered>);

impl OrderProbe {
    /// Returns the probe for `T`.
    pub const fn of<T: Serialize + for<'de> Deserialize<'de>>() -> Self {
        Self(unordered::<T>)
    }
}

impl fmt::Debug for OrderProbe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OrderProbe")
    }
}

/// Whether a record can be deserialized without a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// The field is required, unless its type is an `Option`.
    Required,
    /// Serde supplies a default value.
    Defaulted,
}

/// The declaration of one field.
#[derive(Clone, Copy)]
pub struct FieldDeclaration {
    pub(super) name: &'static str,
    rust_type: &'static str,
    column: Option<&'static str>,
    key: bool,
    /// Whether the field is the tag, in which serde writes the name of a struct.
    pub(super) tag: bool,
    /// Whether serde reads or writes the field with custom functions.
    adapted: bool,
    /// The key fields within a flattened field.
    keys_within: &'static [KeyDeclaration],
    presence: Presence,
    pub(super) kind: FieldKind,
    pub(super) order: Option<OrderProbe>,
}

/// How serde reads and writes a field.
#[derive(Clone, Copy)]
pub(super) enum FieldKind {
    Plain { traced: fn() -> Traced, wire: fn(&LogicalType) -> WireForm },
    Flattened { names: fn() -> Option<&'static [&'static str]>, field: fn(&'static str) -> Traced },
}

impl FieldDeclaration {
    /// Declares a field of type `T` with the serde name `name`. `rust_type` is `T` as it is written in the
    /// source.
    pub const fn new<T>(name: &'static str, rust_type: &'static str) -> Self
    where
        T: Serialize + for<'de> Deserialize<'de> + 'static,
    {
        let kind = FieldKind::Plain { traced: trace::<'static, T>, wire: wire_form::<T> };
        Self { order: Some(OrderProbe::of::<T>()), ..Self::of(name, rust_type, kind) }
    }

    /// Declares a field that serde reads or writes with custom functions; see [`traced_with`] and
    /// [`wire_with`].
    pub const fn adapted(
        name: &'static str,
        rust_type: &'static str,
        traced: fn() -> Traced,
        wire: fn(&LogicalType) -> WireForm,
    ) -> Self {
        Self { adapted: true, ..Self::of(name, rust_type, FieldKind::Plain { traced, wire }) }
    }

    /// Declares a field of type `T` that serde flattens: the fields of `T` replace this field.
    pub const fn flattened<T>(name: &'static str, rust_type: &'static str) -> Self
    where
        T: Serialize + for<'de> Deserialize<'de>,
    {
        let kind =
            FieldKind::Flattened { names: trace_names::<'static, T>, field: trace_field::<'static, T> };
        Self { order: Some(OrderProbe::of::<T>()), ..Self::of(name, rust_type, kind) }
    }

    const fn of(name: &'static str, rust_type: &'static str, kind: FieldKind) -> Self {
        Self {
            name,
            rust_type,
            column: None,
            key: false,
            tag: false,
            adapted: false,
            keys_within: &[],
            presence: Presence::Required,
            kind,
            order: None,
        }
    }

    /// Sets the column of the field.
    #[must_use]
    pub const fn column(mut self, column: &'static str) -> Self {
        self.column = Some(column);
        self
    }

    /// Marks the field as a key field.
    #[must_use]
    pub const fn key(mut self) -> Self {
        self.key = true;
        self
    }

    /// Marks the field as the tag of a struct.
    #[must_use]
    pub const fn tag(mut self) -> Self {
        self.tag = true;
        self
    }

    /// Declares fields of the flattened type as parts of the key, in the order of that type.
    #[must_use]
    pub const fn keys_within(mut self, keys: &'static [KeyDeclaration]) -> Self {
        self.keys_within = keys;
        self
    }

    /// Sets the probe that searches the field for a list whose elements have no defined order; see
    /// [`order_with`].
    #[must_use]
    pub const fn order(mut self, probe: fn() -> Option<Unordered>) -> Self {
        self.order = Some(OrderProbe(probe));
        self
    }

    /// Declares that serde supplies a default value if a record lacks the field.
    #[must_use]
    pub const fn defaulted(mut self) -> Self {
        self.presence = Presence::Defaulted;
        self
    }

    /// Returns the key fields that this field is or contains.
    pub(super) fn declared_keys(&self) -> Vec<DeclaredKey> {
        let own = match self.kind {
            FieldKind::Plain { traced, .. } if self.key => Some(DeclaredKey {
                name: self.name,
                is_unit: traced().unit,
                is_adapted: self.adapted,
                through: &[],
            }),
            _ => None,
        };
        own.into_iter().chain(self.keys_within.iter().map(KeyDeclaration::declared)).collect()
    }

    /// Appends the schema of the field, or the schemas of the fields that a flattened field contains.
    pub(super) fn push_schemas(&self, schema: &mut EntitySchema) {
        match self.kind {
            FieldKind::Plain { traced, wire } => {
                let traced = traced();
                schema.fields.push(FieldSchema {
                    name: self.name.to_owned(),
                    column: self.column.map(str::to_owned),
                    rust_type: self.rust_type.to_owned(),
                    wire: wire(&traced.logical),
                    nullable: traced.nullable,
                    required: self.presence == Presence::Required && !traced.nullable,
                    logical: traced.logical,
                    key: self.key,
                });
            }
            FieldKind::Flattened { names, field } => {
                push_traced(schema, names(), field, self.keys_within);
            }
        }
    }
}

impl fmt::Debug for FieldDeclaration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FieldDeclaration")
            .field("name", &self.name)
            .field("rust_type", &self.rust_type)
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

/// Traces a field that serde reads with the function `deserialize`, for `#[serde(with = "…")]`.
pub fn traced_with<T: 'static>(deserialize: impl FnOnce(Tracer<'_>) -> Result<T, TraceError>) -> Traced {
    let traced = trace_with(|tracer| deserialize(tracer).map(drop));
    match crate::foundation::schema::known_type::<T>() {
        Some(logical) => Traced { logical, ..traced },
        None => traced,
    }
}

pub use crate::foundation::schema::unordered_with as order_with;

/// Returns the wire form of a field that serde writes with the function `serialize`, for
/// `#[serde(with = "…")]`.
pub fn wire_with<T: 'static>(
    logical: &LogicalType,
    serialize: impl FnOnce(&T, CanonicalSerializer<'_>) -> Result<(), CanonicalError>,
) -> WireForm {
    wire_form_with(logical, serialize)
}

/// Returns the serde names of the fields, with those of flattened fields in their place.
pub(super) fn names_of(fields: &[FieldDeclaration]) -> Vec<String> {
    let mut own = EntitySchema { fields: Vec::new(), open: false, variants: true };
    fields.iter().for_each(|field| field.push_schemas(&mut own));
    own.fields.into_iter().map(|field| field.name).collect()
}

//! An entity as it was declared: what a derive or a registration writes down.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::policy::PolicyDeclaration;
use crate::canonical::{CanonicalError, CanonicalSerializer};
use crate::schema::{
    EntitySchema, FieldSchema, LogicalType, TraceError, Traced, Tracer, Unordered, WireForm, trace,
    trace_field, trace_names, trace_with, unordered, wire_form, wire_form_with,
};

/// What a derive or a registration says of a type. Every part is constant.
#[derive(Clone, Copy, Debug)]
pub struct EntityDeclaration {
    /// The name in archives, reports and manifests.
    pub name: &'static str,
    /// Older names, under which archives may still hold it.
    pub aliases: &'static [&'static str],
    /// The table, where it is not found by name.
    pub table: Option<&'static str>,
    /// The provider, where it is not the default one.
    pub provider: Option<&'static str>,
    /// `module_path!()` of the type.
    pub module_path: &'static str,
    /// The type's identifier.
    pub ident: &'static str,
    /// `file!()`
    pub file: &'static str,
    /// `line!()`
    pub line: u32,
    /// The key's type as the source has it.
    pub key_type: &'static str,
    /// The attribute, if there is one.
    pub policy: Option<PolicyDeclaration>,
    /// The fields.
    pub shape: Shape,
}

/// Looks for a list within a type whose order is left to chance.
#[derive(Clone, Copy)]
pub struct OrderProbe(fn() -> Option<Unordered>);

impl OrderProbe {
    /// Looks within `T`.
    pub const fn of<T: Serialize + for<'de> Deserialize<'de>>() -> Self {
        Self(unordered::<T>)
    }
}

impl fmt::Debug for OrderProbe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OrderProbe")
    }
}

/// Where the fields of an entity are known from.
#[derive(Clone, Copy, Debug)]
pub enum Shape {
    /// A struct, field by field.
    Struct(&'static [FieldDeclaration]),
    /// An enum that serde writes as a map: the fields of all variants. One field may stand in several of them.
    Enum {
        /// The field that names the variant, if serde writes one.
        tag: Option<&'static str>,
        /// The fields, variant by variant.
        variants: &'static [&'static [FieldDeclaration]],
    },
    /// Not declared: learned by watching how the type is read.
    Traced {
        /// The names the type is read by.
        names: fn() -> Option<&'static [&'static str]>,
        /// What one field of it is.
        field: fn(&'static str) -> Traced,
        /// Whether it writes a list in an order that is left to chance.
        order: OrderProbe,
        /// The serde names of the key fields.
        key: &'static [&'static str],
    },
}

impl Shape {
    /// The shape of `T` learned by watching how it is read; `key` names its key fields.
    pub const fn traced<T: Serialize + for<'de> Deserialize<'de>>(key: &'static [&'static str]) -> Self {
        Self::Traced { names: trace_names::<T>, field: trace_field::<T>, order: OrderProbe::of::<T>(), key }
    }
}

/// Whether a field must be there for a record to decode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// It must be, unless its type is an option.
    Required,
    /// Serde fills it in.
    Defaulted,
}

/// One field as it was declared.
#[derive(Clone, Copy)]
pub struct FieldDeclaration {
    name: &'static str,
    rust_type: &'static str,
    column: Option<&'static str>,
    key: bool,
    presence: Presence,
    kind: Kind,
    order: Option<OrderProbe>,
}

#[derive(Clone, Copy)]
enum Kind {
    Plain { traced: fn() -> Traced, wire: fn(&LogicalType) -> WireForm },
    Flattened { names: fn() -> Option<&'static [&'static str]>, field: fn(&'static str) -> Traced },
}

impl FieldDeclaration {
    /// A field of type `T` that serde calls `name`; `rust_type` is `T` as the source has it.
    pub const fn new<T>(name: &'static str, rust_type: &'static str) -> Self
    where
        T: Serialize + for<'de> Deserialize<'de> + 'static,
    {
        let kind = Kind::Plain { traced: trace::<'static, T>, wire: wire_form::<T> };
        Self { order: Some(OrderProbe::of::<T>()), ..Self::of(name, rust_type, kind) }
    }

    /// A field that serde reads or writes by functions of its own: see [`traced_with`] and [`wire_with`].
    pub const fn adapted(
        name: &'static str,
        rust_type: &'static str,
        traced: fn() -> Traced,
        wire: fn(&LogicalType) -> WireForm,
    ) -> Self {
        Self::of(name, rust_type, Kind::Plain { traced, wire })
    }

    /// A field of type `T` whose own fields serde puts in its place.
    pub const fn flattened<T>(name: &'static str, rust_type: &'static str) -> Self
    where
        T: Serialize + for<'de> Deserialize<'de>,
    {
        let kind = Kind::Flattened { names: trace_names::<'static, T>, field: trace_field::<'static, T> };
        Self { order: Some(OrderProbe::of::<T>()), ..Self::of(name, rust_type, kind) }
    }

    const fn of(name: &'static str, rust_type: &'static str, kind: Kind) -> Self {
        Self { name, rust_type, column: None, key: false, presence: Presence::Required, kind, order: None }
    }

    /// The column it is in.
    #[must_use]
    pub const fn column(mut self, column: &'static str) -> Self {
        self.column = Some(column);
        self
    }

    /// It is part of the key.
    #[must_use]
    pub const fn key(mut self) -> Self {
        self.key = true;
        self
    }

    /// Looks for a list without an order of its own by this: see [`order_with`].
    #[must_use]
    pub const fn order(mut self, probe: fn() -> Option<Unordered>) -> Self {
        self.order = Some(OrderProbe(probe));
        self
    }

    /// Serde fills it in where it is not there.
    #[must_use]
    pub const fn defaulted(mut self) -> Self {
        self.presence = Presence::Defaulted;
        self
    }

    fn schemas(&self, schema: &mut EntitySchema) {
        match self.kind {
            Kind::Plain { traced, wire } => {
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
            Kind::Flattened { names, field } => match names() {
                Some(names) => names.iter().for_each(|name| {
                    schema.fields.push(traced_field(name, field(name), false));
                }),
                None => schema.open = true,
            },
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

/// What a field that serde reads by `deserialize` is: the way into `#[serde(with = "…")]`.
pub fn traced_with<T: 'static>(deserialize: impl FnOnce(Tracer<'_>) -> Result<T, TraceError>) -> Traced {
    let written = trace_with(|tracer| deserialize(tracer).map(drop));
    match crate::schema::known_type::<T>() {
        Some(logical) => Traced { logical, nullable: written.nullable },
        None => written,
    }
}

pub use crate::schema::unordered_with as order_with;

/// The form of a field that serde writes by `serialize`: the way into `#[serde(with = "…")]`.
pub fn wire_with<T: 'static>(
    logical: &LogicalType,
    serialize: impl FnOnce(&T, CanonicalSerializer<'_>) -> Result<(), CanonicalError>,
) -> WireForm {
    wire_form_with(logical, serialize)
}

impl EntityDeclaration {
    /// What is wrong with the key, seen from the schema: what only a traced shape can get wrong.
    pub(super) fn key_fault(&self, schema: &EntitySchema) -> Option<String> {
        let found: Vec<_> = schema.key_fields().map(|(_, field)| field.name.as_str()).collect();
        match self.shape {
            Shape::Traced { key, .. } if found != key && !schema.open => {
                let fields: Vec<_> = schema.fields.iter().map(|field| format!("`{}`", field.name)).collect();
                Some(format!(
                    "its key is declared as {key:?}, and its type is read from the fields {}; name key fields as serde \
                     does and in that order",
                    fields.join(", ")
                ))
            }
            _ if found.is_empty() && !schema.open => Some("it has no key field".to_owned()),
            _ => None,
        }
    }

    /// The lists whose order is left to chance, each with the field it is in.
    pub(super) fn unordered(&self) -> Vec<(String, Unordered)> {
        let of_fields = |fields: &[FieldDeclaration]| {
            let found = fields.iter().filter_map(|field| {
                let found = field.order.and_then(|probe| (probe.0)())?;
                let is_flattened = matches!(field.kind, Kind::Flattened { .. });
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

    /// The schema, learned afresh at each call.
    pub(super) fn schema(&self) -> EntitySchema {
        let mut schema = EntitySchema { fields: Vec::new(), open: false, variants: false };
        match self.shape {
            Shape::Struct(fields) => fields.iter().for_each(|field| field.schemas(&mut schema)),
            Shape::Enum { tag, variants } => {
                schema.variants = true;
                if let Some(tag) = tag {
                    let traced = Traced { logical: LogicalType::Text, nullable: false };
                    schema.fields.push(FieldSchema { required: true, ..traced_field(tag, traced, false) });
                }
                variants.iter().for_each(|fields| merge_variant(&mut schema, fields));
                optional_unless_shared(&mut schema, variants, tag);
            }
            Shape::Traced { names, field, key, .. } => match names() {
                Some(names) => names.iter().for_each(|name| {
                    schema.fields.push(traced_field(name, field(name), key.contains(name)));
                }),
                None => schema.open = true,
            },
        }
        schema
    }
}

fn traced_field(name: &str, traced: Traced, key: bool) -> FieldSchema {
    FieldSchema {
        name: name.to_owned(),
        column: None,
        rust_type: String::new(),
        logical: traced.logical,
        wire: WireForm::Plain,
        nullable: traced.nullable,
        key,
        // Not known: `Deserialize` decides when it meets a record without it.
        required: key,
    }
}

/// Adds the fields of a variant; a field that another variant has with another type becomes JSON.
fn merge_variant(schema: &mut EntitySchema, fields: &[FieldDeclaration]) {
    let mut own = EntitySchema { fields: Vec::new(), open: false, variants: true };
    fields.iter().for_each(|field| field.schemas(&mut own));
    schema.open |= own.open;
    for field in own.fields {
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

/// A field that is not in every variant is absent from the records of the others.
fn optional_unless_shared(schema: &mut EntitySchema, variants: &[&[FieldDeclaration]], tag: Option<&str>) {
    for field in &mut schema.fields {
        let shared = variants.iter().all(|fields| fields.iter().any(|declared| declared.name == field.name));
        if !shared && Some(field.name.as_str()) != tag {
            field.nullable = true;
            field.required = false;
        }
    }
}

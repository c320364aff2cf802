//! The declaration of an entity, which a derive or a registration generates.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::policy::PolicyDeclaration;
use crate::foundation::canonical::{CanonicalError, CanonicalSerializer};
use crate::foundation::schema::{
    EntitySchema, FieldSchema, LogicalType, TraceError, Traced, Tracer, Unordered, WireForm, trace,
    trace_field, trace_names, trace_with, unordered, wire_form, wire_form_with,
};

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

/// A probe that searches a type for a list whose elements have no defined order.
#[derive(Clone, Copy)]
pub struct OrderProbe(fn() -> Option<Unordered>);

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

/// Whether a record can be deserialized without a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// The field is required, unless its type is an `Option`.
    Required,
    /// Serde supplies a default value.
    Defaulted,
}

/// The declaration of a key field in a type whose fields the macro cannot see.
#[derive(Clone, Copy)]
pub struct KeyDeclaration {
    name: &'static str,
    rust_type: &'static str,
    through: &'static [&'static str],
    traced: fn() -> Traced,
    wire: fn(&LogicalType) -> WireForm,
}

impl KeyDeclaration {
    /// Declares a key field of type `T` with the serde name `name`. `rust_type` is `T` as it is written in the source.
    pub const fn new<T>(name: &'static str, rust_type: &'static str) -> Self
    where
        T: Serialize + for<'de> Deserialize<'de> + 'static,
    {
        Self { name, rust_type, through: &[], traced: trace::<'static, T>, wire: wire_form::<T> }
    }

    /// Declares a key field of a type that serde converts to another type, which decides how the field is written.
    pub const fn converted(name: &'static str, rust_type: &'static str) -> Self {
        Self {
            name,
            rust_type,
            through: &[],
            traced: || Traced::of(LogicalType::Json),
            wire: |_| WireForm::Own,
        }
    }

    /// Declares the fields that contain the key field, from the outermost. Serde must flatten each of them.
    #[must_use]
    pub const fn through(mut self, fields: &'static [&'static str]) -> Self {
        self.through = fields;
        self
    }

    fn declared(&self) -> DeclaredKey {
        DeclaredKey {
            name: self.name,
            is_unit: (self.traced)().unit,
            is_adapted: false,
            through: self.through,
        }
    }

    /// Returns the schema of the field by its declared type, for a type that does not show its fields.
    fn schema(&self) -> FieldSchema {
        let traced = (self.traced)();
        FieldSchema {
            rust_type: self.rust_type.to_owned(),
            wire: (self.wire)(&traced.logical),
            ..traced_field(self.name, traced, true)
        }
    }
}

impl fmt::Debug for KeyDeclaration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyDeclaration({}: {})", self.name, self.rust_type)
    }
}

/// The properties of a declared key field that are checked when the context is built.
struct DeclaredKey {
    name: &'static str,
    is_unit: bool,
    /// Whether custom functions read or write the field. What they read may be optional although they always write a
    /// value.
    is_adapted: bool,
    /// The fields that contain the key field and that serde must flatten, from the outermost.
    through: &'static [&'static str],
}

/// The declaration of one field.
#[derive(Clone, Copy)]
pub struct FieldDeclaration {
    name: &'static str,
    rust_type: &'static str,
    column: Option<&'static str>,
    key: bool,
    /// Whether the field is the tag, in which serde writes the name of a struct.
    tag: bool,
    /// Whether serde reads or writes the field with custom functions.
    adapted: bool,
    /// The key fields within a flattened field.
    keys_within: &'static [KeyDeclaration],
    presence: Presence,
    kind: FieldKind,
    order: Option<OrderProbe>,
}

/// How serde reads and writes a field.
#[derive(Clone, Copy)]
enum FieldKind {
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
    fn declared_keys(&self) -> Vec<DeclaredKey> {
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
    fn push_schemas(&self, schema: &mut EntitySchema) {
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

impl EntityDeclaration {
    /// Returns a fault of the declared key or of the names of the fields that the macro cannot detect, or
    /// `None` if there is none.
    pub(super) fn fault(&self, schema: &EntitySchema) -> Option<String> {
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

/// Adds the fields of a type that is traced. A type without fixed names has its key fields only, and is open.
fn push_traced(
    schema: &mut EntitySchema,
    names: Option<&'static [&'static str]>,
    field: fn(&'static str) -> Traced,
    key: &[KeyDeclaration],
) {
    let Some(names) = names else {
        schema.open = true;
        schema.fields.extend(key.iter().map(KeyDeclaration::schema));
        return;
    };
    for name in names {
        let is_key = key.iter().any(|key| key.name == *name);
        schema.fields.push(traced_field(name, field(name), is_key));
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
        // It is unknown whether a non-key field is required: `Deserialize` decides this at run time, when the
        // field is missing.
        required: key,
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

/// Returns the serde names of the fields, with those of flattened fields in their place.
fn names_of(fields: &[FieldDeclaration]) -> Vec<String> {
    let mut own = EntitySchema { fields: Vec::new(), open: false, variants: true };
    fields.iter().for_each(|field| field.push_schemas(&mut own));
    own.fields.into_iter().map(|field| field.name).collect()
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

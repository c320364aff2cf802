//! The declarations of key fields.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::foundation::schema::{EntitySchema, FieldSchema, LogicalType, Traced, WireForm, trace, wire_form};

/// The declaration of a key field in a type whose fields the macro cannot see.
#[derive(Clone, Copy)]
pub struct KeyDeclaration {
    pub(super) name: &'static str,
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

    pub(super) fn declared(&self) -> DeclaredKey {
        DeclaredKey {
            name: self.name,
            is_unit: (self.traced)().unit,
            is_adapted: false,
            through: self.through,
        }
    }

    /// Returns the schema of the field by its declared type, for a type that does not show its fields.
    pub(super) fn schema(&self) -> FieldSchema {
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
pub(super) struct DeclaredKey {
    pub(super) name: &'static str,
    pub(super) is_unit: bool,
    /// Whether custom functions read or write the field. What they read may be optional although they always write a
    /// value.
    pub(super) is_adapted: bool,
    /// The fields that contain the key field and that serde must flatten, from the outermost.
    pub(super) through: &'static [&'static str],
}

/// Adds the fields of a type that is traced. A type without fixed names has its key fields only, and is open.
pub(super) fn push_traced(
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

pub(super) fn traced_field(name: &str, traced: Traced, key: bool) -> FieldSchema {
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

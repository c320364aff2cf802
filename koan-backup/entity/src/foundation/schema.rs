//! The schemas of entities: their fields, the logical types of the fields, and the forms in which serde
//! serializes the fields.

mod known;
mod order;
mod sample;
mod sampled;
mod trace;

use serde::{Deserialize, Serialize};

pub(crate) use known::known_type;
pub use order::{Unordered, unordered_with};
pub(crate) use order::{first_difference, unordered};
pub use sample::WireForm;
pub(crate) use sample::{wire_form, wire_form_with};
pub use sampled::{Refused, Sampler};
pub use trace::{TraceError, Traced, Tracer};
pub(crate) use trace::{trace, trace_field, trace_names, trace_with};

/// The meaning of a field, independent of the database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "type")]
#[non_exhaustive]
pub enum LogicalType {
    /// True or false.
    Bool,
    /// An integer.
    Integer {
        /// The width: 8, 16, 32, 64 or 128.
        bits: u8,
        /// Whether the integer can be negative.
        signed: bool,
    },
    /// A binary floating-point number.
    Float {
        /// The width: 32 or 64.
        bits: u8,
    },
    /// A decimal number of any precision.
    Decimal,
    /// Text.
    Text,
    /// Bytes.
    Bytes,
    /// A UUID.
    Uuid,
    /// An instant.
    Timestamp,
    /// A date and time without offset.
    DateTime,
    /// A calendar date.
    Date,
    /// A time of day.
    Time,
    /// An enum: one of several variants, possibly with content.
    Enum {
        /// The serde names of the variants.
        variants: Vec<String>,
    },
    /// A list.
    List,
    /// A map.
    Map,
    /// A nested structure.
    Struct {
        /// The serde names of the fields.
        fields: Vec<String>,
    },
    /// Any JSON value.
    Json,
}

impl LogicalType {
    /// Returns whether a column contains a value of this type as a single value rather than as JSON text.
    pub fn is_scalar(&self) -> bool {
        !matches!(self, Self::List | Self::Map | Self::Struct { .. } | Self::Json)
    }
}

/// A field of an entity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct FieldSchema {
    /// The serde name of the field, which is also its name in archives.
    pub name: String,
    /// The column of the field, if the name of the column differs from the name of the field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// The type of the field, as it is written in the source code.
    pub rust_type: String,
    /// The logical type.
    pub logical: LogicalType,
    /// The form in which serde serializes the field.
    #[serde(default, skip_serializing_if = "WireForm::is_plain")]
    pub wire: WireForm,
    /// Whether the field can be NULL.
    pub nullable: bool,
    /// Whether the field is a key field.
    pub key: bool,
    /// Whether a record without the field fails to decode.
    pub required: bool,
}

/// The fields of an entity, in the order in which serde serializes them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct EntitySchema {
    /// The fields.
    pub fields: Vec<FieldSchema>,
    /// Whether the type has a flattened map, which contains the names that do not belong to a field.
    #[serde(default)]
    pub open: bool,
    /// Whether the type is an enum. Each record then has the fields of one variant.
    #[serde(default)]
    pub variants: bool,
}

impl FieldSchema {
    /// Returns whether serde serializes the field as a single value rather than as a list or a structure.
    /// Bytes in their plain form are a list of numbers.
    pub(crate) fn is_scalar(&self) -> bool {
        self.logical.is_scalar() && !(self.logical == LogicalType::Bytes && self.wire.is_plain())
    }
}

impl EntitySchema {
    /// Returns whether each value of a line is text, a number of at most 64 bits, a boolean or `null`.
    pub(crate) fn has_only_scalars(&self) -> bool {
        let is_128_bit =
            |field: &FieldSchema| matches!(field.logical, LogicalType::Integer { bits: 128, .. });
        !self.open
            && !self.variants
            && self.fields.iter().all(|field| field.is_scalar() && !is_128_bit(field))
    }

    /// Returns the index of a field by its serde name.
    pub fn position(&self, name: &str) -> Option<usize> {
        self.fields.iter().position(|field| field.name == name)
    }

    /// Returns the index of a field by its serde name. The field at the index `expected` is compared first.
    pub(crate) fn position_from(&self, expected: usize, name: &str) -> Option<usize> {
        let is_expected = self.fields.get(expected).is_some_and(|field| field.name == name);
        if is_expected { Some(expected) } else { self.position(name) }
    }

    /// Returns the key fields and their indexes, in the order of their declaration.
    pub fn key_fields(&self) -> impl Iterator<Item = (usize, &FieldSchema)> {
        self.fields.iter().enumerate().filter(|(_, field)| field.key)
    }

    /// Returns the schema without the names of enum variants, because they may be values of encrypted
    /// records.
    #[doc(hidden)]
    pub fn without_variants(&self) -> Self {
        let mut schema = self.clone();
        for field in &mut schema.fields {
            if let LogicalType::Enum { variants } = &mut field.logical {
                variants.clear();
            }
        }
        schema
    }
}

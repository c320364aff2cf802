//! The shape of an entity: its fields, their logical types, and the form serde gives them.

mod known;
mod order;
mod sample;
mod sampled;
mod trace;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

pub(crate) use known::of as known_type;
pub use order::{Unordered, unordered_with};
pub(crate) use order::{first_difference, unordered};
pub use sample::WireForm;
pub(crate) use sample::{wire_form, wire_form_with};
pub use sampled::{Refused, Sampler};
pub use trace::{TraceError, Traced, Tracer};
pub(crate) use trace::{trace, trace_field, trace_names, trace_with};

/// What a field means, whatever database holds it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "type")]
#[non_exhaustive]
pub enum LogicalType {
    /// True or false.
    Bool,
    /// A whole number.
    Integer {
        /// 8, 16, 32, 64 or 128.
        bits: u8,
        /// Whether it can be negative.
        signed: bool,
    },
    /// A binary floating-point number.
    Float {
        /// 32 or 64.
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
    /// One of a list of names, possibly with content.
    Enum {
        /// The names as serde writes them.
        variants: Vec<String>,
    },
    /// A list.
    List,
    /// A map.
    Map,
    /// A nested structure.
    Struct {
        /// Its fields as serde names them.
        fields: Vec<String>,
    },
    /// Any JSON.
    Json,
}

impl LogicalType {
    /// Whether a value of this type stands in a column as one plain value rather than as JSON text.
    pub fn is_scalar(&self) -> bool {
        !matches!(self, Self::List | Self::Map | Self::Struct { .. } | Self::Json)
    }
}

/// One field of an entity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct FieldSchema {
    /// The name serde gives it, which is its name in archives.
    pub name: String,
    /// The column it is in, where that is not found by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// The type as the source code has it.
    pub rust_type: String,
    /// What it means.
    pub logical: LogicalType,
    /// How serde writes it.
    #[serde(default, skip_serializing_if = "WireForm::is_plain")]
    pub wire: WireForm,
    /// Whether it can hold no value.
    pub nullable: bool,
    /// Whether it is part of the key.
    pub key: bool,
    /// Whether a record without it does not decode.
    pub required: bool,
}

/// The fields of an entity, in the order serde writes them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct EntitySchema {
    /// The fields.
    pub fields: Vec<FieldSchema>,
    /// Whether a flattened map takes up what is in no field.
    #[serde(default)]
    pub open: bool,
    /// Whether the type is an enum, whose records hold the fields of one variant each.
    #[serde(default)]
    pub variants: bool,
}

impl FieldSchema {
    /// Whether serde writes one value rather than a list or a structure. Bytes are a list of numbers where no other form was
    /// asked for.
    pub(crate) fn is_scalar(&self) -> bool {
        self.logical.is_scalar() && !(self.logical == LogicalType::Bytes && self.wire.is_plain())
    }
}

impl EntitySchema {
    /// Whether each field of a record is text, a number of at most 64 bits, true, false or nothing in its line.
    pub(crate) fn is_of_scalars(&self) -> bool {
        let is_huge = |field: &FieldSchema| matches!(field.logical, LogicalType::Integer { bits: 128, .. });
        !self.open && !self.variants && self.fields.iter().all(|field| field.is_scalar() && !is_huge(field))
    }

    /// The index of a field by its serde name.
    pub fn position(&self, name: &str) -> Option<usize> {
        self.fields.iter().position(|field| field.name == name)
    }

    /// The index of a field by its serde name, looked for at `expected` first.
    pub(crate) fn position_from(&self, expected: usize, name: &str) -> Option<usize> {
        let there = self.fields.get(expected).is_some_and(|field| field.name == name);
        if there { Some(expected) } else { self.position(name) }
    }

    /// The fields that make up the key, in order of declaration.
    pub fn key_fields(&self) -> impl Iterator<Item = (usize, &FieldSchema)> {
        self.fields.iter().enumerate().filter(|(_, field)| field.key)
    }

    /// The same without the names of enum variants, which may be values of records.
    pub(crate) fn without_variants(&self) -> Self {
        let mut schema = self.clone();
        for field in &mut schema.fields {
            if let LogicalType::Enum { variants } = &mut field.logical {
                variants.clear();
            }
        }
        schema
    }

    /// `sha256:` and the hash of this schema as compact JSON: equal exactly when the shapes are.
    pub fn fingerprint(&self) -> String {
        let json = serde_json::to_vec(self).expect("a schema holds only names and enums");
        format!("sha256:{}", crate::digest::hex(&Sha256::digest(json)))
    }
}

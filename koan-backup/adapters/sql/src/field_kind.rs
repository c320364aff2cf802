//! The kinds of fields, which determine how the values of a column are read.

use koan_backup_core::schema::{FieldSchema, LogicalType, WireForm};

/// The kind of a field: the type to which the values of its column are converted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldKind {
    /// A boolean.
    Bool,
    /// An integer.
    Integer,
    /// A floating-point number of 32 bits.
    Float32,
    /// A floating-point number of 64 bits.
    Float64,
    /// A decimal.
    Decimal,
    /// Text, or the name of a variant.
    Text,
    /// Bytes.
    Bytes,
    /// A UUID.
    Uuid,
    /// An instant.
    Timestamp,
    /// A date and time without an offset.
    DateTime,
    /// A date.
    Date,
    /// A time of day.
    Time,
    /// A list, map or struct.
    Structure,
    /// Any JSON value.
    Json,
    /// A value that the column contains in the form in which serde writes it.
    AsSerialized,
    /// The value of an entry of a flattened map.
    Extra,
}

impl FieldKind {
    /// Returns the kind of a field.
    pub fn of_field(field: &FieldSchema) -> Self {
        if field.wire == WireForm::Own {
            return Self::AsSerialized;
        }
        match field.logical {
            LogicalType::Bool => Self::Bool,
            LogicalType::Integer { .. } => Self::Integer,
            LogicalType::Float { bits: 32 } => Self::Float32,
            LogicalType::Float { .. } => Self::Float64,
            LogicalType::Decimal => Self::Decimal,
            LogicalType::Text | LogicalType::Enum { .. } => Self::Text,
            LogicalType::Bytes => Self::Bytes,
            LogicalType::Uuid => Self::Uuid,
            LogicalType::Timestamp => Self::Timestamp,
            LogicalType::DateTime => Self::DateTime,
            LogicalType::Date => Self::Date,
            LogicalType::Time => Self::Time,
            LogicalType::List | LogicalType::Map | LogicalType::Struct { .. } => Self::Structure,
            _ => Self::Json,
        }
    }

    /// Returns the name of the kind for error messages, with its article.
    pub fn noun(self) -> &'static str {
        match self {
            Self::Bool => "a boolean",
            Self::Integer => "an integer",
            Self::Float32 | Self::Float64 => "a floating-point number",
            Self::Decimal => "a decimal",
            Self::Text => "text",
            Self::Bytes => "bytes",
            Self::Uuid => "a UUID",
            Self::Timestamp => "an instant",
            Self::DateTime => "a date and time",
            Self::Date => "a date",
            Self::Time => "a time of day",
            Self::Structure => "a list, map or struct",
            Self::Json => "JSON",
            Self::AsSerialized | Self::Extra => "a value",
        }
    }

    /// Returns whether columns contain values of this kind as JSON: lists, maps, structs and any JSON value.
    pub fn is_json(self) -> bool {
        matches!(self, Self::Structure | Self::Json)
    }
}

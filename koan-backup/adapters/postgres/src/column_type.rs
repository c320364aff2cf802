//! The combination of a column and a field: the format in which the server sends the values of the column,
//! and the SQL expression that selects them.

use koan_backup_core::schema::{FieldSchema, WireForm};

use koan_backup_sql::field_kind::FieldKind;

use super::catalog::Column;
use super::composite::Composite;
use super::types::StoredType;
use koan_backup_sql::identifier::quoted;

/// The type of a column in combination with the field that it is mapped to.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ColumnType {
    pub(super) kind: FieldKind,
    pub(super) stored: StoredType,
    /// The binary format in which the server sends the value.
    pub(super) format: BinaryFormat,
    pub(super) modifier: i32,
    /// The number of units in a second, if the column stores times as numbers.
    pub(super) units_per_second: i128,
    /// Whether decimals in a list are written as text, so that no digit is lost.
    decimals_as_text: bool,
    /// The members of the type, if it is a composite type.
    pub(super) composite: Option<Composite>,
}

/// The binary format in which the server sends a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum BinaryFormat {
    Bool,
    Int2,
    Int4,
    Int8,
    Float4,
    Float8,
    Numeric,
    Text,
    /// JSON as text.
    Json,
    /// JSON as text after a version byte.
    Jsonb,
    Uuid,
    Inet,
    Bytes,
    Date,
    Time,
    Timestamp,
    TimestampTz,
    /// An array of elements in this format.
    Array(Box<BinaryFormat>),
    /// The server casts the value before it sends it.
    CastToInt8,
    CastToNumeric,
    CastToText,
    /// The server converts the value to JSON.
    CastToJson,
    /// The server sends the value as text, and this text is JSON.
    CastTextIsJson,
    /// The server casts the elements of an array to text.
    CastToTextArray,
}

impl ColumnType {
    /// Returns the combination of a field and its column; `None` if the column's type does not fit the field.
    pub(super) fn of_field(field: &FieldSchema, column: &Column) -> Option<Self> {
        let units_per_second = match field.wire {
            WireForm::UnixMillis => 1_000,
            WireForm::UnixMicros => 1_000_000,
            WireForm::UnixNanos => 1_000_000_000,
            _ => 1,
        };
        Self::new(FieldKind::of_field(field), column, units_per_second, field.rust_type.contains("Decimal"))
    }

    /// Returns the combination of a column and an entry of a flattened map; `None` if the column's type does
    /// not fit.
    pub(super) fn extra(column: &Column) -> Option<Self> {
        Self::new(FieldKind::Extra, column, 1, false)
    }

    fn new(kind: FieldKind, column: &Column, units_per_second: i128, decimals_as_text: bool) -> Option<Self> {
        // The JSON of a row that contains an `hstore` cannot be converted back.
        let has_hstore = column.composite.as_ref().is_some_and(|composite| composite.has_hstore);
        Some(Self {
            kind,
            stored: column.stored.clone(),
            format: binary_format(kind, &column.stored)
                .filter(|format| *format != BinaryFormat::CastToJson || !has_hstore)?,
            modifier: column.modifier,
            units_per_second,
            decimals_as_text,
            composite: column.composite.clone(),
        })
    }

    /// Returns whether a decimal in a list is written as text.
    pub(super) fn writes_decimals_as_text(&self) -> bool {
        self.decimals_as_text
    }

    /// Returns whether records contain the value as JSON that the server creates.
    pub(super) fn is_json(&self) -> bool {
        self.format == BinaryFormat::CastToJson
    }

    /// Returns whether JSON `null` and NULL are the same value of the field.
    pub(super) fn reads_json_null_as_null(&self) -> bool {
        matches!(self.format, BinaryFormat::Json | BinaryFormat::Jsonb) && self.kind != FieldKind::Text
    }

    /// Returns whether JSON `null` and NULL are the same value of the field, in the column itself or in the
    /// elements of its arrays.
    pub(super) fn has_json_nulls(&self) -> bool {
        self.reads_json_null_as_null()
            || match &self.format {
                BinaryFormat::Array(element) => {
                    matches!(**element, BinaryFormat::Json | BinaryFormat::Jsonb)
                }
                _ => false,
            }
    }

    /// Returns whether a value that the server sent is JSON `null`.
    pub(super) fn is_json_null(&self, bytes: &[u8]) -> bool {
        self.reads_json_null_as_null() && is_json_null(&self.format, bytes)
    }

    /// Returns the SQL expression that selects the column.
    pub(super) fn select_expression(&self, column: &str) -> String {
        let name = quoted(column);
        match self.format {
            BinaryFormat::CastToInt8 => format!("{name}::pg_catalog.int8"),
            BinaryFormat::CastToNumeric => format!("{name}::pg_catalog.numeric"),
            BinaryFormat::CastToText | BinaryFormat::CastTextIsJson => format!("{name}::pg_catalog.text"),
            BinaryFormat::CastToJson => match &self.composite {
                Some(composite) => format!(
                    "CASE WHEN {name}::pg_catalog.text IS NULL THEN NULL WHEN {} THEN \
                     pg_catalog.to_json({name})::pg_catalog.text ELSE '' END",
                    composite.round_trip_condition(&name)
                ),
                None => format!("pg_catalog.to_json({name})::pg_catalog.text"),
            },
            BinaryFormat::CastToTextArray => format!("{name}::pg_catalog.text[]"),
            _ => name,
        }
    }
}

/// Returns whether a JSON value in this format is `null`.
pub(super) fn is_json_null(format: &BinaryFormat, bytes: &[u8]) -> bool {
    let text = match (format, bytes) {
        (BinaryFormat::Jsonb, [_, text @ ..]) => text,
        _ => bytes,
    };
    text.trim_ascii() == b"null"
}

/// Returns the column types that can contain a field of this kind, for error messages.
pub(super) fn suggested_types(kind: FieldKind) -> &'static str {
    match kind {
        FieldKind::Bool => "`boolean`",
        FieldKind::Integer => "`bigint`, or `numeric` beyond 64 bits",
        FieldKind::Float32 | FieldKind::Float64 => "`double precision`",
        FieldKind::Decimal => "`numeric`",
        FieldKind::Text | FieldKind::AsSerialized | FieldKind::Extra => "`text`",
        FieldKind::Bytes => "`bytea`",
        FieldKind::Uuid => "`uuid`",
        FieldKind::Timestamp => "`timestamptz`",
        FieldKind::DateTime => "`timestamp`",
        FieldKind::Date => "`date`",
        FieldKind::Time => "`time`",
        FieldKind::Structure | FieldKind::Json => "`jsonb`",
    }
}

/// Returns the format in which the server sends a column for a field of this kind; `None` if the types do not
/// fit.
pub(super) fn binary_format(kind: FieldKind, stored: &StoredType) -> Option<BinaryFormat> {
    use StoredType as T;
    let native = native_format(stored);
    match kind {
        FieldKind::Bool => native.filter(|_| matches!(stored, T::Bool | T::Int2 | T::Int4 | T::Int8)),
        FieldKind::Integer => match stored {
            T::Int2 | T::Int4 | T::Int8 | T::Numeric => native,
            T::Oid => Some(BinaryFormat::CastToInt8),
            _ => native.filter(|_| stored.is_text()),
        },
        FieldKind::Float32 | FieldKind::Float64 => {
            let is_number =
                matches!(stored, T::Int2 | T::Int4 | T::Int8 | T::Float4 | T::Float8 | T::Numeric);
            native.filter(|_| is_number)
        }
        FieldKind::Decimal => match stored {
            T::Int2 | T::Int4 | T::Int8 | T::Float4 | T::Float8 | T::Numeric => native,
            T::Money => Some(BinaryFormat::CastToNumeric),
            _ => native.filter(|_| stored.is_text()),
        },
        FieldKind::Text => match stored {
            T::Text | T::Char | T::Enum | T::Inet => native,
            T::Bytea | T::MoneyOfOtherScale => None,
            _ => Some(BinaryFormat::CastToText),
        },
        FieldKind::Bytes => native.filter(|_| *stored == T::Bytea || stored.is_text()),
        FieldKind::Uuid => native.filter(|_| matches!(stored, T::Uuid | T::Bytea) || stored.is_text()),
        FieldKind::Timestamp | FieldKind::DateTime => {
            let fits =
                matches!(stored, T::Timestamp | T::TimestampTz | T::Int4 | T::Int8) || stored.is_text();
            native.filter(|_| fits)
        }
        FieldKind::Date => native.filter(|_| *stored == T::Date || stored.is_text()),
        FieldKind::Time => native.filter(|_| *stored == T::Time || stored.is_text()),
        FieldKind::Structure => structured_format(stored),
        FieldKind::Json => structured_format(stored).or(match stored {
            T::Bytea | T::Array(_) | T::MoneyOfOtherScale => None,
            _ => Some(BinaryFormat::CastToJson),
        }),
        FieldKind::AsSerialized | FieldKind::Extra => match stored {
            T::Array(_) | T::Composite | T::Hstore | T::Vector => structured_format(stored),
            T::Oid => Some(BinaryFormat::CastToInt8),
            T::Money => Some(BinaryFormat::CastToNumeric),
            T::Uuid | T::Date | T::Time | T::Timestamp | T::TimestampTz | T::Other => {
                Some(BinaryFormat::CastToText)
            }
            _ => native,
        },
    }
}

fn structured_format(stored: &StoredType) -> Option<BinaryFormat> {
    use StoredType as T;
    Some(match stored {
        T::Json | T::Text | T::Char => BinaryFormat::Json,
        T::Jsonb => BinaryFormat::Jsonb,
        T::Vector => BinaryFormat::CastTextIsJson,
        T::Composite | T::Hstore => BinaryFormat::CastToJson,
        T::Array(element) => match element.as_ref() {
            T::Composite | T::Hstore | T::Array(_) | T::MoneyOfOtherScale => return None,
            element => native_format(element)
                .map_or(BinaryFormat::CastToTextArray, |format| BinaryFormat::Array(Box::new(format))),
        },
        _ => return None,
    })
}

/// Returns the format in which the server sends a type without a cast, if that format is supported.
fn native_format(stored: &StoredType) -> Option<BinaryFormat> {
    use StoredType as T;
    Some(match stored {
        T::Bool => BinaryFormat::Bool,
        T::Int2 => BinaryFormat::Int2,
        T::Int4 => BinaryFormat::Int4,
        T::Int8 => BinaryFormat::Int8,
        T::Float4 => BinaryFormat::Float4,
        T::Float8 => BinaryFormat::Float8,
        T::Numeric => BinaryFormat::Numeric,
        T::Text | T::Char | T::Enum => BinaryFormat::Text,
        T::Json => BinaryFormat::Json,
        T::Jsonb => BinaryFormat::Jsonb,
        T::Uuid => BinaryFormat::Uuid,
        T::Inet => BinaryFormat::Inet,
        T::Bytea => BinaryFormat::Bytes,
        T::Date => BinaryFormat::Date,
        T::Time => BinaryFormat::Time,
        T::Timestamp => BinaryFormat::Timestamp,
        T::TimestampTz => BinaryFormat::TimestampTz,
        T::Oid
        | T::Money
        | T::MoneyOfOtherScale
        | T::Array(_)
        | T::Composite
        | T::Hstore
        | T::Vector
        | T::Other => return None,
    })
}

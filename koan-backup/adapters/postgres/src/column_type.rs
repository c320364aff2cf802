//! What a column is to a field: how its values are selected, and what they mean.

use koan_backup_core::schema::{FieldSchema, LogicalType, WireForm};

use super::catalog::Column;
use super::composite::Composite;
use super::types::StoredType;
use koan_backup_sql::identifier::quoted;

/// A column as one field sees it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ColumnType {
    pub(super) kind: Kind,
    pub(super) stored: StoredType,
    /// How the server sends it.
    pub(super) sent: Sent,
    pub(super) modifier: i32,
    /// Units of time in a second, where the column counts time.
    pub(super) units_per_second: i128,
    /// Whether numbers in a list are told as text, so that no digit is lost.
    decimals_as_text: bool,
    /// What is in its rows, where it is a composite type.
    pub(super) composite: Option<Composite>,
}

/// What a field means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Bool,
    Integer,
    Float32,
    Float64,
    Decimal,
    Text,
    Bytes,
    Uuid,
    Timestamp,
    DateTime,
    Date,
    Time,
    /// A list, map or struct.
    Structure,
    /// Any JSON.
    Json,
    /// What serde writes is what the column holds.
    Own,
    /// What a flattened map takes up.
    Extra,
}

/// The binary form in which the server sends a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Sent {
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
    /// JSON as text behind a version.
    Jsonb,
    Uuid,
    Inet,
    Bytes,
    Date,
    Time,
    Timestamp,
    TimestampTz,
    /// A list of what is sent so.
    Array(Box<Sent>),
    /// Another type's list, as text.
    CastToInt8,
    CastToNumeric,
    CastToText,
    /// Rendered as JSON by the server.
    CastToJson,
    /// Its text is JSON.
    CastTextIsJson,
    /// A list of what has a text form.
    CastToTextArray,
}

impl ColumnType {
    /// A column that holds a field; `None` when its type cannot be that of the field.
    pub(super) fn of_field(field: &FieldSchema, column: &Column) -> Option<Self> {
        let units_per_second = match field.wire {
            WireForm::UnixMillis => 1_000,
            WireForm::UnixMicros => 1_000_000,
            WireForm::UnixNanos => 1_000_000_000,
            _ => 1,
        };
        Self::new(Kind::of(field), column, units_per_second, field.rust_type.contains("Decimal"))
    }

    /// A column that a flattened map takes up.
    pub(super) fn extra(column: &Column) -> Option<Self> {
        Self::new(Kind::Extra, column, 1, false)
    }

    fn new(kind: Kind, column: &Column, units_per_second: i128, decimals_as_text: bool) -> Option<Self> {
        // JSON of a row with an `hstore` in it cannot be read back.
        let has_hstore = column.composite.as_ref().is_some_and(|composite| composite.has_hstore);
        Some(Self {
            kind,
            stored: column.stored.clone(),
            sent: sent(kind, &column.stored).filter(|sent| *sent != Sent::CastToJson || !has_hstore)?,
            modifier: column.modifier,
            units_per_second,
            decimals_as_text,
            composite: column.composite.clone(),
        })
    }

    /// Whether a decimal in a list is told as text.
    pub(super) fn tells_decimals_as_text(&self) -> bool {
        self.decimals_as_text
    }

    /// Whether its records hold JSON for it.
    pub(super) fn is_json(&self) -> bool {
        self.sent == Sent::CastToJson
    }

    /// Whether JSON `null` and NULL are the same to its field.
    pub(super) fn merges_json_null(&self) -> bool {
        matches!(self.sent, Sent::Json | Sent::Jsonb) && self.kind != Kind::Text
    }

    /// Whether what it holds as JSON `null` and as NULL is the same to its field: the column itself, or the elements of its lists.
    pub(super) fn has_json_nulls(&self) -> bool {
        self.merges_json_null()
            || matches!(&self.sent, Sent::Array(element) if matches!(**element, Sent::Json | Sent::Jsonb))
    }

    /// Whether a value that the server sent is JSON `null`.
    pub(super) fn is_json_null(&self, bytes: &[u8]) -> bool {
        self.merges_json_null() && is_json_null(&self.sent, bytes)
    }

    /// What is selected of the column.
    pub(super) fn selected(&self, column: &str) -> String {
        let name = quoted(column);
        match self.sent {
            Sent::CastToInt8 => format!("{name}::pg_catalog.int8"),
            Sent::CastToNumeric => format!("{name}::pg_catalog.numeric"),
            Sent::CastToText | Sent::CastTextIsJson => format!("{name}::pg_catalog.text"),
            Sent::CastToJson => match &self.composite {
                Some(composite) => format!(
                    "CASE WHEN {name}::pg_catalog.text IS NULL THEN NULL WHEN {} THEN pg_catalog.to_json({name})::pg_catalog.text \
                     ELSE '' END",
                    composite.comes_back(&name)
                ),
                None => format!("pg_catalog.to_json({name})::pg_catalog.text"),
            },
            Sent::CastToTextArray => format!("{name}::pg_catalog.text[]"),
            _ => name,
        }
    }
}

/// Whether a value of JSON that was sent so is `null`.
pub(super) fn is_json_null(sent: &Sent, bytes: &[u8]) -> bool {
    let text = match (sent, bytes) {
        (Sent::Jsonb, [_, text @ ..]) => text,
        _ => bytes,
    };
    text.trim_ascii() == b"null"
}

impl Kind {
    pub(super) fn of(field: &FieldSchema) -> Self {
        if field.wire == WireForm::Own {
            return Self::Own;
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

    /// What it is, for error texts.
    pub(super) fn noun(self) -> &'static str {
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
            Self::Own | Self::Extra => "a value",
        }
    }

    /// Types that can hold it, for error texts.
    pub(super) fn remedy(self) -> &'static str {
        match self {
            Self::Bool => "`boolean`",
            Self::Integer => "`bigint`, or `numeric` beyond 64 bits",
            Self::Float32 | Self::Float64 => "`double precision`",
            Self::Decimal => "`numeric`",
            Self::Text | Self::Own | Self::Extra => "`text`",
            Self::Bytes => "`bytea`",
            Self::Uuid => "`uuid`",
            Self::Timestamp => "`timestamptz`",
            Self::DateTime => "`timestamp`",
            Self::Date => "`date`",
            Self::Time => "`time`",
            Self::Structure | Self::Json => "`jsonb`",
        }
    }
}

/// How the server sends a column that holds such a field; `None` when it cannot hold one.
pub(super) fn sent(kind: Kind, stored: &StoredType) -> Option<Sent> {
    use StoredType as T;
    let plain = plain(stored);
    match kind {
        Kind::Bool => plain.filter(|_| matches!(stored, T::Bool | T::Int2 | T::Int4 | T::Int8)),
        Kind::Integer => match stored {
            T::Int2 | T::Int4 | T::Int8 | T::Numeric => plain,
            T::Oid => Some(Sent::CastToInt8),
            _ => plain.filter(|_| stored.is_text()),
        },
        Kind::Float32 | Kind::Float64 => {
            let is_number =
                matches!(stored, T::Int2 | T::Int4 | T::Int8 | T::Float4 | T::Float8 | T::Numeric);
            plain.filter(|_| is_number)
        }
        Kind::Decimal => match stored {
            T::Int2 | T::Int4 | T::Int8 | T::Float4 | T::Float8 | T::Numeric => plain,
            T::Money => Some(Sent::CastToNumeric),
            _ => plain.filter(|_| stored.is_text()),
        },
        Kind::Text => match stored {
            T::Text | T::Char | T::Enum | T::Inet => plain,
            T::Bytea | T::MoneyOfOtherUnits => None,
            _ => Some(Sent::CastToText),
        },
        Kind::Bytes => plain.filter(|_| *stored == T::Bytea || stored.is_text()),
        Kind::Uuid => plain.filter(|_| matches!(stored, T::Uuid | T::Bytea) || stored.is_text()),
        Kind::Timestamp | Kind::DateTime => {
            let fits =
                matches!(stored, T::Timestamp | T::TimestampTz | T::Int4 | T::Int8) || stored.is_text();
            plain.filter(|_| fits)
        }
        Kind::Date => plain.filter(|_| *stored == T::Date || stored.is_text()),
        Kind::Time => plain.filter(|_| *stored == T::Time || stored.is_text()),
        Kind::Structure => structure(stored),
        Kind::Json => structure(stored).or(match stored {
            T::Bytea | T::Array(_) | T::MoneyOfOtherUnits => None,
            _ => Some(Sent::CastToJson),
        }),
        Kind::Own | Kind::Extra => match stored {
            T::Array(_) | T::Composite | T::Hstore | T::Vector => structure(stored),
            T::Oid => Some(Sent::CastToInt8),
            T::Money => Some(Sent::CastToNumeric),
            T::Uuid | T::Date | T::Time | T::Timestamp | T::TimestampTz | T::Other => Some(Sent::CastToText),
            _ => plain,
        },
    }
}

fn structure(stored: &StoredType) -> Option<Sent> {
    use StoredType as T;
    Some(match stored {
        T::Json | T::Text | T::Char => Sent::Json,
        T::Jsonb => Sent::Jsonb,
        T::Vector => Sent::CastTextIsJson,
        T::Composite | T::Hstore => Sent::CastToJson,
        T::Array(element) => match element.as_ref() {
            T::Composite | T::Hstore | T::Array(_) | T::MoneyOfOtherUnits => return None,
            element => plain(element).map_or(Sent::CastToTextArray, |sent| Sent::Array(Box::new(sent))),
        },
        _ => return None,
    })
}

/// How the server sends a type by itself, where that is read here.
fn plain(stored: &StoredType) -> Option<Sent> {
    use StoredType as T;
    Some(match stored {
        T::Bool => Sent::Bool,
        T::Int2 => Sent::Int2,
        T::Int4 => Sent::Int4,
        T::Int8 => Sent::Int8,
        T::Float4 => Sent::Float4,
        T::Float8 => Sent::Float8,
        T::Numeric => Sent::Numeric,
        T::Text | T::Char | T::Enum => Sent::Text,
        T::Json => Sent::Json,
        T::Jsonb => Sent::Jsonb,
        T::Uuid => Sent::Uuid,
        T::Inet => Sent::Inet,
        T::Bytea => Sent::Bytes,
        T::Date => Sent::Date,
        T::Time => Sent::Time,
        T::Timestamp => Sent::Timestamp,
        T::TimestampTz => Sent::TimestampTz,
        T::Oid
        | T::Money
        | T::MoneyOfOtherUnits
        | T::Array(_)
        | T::Composite
        | T::Hstore
        | T::Vector
        | T::Other => return None,
    })
}

//! The types of field that may fit a column, by its declared type.

use koan_backup_core::{
    schema::LogicalType,
    value::{DecimalText, Value},
};
use koan_backup_sql::field_kind::FieldKind;

use crate::catalog::{Affinity, Column};

/// The number of digits that every type for decimals can represent. `rust_decimal` has 96 bits.
const MAX_DECIMAL_DIGITS: usize = 28;

/// A type of field that may fit a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Candidate {
    Bool,
    Integer,
    Float,
    Decimal,
    Text,
    Bytes,
    Uuid,
    Timestamp,
    DateTime,
    Date,
    Time,
    Json,
}

impl Candidate {
    pub(super) fn kind(self) -> FieldKind {
        match self {
            Self::Bool => FieldKind::Bool,
            Self::Integer => FieldKind::Integer,
            Self::Float => FieldKind::Float64,
            Self::Decimal => FieldKind::Decimal,
            Self::Text => FieldKind::Text,
            Self::Bytes => FieldKind::Bytes,
            Self::Uuid => FieldKind::Uuid,
            Self::Timestamp => FieldKind::Timestamp,
            Self::DateTime => FieldKind::DateTime,
            Self::Date => FieldKind::Date,
            Self::Time => FieldKind::Time,
            Self::Json => FieldKind::Json,
        }
    }

    pub(super) fn logical(self) -> LogicalType {
        match self {
            Self::Bool => LogicalType::Bool,
            Self::Integer => LogicalType::Integer { bits: 64, signed: true },
            Self::Float => LogicalType::Float { bits: 64 },
            Self::Decimal => LogicalType::Decimal,
            Self::Text => LogicalType::Text,
            Self::Bytes => LogicalType::Bytes,
            Self::Uuid => LogicalType::Uuid,
            Self::Timestamp => LogicalType::Timestamp,
            Self::DateTime => LogicalType::DateTime,
            Self::Date => LogicalType::Date,
            Self::Time => LogicalType::Time,
            Self::Json => LogicalType::Json,
        }
    }

    /// Returns whether the Rust type of the field represents a value that was read.
    pub(super) fn represents(self, value: &Value<'_>) -> bool {
        match (self, value) {
            (Self::Integer, value) => matches!(value, Value::I64(_)),
            // An integer that was not converted to a floating-point number would be rounded.
            (Self::Float, value) => matches!(value, Value::F64(_)),
            (Self::Decimal, Value::Decimal(text)) => fits_decimal(text),
            (Self::Json, Value::Json(text)) => serde_json::from_str::<serde_json::Value>(text).is_ok(),
            _ => true,
        }
    }
}

fn fits_decimal(text: &str) -> bool {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let count = digits.bytes().filter(u8::is_ascii_digit).count();
    let is_plain = digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    is_plain && count <= MAX_DECIMAL_DIGITS && DecimalText::is_valid(text)
}

/// Returns the candidates for a column, the most specific one first. Text and bytes are always the last.
pub(super) fn of_column(column: &Column) -> Vec<Candidate> {
    use Candidate as C;
    let declared = column.declared.to_ascii_uppercase();
    let has = |parts: &[&str]| parts.iter().any(|part| declared.contains(part));
    let mut candidates = if has(&["BOOL"]) {
        vec![C::Bool, C::Integer, C::Float]
    } else if has(&["UUID", "GUID", "UNIQUEIDENTIFIER"]) {
        vec![C::Uuid]
    } else if has(&["JSON"]) {
        vec![C::Json]
    } else if has(&["TIMESTAMPTZ", "WITH TIME ZONE"]) && !has(&["WITHOUT"]) {
        vec![C::Timestamp, C::Integer, C::Float]
    } else if has(&["TIMESTAMP", "DATETIME"]) {
        vec![C::DateTime, C::Timestamp, C::Date, C::Integer, C::Float]
    } else if declared == "DATE" || declared.starts_with("DATE(") {
        vec![C::Date, C::DateTime, C::Timestamp, C::Integer, C::Float]
    } else if declared == "TIME" || declared.starts_with("TIME(") {
        vec![C::Time, C::Integer, C::Float]
    } else if has(&["DECIMAL", "NUMERIC", "NUMBER", "MONEY", "CURRENCY"]) {
        vec![C::Decimal, C::Float]
    } else if has(&["BINARY"]) {
        vec![C::Bytes, C::Integer, C::Float]
    } else {
        match column.affinity {
            Affinity::Integer => vec![C::Integer, C::Float],
            Affinity::Real => vec![C::Float],
            Affinity::Text => vec![C::Text],
            Affinity::Blob if has(&["BLOB"]) => vec![C::Bytes, C::Integer, C::Float],
            // The declared type gives no hint, so the stored values decide.
            Affinity::Blob | Affinity::Numeric => vec![C::Integer, C::Float],
        }
    };
    for last in [C::Text, C::Bytes] {
        if !candidates.contains(&last) {
            candidates.push(last);
        }
    }
    candidates
}

/// Returns whether the declared type of a column gives no hint of its values.
pub(super) fn is_untyped(column: &Column) -> bool {
    matches!(column.affinity, Affinity::Blob | Affinity::Numeric)
        && of_column(column) == [Candidate::Integer, Candidate::Float, Candidate::Text, Candidate::Bytes]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decimal_that_rust_decimal_would_round_is_no_decimal() {
        for (text, fits) in [
            ("0.99", true),
            ("-12345678901234567890.12345678", true),
            ("0.12345678901234567890123456789", false),
            ("100000000000000000000000000000", false),
            ("1e5", false),
        ] {
            let value = Value::Decimal(text.into());
            assert_eq!(Candidate::Decimal.represents(&value), fits, "{text}");
        }
    }
}

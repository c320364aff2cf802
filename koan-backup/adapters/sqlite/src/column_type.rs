//! The type of a column from the point of view of a field: how its values are read and in which form they are
//! written.

use koan_backup_core::{
    schema::{FieldSchema, LogicalType, WireForm},
    value::OffsetStyle,
};

use super::catalog::{Affinity, Column};
use super::form::{
    BLOB, DIGIT_WORDS, FRACTION_0, FRACTION_MINIMAL, Form, INTEGER, MomentParts, MomentStyle, NATIVE, REAL,
    SecondsStyle, Shape, TEXT, UnixUnit, UuidStyle,
};

/// A column from the point of view of one field.
#[derive(Clone, Copy, Debug)]
pub(super) struct ColumnType {
    pub(super) kind: ValueKind,
    pub(super) affinity: Affinity,
    /// Whether the column forbids NULL.
    pub(super) not_null: bool,
    /// The unit in which a whole number counts time.
    pub(super) unit: UnixUnit,
    /// Whether the serde form of the field's times counts units since 1970.
    pub(super) counts_time: bool,
    /// Whether the serde form of the field's times is ISO 8601 text, so that such text is passed on without
    /// parsing it.
    pub(super) passes_iso_text: bool,
    /// The form in which a value is written if no other form is known.
    pub(super) default: Form,
}

/// The type as which values are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ValueKind {
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
    Json,
    /// The column holds the value as serde writes it.
    AsSerialized,
    /// A value of a flattened map.
    Extra,
}

impl ColumnType {
    /// Returns the type of a column that holds a field.
    pub(super) fn of_field(field: &FieldSchema, column: &Column) -> Self {
        Self::new(ValueKind::of(field), field.wire, column)
    }

    /// Returns the type of a column that holds an entry of a flattened map.
    pub(super) fn extra(column: &Column) -> Self {
        Self::new(ValueKind::Extra, WireForm::Plain, column)
    }

    fn new(kind: ValueKind, wire: WireForm, column: &Column) -> Self {
        let (unit, counts_time) = match wire {
            WireForm::UnixSeconds => (UnixUnit::Seconds, true),
            WireForm::UnixMillis => (UnixUnit::Millis, true),
            WireForm::UnixMicros => (UnixUnit::Micros, true),
            WireForm::UnixNanos => (UnixUnit::Nanos, true),
            _ => (UnixUnit::Seconds, false),
        };
        Self {
            kind,
            affinity: column.affinity,
            not_null: column.not_null,
            unit,
            counts_time,
            passes_iso_text: wire == WireForm::Plain,
            default: default_form(kind, unit, column),
        }
    }
}

impl ValueKind {
    fn of(field: &FieldSchema) -> Self {
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
            _ => Self::Json,
        }
    }

    /// Returns the type's name, for error messages.
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
            Self::Json => "JSON",
            Self::AsSerialized | Self::Extra => "a value",
        }
    }
}

/// Returns the form of a value in a column of which no other form is known.
fn default_form(kind: ValueKind, unit: UnixUnit, column: &Column) -> Form {
    let moment = |parts, seconds, offset, variants| {
        Form::new(Shape::Moment(MomentStyle { parts, seconds, offset, offset_seconds: 0 }), variants)
    };
    match kind {
        ValueKind::Bool if column.affinity == Affinity::Text => Form::new(Shape::Words(DIGIT_WORDS), TEXT),
        ValueKind::Uuid if column.declared.to_ascii_uppercase().contains("BLOB") => Form::stored_as(BLOB),
        ValueKind::Uuid => Form::new(Shape::Uuid(UuidStyle::Hyphenated), TEXT),
        ValueKind::Timestamp | ValueKind::DateTime | ValueKind::Date
            if column.affinity == Affinity::Integer =>
        {
            Form::new(Shape::Unix(unit), INTEGER)
        }
        ValueKind::Timestamp | ValueKind::DateTime | ValueKind::Date if column.affinity == Affinity::Real => {
            Form::new(Shape::Julian, REAL)
        }
        ValueKind::Timestamp => {
            moment(MomentParts::Both('T'), SecondsStyle::Written, OffsetStyle::Zulu, FRACTION_MINIMAL)
        }
        ValueKind::DateTime => {
            moment(MomentParts::Both(' '), SecondsStyle::Written, OffsetStyle::Absent, FRACTION_MINIMAL)
        }
        ValueKind::Date => moment(MomentParts::Date, SecondsStyle::Omitted, OffsetStyle::Absent, FRACTION_0),
        ValueKind::Time => {
            moment(MomentParts::Time, SecondsStyle::Written, OffsetStyle::Absent, FRACTION_MINIMAL)
        }
        _ => Form::stored_as(NATIVE),
    }
}

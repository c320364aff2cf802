//! What a column is to a field: how its values are read and in which form they are written.

use koan_backup_core::{
    schema::{FieldSchema, LogicalType, WireForm},
    value::OffsetStyle,
};

use super::catalog::{Affinity, Column};
use super::form::{
    BLOB, DIGIT_WORDS, FRACTION_0, FRACTION_MINIMAL, Form, INTEGER, Moment, NATIVE, Parts, REAL, Seconds,
    Shape, TEXT, UnixUnit, UuidStyle,
};

/// A column as one field sees it.
#[derive(Clone, Copy, Debug)]
pub(super) struct ColumnType {
    pub(super) kind: Kind,
    pub(super) affinity: Affinity,
    /// Whether the column forbids NULL.
    pub(super) not_null: bool,
    /// What a whole number means as a time.
    pub(super) unit: UnixUnit,
    /// Whether the field's own form of times counts units since 1970.
    pub(super) counts_time: bool,
    /// Whether the field's own form of times is ISO 8601 text, so that such text need not be taken apart and put
    /// together again.
    pub(super) takes_iso: bool,
    /// How a value is written when nothing else is known.
    pub(super) default: Form,
}

/// How values are read.
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
    Json,
    /// What serde writes is what the column holds.
    Own,
    /// What a flattened map takes up.
    Extra,
}

impl ColumnType {
    /// A column that holds a field.
    pub(super) fn of_field(field: &FieldSchema, column: &Column) -> Self {
        Self::new(Kind::of(field), field.wire, column)
    }

    /// A column that a flattened map takes up.
    pub(super) fn extra(column: &Column) -> Self {
        Self::new(Kind::Extra, WireForm::Plain, column)
    }

    fn new(kind: Kind, wire: WireForm, column: &Column) -> Self {
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
            takes_iso: wire == WireForm::Plain,
            default: default_form(kind, unit, column),
        }
    }
}

impl Kind {
    fn of(field: &FieldSchema) -> Self {
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
            Self::Json => "JSON",
            Self::Own | Self::Extra => "a value",
        }
    }
}

/// The form of a value in a column of which nothing else is known.
fn default_form(kind: Kind, unit: UnixUnit, column: &Column) -> Form {
    let moment = |parts, seconds, offset, ways| {
        Form::new(Shape::Moment(Moment { parts, seconds, offset, offset_seconds: 0 }), ways)
    };
    match kind {
        Kind::Bool if column.affinity == Affinity::Text => Form::new(Shape::Words(DIGIT_WORDS), TEXT),
        Kind::Uuid if column.declared.to_ascii_uppercase().contains("BLOB") => Form::plain(BLOB),
        Kind::Uuid => Form::new(Shape::Uuid(UuidStyle::Hyphenated), TEXT),
        Kind::Timestamp | Kind::DateTime | Kind::Date if column.affinity == Affinity::Integer => {
            Form::new(Shape::Unix(unit), INTEGER)
        }
        Kind::Timestamp | Kind::DateTime | Kind::Date if column.affinity == Affinity::Real => {
            Form::new(Shape::Julian, REAL)
        }
        Kind::Timestamp => moment(Parts::Both('T'), Seconds::Written, OffsetStyle::Zulu, FRACTION_MINIMAL),
        Kind::DateTime => moment(Parts::Both(' '), Seconds::Written, OffsetStyle::Absent, FRACTION_MINIMAL),
        Kind::Date => moment(Parts::Date, Seconds::Left, OffsetStyle::Absent, FRACTION_0),
        Kind::Time => moment(Parts::Time, Seconds::Written, OffsetStyle::Absent, FRACTION_MINIMAL),
        _ => Form::plain(NATIVE),
    }
}

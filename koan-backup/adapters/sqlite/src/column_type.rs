//! The type of a column for a field: how the values of the column are read, and in which form they are
//! written.

use koan_backup_core::{
    schema::{FieldSchema, WireForm},
    value::OffsetStyle,
};

use koan_backup_sql::field_kind::FieldKind;

use super::catalog::{Affinity, Column};
use super::form::{
    BLOB, DIGIT_WORDS, FRACTION_0, FRACTION_MINIMAL, Form, INTEGER, NATIVE, REAL, SecondsStyle, Shape, TEXT,
    TemporalForm, TemporalParts, UnixUnit, UuidStyle,
};

/// The type of a column for the field that it contains.
#[derive(Clone, Copy, Debug)]
pub(super) struct ColumnType {
    pub(super) kind: FieldKind,
    pub(super) affinity: Affinity,
    /// Whether the column is NOT NULL.
    pub(super) not_null: bool,
    /// The unit of a time that is stored as a whole number.
    pub(super) unit: UnixUnit,
    /// Whether the serde form of the field declares the unit: serde writes the times of the field as a number
    /// of units since 1970.
    pub(super) declares_unit: bool,
    /// Whether serde writes the times of the field as ISO 8601 text. If so, stored ISO 8601 text is passed to
    /// serde unchanged.
    pub(super) passes_iso_text: bool,
    /// The form in which a value is written if no other form is known.
    pub(super) default: Form,
}

impl ColumnType {
    /// Returns the type of a column that contains a field.
    pub(super) fn of_field(field: &FieldSchema, column: &Column) -> Self {
        Self::new(FieldKind::of_field(field), field.wire, column)
    }

    /// Returns the type of a column that contains an entry of a flattened map.
    pub(super) fn extra(column: &Column) -> Self {
        Self::new(FieldKind::Extra, WireForm::Plain, column)
    }

    /// Returns the type of a column that contains a field of a kind, in the usual form of serde.
    pub(super) fn of_kind(kind: FieldKind, column: &Column) -> Self {
        Self::new(kind, WireForm::Plain, column)
    }

    fn new(kind: FieldKind, wire: WireForm, column: &Column) -> Self {
        let (unit, declares_unit) = match wire {
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
            declares_unit,
            passes_iso_text: wire == WireForm::Plain,
            default: default_form(kind, unit, column),
        }
    }
}

/// Returns the form of a value in a column if no other form is known.
fn default_form(kind: FieldKind, unit: UnixUnit, column: &Column) -> Form {
    let temporal = |parts, seconds, offset, variants| {
        Form::new(Shape::Temporal(TemporalForm { parts, seconds, offset, offset_seconds: 0 }), variants)
    };
    match kind {
        FieldKind::Bool if column.affinity == Affinity::Text => Form::new(Shape::Words(DIGIT_WORDS), TEXT),
        FieldKind::Uuid if column.declared.to_ascii_uppercase().contains("BLOB") => Form::stored_as(BLOB),
        FieldKind::Uuid => Form::new(Shape::Uuid(UuidStyle::Hyphenated), TEXT),
        FieldKind::Timestamp | FieldKind::DateTime | FieldKind::Date
            if column.affinity == Affinity::Integer =>
        {
            Form::new(Shape::Unix(unit), INTEGER)
        }
        FieldKind::Timestamp | FieldKind::DateTime | FieldKind::Date if column.affinity == Affinity::Real => {
            Form::new(Shape::Julian, REAL)
        }
        FieldKind::Timestamp => {
            temporal(TemporalParts::Both('T'), SecondsStyle::Written, OffsetStyle::Zulu, FRACTION_MINIMAL)
        }
        FieldKind::DateTime => {
            temporal(TemporalParts::Both(' '), SecondsStyle::Written, OffsetStyle::Absent, FRACTION_MINIMAL)
        }
        FieldKind::Date => {
            temporal(TemporalParts::Date, SecondsStyle::Omitted, OffsetStyle::Absent, FRACTION_0)
        }
        FieldKind::Time => {
            temporal(TemporalParts::Time, SecondsStyle::Written, OffsetStyle::Absent, FRACTION_MINIMAL)
        }
        _ => Form::stored_as(NATIVE),
    }
}

//! Reads dates and times that are stored as text, as a number of units since 1970, or as a Julian day.
//!
//! SQLite has no type for dates and times. Numbers are read as SQLite's date functions read them:
//! <https://sqlite.org/datatype3.html#date_and_time_datatype>

use std::borrow::Cow;

use koan_backup_core::value::{Date, DateTime, OffsetStyle, TemporalStyle, Time, Timestamp, Value};
use rusqlite::types::ValueRef;

use super::super::column_type::ColumnType;
use super::super::form::{
    FRACTION_MINIMAL, Form, INTEGER, REAL, SecondsStyle, Shape, TemporalForm, TemporalParts, UnixUnit,
    fraction_variants,
};
use super::super::number;
use super::super::time_number::{UNIX_EPOCH_IN_JULIAN_MILLIS, is_beyond_seconds, julian_of};
use super::read_value::{ReadValue, unexpected, utf8};
use koan_backup_sql::conversion_error::ConversionError;
use koan_backup_sql::field_kind::FieldKind;

impl ColumnType {
    pub(super) fn temporal<'a>(&self, stored: ValueRef<'a>) -> Result<ReadValue<'a>, ConversionError> {
        match stored {
            ValueRef::Text(text) => {
                let text = utf8(text)?;
                match temporal_text(self.kind, text) {
                    Some((_, form)) if self.passes_iso_text && is_iso(self.kind, form) => {
                        Ok((Value::Str(Cow::Borrowed(text)), Some(form)))
                    }
                    Some((value, form)) => Ok((value, Some(form))),
                    // Surrounding white space is not preserved.
                    None => match temporal_text(self.kind, text.trim_ascii()) {
                        Some((value, _)) => Ok((value, None)),
                        None => {
                            let error = before_year_0_error(text.trim_ascii());
                            Err(error.unwrap_or_else(|| unexpected(stored, self.kind)))
                        }
                    },
                }
            }
            ValueRef::Integer(count) if self.kind != FieldKind::Time => self.unix(count, INTEGER),
            ValueRef::Real(real) if self.kind != FieldKind::Time => match number::integer_of(real) {
                Some(count) if self.declares_unit => self.unix(count, REAL),
                _ => self.julian(real),
            },
            _ => Err(unexpected(stored, self.kind)),
        }
    }

    fn unix(&self, count: i64, storage: u32) -> Result<ReadValue<'static>, ConversionError> {
        let unit = self.unit;
        let instant = Timestamp::from_unix_nanos(i128::from(count) * unit.nanos()).filter(in_range);
        let instant = instant.ok_or_else(|| {
            ConversionError::new(format!(
                "contains a whole number that is outside the years 0 to 9999 when read as {} since 1970; if \
                 it counts another unit, declare the unit on the field, as #[serde(with = \
                 \"chrono::serde::ts_milliseconds\")] does",
                unit_name(unit)
            ))
        })?;
        if !self.declares_unit && is_beyond_seconds(count) {
            return Err(ConversionError::new(
                "contains a whole number that is after the year 2200 when read as seconds since 1970, and \
                 the field declares no unit; if the number counts milliseconds, declare the unit on the field \
                 with #[serde(with = \"chrono::serde::ts_milliseconds\")], and if it counts seconds, with \
                 `ts_seconds`",
            ));
        }
        Ok((self.value_of_instant(instant)?, Some(Form::new(Shape::Unix(unit), storage))))
    }

    fn julian(&self, real: f64) -> Result<ReadValue<'static>, ConversionError> {
        let millis = number::integer_of((real * 86_400_000.0).round());
        let nanos = millis.map(|millis| (i128::from(millis) - UNIX_EPOCH_IN_JULIAN_MILLIS) * 1_000_000);
        let instant = nanos.and_then(Timestamp::from_unix_nanos).filter(in_range).ok_or_else(|| {
            ConversionError::new(
                "contains a REAL that is outside the years 0 to 9999 when read as a Julian day, as SQLite \
                 reads it; store dates as text or whole seconds",
            )
        })?;
        if julian_of(instant).map(f64::to_bits) != Some(real.to_bits()) {
            return Err(ConversionError::new(
                "contains a Julian day that is more precise than the milliseconds of SQLite, so it would not \
                 be written back unchanged; store dates as text",
            ));
        }
        Ok((self.value_of_instant(instant)?, Some(Form::new(Shape::Julian, REAL))))
    }

    fn value_of_instant(&self, instant: Timestamp) -> Result<Value<'static>, ConversionError> {
        match self.kind {
            FieldKind::Timestamp => Ok(Value::Timestamp(instant)),
            FieldKind::DateTime => Ok(Value::DateTime(instant.local)),
            _ if instant.local.time == Time::MIDNIGHT => Ok(Value::Date(instant.local.date)),
            _ => Err(ConversionError::new("contains a date with a time of day where a date is expected")),
        }
    }
}

fn in_range(instant: &Timestamp) -> bool {
    (0..=9999).contains(&instant.local.date.year)
}

fn unit_name(unit: UnixUnit) -> &'static str {
    match unit {
        UnixUnit::Seconds => "seconds",
        UnixUnit::Millis => "milliseconds",
        UnixUnit::Micros => "microseconds",
        UnixUnit::Nanos => "nanoseconds",
    }
}

/// Returns whether the form is the text form that serde reads for a field of this kind.
fn is_iso(kind: FieldKind, form: Form) -> bool {
    let Shape::Temporal(TemporalForm { parts, seconds, offset, .. }) = form.shape else { return false };
    let exact = seconds == SecondsStyle::Written && form.has(FRACTION_MINIMAL);
    match kind {
        FieldKind::Timestamp => parts == TemporalParts::Both('T') && exact && offset == OffsetStyle::Zulu,
        FieldKind::DateTime => parts == TemporalParts::Both('T') && exact && offset == OffsetStyle::Absent,
        FieldKind::Date => parts == TemporalParts::Date,
        _ => exact,
    }
}

/// Parses a date or time from text, and returns its form.
fn temporal_text(kind: FieldKind, text: &str) -> Option<(Value<'static>, Form)> {
    match kind {
        FieldKind::Timestamp => {
            let (value, style) = Timestamp::parse(text)?;
            Some((Value::Timestamp(value), form(kind, style, value.local.time, value.offset_seconds)))
        }
        FieldKind::DateTime => {
            let (value, style) = date_time(text)?;
            Some((Value::DateTime(value), form(kind, style, value.time, 0)))
        }
        FieldKind::Date => {
            let (value, style) = Date::parse(text)?;
            Some((Value::Date(value), form(kind, style, Time::MIDNIGHT, 0)))
        }
        _ => {
            let (value, style) = Time::parse(text)?;
            Some((Value::Time(value), form(kind, style, value, 0)))
        }
    }
}

/// Returns the error for text that looks like a date before the year 0. Returns `None` for other text,
/// because there is no specific remedy for it.
fn before_year_0_error(text: &str) -> Option<ConversionError> {
    let starts_with_year =
        |text: &str| text.split('-').next().is_some_and(|year| year.parse::<u32>().is_ok());
    let has_suffix = [" BC", " BCE"].iter().any(|suffix| text.len() > suffix.len() && text.ends_with(suffix));
    let is_before_year_0 = has_suffix || text.strip_prefix('-').is_some_and(starts_with_year);
    is_before_year_0.then(|| {
        ConversionError::new(
            "contains a date before the year 0 that does not have the form of ISO 8601: a sign and six digits \
             of the year, where the year before 1 is 0 (`-000043-03-15` is 44 BC); store the date in this \
             form, or change the type of the field to text",
        )
    })
}

/// Parses a date and time without an offset. An offset of zero is accepted, because it adds no information.
fn date_time(text: &str) -> Option<(DateTime, TemporalStyle)> {
    DateTime::parse(text).or_else(|| {
        let (value, style) = Timestamp::parse(text)?;
        (value.offset_seconds == 0).then_some((value.local, style))
    })
}

/// Returns the form of a date or time that was parsed from text with this style.
fn form(kind: FieldKind, style: TemporalStyle, time: Time, offset_seconds: i32) -> Form {
    let parts = match (kind, style.separator) {
        (FieldKind::Time, _) => TemporalParts::Time,
        (_, None) => TemporalParts::Date,
        (_, Some(separator)) => TemporalParts::Both(separator),
    };
    let temporal = TemporalForm {
        parts,
        seconds: if style.seconds { SecondsStyle::Written } else { SecondsStyle::Omitted },
        offset: if parts == TemporalParts::Date { OffsetStyle::Absent } else { style.offset },
        offset_seconds,
    };
    let variants = fraction_variants(time.nanosecond, if style.seconds { style.fraction_digits } else { 0 });
    Form::new(Shape::Temporal(temporal), variants)
}

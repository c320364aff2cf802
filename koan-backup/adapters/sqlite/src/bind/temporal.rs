//! Converts dates and times to stored values, in a given form.

use std::borrow::Cow;

use koan_backup_core::value::{DateTime, OffsetStyle, TemporalStyle, Time, Timestamp, Value};

use super::super::column_type::ColumnType;
use super::super::form::{Form, REAL, SecondsStyle, Shape, TemporalForm, TemporalParts, fraction_digits};
use super::super::number;
use super::super::time_number::{is_beyond_seconds, julian_of};
use super::Stored;
use koan_backup_sql::conversion_error::ConversionError;

impl ColumnType {
    pub(super) fn store_temporal(
        &self,
        value: &Value<'_>,
        form: Form,
    ) -> Result<Stored<'static>, ConversionError> {
        // A backup would refuse a number whose unit is ambiguous.
        let is_unambiguous = |stored: &Stored<'_>| match stored {
            Stored::Integer(count) => self.declares_unit || !is_beyond_seconds(*count),
            _ => true,
        };
        let stored =
            store_in_form(value, form).or_else(|| store_in_form(value, self.default)).filter(is_unambiguous);
        stored.or_else(|| self.store_as_text(value)).ok_or_else(|| {
            ConversionError::new(
                "stores times in a unit that cannot represent a time this precise or this distant; declare \
                 the column TEXT",
            )
        })
    }

    /// Converts a time to text if the column may contain text. Every time can be written as text, but a
    /// column that contains numbers must not contain text as well.
    fn store_as_text(&self, value: &Value<'_>) -> Option<Stored<'static>> {
        if !matches!(self.default.shape, Shape::Temporal(_)) {
            return None;
        }
        let text = match value {
            Value::Timestamp(value) => value.to_string(),
            Value::DateTime(value) => value.to_string(),
            Value::Date(value) => value.to_string(),
            Value::Time(value) => value.to_string(),
            _ => return None,
        };
        Some(Stored::Text(Cow::Owned(text)))
    }
}

/// Converts a time to a stored value in a form. Returns `None` if the form cannot represent the time.
fn store_in_form(value: &Value<'_>, form: Form) -> Option<Stored<'static>> {
    match form.shape {
        Shape::Temporal(temporal) => {
            temporal_text(value, temporal, form.variants).map(|text| Stored::Text(Cow::Owned(text)))
        }
        Shape::Unix(unit) => {
            let nanos = instant(value)?.unix_nanos()?;
            let count = i64::try_from(nanos / unit.nanos()).ok().filter(|_| nanos % unit.nanos() == 0)?;
            if form.has(REAL) {
                number::float_of(count).map(Stored::Real)
            } else {
                Some(Stored::Integer(count))
            }
        }
        Shape::Julian => julian_of(instant(value)?).map(Stored::Real),
        _ => None,
    }
}

fn instant(value: &Value<'_>) -> Option<Timestamp> {
    Some(match *value {
        Value::Timestamp(instant) => instant,
        Value::DateTime(local) => Timestamp { local, offset_seconds: 0 },
        Value::Date(date) => Timestamp { local: DateTime { date, time: Time::MIDNIGHT }, offset_seconds: 0 },
        _ => return None,
    })
}

fn temporal_text(value: &Value<'_>, mut temporal: TemporalForm, variants: u32) -> Option<String> {
    if let Value::Time(time) = *value {
        return style(temporal, variants, time).write_time(time);
    }
    let mut instant = instant(value)?;
    if matches!(value, Value::Timestamp(_)) {
        if temporal.offset.is_utc_only() && instant.offset_seconds != 0 {
            temporal.offset = OffsetStyle::Colon;
        }
        instant = at_offset_of(temporal, instant)?;
    }
    style(temporal, variants, instant.local.time).write_timestamp(instant)
}

/// Converts an instant to the offset of the form, because the type of the field may have converted a stored
/// value with an offset to UTC. An instant whose offset is not UTC keeps its offset, unless the form has no
/// offset.
fn at_offset_of(temporal: TemporalForm, instant: Timestamp) -> Option<Timestamp> {
    let keeps_offset = instant.offset_seconds != 0 && temporal.offset != OffsetStyle::Absent;
    if keeps_offset { Some(instant) } else { instant.at_offset(temporal.offset_seconds) }
}

fn style(temporal: TemporalForm, variants: u32, time: Time) -> TemporalStyle {
    TemporalStyle {
        separator: match temporal.parts {
            TemporalParts::Both(separator) => Some(separator),
            TemporalParts::Date | TemporalParts::Time => None,
        },
        seconds: temporal.seconds == SecondsStyle::Written,
        fraction_digits: fraction_digits(variants, time.nanosecond),
        offset: temporal.offset,
    }
}

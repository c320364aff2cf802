//! Writes dates and times in a form.

use std::borrow::Cow;

use koan_backup_core::value::{DateTime, OffsetStyle, TemporalStyle, Time, Timestamp, Value};

use super::super::column_type::ColumnType;
use super::super::form::{Form, MomentParts, MomentStyle, REAL, SecondsStyle, Shape, fraction_digits};
use super::super::number;
use super::super::time_number::{is_beyond_seconds, julian_of};
use super::Stored;
use koan_backup_sql::conversion_error::ConversionError;

impl ColumnType {
    pub(super) fn store_moment(
        &self,
        value: &Value<'_>,
        form: Form,
    ) -> Result<Stored<'static>, ConversionError> {
        // A backup would refuse a number that could be read in another unit.
        let is_unambiguous = |stored: &Stored<'_>| match stored {
            Stored::Integer(count) => self.counts_time || !is_beyond_seconds(*count),
            _ => true,
        };
        let stored =
            store_in_form(value, form).or_else(|| store_in_form(value, self.default)).filter(is_unambiguous);
        stored.or_else(|| self.store_as_text(value)).ok_or_else(|| {
            ConversionError::new(
                "stores times in a unit that cannot represent a time this precise or this distant; declare \
                 it TEXT",
            )
        })
    }

    /// Stores a time as text if the column may contain it. Text can hold every time, but a column that stores
    /// numbers must not contain text as well.
    fn store_as_text(&self, value: &Value<'_>) -> Option<Stored<'static>> {
        if !matches!(self.default.shape, Shape::Moment(_)) {
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

fn store_in_form(value: &Value<'_>, form: Form) -> Option<Stored<'static>> {
    match form.shape {
        Shape::Moment(moment) => {
            moment_text(value, moment, form.variants).map(|text| Stored::Text(Cow::Owned(text)))
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

fn moment_text(value: &Value<'_>, mut moment: MomentStyle, variants: u32) -> Option<String> {
    if let Value::Time(time) = *value {
        return style(moment, variants, time).write_time(time);
    }
    let mut instant = instant(value)?;
    if matches!(value, Value::Timestamp(_)) {
        if moment.offset.is_utc_only() && instant.offset_seconds != 0 {
            moment.offset = OffsetStyle::Colon;
        }
        instant = at_offset_of(moment, instant)?;
    }
    style(moment, variants, instant.local.time).write_timestamp(instant)
}

/// Moves an instant to the offset of the form, for values that were read with an offset by a type that
/// converted them to UTC. An instant with its own offset keeps it, unless the form has no offsets.
fn at_offset_of(moment: MomentStyle, instant: Timestamp) -> Option<Timestamp> {
    let keeps_offset = instant.offset_seconds != 0 && moment.offset != OffsetStyle::Absent;
    if keeps_offset { Some(instant) } else { instant.at_offset(moment.offset_seconds) }
}

fn style(moment: MomentStyle, variants: u32, time: Time) -> TemporalStyle {
    TemporalStyle {
        separator: match moment.parts {
            MomentParts::Both(separator) => Some(separator),
            MomentParts::Date | MomentParts::Time => None,
        },
        seconds: moment.seconds == SecondsStyle::Written,
        fraction_digits: fraction_digits(variants, time.nanosecond),
        offset: moment.offset,
    }
}

//! Writes dates and times in a form.

use std::borrow::Cow;

use koan_backup_core::value::{DateTime, OffsetStyle, TemporalStyle, Time, Timestamp, Value};

use super::super::column_type::ColumnType;
use super::super::form::{Form, Moment, Parts, REAL, Seconds, Shape, fraction_digits};
use super::super::number;
use super::super::read::{UNIX_EPOCH_IN_JULIAN_MILLIS, is_beyond_seconds};
use super::Stored;
use koan_backup_sql::conversion_error::ConversionError;

impl ColumnType {
    pub(super) fn moment_in(
        &self,
        value: &Value<'_>,
        form: Form,
    ) -> Result<Stored<'static>, ConversionError> {
        // A backup would refuse what it cannot tell from another unit.
        let is_told = |stored: &Stored<'_>| match stored {
            Stored::Integer(count) => self.counts_time || !is_beyond_seconds(*count),
            _ => true,
        };
        let stored = in_form(value, form).or_else(|| in_form(value, self.default)).filter(is_told);
        stored.or_else(|| self.in_text(value)).ok_or_else(|| {
            ConversionError::new(
                "counts time in a unit that cannot hold so fine or so distant a time; declare it TEXT",
            )
        })
    }

    /// Any time can be text; but a column that counts time is not given text in between.
    fn in_text(&self, value: &Value<'_>) -> Option<Stored<'static>> {
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

fn in_form(value: &Value<'_>, form: Form) -> Option<Stored<'static>> {
    match form.shape {
        Shape::Moment(moment) => text(value, moment, form.ways).map(|text| Stored::Text(Cow::Owned(text))),
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

/// The Julian day as SQLite's `julianday` gives it; `None` when the instant is finer than a millisecond.
pub(in super::super) fn julian_of(instant: Timestamp) -> Option<f64> {
    let nanos = instant.unix_nanos()?;
    let millis = i64::try_from(nanos / 1_000_000 + UNIX_EPOCH_IN_JULIAN_MILLIS).ok();
    Some(number::float_of(millis.filter(|_| nanos % 1_000_000 == 0)?)? / 86_400_000.0)
}

fn instant(value: &Value<'_>) -> Option<Timestamp> {
    Some(match *value {
        Value::Timestamp(instant) => instant,
        Value::DateTime(local) => Timestamp { local, offset_seconds: 0 },
        Value::Date(date) => Timestamp { local: DateTime { date, time: Time::MIDNIGHT }, offset_seconds: 0 },
        _ => return None,
    })
}

fn text(value: &Value<'_>, mut moment: Moment, ways: u32) -> Option<String> {
    if let Value::Time(time) = *value {
        return style(moment, ways, time).write_time(time);
    }
    let mut instant = instant(value)?;
    if matches!(value, Value::Timestamp(_)) {
        if moment.offset.is_utc_only() && instant.offset_seconds != 0 {
            moment.offset = OffsetStyle::Colon;
        }
        instant = at_offset_of(moment, instant)?;
    }
    style(moment, ways, instant.local.time).write_timestamp(instant)
}

/// An instant that was read at an offset, by a type that turned it into UTC, goes back to that offset. One that still
/// has an offset keeps it, but where offsets are not written at all.
fn at_offset_of(moment: Moment, instant: Timestamp) -> Option<Timestamp> {
    let keeps = instant.offset_seconds != 0 && moment.offset != OffsetStyle::Absent;
    if keeps { Some(instant) } else { instant.at_offset(moment.offset_seconds) }
}

fn style(moment: Moment, ways: u32, time: Time) -> TemporalStyle {
    TemporalStyle {
        separator: match moment.parts {
            Parts::Both(separator) => Some(separator),
            Parts::Date | Parts::Time => None,
        },
        seconds: moment.seconds == Seconds::Written,
        fraction_digits: fraction_digits(ways, time.nanosecond),
        offset: moment.offset,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn julian_days_are_those_of_sqlite() {
        let connection = rusqlite::Connection::open_in_memory().expect("memory");
        for text in [
            "2009-01-01 00:00:00",
            "1969-07-20 20:17:40.123",
            "0001-01-01 12:00:00",
            "9999-12-31 23:59:59.999",
        ] {
            let theirs: f64 =
                connection.query_row("SELECT julianday(?1)", [text], |row| row.get(0)).expect("a date");
            let (instant, _) = Timestamp::parse(text).expect("a date");
            assert_eq!(julian_of(instant).map(f64::to_bits), Some(theirs.to_bits()), "{text}");
        }
    }
}

//! Converts dates and times to the text that PostgreSQL parses.

use koan_backup_core::value::{Date, DateTime, Time, Timestamp, Value};

use super::super::column_type::ColumnType;
use super::super::types::StoredType;
use koan_backup_sql::conversion_error::ConversionError;

impl ColumnType {
    /// Returns the text of a date or time for the type of the column.
    pub(super) fn date_or_time(&self, value: &Value<'_>) -> Result<String, ConversionError> {
        match self.stored {
            StoredType::Int4 | StoredType::Int8 => self.time_as_number(value),
            StoredType::Timestamp | StoredType::TimestampTz => self.instant(value),
            StoredType::Date => match value {
                Value::Date(date) => Ok(with_era(*date, "")),
                Value::DateTime(DateTime { date, time: Time::MIDNIGHT }) => Ok(with_era(*date, "")),
                _ => {
                    Err(ConversionError::new("cannot contain a time of day; declare the column `timestamp`"))
                }
            },
            StoredType::Time => match value {
                Value::Time(time) => self.time(*time),
                _ => Err(ConversionError::new("cannot contain a date; declare the column `timestamp`")),
            },
            _ => Ok(match value {
                Value::Timestamp(value) => value.to_string(),
                Value::DateTime(value) => value.to_string(),
                Value::Date(value) => value.to_string(),
                Value::Time(value) => value.to_string(),
                _ => return Err(ConversionError::new(format!("cannot hold {}", value.kind()))),
            }),
        }
    }

    /// Returns the text of an instant for a column that stores instants as numbers.
    fn time_as_number(&self, value: &Value<'_>) -> Result<String, ConversionError> {
        let nanos = instant_of(value).and_then(Timestamp::unix_nanos);
        let unit = 1_000_000_000 / self.units_per_second;
        let whole = nanos.filter(|nanos| nanos % unit == 0);
        whole.map(|nanos| (nanos / unit).to_string()).ok_or_else(|| {
            ConversionError::new(
                "stores times in a unit that cannot represent a time this precise; declare the column \
                 `timestamptz`",
            )
        })
    }

    /// Returns the text of an instant for a `timestamp` or `timestamptz` column.
    fn instant(&self, value: &Value<'_>) -> Result<String, ConversionError> {
        let DateTime { date, time } = in_utc(value)?.local;
        let zone = if self.stored == StoredType::TimestampTz { "+00" } else { "" };
        Ok(with_era(date, &format!(" {}{zone}", self.time(time)?)))
    }

    fn time(&self, time: Time) -> Result<String, ConversionError> {
        self.check_time(time)?;
        Ok(time.to_string())
    }

    /// Fails if the column would change the time without an error.
    pub(super) fn check_time(&self, time: Time) -> Result<(), ConversionError> {
        if time.second > 59 {
            return Err(ConversionError::new(
                "cannot hold a leap second, which PostgreSQL would convert to the following second",
            ));
        }
        let digits = if (0..=6).contains(&self.modifier) { self.modifier.unsigned_abs() } else { 6 };
        if time.nanosecond % 10_i32.pow(9 - digits) != 0 {
            return Err(ConversionError::new(format!(
                "would round the time to {digits} digits of a second; {}",
                if digits < 6 { "declare the column with 6 digits" } else { "declare the column `text`" },
            )));
        }
        Ok(())
    }
}

/// Returns the instant in UTC, as columns without an offset store it.
pub(super) fn in_utc(value: &Value<'_>) -> Result<Timestamp, ConversionError> {
    let instant =
        instant_of(value).ok_or_else(|| ConversionError::new("cannot hold a time without a date"))?;
    instant.at_offset(0).ok_or_else(|| {
        ConversionError::new("cannot hold a time that is in a leap second or outside the years -9999 to 9999")
    })
}

/// Returns a value as an instant. Values without an offset are UTC. Returns `None` for a time without a date.
fn instant_of(value: &Value<'_>) -> Option<Timestamp> {
    Some(match *value {
        Value::Timestamp(instant) => instant,
        Value::DateTime(local) => Timestamp { local, offset_seconds: 0 },
        Value::Date(date) => Timestamp { local: DateTime { date, time: Time::MIDNIGHT }, offset_seconds: 0 },
        _ => return None,
    })
}

/// Returns the text of a date, followed by `time` and the era. For PostgreSQL the year before 1 is 1 BC; in
/// archives it is the year 0.
fn with_era(date: Date, time: &str) -> String {
    let Date { year, month, day } = date;
    match year {
        1.. => format!("{year:04}-{month:02}-{day:02}{time}"),
        _ => format!("{:04}-{month:02}-{day:02}{time} BC", 1 - i32::from(year)),
    }
}

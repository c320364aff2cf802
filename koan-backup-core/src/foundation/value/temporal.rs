//! Dates, times and instants as plain fields, and their text in ISO 8601 and SQL.
//!
//! Parsing returns the value and the style of its text, so that an adapter can write a value in the style in
//! which it was read.

mod parse;
mod style;
mod text;

use jiff::civil;

use parse::{Parsed, parse};
pub use style::{OffsetStyle, TemporalStyle};
pub(crate) use text::TemporalText;

/// A calendar date in the proleptic Gregorian calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date {
    /// The year, −9999 to 9999.
    pub year: i16,
    /// The month, 1 to 12.
    pub month: i8,
    /// The day of the month, 1 to 31.
    pub day: i8,
}

/// A time of day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time {
    /// The hour, 0 to 23.
    pub hour: i8,
    /// The minute, 0 to 59.
    pub minute: i8,
    /// The second, 0 to 60: a leap second is preserved.
    pub second: i8,
    /// The fraction of the second, 0 to 999 999 999.
    pub nanosecond: i32,
}

/// A date and time without offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DateTime {
    /// The date.
    pub date: Date,
    /// The time of day.
    pub time: Time,
}

/// An instant: a local date and time and its offset from UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Timestamp {
    /// The local date and time at the offset.
    pub local: DateTime,
    /// The offset from UTC in seconds, positive to the east.
    pub offset_seconds: i32,
}

impl Date {
    /// Creates a date, or returns `None` if there is no such day.
    pub fn new(year: i16, month: i8, day: i8) -> Option<Self> {
        civil::Date::new(year, month, day).ok().map(|_| Self { year, month, day })
    }

    /// Parses `YYYY-MM-DD`, optionally followed by a time of exactly midnight.
    pub fn parse(text: &str) -> Option<(Self, TemporalStyle)> {
        let (value, style) = parse(text)?;
        match value {
            Parsed::Date(date) => Some((date, style)),
            Parsed::DateTime(date_time, None) if date_time.time == Time::MIDNIGHT => {
                Some((date_time.date, style))
            }
            _ => None,
        }
    }

    /// Returns the ordinal of the day in its year, starting at 1.
    pub fn ordinal(self) -> i16 {
        self.civil().map_or(1, civil::Date::day_of_year)
    }

    /// Creates a date from a year and the ordinal of a day in it, or returns `None` if there is no such day.
    pub fn from_ordinal(year: i16, ordinal: i16) -> Option<Self> {
        let first = civil::Date::new(year, 1, 1).ok()?;
        let date = first.checked_add(jiff::Span::new().try_days(i64::from(ordinal) - 1).ok()?).ok()?;
        (date.year() == year).then_some(Self { year, month: date.month(), day: date.day() })
    }

    /// Returns the days since 1970-01-01, or `None` if there is no such day.
    pub fn unix_days(self) -> Option<i64> {
        // Both are at midnight, so the hours are whole days.
        Some(self.civil()?.duration_since(UNIX_EPOCH.date()).as_hours() / 24)
    }

    fn civil(self) -> Option<civil::Date> {
        civil::Date::new(self.year, self.month, self.day).ok()
    }
}

impl Time {
    /// 00:00:00
    pub const MIDNIGHT: Self = Self { hour: 0, minute: 0, second: 0, nanosecond: 0 };

    /// Parses `HH:MM`, `HH:MM:SS` and `HH:MM:SS.fffffffff`.
    pub fn parse(text: &str) -> Option<(Self, TemporalStyle)> {
        match parse(text)? {
            (Parsed::Time(time), style) => Some((time, style)),
            _ => None,
        }
    }
}

impl DateTime {
    /// Parses a date and time separated by `T`, `t` or a space. A date alone is at midnight.
    pub fn parse(text: &str) -> Option<(Self, TemporalStyle)> {
        match parse(text)? {
            (Parsed::DateTime(value, None), style) => Some((value, style)),
            (Parsed::Date(date), style) => Some((Self { date, time: Time::MIDNIGHT }, style)),
            _ => None,
        }
    }

    fn civil(self) -> Option<civil::DateTime> {
        let Time { hour, minute, second, nanosecond } = self.time;
        civil::DateTime::new(
            self.date.year,
            self.date.month,
            self.date.day,
            hour,
            minute,
            second.min(59),
            nanosecond,
        )
        .ok()
    }

    fn from_civil(value: civil::DateTime) -> Self {
        Self {
            date: Date { year: value.year(), month: value.month(), day: value.day() },
            time: Time {
                hour: value.hour(),
                minute: value.minute(),
                second: value.second(),
                nanosecond: value.subsec_nanosecond(),
            },
        }
    }
}

impl Timestamp {
    /// Parses a date and time with an optional offset. Without an offset it is UTC.
    pub fn parse(text: &str) -> Option<(Self, TemporalStyle)> {
        match parse(text)? {
            (Parsed::DateTime(local, offset), style) => {
                Some((Self { local, offset_seconds: offset.unwrap_or(0) }, style))
            }
            (Parsed::Date(date), style) => {
                Some((Self { local: DateTime { date, time: Time::MIDNIGHT }, offset_seconds: 0 }, style))
            }
            _ => None,
        }
    }

    /// Returns the nanoseconds since 1970-01-01T00:00:00Z, or `None` for a leap second and outside the years
    /// ±9999.
    pub fn unix_nanos(self) -> Option<i128> {
        if self.local.time.second > 59 {
            return None;
        }
        // `jiff::Timestamp` ends a day before the last date, and many applications write 9999-12-31 for
        // "never".
        let since = self.local.civil()?.duration_since(UNIX_EPOCH);
        Some(since.as_nanos() - i128::from(self.offset_seconds) * 1_000_000_000)
    }

    /// Returns the instant that is a number of nanoseconds after 1970-01-01T00:00:00Z, at the offset of UTC.
    pub fn from_unix_nanos(nanos: i128) -> Option<Self> {
        let local = UNIX_EPOCH.checked_add(jiff::SignedDuration::try_from_nanos_i128(nanos)?).ok()?;
        Some(Self { local: DateTime::from_civil(local), offset_seconds: 0 })
    }

    /// Returns the same instant at another offset.
    pub fn at_offset(self, offset_seconds: i32) -> Option<Self> {
        if offset_seconds == self.offset_seconds {
            return Some(self);
        }
        let shift = i128::from(offset_seconds) * 1_000_000_000;
        let shifted = Self::from_unix_nanos(self.unix_nanos()? + shift)?;
        Some(Self { local: shifted.local, offset_seconds })
    }
}

const UNIX_EPOCH: civil::DateTime = civil::date(1970, 1, 1).at(0, 0, 0, 0);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_written_again_in_the_style_in_which_it_was_read() {
        for text in [
            "2009-01-01 00:00:00",
            "2009-01-01T13:14:15.120Z",
            "2009-01-01 13:14:15.123456+02:00",
            "2009-01-01t13:14",
            "2009-01-01T13:14:15.000000001-0530",
            "2009-01-01 13:14:60+05",
            "2009-01-01",
        ] {
            let (value, style) = Timestamp::parse(text).expect(text);
            assert_eq!(style.write_timestamp(value).as_deref(), Some(text));
        }
    }

    #[test]
    fn text_that_is_not_an_instant_is_refused() {
        for text in [
            "",
            "2009",
            "2009-13-01",
            "2009-02-30",
            "2009-01-01X00:00",
            "2009-01-01 24:00",
            "1:2:3",
            "2009-01-01 00:00:00.",
            "2009-01-01 00:00:00-00:00",
            "2009-01-01 00:00:00.1234567890",
        ] {
            assert!(Timestamp::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn an_impossible_offset_is_written_without_a_panic() {
        let local = DateTime { date: Date { year: 2024, month: 2, day: 29 }, time: Time::MIDNIGHT };
        let value = Timestamp { local, offset_seconds: i32::MIN };
        assert_eq!(value.to_string(), "2092-03-18T03:14:08Z");
        let (_, style) = Timestamp::parse("2024-02-29T00:00:00+01:00").expect("valid");
        assert_eq!(style.write_timestamp(value), None, "this style has no seconds");
    }

    #[test]
    fn an_offset_with_seconds_is_written_as_the_same_instant_in_utc() {
        let local = DateTime { date: Date { year: 1850, month: 1, day: 1 }, time: Time::MIDNIGHT };
        // Berlin before 1893.
        let value = Timestamp { local, offset_seconds: 53 * 60 + 28 };
        assert_eq!(value.to_string(), "1849-12-31T23:06:32Z");
        let (read, _) = Timestamp::parse(&value.to_string()).expect("valid");
        assert_eq!(read.unix_nanos(), value.unix_nanos());
    }

    #[test]
    fn unix_days_are_counted_from_1970() {
        let date = |year, month, day| Date { year, month, day };
        for (date, days) in [
            (date(1970, 1, 1), Some(0)),
            (date(1969, 12, 31), Some(-1)),
            (date(2000, 3, 1), Some(11_017)),
            (date(9999, 12, 31), Some(2_932_896)),
            (date(-9999, 1, 1), Some(-4_371_587)),
            (date(2023, 2, 29), None),
        ] {
            assert_eq!(date.unix_days(), days, "{date}");
        }
    }

    #[test]
    fn instants_convert_to_unix_time_and_back() {
        let (value, _) = Timestamp::parse("2024-02-29T23:30:00.000000001+05:30").expect("valid");
        let nanos = value.unix_nanos().expect("in range");
        assert_eq!(nanos, 1_709_229_600_000_000_001);
        let utc = Timestamp::from_unix_nanos(nanos).expect("in range");
        assert_eq!(utc.to_string(), "2024-02-29T18:00:00.000000001Z");
        assert_eq!(utc.at_offset(19_800), Some(value));
    }
}

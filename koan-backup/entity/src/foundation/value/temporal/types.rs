//! Dates, times and instants in the form of separate fields.

use jiff::civil;

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
    /// The second, 0 to 60. A leap second is preserved.
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
    /// Creates a date, or returns `None` if the date does not exist.
    pub fn new(year: i16, month: i8, day: i8) -> Option<Self> {
        civil::Date::new(year, month, day).ok().map(|_| Self { year, month, day })
    }

    /// Returns the ordinal of the day in its year, starting at 1.
    pub fn ordinal(self) -> i16 {
        self.civil().map_or(1, civil::Date::day_of_year)
    }

    /// Creates a date from a year and the ordinal of a day in the year, or returns `None` if the year does
    /// not have this day.
    pub fn from_ordinal(year: i16, ordinal: i16) -> Option<Self> {
        let first = civil::Date::new(year, 1, 1).ok()?;
        let date = first.checked_add(jiff::Span::new().try_days(i64::from(ordinal) - 1).ok()?).ok()?;
        (date.year() == year).then_some(Self { year, month: date.month(), day: date.day() })
    }

    /// Returns the number of days since 1970-01-01, or `None` if the date does not exist.
    pub fn unix_days(self) -> Option<i64> {
        // Both dates are at midnight, so the number of hours is a multiple of 24.
        Some(self.civil()?.duration_since(UNIX_EPOCH.date()).as_hours() / 24)
    }

    fn civil(self) -> Option<civil::Date> {
        civil::Date::new(self.year, self.month, self.day).ok()
    }
}

impl Time {
    /// Midnight, 00:00:00.
    pub const MIDNIGHT: Self = Self { hour: 0, minute: 0, second: 0, nanosecond: 0 };
}

impl DateTime {
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
    /// Returns the number of nanoseconds since 1970-01-01T00:00:00Z, or `None` for a leap second and for
    /// years outside of −9999 to 9999.
    pub fn unix_nanos(self) -> Option<i128> {
        if self.local.time.second > 59 {
            return None;
        }
        // `jiff::Timestamp` cannot represent the last day of the year 9999, and many applications use
        // 9999-12-31 for "never". Therefore the instant is computed from a civil date and time.
        let since = self.local.civil()?.duration_since(UNIX_EPOCH);
        Some(since.as_nanos() - i128::from(self.offset_seconds) * 1_000_000_000)
    }

    /// Converts nanoseconds since 1970-01-01T00:00:00Z to an instant with offset zero. Returns `None` if the
    /// instant is out of range.
    pub fn from_unix_nanos(nanos: i128) -> Option<Self> {
        let local = UNIX_EPOCH.checked_add(jiff::SignedDuration::try_from_nanos_i128(nanos)?).ok()?;
        Some(Self { local: DateTime::from_civil(local), offset_seconds: 0 })
    }

    /// Returns the same instant with another offset.
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

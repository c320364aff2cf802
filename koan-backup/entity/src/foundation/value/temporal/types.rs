//! Dates, times and instants in the form of separate fields.

use super::calendar;

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
        let date = Self { year, month, day };
        date.exists().then_some(date)
    }

    /// Returns the ordinal of the day in its year, starting at 1.
    pub fn ordinal(self) -> i16 {
        let first = Self { year: self.year, month: 1, day: 1 };
        match (self.unix_days(), first.unix_days()) {
            (Some(day), Some(first)) => i16::try_from(day - first + 1).unwrap_or(1),
            _ => 1,
        }
    }

    /// Creates a date from a year and the ordinal of a day in the year, or returns `None` if the year does
    /// not have this day.
    pub fn from_ordinal(year: i16, ordinal: i16) -> Option<Self> {
        let first = Self::new(year, 1, 1)?.unix_days()?;
        Self::from_unix_days(first + i64::from(ordinal) - 1).filter(|date| date.year == year)
    }

    /// Returns the number of days since 1970-01-01, or `None` if the date does not exist.
    pub fn unix_days(self) -> Option<i64> {
        self.exists().then(|| calendar::unix_days(self.year, self.month, self.day))
    }

    fn from_unix_days(days: i64) -> Option<Self> {
        let (year, month, day) = calendar::date_of_unix_days(days)?;
        Some(Self { year, month, day })
    }

    fn exists(self) -> bool {
        (-9999..=9999).contains(&self.year)
            && (1..=12).contains(&self.month)
            && (1..=calendar::days_in_month(self.year, self.month)).contains(&self.day)
    }
}

impl Time {
    /// Midnight, 00:00:00.
    pub const MIDNIGHT: Self = Self { hour: 0, minute: 0, second: 0, nanosecond: 0 };

    /// Returns the number of nanoseconds since midnight, or `None` if the time does not exist.
    fn nanoseconds(self) -> Option<i64> {
        let exists = (0..24).contains(&self.hour)
            && (0..60).contains(&self.minute)
            && (0..60).contains(&self.second)
            && (0..NANOS_PER_SECOND).contains(&i64::from(self.nanosecond));
        let seconds = (i64::from(self.hour) * 60 + i64::from(self.minute)) * 60 + i64::from(self.second);
        exists.then(|| seconds * NANOS_PER_SECOND + i64::from(self.nanosecond))
    }

    /// Returns the time with this number of nanoseconds since midnight, or `None` if the day is shorter.
    fn from_nanoseconds(nanos: i64) -> Option<Self> {
        let (seconds, nanosecond) = (nanos.div_euclid(NANOS_PER_SECOND), nanos.rem_euclid(NANOS_PER_SECOND));
        Some(Self {
            hour: i8::try_from(seconds / 3600).ok().filter(|hour| *hour < 24)?,
            minute: i8::try_from(seconds / 60 % 60).ok()?,
            second: i8::try_from(seconds % 60).ok()?,
            nanosecond: i32::try_from(nanosecond).ok()?,
        })
    }
}

impl Timestamp {
    /// Returns the number of nanoseconds since 1970-01-01T00:00:00Z, or `None` for a leap second and for
    /// years outside of −9999 to 9999.
    pub fn unix_nanos(self) -> Option<i128> {
        let days = i128::from(self.local.date.unix_days()?);
        let local = days * i128::from(NANOS_PER_DAY) + i128::from(self.local.time.nanoseconds()?);
        Some(local - i128::from(self.offset_seconds) * i128::from(NANOS_PER_SECOND))
    }

    /// Converts nanoseconds since 1970-01-01T00:00:00Z to an instant with offset zero. Returns `None` if the
    /// instant is out of range.
    pub fn from_unix_nanos(nanos: i128) -> Option<Self> {
        let days = i64::try_from(nanos.div_euclid(NANOS_PER_DAY.into())).ok()?;
        let of_day = i64::try_from(nanos.rem_euclid(NANOS_PER_DAY.into())).ok()?;
        let (date, time) = (Date::from_unix_days(days)?, Time::from_nanoseconds(of_day)?);
        Some(Self { local: DateTime { date, time }, offset_seconds: 0 })
    }

    /// Returns the same instant with another offset.
    pub fn at_offset(self, offset_seconds: i32) -> Option<Self> {
        if offset_seconds == self.offset_seconds {
            return Some(self);
        }
        let shift = i128::from(offset_seconds) * i128::from(NANOS_PER_SECOND);
        let shifted = Self::from_unix_nanos(self.unix_nanos()? + shift)?;
        Some(Self { local: shifted.local, offset_seconds })
    }
}

const NANOS_PER_SECOND: i64 = 1_000_000_000;
const NANOS_PER_DAY: i64 = 86_400 * NANOS_PER_SECOND;

//! The formatting of dates and times as ISO 8601 and RFC 3339 text. It allocates no memory, because most
//! records contain dates or times.

use std::fmt;

use super::{Date, DateTime, Time, Timestamp};

/// The maximum length of the text of a date and time.
const MAX_BYTES: usize = 63;

/// The text of a date or time.
pub(crate) struct TemporalText {
    bytes: [u8; MAX_BYTES],
    length: u8,
}

impl TemporalText {
    const EMPTY: Self = Self { bytes: [0; MAX_BYTES], length: 0 };

    pub(crate) fn as_str(&self) -> &str {
        // The buffer contains only ASCII.
        std::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }

    fn push<const N: usize>(&mut self, bytes: [u8; N]) {
        let length = usize::from(self.length);
        let Some(target) = self.bytes.get_mut(length..length + N) else { return };
        target.copy_from_slice(&bytes);
        self.length = u8::try_from(length + N).unwrap_or(u8::MAX);
    }

    /// Appends a number, with leading zeros up to `width` digits.
    fn number(&mut self, number: impl Into<i64>, width: u32) {
        let number: i64 = number.into();
        // The numbers of a usual date and time, except the fraction, have one of these two widths.
        match (width, u16::try_from(number)) {
            (2, Ok(number @ 0..100)) => return self.push(two_digits(number)),
            (4, Ok(number @ 0..10_000)) => {
                self.push(two_digits(number / 100));
                return self.push(two_digits(number % 100));
            }
            _ => {}
        }
        if number < 0 {
            self.push([b'-']);
        }
        let magnitude = number.unsigned_abs();
        let count = magnitude.checked_ilog10().map_or(1, |power| power + 1).max(width);
        for power in (0..count).rev() {
            let digit = magnitude / 10u64.pow(power) % 10;
            self.push([b'0' + u8::try_from(digit).unwrap_or(0)]);
        }
    }

    fn date(&mut self, date: Date) {
        self.number(date.year, if date.year < 0 { 6 } else { 4 });
        self.push([b'-']);
        self.number(date.month, 2);
        self.push([b'-']);
        self.number(date.day, 2);
    }

    fn time(&mut self, time: Time) {
        self.number(time.hour, 2);
        self.push([b':']);
        self.number(time.minute, 2);
        self.push([b':']);
        self.number(time.second, 2);
        if time.nanosecond != 0 {
            self.push([b'.']);
            self.number(time.nanosecond, 9);
            while self.as_bytes().ends_with(b"0") {
                self.length -= 1;
            }
        }
    }

    fn date_time(&mut self, value: DateTime) {
        self.date(value.date);
        self.push([b'T']);
        self.time(value.time);
    }
}

/// Returns the two digits of a number below 100.
fn two_digits(number: u16) -> [u8; 2] {
    [number / 10, number % 10].map(|digit| b'0' + u8::try_from(digit).unwrap_or(0))
}

impl Date {
    /// Returns `YYYY-MM-DD`.
    pub(crate) fn text(self) -> TemporalText {
        let mut text = TemporalText::EMPTY;
        text.date(self);
        text
    }
}

impl Time {
    /// Returns `HH:MM:SS`, followed by a fraction with as many digits as the value needs.
    pub(crate) fn text(self) -> TemporalText {
        let mut text = TemporalText::EMPTY;
        text.time(self);
        text
    }
}

impl DateTime {
    /// Returns date and time with a `T` between them.
    pub(crate) fn text(self) -> TemporalText {
        let mut text = TemporalText::EMPTY;
        text.date_time(self);
        text
    }
}

impl Timestamp {
    /// Returns the text in RFC 3339, with `Z` for UTC. An instant whose offset has seconds is written in UTC,
    /// because RFC 3339 does not support seconds in an offset.
    pub(crate) fn text(self) -> TemporalText {
        if self.offset_seconds % 60 != 0
            && let Some(utc) = self.at_offset(0)
        {
            return utc.text();
        }
        let mut text = self.local.text();
        if self.offset_seconds == 0 {
            text.push([b'Z']);
            return text;
        }
        text.push([if self.offset_seconds < 0 { b'-' } else { b'+' }]);
        let minutes = self.offset_seconds.unsigned_abs() / 60;
        text.number(minutes / 60, 2);
        text.push([b':']);
        text.number(minutes % 60, 2);
        text
    }
}

macro_rules! impl_display {
    ($($name:ident),*) => {
        $(impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.text().as_str())
            }
        })*
    };
}

impl_display!(Date, Time, DateTime, Timestamp);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_number_of_a_date_or_time_has_the_expected_number_of_digits() {
        let date = |year, month, day| Date { year, month, day };
        assert_eq!(date(2024, 2, 29).to_string(), "2024-02-29");
        assert_eq!(date(7, 1, 1).to_string(), "0007-01-01");
        assert_eq!(date(0, 12, 31).to_string(), "0000-12-31");
        assert_eq!(date(-44, 3, 15).to_string(), "-000044-03-15");
        let time = |nanosecond| Time { hour: 9, minute: 5, second: 0, nanosecond };
        assert_eq!(time(0).to_string(), "09:05:00");
        assert_eq!(time(120_000_000).to_string(), "09:05:00.12");
        assert_eq!(time(1).to_string(), "09:05:00.000000001");
        let local = DateTime { date: date(2024, 2, 29), time: time(500_000_000) };
        assert_eq!(local.to_string(), "2024-02-29T09:05:00.5");
        let at = |offset_seconds| Timestamp { local, offset_seconds }.to_string();
        assert_eq!(at(0), "2024-02-29T09:05:00.5Z");
        assert_eq!(at(19_800), "2024-02-29T09:05:00.5+05:30");
        assert_eq!(at(-3600), "2024-02-29T09:05:00.5-01:00");
    }

    #[test]
    fn an_impossible_month_or_day_is_written_unchanged() {
        assert_eq!(Date { year: 2024, month: -3, day: 100 }.to_string(), "2024--03-100");
    }
}

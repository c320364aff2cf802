//! How dates and times are written, and writing them so.

use std::fmt;

use super::{DateTime, Time, Timestamp};

/// How a date or time was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TemporalStyle {
    /// What stands between date and time; `None` where there is only one of them.
    pub separator: Option<char>,
    /// Whether seconds were written.
    pub seconds: bool,
    /// Digits after the decimal point, 0 to 9.
    pub fraction_digits: u8,
    /// How the offset was written.
    pub offset: OffsetStyle,
}

/// How an offset from UTC was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OffsetStyle {
    /// Not at all.
    Absent,
    /// `Z`
    Zulu,
    /// `+02:00`
    Colon,
    /// `+0200`
    Digits,
    /// `+02`
    Hours,
    /// `z`
    LowerZulu,
    /// ` Z`, behind a space.
    SpacedZulu,
    /// ` UTC`, behind a space, as `chrono` shows an instant and Rails once stored it.
    SpacedUtc,
    /// ` +02:00`, behind a space, as Sequelize writes it.
    SpacedColon,
    /// ` +0200`, behind a space, as Ruby and Go show an instant.
    SpacedDigits,
    /// ` +02:00:00`, behind a space, as the crate `time` writes it.
    SpacedSeconds,
}

impl OffsetStyle {
    /// Whether it can hold no other offset than that of UTC, which it names.
    pub fn is_utc_only(self) -> bool {
        matches!(self, Self::Zulu | Self::LowerZulu | Self::SpacedZulu | Self::SpacedUtc)
    }
}

impl TemporalStyle {
    /// `YYYY-MM-DD`
    pub const DATE: Self =
        Self { separator: None, seconds: false, fraction_digits: 0, offset: OffsetStyle::Absent };
    /// `YYYY-MM-DD HH:MM:SS`
    pub const SQL: Self =
        Self { separator: Some(' '), seconds: true, fraction_digits: 0, offset: OffsetStyle::Absent };
    /// `YYYY-MM-DDTHH:MM:SSZ`
    pub const RFC3339: Self =
        Self { separator: Some('T'), seconds: true, fraction_digits: 0, offset: OffsetStyle::Zulu };

    /// This style with as many fraction digits as the time needs.
    #[must_use]
    pub fn with_fraction_of(mut self, time: Time) -> Self {
        self.fraction_digits = needed_digits(time.nanosecond);
        self
    }

    /// Writes a date and time; `None` where this style cannot hold the value.
    pub fn write_date_time(self, value: DateTime) -> Option<String> {
        let mut text = value.date.to_string();
        match self.separator {
            Some(separator) => {
                text.push(separator);
                self.push_time(&mut text, value.time)?;
            }
            None if value.time != Time::MIDNIGHT => return None,
            None => {}
        }
        Some(text)
    }

    /// Writes an instant with its offset; `None` where this style cannot hold the value.
    pub fn write_timestamp(self, value: Timestamp) -> Option<String> {
        let mut text = self.write_date_time(value.local)?;
        self.push_offset(&mut text, value.offset_seconds)?;
        Some(text)
    }

    /// Writes a time of day; `None` where this style cannot hold the value.
    pub fn write_time(self, value: Time) -> Option<String> {
        let mut text = String::with_capacity(18);
        self.push_time(&mut text, value)?;
        Some(text)
    }

    fn push_time(self, text: &mut String, time: Time) -> Option<()> {
        use fmt::Write as _;
        write!(text, "{:02}:{:02}", time.hour, time.minute).ok()?;
        if !self.seconds {
            return (time.second == 0 && time.nanosecond == 0).then_some(());
        }
        write!(text, ":{:02}", time.second).ok()?;
        if needed_digits(time.nanosecond) > self.fraction_digits {
            return None;
        }
        push_fraction(text, time.nanosecond, self.fraction_digits);
        Some(())
    }

    fn push_offset(self, text: &mut String, offset: i32) -> Option<()> {
        use fmt::Write as _;
        let sign = if offset < 0 { '-' } else { '+' };
        let size = offset.unsigned_abs();
        let (hours, minutes, seconds) = (size / 3600, size / 60 % 60, size % 60);
        if seconds != 0 && self.offset != OffsetStyle::SpacedSeconds {
            return None;
        }
        match self.offset {
            style if offset != 0 && (style == OffsetStyle::Absent || style.is_utc_only()) => return None,
            OffsetStyle::Absent => {}
            OffsetStyle::Zulu => text.push('Z'),
            OffsetStyle::LowerZulu => text.push('z'),
            OffsetStyle::SpacedZulu => text.push_str(" Z"),
            OffsetStyle::SpacedUtc => text.push_str(" UTC"),
            OffsetStyle::SpacedColon => write!(text, " {sign}{hours:02}:{minutes:02}").ok()?,
            OffsetStyle::SpacedDigits => write!(text, " {sign}{hours:02}{minutes:02}").ok()?,
            OffsetStyle::SpacedSeconds => {
                write!(text, " {sign}{hours:02}:{minutes:02}:{seconds:02}").ok()?;
            }
            OffsetStyle::Colon => write!(text, "{sign}{hours:02}:{minutes:02}").ok()?,
            OffsetStyle::Digits => write!(text, "{sign}{hours:02}{minutes:02}").ok()?,
            OffsetStyle::Hours if minutes != 0 => return None,
            OffsetStyle::Hours => write!(text, "{sign}{hours:02}").ok()?,
        }
        Some(())
    }
}

fn needed_digits(nanosecond: i32) -> u8 {
    let (mut digits, mut rest) = (9, nanosecond);
    while digits > 0 && rest % 10 == 0 {
        rest /= 10;
        digits -= 1;
    }
    digits
}

fn push_fraction(text: &mut String, nanosecond: i32, digits: u8) {
    if digits > 0 {
        let all = format!("{nanosecond:09}");
        text.push('.');
        text.push_str(&all[..usize::from(digits.min(9))]);
    }
}

//! The styles in which dates and times are written.

use std::fmt;

use super::types::{DateTime, Time, Timestamp};

/// The style of the text of a date or time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TemporalStyle {
    /// The character between date and time, or `None` if the text contains only one of them.
    pub separator: Option<char>,
    /// Whether the text has seconds.
    pub seconds: bool,
    /// The number of digits after the decimal point, 0 to 9.
    pub fraction_digits: u8,
    /// The style of the offset.
    pub offset: OffsetStyle,
}

/// The style of the offset from UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OffsetStyle {
    /// No offset.
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
    /// ` Z`, after a space.
    SpacedZulu,
    /// ` UTC`, after a space, in the form in which `chrono` displays and older versions of Rails stored an
    /// instant.
    SpacedUtc,
    /// ` +02:00`, after a space, in the form that Sequelize writes.
    SpacedColon,
    /// ` +0200`, after a space, in the form in which Ruby and Go display an instant.
    SpacedDigits,
    /// ` +02:00:00`, after a space, in the form that the crate `time` writes.
    SpacedSeconds,
}

impl OffsetStyle {
    /// Returns whether the style denotes UTC and cannot express another offset.
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

    /// Returns the style with as many fraction digits as the time needs.
    #[must_use]
    pub fn with_fraction_of(mut self, time: Time) -> Self {
        self.fraction_digits = needed_digits(time.nanosecond);
        self
    }

    /// Returns the text of a date and time, or `None` if the style cannot express the value.
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

    /// Returns the text of an instant with its offset, or `None` if the style cannot express the value.
    pub fn write_timestamp(self, value: Timestamp) -> Option<String> {
        let mut text = self.write_date_time(value.local)?;
        self.push_offset(&mut text, value.offset_seconds)?;
        Some(text)
    }

    /// Returns the text of a time of day, or `None` if the style cannot express the value.
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
        let distance = offset.unsigned_abs();
        let (hours, minutes, seconds) = (distance / 3600, distance / 60 % 60, distance % 60);
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

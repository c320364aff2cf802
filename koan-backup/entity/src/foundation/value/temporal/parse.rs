//! The parser of the text of dates and times.

use super::style::{OffsetStyle, TemporalStyle};
use super::types::{Date, DateTime, Time, Timestamp};

impl Date {
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
}

impl Time {
    /// Parses `HH:MM`, `HH:MM:SS` and `HH:MM:SS.fffffffff`.
    pub fn parse(text: &str) -> Option<(Self, TemporalStyle)> {
        match parse(text)? {
            (Parsed::Time(time), style) => Some((time, style)),
            _ => None,
        }
    }
}

impl DateTime {
    /// Parses a date and time separated by `T`, `t` or a space. The time of a date without a time is
    /// midnight.
    pub fn parse(text: &str) -> Option<(Self, TemporalStyle)> {
        match parse(text)? {
            (Parsed::DateTime(value, None), style) => Some((value, style)),
            (Parsed::Date(date), style) => Some((Self { date, time: Time::MIDNIGHT }, style)),
            _ => None,
        }
    }
}

impl Timestamp {
    /// Parses a date and time with an optional offset. A text without an offset is in UTC.
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
}

/// The value of a parsed text.
pub(super) enum Parsed {
    Date(Date),
    Time(Time),
    /// A date and time, with the offset in seconds if there is one.
    DateTime(DateTime, Option<i32>),
}

/// Parses the forms of ISO 8601 and RFC 3339, and the forms in which databases and libraries write dates and
/// times.
pub(super) fn parse(text: &str) -> Option<(Parsed, TemporalStyle)> {
    let bytes = text.as_bytes();
    if bytes.get(2) == Some(&b':') {
        let (time, style, rest) = parse_time(bytes)?;
        return rest.is_empty().then_some((Parsed::Time(time), style));
    }
    let (date, rest) = parse_date(bytes)?;
    let Some((&separator, rest)) = rest.split_first() else {
        return Some((Parsed::Date(date), TemporalStyle::DATE));
    };
    if !matches!(separator, b'T' | b't' | b' ') {
        return None;
    }
    let (time, mut style, rest) = parse_time(rest)?;
    style.separator = Some(char::from(separator));
    let (offset, offset_style) = parse_offset(rest)?;
    style.offset = offset_style;
    Some((Parsed::DateTime(DateTime { date, time }, offset), style))
}

fn parse_date(bytes: &[u8]) -> Option<(Date, &[u8])> {
    if bytes.first() == Some(&b'-') {
        if bytes.len() < 13 || bytes[7] != b'-' || bytes[10] != b'-' {
            return None;
        }
        let year = -i16::try_from(digits(&bytes[1..7])?).ok()?;
        return Some((Date::new(year, two_digits(&bytes[8..])?, two_digits(&bytes[11..])?)?, &bytes[13..]));
    }
    if bytes.len() < 10 || bytes[4] != b'-' || bytes[7] != b'-' {
        return None;
    }
    let year = i16::try_from(digits(&bytes[..4])?).ok()?;
    Some((Date::new(year, two_digits(&bytes[5..])?, two_digits(&bytes[8..])?)?, &bytes[10..]))
}

fn parse_time(bytes: &[u8]) -> Option<(Time, TemporalStyle, &[u8])> {
    if bytes.len() < 5 || bytes[2] != b':' {
        return None;
    }
    let mut time =
        Time { hour: two_digits(bytes)?, minute: two_digits(&bytes[3..])?, second: 0, nanosecond: 0 };
    let mut style = TemporalStyle::DATE;
    let mut rest = &bytes[5..];
    if rest.first() == Some(&b':') {
        time.second = two_digits(rest.get(1..)?)?;
        style.seconds = true;
        rest = &rest[3..];
        if rest.first() == Some(&b'.') {
            let count = rest[1..].iter().take_while(|b| b.is_ascii_digit()).count();
            if count == 0 || count > 9 {
                return None;
            }
            let mut nanos = i32::try_from(digits(&rest[1..=count])?).ok()?;
            for _ in count..9 {
                nanos *= 10;
            }
            time.nanosecond = nanos;
            style.fraction_digits = u8::try_from(count).ok()?;
            rest = &rest[1 + count..];
        }
    }
    let in_range = time.hour < 24 && time.minute < 60 && time.second <= 60;
    in_range.then_some((time, style, rest))
}

fn parse_offset(bytes: &[u8]) -> Option<(Option<i32>, OffsetStyle)> {
    let (sign, rest, is_spaced) = match bytes {
        [] => return Some((None, OffsetStyle::Absent)),
        b"Z" => return Some((Some(0), OffsetStyle::Zulu)),
        b"z" => return Some((Some(0), OffsetStyle::LowerZulu)),
        b" Z" => return Some((Some(0), OffsetStyle::SpacedZulu)),
        b" UTC" => return Some((Some(0), OffsetStyle::SpacedUtc)),
        [b'+', rest @ ..] => (1, rest, false),
        [b'-', rest @ ..] => (-1, rest, false),
        [b' ', b'+', rest @ ..] => (1, rest, true),
        [b' ', b'-', rest @ ..] => (-1, rest, true),
        _ => return None,
    };
    let (hours, minutes, seconds, style) = match (rest.len(), is_spaced) {
        (2, false) => (two_digits(rest)?, 0, 0, OffsetStyle::Hours),
        (4, false) => (two_digits(rest)?, two_digits(&rest[2..])?, 0, OffsetStyle::Digits),
        (5, false) if rest[2] == b':' => (two_digits(rest)?, two_digits(&rest[3..])?, 0, OffsetStyle::Colon),
        (4, true) => (two_digits(rest)?, two_digits(&rest[2..])?, 0, OffsetStyle::SpacedDigits),
        (5, true) if rest[2] == b':' => {
            (two_digits(rest)?, two_digits(&rest[3..])?, 0, OffsetStyle::SpacedColon)
        }
        (8, true) if rest[2] == b':' && rest[5] == b':' => {
            (two_digits(rest)?, two_digits(&rest[3..])?, two_digits(&rest[6..])?, OffsetStyle::SpacedSeconds)
        }
        _ => return None,
    };
    let is_zero = hours == 0 && minutes == 0 && seconds == 0;
    if hours > 23 || minutes > 59 || seconds > 59 || (sign < 0 && is_zero) {
        return None;
    }
    Some((Some(sign * (i32::from(hours) * 3600 + i32::from(minutes) * 60 + i32::from(seconds))), style))
}

fn two_digits(bytes: &[u8]) -> Option<i8> {
    i8::try_from(digits(bytes.get(..2)?)?).ok()
}

fn digits(bytes: &[u8]) -> Option<u32> {
    bytes
        .iter()
        .try_fold(0u32, |number, byte| byte.is_ascii_digit().then(|| number * 10 + u32::from(byte - b'0')))
}

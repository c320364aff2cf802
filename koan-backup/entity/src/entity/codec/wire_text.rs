//! The text and list forms in which serde serializes temporal values and bytes.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};

use crate::foundation::schema::{LogicalType, WireForm};
use crate::foundation::value::{Date, DateTime, Time, Timestamp, Value};

/// Returns bytes as text, or `None` if `wire` is not a text form of bytes.
pub(super) fn encode_bytes(bytes: &[u8], wire: WireForm) -> Option<String> {
    Some(match wire {
        WireForm::Base64 => STANDARD.encode(bytes),
        WireForm::Base64NoPad => STANDARD_NO_PAD.encode(bytes),
        WireForm::Base64Url => URL_SAFE.encode(bytes),
        WireForm::Base64UrlNoPad => URL_SAFE_NO_PAD.encode(bytes),
        WireForm::HexLower => crate::foundation::hex::hex(bytes),
        WireForm::HexUpper => crate::foundation::hex::hex(bytes).to_uppercase(),
        _ => return None,
    })
}

/// Returns the bytes that a text encodes, or `None` if the text is invalid or `wire` is not a text form of
/// bytes.
pub(super) fn decode_bytes(text: &str, wire: WireForm) -> Option<Vec<u8>> {
    match wire {
        WireForm::Base64 => STANDARD.decode(text).ok(),
        WireForm::Base64NoPad => STANDARD_NO_PAD.decode(text).ok(),
        WireForm::Base64Url => URL_SAFE.decode(text).ok(),
        WireForm::Base64UrlNoPad => URL_SAFE_NO_PAD.decode(text).ok(),
        WireForm::HexLower | WireForm::HexUpper => {
            let pairs = text.as_bytes().chunks(2);
            pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
        }
        _ => None,
    }
}

/// Returns the number of nanoseconds in one unit of a Unix time form, or `None` for other forms.
pub(super) fn unix_unit_nanos(wire: WireForm) -> Option<i128> {
    match wire {
        WireForm::UnixSeconds => Some(1_000_000_000),
        WireForm::UnixMillis => Some(1_000_000),
        WireForm::UnixMicros => Some(1_000),
        WireForm::UnixNanos => Some(1),
        _ => None,
    }
}

/// Returns a date in the text form of the crate `time`: `2009-08-07`.
pub(super) fn date_text(date: Date) -> String {
    date.to_string()
}

/// Returns a time of day in the text form of the crate `time`, with at least one fraction digit:
/// `06:05:04.0`.
pub(super) fn time_of_day_text(time: Time) -> String {
    let text = format!("{}:{}", time.hour, minutes_and_seconds(time));
    if time.hour < 10 { format!("0{text}") } else { text }
}

/// Returns a date and time in the text form of the crate `time`: `2009-08-07 06:05:04.0`.
pub(super) fn date_time_text(value: DateTime) -> String {
    format!("{} {}", date_text(value.date), time_of_day_text(value.time))
}

/// Returns an instant in the text form of the crate `time`: `2009-08-07 06:05:04.0 +00:00:00`.
pub(super) fn timestamp_text(value: Timestamp) -> String {
    let sign = if value.offset_seconds < 0 { '-' } else { '+' };
    let offset = value.offset_seconds.unsigned_abs();
    format!(
        "{} {sign}{:02}:{:02}:{:02}",
        date_time_text(value.local),
        offset / 3600,
        offset / 60 % 60,
        offset % 60
    )
}

/// Reads a temporal value in the text form of the crate `time`.
pub(super) fn parse_time_text(text: &str, logical: &LogicalType) -> Option<Value<'static>> {
    Some(match logical {
        LogicalType::Timestamp => Value::Timestamp(parse_timestamp_text(text)?),
        LogicalType::DateTime => Value::DateTime(DateTime::parse(text)?.0),
        LogicalType::Date => Value::Date(Date::parse(text)?.0),
        LogicalType::Time => Value::Time(Time::parse(text)?.0),
        _ => return None,
    })
}

/// Reads an instant in the text form of the crate `time`.
fn parse_timestamp_text(text: &str) -> Option<Timestamp> {
    let (local, offset) = text.rsplit_once(' ')?;
    let (local, _) = DateTime::parse(local)?;
    let (sign, offset) = match offset.split_at_checked(1)? {
        ("+", rest) => (1, rest),
        ("-", rest) => (-1, rest),
        _ => return None,
    };
    let mut seconds = 0i32;
    for part in offset.split(':') {
        seconds = seconds.checked_mul(60)?.checked_add(part.parse().ok()?)?;
    }
    Some(Timestamp { local, offset_seconds: seconds.checked_mul(sign)? })
}

/// Returns minutes and seconds, with at least one fraction digit.
fn minutes_and_seconds(time: Time) -> String {
    let text = time.to_string();
    let rest = text.split_once(':').map_or("", |(_, rest)| rest).to_owned();
    if rest.contains('.') { rest } else { format!("{rest}.0") }
}

/// The list forms of the crate `time`.
pub(super) mod list {
    use super::{Date, DateTime, Time, Timestamp};

    /// Returns the year and the day of the year.
    pub(crate) fn date(value: Date) -> Vec<i32> {
        vec![i32::from(value.year), i32::from(value.ordinal())]
    }

    /// Returns hour, minute, second and nanosecond.
    pub(crate) fn time(value: Time) -> Vec<i32> {
        vec![i32::from(value.hour), i32::from(value.minute), i32::from(value.second), value.nanosecond]
    }

    /// Returns the components of the date and of the time.
    pub(crate) fn date_time(value: DateTime) -> Vec<i32> {
        [date(value.date), time(value.time)].concat()
    }

    /// Returns the components of the date and of the time, and the hours, minutes and seconds of the offset.
    pub(crate) fn timestamp(value: Timestamp) -> Vec<i32> {
        let offset = value.offset_seconds;
        [date_time(value.local), vec![offset / 3600, offset / 60 % 60, offset % 60]].concat()
    }

    /// Returns the date of a list, or `None` if the list is not valid.
    pub(crate) fn to_date(components: &[i32]) -> Option<Date> {
        let [year, ordinal] = components else { return None };
        Date::from_ordinal(i16::try_from(*year).ok()?, i16::try_from(*ordinal).ok()?)
    }

    /// Returns the time of a list, or `None` if the list is not valid.
    pub(crate) fn to_time(components: &[i32]) -> Option<Time> {
        let [hour, minute, second, nanosecond] = components else { return None };
        Some(Time {
            hour: i8::try_from(*hour).ok()?,
            minute: i8::try_from(*minute).ok()?,
            second: i8::try_from(*second).ok()?,
            nanosecond: *nanosecond,
        })
    }

    /// Returns the date and time of a list, or `None` if the list is not valid.
    pub(crate) fn to_date_time(components: &[i32]) -> Option<DateTime> {
        let (date, time) = components.split_at_checked(2)?;
        Some(DateTime { date: to_date(date)?, time: to_time(time)? })
    }

    /// Returns the instant of a list, or `None` if the list is not valid.
    pub(crate) fn to_timestamp(components: &[i32]) -> Option<Timestamp> {
        let (local, offset) = components.split_at_checked(6)?;
        let [hours, minutes, seconds] = offset else { return None };
        let minutes = hours.checked_mul(60)?.checked_add(*minutes)?;
        let offset_seconds = minutes.checked_mul(60)?.checked_add(*seconds)?;
        Some(Timestamp { local: to_date_time(local)?, offset_seconds })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_impossible_offset_does_not_overflow() {
        for text in ["+99999999:99:99", "-99999999:99:99", "--596523:-14:-8"] {
            let text = format!("2024-02-29 0:00:00.0 {text}");
            assert_eq!(parse_timestamp_text(&text), None, "{text}");
        }
        assert_eq!(list::to_timestamp(&[2024, 60, 0, 0, 0, 0, i32::MAX, 0, 0]), None);
        let (value, _) = Timestamp::parse("2024-02-29T00:00:00Z").expect("the input is valid");
        let value = Timestamp { offset_seconds: i32::MIN, ..value };
        assert_eq!(timestamp_text(value), "2024-02-29 00:00:00.0 -596523:14:08");
        assert_eq!(list::to_timestamp(&list::timestamp(value)), Some(value));
    }
}

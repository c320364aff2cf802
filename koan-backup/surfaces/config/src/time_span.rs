//! Lengths of time, as they are written in a configuration.

use std::borrow::Cow;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

/// The description of the format for messages.
pub(crate) const FORMAT: &str = "a length of time such as `90s`, `15m`, `6h`, `7d`, `1h 30m` or `06:00:00`";

/// The description of the longest length of time for messages. Longer ones would exceed the range of times.
pub(crate) const LIMIT: &str = "at most 100 years, which are `36525d`";

const LIMIT_SECONDS: u64 = 36_525 * DAY;
const SECOND: u64 = 1;
const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// A length of time: numbers with the units `s`, `m`, `h`, `d` and `w`, or `hours:minutes:seconds` with the number of
/// days and a point before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TimeSpan(pub(crate) Duration);

impl TimeSpan {
    /// Parses a text. Otherwise returns what it must be.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        let seconds = if text.contains(':') { clock(text) } else { units(text) };
        match seconds {
            Some(seconds) if seconds <= LIMIT_SECONDS => Ok(Self(Duration::from_secs(seconds))),
            Some(_) => Err(LIMIT),
            None => Err(FORMAT),
        }
    }
}

/// Parses `1h 30m`.
fn units(text: &str) -> Option<u64> {
    let mut rest = text.trim();
    let mut total: Option<u64> = None;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let (number, after) = rest.split_at(digits);
        let after = after.trim_start();
        let letters = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let (unit, after) = after.split_at(letters);
        let seconds = match unit {
            "s" | "sec" | "second" | "seconds" => SECOND,
            "m" | "min" | "minute" | "minutes" => MINUTE,
            "h" | "hour" | "hours" => HOUR,
            "d" | "day" | "days" => DAY,
            "w" | "week" | "weeks" => 7 * DAY,
            _ => return None,
        };
        let part = number.parse::<u64>().ok()?.checked_mul(seconds)?;
        total = Some(total.unwrap_or_default().checked_add(part)?);
        rest = after.trim_start();
    }
    total
}

/// Parses `06:00:00` and `7.00:00:00`.
fn clock(text: &str) -> Option<u64> {
    let (days, time) = match text.split_once('.') {
        Some((days, time)) if time.contains(':') => (number(days)?, time),
        _ => (0, text),
    };
    let mut parts = time.split(':');
    let (hours, minutes) = (number(parts.next()?)?, number(parts.next()?)?);
    let seconds = parts.next().map_or(Some(0), number)?;
    if parts.next().is_some() || hours >= 24 || minutes >= 60 || seconds >= 60 {
        return None;
    }
    days.checked_mul(DAY)?.checked_add(hours * HOUR + minutes * MINUTE + seconds)
}

fn number(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

impl<'de> Deserialize<'de> for TimeSpan {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(|expected| D::Error::custom(format!("`{text}` is not {expected}")))
    }
}

impl JsonSchema for TimeSpan {
    fn schema_name() -> Cow<'static, str> {
        "TimeSpan".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A length of time such as `90s`, `15m`, `6h`, `7d`, `1h 30m` or `06:00:00`.",
            "type": "string",
            "format": "time-span",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_of_a_length_of_time_is_read_and_others_are_not() {
        for (text, seconds) in [
            ("90s", 90),
            ("15m", 900),
            ("6h", 21_600),
            ("7d", 604_800),
            ("2w", 1_209_600),
            ("1h 30m", 5400),
            ("1h30m", 5400),
            ("2 hours", 7200),
            ("0s", 0),
            ("06:00:00", 21_600),
            ("6:30", 23_400),
            ("7.00:00:00", 604_800),
        ] {
            let read = TimeSpan::parse(text).unwrap_or_else(|_| panic!("`{text}` is a length of time"));
            assert_eq!(read.0.as_secs(), seconds, "{text}");
        }
        for text in [
            "",
            "6",
            "h",
            "6y",
            "-1s",
            "1.5h",
            "25:00:00",
            "00:60:00",
            "1:2:3:4",
            "+1:00",
            "99999999999999999999d",
        ] {
            assert_eq!(TimeSpan::parse(text), Err(FORMAT), "{text}");
        }
        assert!(TimeSpan::parse("36525d").is_ok(), "100 years are allowed");
        for text in ["36525d 1s", "5219w", "99999.00:00:00", "213503982334601d"] {
            assert_eq!(TimeSpan::parse(text), Err(LIMIT), "{text}");
        }
    }
}

//! Values of flags.

use std::time::Duration;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use koan_backup_core::Compression;

/// The longest duration: about 100 years. A longer one cannot be added to every time.
const MAX_DURATION: Duration = Duration::from_secs(36_525 * 86_400);

/// Parses a duration such as `90s`, `5m`, `6h`, `7d` or `2w`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let seconds: u64 = match unit {
        "s" => 1,
        "m" | "min" => 60,
        "h" => 3600,
        "d" => 86_400,
        "w" => 604_800,
        _ => return Err("expected a number and a unit (s, m, h, d or w), such as 6h".to_owned()),
    };
    let number: u64 =
        number.parse().map_err(|_| "expected a number before the unit, such as 6h".to_owned())?;
    let duration = number.checked_mul(seconds).map(Duration::from_secs);
    duration
        .filter(|duration| *duration <= MAX_DURATION)
        .ok_or_else(|| "the duration is longer than 100 years (36525d)".to_owned())
}

/// Parses a percentage such as `10%` or `10`.
pub(crate) fn percent(text: &str) -> Result<u8, String> {
    let number = text.strip_suffix('%').unwrap_or(text).trim().parse::<u8>().ok();
    let number = number.filter(|number| (1..=100).contains(number));
    number.ok_or_else(|| "expected a percentage from 1% to 100%".to_owned())
}

/// Parses a compression such as `deflate`, `zstd:3` or `none`.
pub(crate) fn compression(text: &str) -> Result<Compression, String> {
    let (method, level) = match text.split_once(':') {
        None => (text, None),
        Some((method, level)) => {
            let level: i32 = level.parse().map_err(|_| "the level is not a number".to_owned())?;
            (method, Some(level))
        }
    };
    let compression = match (method, level) {
        ("deflate", None) => Ok(Compression::default()),
        ("deflate", Some(level)) => Compression::deflate(level),
        ("zstd", level) => Compression::zstd(level.unwrap_or(3)),
        ("none", None) => Ok(Compression::stored()),
        _ => {
            return Err(
                "expected deflate, deflate:LEVEL (1 to 9), zstd, zstd:LEVEL (1 to 22) or none".to_owned()
            );
        }
    };
    compression.map_err(|error| error.to_string())
}

/// Parses metadata, `KEY=VALUE`.
pub(crate) fn metadata(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("expected KEY=VALUE")?;
    if key.is_empty() { Err("the key is empty".to_owned()) } else { Ok((key.to_owned(), value.to_owned())) }
}

/// Parses an application and its environment, `NAME/ENVIRONMENT`.
pub(crate) fn application(text: &str) -> Result<(String, String), String> {
    let (name, environment) =
        text.split_once('/').ok_or("expected NAME/ENVIRONMENT, such as shop/staging")?;
    Ok((name.to_owned(), environment.to_owned()))
}

/// A point in time on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TimeArg {
    /// A day, in the time zone of the output.
    Day(Date),
    /// An instant.
    Instant(Timestamp),
    /// This long before now.
    Ago(Duration),
}

/// Parses a time: a day such as `2026-11-29`, an instant such as `2026-11-29T02:00:00Z`, or an age such as `7d`.
pub(crate) fn time(text: &str) -> Result<TimeArg, String> {
    if let Ok(age) = duration(text) {
        return Ok(TimeArg::Ago(age));
    }
    if text.len() == "2026-11-29".len()
        && let Ok(day) = text.parse()
    {
        return Ok(TimeArg::Day(day));
    }
    text.parse()
        .map(TimeArg::Instant)
        .map_err(|_| "expected a day (2026-11-29), a time (2026-11-29T02:00:00Z) or an age (7d)".to_owned())
}

impl TimeArg {
    /// Returns the first instant. A day outside the range of instants has the first or the last one.
    pub(crate) fn start(self, zone: &TimeZone) -> Timestamp {
        match self {
            Self::Day(day) => {
                day.to_zoned(zone.clone()).map_or_else(|_| outermost(day), |start| start.timestamp())
            }
            Self::Instant(at) => at,
            Self::Ago(age) => Timestamp::now().checked_sub(age).unwrap_or(Timestamp::MIN),
        }
    }

    /// Returns the last instant.
    pub(crate) fn end(self, zone: &TimeZone) -> Timestamp {
        match self {
            Self::Day(day) => {
                let next = day.checked_add(1.day()).and_then(|next| next.to_zoned(zone.clone()));
                let end = next.and_then(|next| next.timestamp().checked_sub(1.nanosecond()));
                end.unwrap_or_else(|_| outermost(day))
            }
            Self::Instant(_) | Self::Ago(_) => self.start(zone),
        }
    }
}

/// Returns the instant for a day that has none, because it is outside their range: the last or the first one.
fn outermost(day: Date) -> Timestamp {
    if day.year() > 0 { Timestamp::MAX } else { Timestamp::MIN }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_percentages_have_units() {
        assert_eq!(duration("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("2w"), Ok(Duration::from_secs(14 * 86_400)));
        assert_eq!(duration("36525d"), Ok(MAX_DURATION));
        for wrong in
            ["", "5", "h", "1.5h", "-1h", "5 h", "99999999999999999999h", "9999999999999999w", "36526d"]
        {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
        assert_eq!((percent("10%"), percent("100")), (Ok(10), Ok(100)));
        for wrong in ["0", "101%", "ten", "%"] {
            assert!(percent(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn compressions_have_a_method_and_a_level() {
        assert_eq!(compression("zstd:3"), Compression::zstd(3).map_err(|error| error.to_string()));
        assert_eq!(compression("none"), Ok(Compression::stored()));
        for wrong in ["", "gzip", "none:1", "deflate:10", "zstd:x", "zstd:23"] {
            assert!(compression(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_day_contains_its_first_and_its_last_instant() {
        let day = time("2026-11-29").expect("a day");
        let zone = TimeZone::fixed(jiff::tz::offset(2));
        assert_eq!(day.start(&zone).to_string(), "2026-11-28T22:00:00Z");
        assert_eq!(day.end(&zone).to_string(), "2026-11-29T21:59:59.999999999Z");
        assert_eq!(time("7d"), Ok(TimeArg::Ago(Duration::from_secs(7 * 86_400))));
        for last in ["9999-12-30", "9999-12-31"] {
            let day = time(last).expect("a day");
            assert!(day.start(&zone) > Timestamp::UNIX_EPOCH, "{last}");
            assert_eq!(day.end(&TimeZone::UTC), Timestamp::MAX, "{last}");
        }
        assert!(time("2026-11-29T02:00:00Z").is_ok());
        assert!(time("yesterday").is_err());
    }
}

//! Times, sizes and counts as a person reads them.

use std::time::Duration;

use jiff::Timestamp;
use maud::{Markup, html};

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// Returns how long ago a time is, in its largest unit.
pub(super) fn ago(at: Timestamp, now: Timestamp) -> String {
    let seconds = now.duration_since(at).as_secs();
    let distance = span(seconds.unsigned_abs());
    match (seconds.signum(), distance) {
        (_, None) => "just now".to_owned(),
        (-1, Some(distance)) => format!("in {distance}"),
        (_, Some(distance)) => format!("{distance} ago"),
    }
}

/// Returns the time as text relative to `now`, with the exact time as its tooltip.
pub(super) fn time(at: Timestamp, now: Timestamp) -> Markup {
    html! { time datetime=(at) title=(exact(at)) { (ago(at, now)) } }
}

/// Returns the exact time, which programs can read as well.
pub(super) fn exact_time(at: Timestamp) -> Markup {
    html! { time datetime=(at) { (exact(at)) } }
}

/// Returns the exact time in UTC.
pub(super) fn exact(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// Returns the day in UTC.
pub(super) fn day(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d").to_string()
}

/// Returns an expected interval, for example `every 24 hours`.
pub(super) fn interval(every: Duration) -> String {
    let seconds = every.as_secs();
    let (number, unit) = match seconds {
        _ if seconds.is_multiple_of(DAY) && seconds > DAY => (seconds / DAY, "day"),
        _ if seconds.is_multiple_of(HOUR) => (seconds / HOUR, "hour"),
        _ => (seconds.div_ceil(MINUTE), "minute"),
    };
    format!("every {}", counted(number, unit))
}

/// Returns a duration in milliseconds as text.
pub(super) fn duration(milliseconds: u64) -> String {
    match Duration::from_millis(milliseconds).as_secs() {
        0 => format!("{milliseconds} ms"),
        seconds if seconds < MINUTE => counted(seconds, "second"),
        seconds if seconds < HOUR => format!("{} min {} s", seconds / MINUTE, seconds % MINUTE),
        seconds => format!("{} h {} min", seconds / HOUR, seconds % HOUR / MINUTE),
    }
}

/// Returns a number with a noun, whose plural ends in `s` or `ies`.
pub(super) fn counted(count: u64, noun: &str) -> String {
    match (count, noun.strip_suffix('y')) {
        (1, _) => format!("1 {noun}"),
        (_, Some(stem)) if !noun.ends_with("ay") => format!("{} {stem}ies", number(count)),
        _ => format!("{} {noun}s", number(count)),
    }
}

/// Returns a number whose digits are grouped by thousands.
pub(super) fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() * 4 / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// Returns a size in binary units, with one decimal place.
pub(super) fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut tenths = u128::from(bytes) * 10 / 1024;
    let mut unit = 0;
    while tenths >= 10_240 && unit + 1 < UNITS.len() {
        tenths /= 1024;
        unit += 1;
    }
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
}

/// Returns a text of an error as a sentence.
pub(super) fn sentence(text: &str) -> String {
    let mut characters = text.chars();
    let first = characters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    let end = if text.ends_with(['.', '!', '?', ':', ';']) { "" } else { "." };
    format!("{first}{}{end}", characters.as_str())
}

fn span(seconds: u64) -> Option<String> {
    let (count, unit) = match seconds {
        0..MINUTE => return None,
        MINUTE..HOUR => (seconds / MINUTE, "minute"),
        HOUR..172_800 => (seconds / HOUR, "hour"),
        _ => (seconds / DAY, "day"),
    };
    Some(counted(count, unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_told_in_its_largest_unit() {
        let now: Timestamp = "2026-11-30T12:00:00Z".parse().expect("a time");
        for (at, text) in [
            ("2026-11-30T11:59:30Z", "just now"),
            ("2026-11-30T11:59:00Z", "1 minute ago"),
            ("2026-11-30T08:00:00Z", "4 hours ago"),
            ("2026-11-29T03:00:00Z", "33 hours ago"),
            ("2026-10-20T12:00:00Z", "41 days ago"),
            ("2026-11-30T14:30:00Z", "in 2 hours"),
        ] {
            assert_eq!(ago(at.parse().expect("a time"), now), text);
        }
    }

    #[test]
    fn sizes_numbers_and_intervals_are_readable() {
        assert_eq!(
            [size(0), size(1023), size(1024), size(30_303_846)],
            ["0 B", "1023 B", "1.0 KiB", "28.8 MiB"]
        );
        assert_eq!(size(u64::MAX), "16383.9 PiB");
        assert_eq!([number(7), number(1_234), number(1_000_000)], ["7", "1,234", "1,000,000"]);
        assert_eq!(
            [counted(1, "entity"), counted(2, "entity"), counted(2, "day")],
            ["1 entity", "2 entities", "2 days"]
        );
        assert_eq!(
            [interval(Duration::from_secs(DAY)), interval(Duration::from_secs(90))],
            ["every 24 hours", "every 2 minutes"]
        );
        assert_eq!(interval(Duration::from_secs(7 * DAY)), "every 7 days");
    }
}

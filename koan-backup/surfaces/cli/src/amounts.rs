//! Readable counts, sizes and durations.

use std::time::Duration;

/// Returns a count with a space between groups of three digits: `12 041`.
pub(crate) fn count(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

/// Returns a count with its noun: `1 record`, `12 041 records`.
pub(crate) fn count_of(number: u64, noun: &str) -> String {
    let text = count(number);
    match (number, noun.strip_suffix('y')) {
        (1, _) => format!("{text} {noun}"),
        (_, Some(stem)) => format!("{text} {stem}ies"),
        (_, None) => format!("{text} {noun}s"),
    }
}

/// Returns the number of elements as a count.
pub(crate) fn length<T>(list: &[T]) -> u64 {
    u64::try_from(list.len()).unwrap_or(u64::MAX)
}

/// Returns a count in at most seven characters: `310 774`, `1.26 M`.
pub(crate) fn short_count(number: u64) -> String {
    for (unit, name) in [(1_000_000_000, "G"), (1_000_000, "M")] {
        if number >= unit {
            let hundredths = u128::from(number) * 100 / u128::from(unit);
            return format!("{}.{:02} {name}", hundredths / 100, hundredths % 100);
        }
    }
    count(number)
}

/// Returns a size in binary units: `812 B`, `28.9 MiB`.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut unit: u128 = 1024;
    let mut name = UNITS[0];
    for next in &UNITS[1..] {
        if u128::from(bytes) < unit * 1024 {
            break;
        }
        (unit, name) = (unit * 1024, next);
    }
    let tenths = u128::from(bytes) * 10 / unit;
    format!("{}.{} {name}", tenths / 10, tenths % 10)
}

/// Returns a duration: `240 ms`, `3.8 s`, `2 min 5 s`, `1 h 2 min`.
pub(crate) fn duration(duration: Duration) -> String {
    let (seconds, millis) = (duration.as_secs(), duration.subsec_millis());
    match seconds {
        0 => format!("{millis} ms"),
        1..60 => format!("{seconds}.{} s", millis / 100),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

/// Returns a duration of this many milliseconds.
pub(crate) fn millis(milliseconds: u64) -> String {
    duration(Duration::from_millis(milliseconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_grouped_and_large_counts_are_shortened() {
        assert_eq!(
            [0, 7, 999, 1000, 941_002, 1_263_817].map(count).join("|"),
            "0|7|999|1 000|941 002|1 263 817"
        );
        assert_eq!(short_count(310_774), "310 774");
        assert_eq!(short_count(1_263_817), "1.26 M");
        assert_eq!(short_count(u64::MAX), "18446744073.70 G");
        assert_eq!([1, 2].map(|number| count_of(number, "entity")).join("|"), "1 entity|2 entities");
    }

    #[test]
    fn sizes_have_binary_units() {
        let sizes = [0, 1023, 1024, 30_303_846, u64::MAX].map(size);
        assert_eq!(sizes.join("|"), "0 B|1023 B|1.0 KiB|28.8 MiB|16383.9 PiB");
    }

    #[test]
    fn durations_have_two_units_at_most() {
        let durations = [240, 3_840, 125_000, 3_725_000].map(millis);
        assert_eq!(durations.join("|"), "240 ms|3.8 s|2 min 5 s|1 h 2 min");
    }
}

//! The amounts in details: lengths of time, counts and sizes.

use std::time::Duration;

/// Returns a length of time in its largest unit: `3 days`, `26 hours`, `40 seconds`.
pub(super) fn length_of_time(time: Duration) -> String {
    let seconds = time.as_secs();
    let (number, unit) = match seconds {
        0 => return format!("{} ms", time.as_millis()),
        1..120 => (seconds, "second"),
        120..7200 => (seconds / 60, "minute"),
        7200..172_800 => (seconds / 3600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    if number == 1 { format!("{number} {unit}") } else { format!("{number} {unit}s") }
}

/// Returns a count with its noun: `1 key`, `2 keys`.
pub(super) fn count_of(count: usize, noun: &str) -> String {
    match (count, noun.strip_suffix('y')) {
        (1, _) => format!("1 {noun}"),
        (_, Some(stem)) if !stem.ends_with(['a', 'e']) => format!("{count} {stem}ies"),
        _ => format!("{count} {noun}s"),
    }
}

/// Returns the number of entities, and that of event streams if there are any: `2 entities, 1 event stream`.
pub(super) fn declarations(entities: usize, streams: usize) -> String {
    match (entities, streams) {
        (_, 0) => count_of(entities, "entity"),
        (0, _) => count_of(streams, "event stream"),
        _ => format!("{}, {}", count_of(entities, "entity"), count_of(streams, "event stream")),
    }
}

/// Returns a size in binary units: `812 B`, `41.2 GiB`.
pub(super) fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    let (mut unit, mut name) = (1u128, "B");
    for next in UNITS {
        if u128::from(bytes) < unit * 1024 {
            break;
        }
        (unit, name) = (unit * 1024, next);
    }
    match u128::from(bytes) * 10 / unit {
        _ if unit == 1 => format!("{bytes} {name}"),
        tenths => format!("{}.{} {name}", tenths / 10, tenths % 10),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_counts_and_sizes_have_the_largest_unit() {
        let times = [0, 1, 119, 120, 7199, 86_400, 3 * 86_400].map(Duration::from_secs).map(length_of_time);
        assert_eq!(times.join("|"), "0 ms|1 second|119 seconds|2 minutes|119 minutes|24 hours|3 days");
        assert_eq!([0, 1023, 1024, 44_240_000_000].map(size).join("|"), "0 B|1023 B|1.0 KiB|41.2 GiB");
        let counts =
            [(1, "key"), (2, "key"), (2, "entity"), (0, "table")].map(|(count, noun)| count_of(count, noun));
        assert_eq!(counts.join("|"), "1 key|2 keys|2 entities|0 tables");
    }
}

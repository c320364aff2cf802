//! Durations as text.

/// Returns a duration as `hh:mm:ss.fff`. The hours can have more than two digits.
pub(crate) fn duration_text(milliseconds: u64) -> String {
    let (seconds, fraction) = (milliseconds / 1_000, milliseconds % 1_000);
    let (minutes, second) = (seconds / 60, seconds % 60);
    let (hour, minute) = (minutes / 60, minutes % 60);
    format!("{hour:02}:{minute:02}:{second:02}.{fraction:03}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_has_hours_minutes_seconds_and_milliseconds() {
        for (milliseconds, text) in [
            (0, "00:00:00.000"),
            (61_005, "00:01:01.005"),
            (3_600_000, "01:00:00.000"),
            (363_599_999, "100:59:59.999"),
        ] {
            assert_eq!(duration_text(milliseconds), text);
        }
    }
}

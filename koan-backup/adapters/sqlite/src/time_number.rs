//! Converts times that are stored as numbers: seconds since 1970 and Julian days.

use koan_backup_core::value::Timestamp;

use super::number;

/// The instant 1970-01-01T00:00:00Z in milliseconds since the start of the Julian day count. SQLite counts in
/// this unit.
pub(super) const UNIX_EPOCH_IN_JULIAN_MILLIS: i128 = 210_866_760_000_000;

/// Returns whether a number would be a time after the year 2200 if it counted seconds since 1970. Such a
/// number is more likely to count another unit, so it is accepted only if the field declares its unit.
pub(super) fn is_beyond_seconds(count: i64) -> bool {
    const YEAR_2200: i64 = 7_258_118_400;
    count >= YEAR_2200
}

/// Converts an instant to the Julian day that SQLite's `julianday` returns. Returns `None` if the instant is
/// more precise than a millisecond.
pub(super) fn julian_of(instant: Timestamp) -> Option<f64> {
    let nanos = instant.unix_nanos()?;
    let millis = i64::try_from(nanos / 1_000_000 + UNIX_EPOCH_IN_JULIAN_MILLIS).ok();
    Some(number::float_of(millis.filter(|_| nanos % 1_000_000 == 0)?)? / 86_400_000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn julian_days_are_those_of_sqlite() {
        let connection = rusqlite::Connection::open_in_memory().expect("SQLite opens an in-memory database");
        for text in [
            "2009-01-01 00:00:00",
            "1969-07-20 20:17:40.123",
            "0001-01-01 12:00:00",
            "9999-12-31 23:59:59.999",
        ] {
            let expected: f64 = connection
                .query_row("SELECT julianday(?1)", [text], |row| row.get(0))
                .expect("SQLite parses the date");
            let (instant, _) = Timestamp::parse(text).expect("the text is a date and time");
            assert_eq!(julian_of(instant).map(f64::to_bits), Some(expected.to_bits()), "{text}");
        }
    }
}

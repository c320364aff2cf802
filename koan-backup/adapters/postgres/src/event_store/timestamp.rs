//! The texts that a column of timestamps can store without a change of their meaning.

use super::column::ColumnForm;

/// How many digits of a second PostgreSQL stores.
const FRACTION_DIGITS: usize = 6;

/// Returns why a column cannot store a timestamp exactly; `None` if it can.
///
/// PostgreSQL rounds digits after the sixth, ignores the time zone for a column of type `timestamp`, and accepts words
/// such as `now`.
pub(super) fn refusal(form: ColumnForm, text: &str) -> Option<&'static str> {
    let needs_zone = match form {
        ColumnForm::TimestampTz => true,
        ColumnForm::Timestamp => false,
        _ => return None,
    };
    let reason = match parse(text) {
        Some(Timestamp::Infinite) => return None,
        Some(Timestamp::Finite { fraction, .. })
            if fraction.get(FRACTION_DIGITS..).is_some_and(|rest| rest.contains(|digit| digit != '0')) =>
        {
            "has a timestamp with more than six digits of a second, which PostgreSQL does not store"
        }
        Some(Timestamp::Finite { has_zone, .. }) if has_zone == needs_zone => return None,
        Some(Timestamp::Finite { has_zone: true, .. }) => {
            "has a timestamp with a time zone, and the type of the column has none; use a column of type `timestamptz`"
        }
        Some(Timestamp::Finite { has_zone: false, .. }) => {
            "has a timestamp without a time zone, and the type of the column needs one; use a column of type `timestamp`"
        }
        None => "has a timestamp that is not in the ISO format; use a column of type `text`",
    };
    Some(reason)
}

#[derive(Debug, PartialEq, Eq)]
enum Timestamp<'t> {
    Infinite,
    Finite { fraction: &'t str, has_zone: bool },
}

/// Parses `2026-01-31T12:00:00.5Z`, with a space instead of the `T`, with a numeric time zone, and with ` BC`.
fn parse(text: &str) -> Option<Timestamp<'_>> {
    if matches!(text, "infinity" | "-infinity") {
        return Some(Timestamp::Infinite);
    }
    let text = text.strip_suffix(" BC").unwrap_or(text);
    let (date, time) = text.split_once(['T', ' '])?;
    let mut parts = date.split('-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    let is_date =
        parts.next().is_none() && is_number(year, 4..=6) && is_number(month, 2..=2) && is_number(day, 2..=2);
    let end = time.find(['Z', '+', '-']).unwrap_or(time.len());
    let (time, zone) = time.split_at_checked(end)?;
    let is_zone = match zone.strip_prefix(['+', '-']) {
        Some(offset) => {
            offset.split(':').count() <= 3 && offset.split(':').all(|part| is_number(part, 2..=2))
        }
        None => matches!(zone, "" | "Z"),
    };
    let (clock, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let mut clock_parts = clock.split(':');
    let is_clock = clock_parts.by_ref().take(3).filter(|part| is_number(part, 2..=2)).count() == 3;
    let is_valid =
        is_date && is_zone && is_clock && clock_parts.next().is_none() && is_number(fraction, 1..=usize::MAX);
    is_valid.then_some(Timestamp::Finite { fraction, has_zone: !zone.is_empty() })
}

fn is_number(text: &str, length: std::ops::RangeInclusive<usize>) -> bool {
    length.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_exact_timestamps_are_stored() {
        let is_refused = |form, text| refusal(form, text).is_some();
        for text in [
            "2026-01-31T12:00:00Z",
            "2026-01-31 12:00:00.123456+00",
            "12026-01-31T12:00:00.1234560+05:30",
            "infinity",
            "-infinity",
            "0044-03-15 00:00:00+00 BC",
        ] {
            assert!(!is_refused(ColumnForm::TimestampTz, text), "{text}");
        }
        for text in [
            "now",
            "today",
            "",
            "2026-01-31",
            "2026-01-31T12:00Z",
            "2026-01-31T12:00:00.1234567Z",
            "2026-01-31T12:00:00",
            "2026-01-31T12:00:00.Z",
            "2026-01-31T12:00:00 CET",
            "2026-01-31T12:00:00:00Z",
        ] {
            assert!(is_refused(ColumnForm::TimestampTz, text), "{text}");
        }
        assert!(!is_refused(ColumnForm::Timestamp, "2026-01-31T12:00:00.5"));
        assert!(is_refused(ColumnForm::Timestamp, "2026-01-31T12:00:00.5Z"));
        assert!(!is_refused(ColumnForm::Text, "yesterday"));
    }
}

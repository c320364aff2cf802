//! The recognition of dates at the end of a name, in their usual forms.

use jiff::civil::Date;

/// The years that are recognised. Eight digits with another year are considered a number and not a date.
const YEARS: std::ops::RangeInclusive<i16> = 1900..=2999;

/// Year, month and day that are not validated yet.
type YearMonthDay = (i16, i8, i8);

/// Returns the start position of the date, or of the date and time, at the end of a name.
pub(super) fn trailing_date_start(name: &str) -> Option<usize> {
    let bytes = name.as_bytes();
    let starts =
        (0..bytes.len()).filter(|&start| bytes[start].is_ascii_digit() && !is_digit_before(bytes, start));
    starts.into_iter().find(|&start| is_date_and_time(&bytes[start..]))
}

fn is_digit_before(bytes: &[u8], index: usize) -> bool {
    index.checked_sub(1).is_some_and(|before| bytes[before].is_ascii_digit())
}

/// Returns whether the complete text is a date such as `2026-11-29`, `20261129` or `29-11-2026`, with or
/// without a time.
fn is_date_and_time(text: &[u8]) -> bool {
    let Some((date, rest, is_compact)) = date(text).or_else(|| date_with_year_last(text)) else {
        return false;
    };
    is_valid(date)
        && match rest {
            [] => true,
            [b'T' | b't' | b' ' | b'-' | b'_', time @ ..] => is_time(time),
            time => is_compact && matches!(time.len(), 4 | 6) && is_time(time),
        }
}

fn is_valid((year, month, day): YearMonthDay) -> bool {
    YEARS.contains(&year) && Date::new(year, month, day).is_ok()
}

/// Splits off a date whose last number is the year. Day and month may be in either order, because the order
/// does not change the series.
fn date_with_year_last(text: &[u8]) -> Option<(YearMonthDay, &[u8], bool)> {
    let (first, rest) = number(text, 2)?;
    let separator = rest.first().copied().filter(|first| b"-_.".contains(first))?;
    let (second, rest) = number(rest.strip_prefix(&[separator])?, 2)?;
    let (year, rest) = number(rest.strip_prefix(&[separator])?, 4)?;
    let (first, second) = (i8::try_from(first).ok()?, i8::try_from(second).ok()?);
    let day_first = (year, second, first);
    let date = if is_valid(day_first) { day_first } else { (year, first, second) };
    Some((date, rest, false))
}

/// Splits off a date whose first number is the year. Returns the date, the rest of the text, and whether the
/// date has no separators.
fn date(text: &[u8]) -> Option<(YearMonthDay, &[u8], bool)> {
    let (year, rest) = number(text, 4)?;
    let separator = rest.first().copied().filter(|first| b"-_.".contains(first));
    let skip = |rest: &'_ [u8]| match separator {
        None => Some(0),
        Some(separator) => (rest.first() == Some(&separator)).then_some(1),
    };
    let (month, rest) = number(&rest[skip(rest)?..], 2)?;
    let (day, rest) = number(&rest[skip(rest)?..], 2)?;
    let date = (year, i8::try_from(month).ok()?, i8::try_from(day).ok()?);
    Some((date, rest, separator.is_none()))
}

/// Returns whether the text is a time: hours, optional minutes, optional seconds, then optionally a fraction
/// and a time zone.
fn is_time(text: &[u8]) -> bool {
    let Some((hour, rest)) = number(text, 2) else { return false };
    if hour > 23 {
        return false;
    }
    if is_time_zone(rest) {
        return true;
    }
    let separator = rest.first().copied().filter(|first| b"-:_.".contains(first));
    let next = |rest: &[u8], max: i16| {
        let rest = match separator {
            None => rest,
            Some(separator) => rest.strip_prefix(&[separator])?,
        };
        number(rest, 2).filter(|(value, _)| *value <= max).map(|(_, rest)| rest.to_vec())
    };
    let Some(rest) = next(rest, 59) else { return false };
    if is_time_zone(&rest) {
        return true;
    }
    next(&rest, 60).is_some_and(|rest| is_time_zone(without_fraction(&rest)))
}

/// Returns the text after a fraction of 1 to 9 digits at its start, or the unchanged text if there is none.
fn without_fraction(text: &[u8]) -> &[u8] {
    let [b'.' | b',', digits @ ..] = text else { return text };
    let count = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if (1..=9).contains(&count) { &digits[count..] } else { text }
}

/// Returns whether the text is empty, `Z`, `UTC` or an offset.
fn is_time_zone(text: &[u8]) -> bool {
    match text {
        [] | b"Z" | b"z" | b"UTC" | b" UTC" => true,
        [b'+' | b'-', offset @ ..] => {
            let Some((hours, rest)) = number(offset, 2) else { return false };
            let minutes = rest.strip_prefix(b":").unwrap_or(rest);
            let is_complete =
                rest.is_empty() || number(minutes, 2).is_some_and(|(m, rest)| m < 60 && rest.is_empty());
            hours <= 14 && is_complete
        }
        _ => false,
    }
}

/// Splits off a number of exactly `digits` digits.
fn number(text: &[u8], digits: usize) -> Option<(i16, &[u8])> {
    let number = text.get(..digits)?;
    let value = number
        .iter()
        .try_fold(0i16, |value, byte| byte.is_ascii_digit().then(|| value * 10 + i16::from(byte - b'0')))?;
    Some((value, &text[digits..]))
}

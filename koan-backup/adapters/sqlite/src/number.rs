//! Converts numbers, and refuses a conversion that is not exact.

/// Returns the integer that equals the floating-point number, or `None` if there is none.
pub(super) fn integer_of(number: f64) -> Option<i64> {
    // −2⁶³ and 2⁶³ are exact as f64.
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    let fits = number.fract() == 0.0 && (-LIMIT..LIMIT).contains(&number);
    #[expect(clippy::cast_possible_truncation, reason = "whole and in range")]
    fits.then_some(number as i64)
}

/// Returns the floating-point number nearest to the integer.
pub(super) fn nearest_float(integer: i64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "callers compare the result with the integer")]
    let float = integer as f64;
    float
}

/// Returns the floating-point number that equals the integer, or `None` if there is none.
pub(super) fn float_of(integer: i64) -> Option<f64> {
    let float = nearest_float(integer);
    (integer_of(float) == Some(integer)).then_some(float)
}

/// Returns the 32-bit number nearest to the 64-bit number.
pub(super) fn nearest_f32(number: f64) -> f32 {
    #[expect(clippy::cast_possible_truncation, reason = "callers compare the result with the number")]
    let narrow = number as f32;
    narrow
}

/// Returns the shortest text that parses as the same number: `0.99`, `12`, never with an exponent.
pub(super) fn shortest_text(number: f64) -> String {
    number.to_string()
}

/// Returns the number to which SQLite's numeric affinities convert a decimal text. Returns `None` if the
/// value of the number is not exactly the value of the text.
pub(super) fn number_of(text: &str) -> Option<Number> {
    if let Ok(integer) = trimmed(text).parse::<i64>() {
        return Some(Number::Integer(integer));
    }
    let float: f64 = text.parse().ok().filter(|float: &f64| float.is_finite())?;
    let same = trimmed(&shortest_text(float)) == trimmed(&expanded(text)?);
    same.then_some(Number::Real(float))
}

/// A number as SQLite stores it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Number {
    Integer(i64),
    Real(f64),
}

/// Removes the parts of a decimal that do not change its value: a plus sign, leading and trailing zeros, a
/// decimal point at the end.
fn trimmed(text: &str) -> String {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let (whole, fraction) = (whole.trim_start_matches('0'), fraction.trim_end_matches('0'));
    match (whole, fraction) {
        ("", "") => "0".to_owned(),
        (whole, "") => format!("{sign}{whole}"),
        ("", fraction) => format!("{sign}0.{fraction}"),
        (whole, fraction) => format!("{sign}{whole}.{fraction}"),
    }
}

/// Writes a decimal without an exponent. Returns `None` if the exponent is so large that the result would be
/// unreasonably long.
fn expanded(text: &str) -> Option<String> {
    let Some((mantissa, exponent)) = text.split_once(['e', 'E']) else { return Some(text.to_owned()) };
    let exponent: i32 = exponent.parse().ok().filter(|exponent: &i32| exponent.abs() <= 400)?;
    let (sign, mantissa) = match mantissa.strip_prefix('-') {
        Some(mantissa) => ("-", mantissa),
        None => ("", mantissa.strip_prefix('+').unwrap_or(mantissa)),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let point = i32::try_from(whole.len()).ok()? + exponent;
    let length = i32::try_from(digits.len()).ok()?;
    Some(if point <= 0 {
        format!("{sign}0.{}{digits}", "0".repeat(usize::try_from(-point).ok()?))
    } else if point >= length {
        format!("{sign}{digits}{}", "0".repeat(usize::try_from(point - length).ok()?))
    } else {
        let (whole, fraction) = digits.split_at(usize::try_from(point).ok()?);
        format!("{sign}{whole}.{fraction}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_numbers_in_range_are_integers() {
        assert_eq!(integer_of(3.0), Some(3));
        assert_eq!(integer_of(3.5), None);
        assert_eq!(integer_of(9.3e18), None);
        assert_eq!(integer_of(f64::NAN), None);
        assert_eq!(float_of(9_007_199_254_740_993), None);
        assert_eq!(float_of(i64::MAX), None);
    }

    #[test]
    fn a_decimal_is_stored_as_a_number_only_if_no_digit_is_lost() {
        assert_eq!(number_of("0.99"), Some(Number::Real(0.99)));
        assert_eq!(number_of("1.50"), Some(Number::Real(1.5)));
        assert_eq!(number_of("2.00"), Some(Number::Integer(2)));
        assert_eq!(number_of("-007"), Some(Number::Integer(-7)));
        assert_eq!(number_of("1.5e3"), Some(Number::Real(1500.0)));
        assert_eq!(number_of("0.1234567890123456789"), None);
        assert_eq!(number_of("18446744073709551615"), None);
        assert_eq!(number_of("1e999"), None);
    }
}

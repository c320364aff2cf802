//! Decimal numbers as text.

/// Returns whether a text is a decimal number, with or without an exponent.
pub(super) fn is_decimal(text: &str) -> bool {
    let text = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.strip_prefix(['-', '+']).unwrap_or(exponent)),
        None => (text, "0"),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    !(whole.is_empty() && fraction.is_empty())
        && digits(whole)
        && digits(fraction)
        && !exponent.is_empty()
        && digits(exponent)
}

/// Returns the number of significant fraction digits; negative if the number ends in zeros before the point,
/// `None` for zero.
pub(super) fn significant_scale(text: &str) -> Option<i64> {
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let exponent: i64 = exponent.parse().unwrap_or(0);
    let length = |digits: &str| i64::try_from(digits.len()).unwrap_or(i64::MAX);
    let fraction = fraction.trim_end_matches('0');
    let digits_after_point = match fraction.is_empty() {
        false => length(fraction),
        true => {
            let significant = whole.trim_end_matches('0');
            if significant.trim_start_matches(['-', '+']).is_empty() {
                return None;
            }
            length(significant) - length(whole)
        }
    };
    Some(digits_after_point.saturating_sub(exponent))
}

/// Returns whether two decimals without exponents are the same number.
pub(super) fn same_number(one: &str, other: &str) -> bool {
    fn parts(text: &str) -> (bool, &str, &str) {
        let (negative, text) = match text.strip_prefix('-') {
            Some(text) => (true, text),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        (negative, whole.trim_start_matches('0'), fraction.trim_end_matches('0'))
    }
    parts(one) == parts(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fraction_digits_are_counted_with_the_exponent() {
        for (text, expected) in [
            ("1", 0),
            ("1.50", 1),
            ("1e-3", 3),
            ("1.25e1", 1),
            ("-0.001", 3),
            ("1.5e3", -2),
            ("-1200", -2),
            ("1200.0", -2),
            ("1200.5", 1),
        ] {
            assert_eq!(significant_scale(text), Some(expected), "{text}");
        }
        assert_eq!(
            [significant_scale("0"), significant_scale("-00.00"), significant_scale("0e9")],
            [None; 3]
        );
    }

    #[test]
    fn insignificant_zeros_do_not_change_a_number() {
        assert!(same_number("0.5", ".50") && same_number("-1", "-1.0") && same_number("+2", "02"));
        assert!(!same_number("0.5", "0.51") && !same_number("-1", "1"));
    }
}

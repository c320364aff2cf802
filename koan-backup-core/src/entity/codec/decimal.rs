//! Decimal numbers as text.

/// Returns whether two texts are the same decimal number: `1.50` equals `15e-1`. Text that is not a number
/// equals nothing.
pub(super) fn decimals_equal(left: &str, right: &str) -> bool {
    match (Decimal::parse(left), Decimal::parse(right)) {
        (Some(a), Some(b)) => a == b,
        _ => false,
    }
}

/// A decimal number of any precision: its significant digits as an integer, and the power of ten to multiply
/// it by.
#[derive(PartialEq)]
pub(super) struct Decimal {
    is_negative: bool,
    digits: String,
    exponent: i64,
}

impl Decimal {
    /// Parses a number in the form of SQL and JSON: an optional sign, digits with an optional point, an
    /// optional exponent.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (is_negative, rest) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (mantissa, exponent) = match rest.find(['e', 'E']) {
            Some(at) => (&rest[..at], rest[at + 1..].parse::<i64>().ok()?),
            None => (rest, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all = [whole, fraction].concat();
        if all.is_empty() || !all.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let mut exponent = exponent.checked_sub(i64::try_from(fraction.len()).ok()?)?;
        let digits = all.trim_start_matches('0');
        let significant = digits.trim_end_matches('0');
        exponent = exponent.checked_add(i64::try_from(digits.len() - significant.len()).ok()?)?;
        let is_zero = significant.is_empty();
        Some(Self {
            is_negative: is_negative && !is_zero,
            digits: significant.to_owned(),
            exponent: if is_zero { 0 } else { exponent },
        })
    }

    /// Appends a text that is the same for all spellings of the number.
    pub(super) fn push_normal_form(&self, out: &mut Vec<u8>) {
        if self.is_negative {
            out.push(b'-');
        }
        out.extend_from_slice(self.digits.as_bytes());
        out.push(b'e');
        out.extend_from_slice(self.exponent.to_string().as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_equal_by_value_and_never_rounded() {
        for (a, b) in [("1.50", "15e-1"), ("0", "-0.0"), ("100", "1e2"), ("+7", "7"), ("0.990", "0.99")] {
            assert!(decimals_equal(a, b), "{a} {b}");
        }
        assert!(!decimals_equal("1.5e-30", "0"));
    }
}

//! Decimal numbers in the form of text.

/// A decimal number of any precision, which is parsed from its text. Numbers are compared by value: `1.50` is
/// equal to `15e-1`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DecimalText {
    is_negative: bool,
    /// The significant digits, without zeros at their start and end.
    digits: String,
    /// The exponent of the power of ten by which the digits are multiplied.
    exponent: i64,
}

impl DecimalText {
    /// Parses a number in the form of SQL and JSON: an optional sign, digits with an optional point, and an
    /// optional exponent. Returns `None` for other text, and for an exponent beyond 64 bits.
    pub fn parse(text: &str) -> Option<Self> {
        let (is_negative, mantissa, exponent) = split(text)?;
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all_digits = [whole, fraction].concat();
        let mut exponent = exponent.checked_sub(i64::try_from(fraction.len()).ok()?)?;
        let digits = all_digits.trim_start_matches('0');
        let significant = digits.trim_end_matches('0');
        exponent = exponent.checked_add(i64::try_from(digits.len() - significant.len()).ok()?)?;
        let is_zero = significant.is_empty();
        Some(Self {
            is_negative: is_negative && !is_zero,
            digits: significant.to_owned(),
            exponent: if is_zero { 0 } else { exponent },
        })
    }

    /// Returns whether [`parse`](Self::parse) accepts a text. This check allocates no memory.
    pub fn is_valid(text: &str) -> bool {
        split(text).is_some()
    }

    /// Returns whether two texts are the same number. A text that is not a number is not equal to any text.
    pub fn are_equal(left: &str, right: &str) -> bool {
        match (Self::parse(left), Self::parse(right)) {
            (Some(left), Some(right)) => left == right,
            _ => false,
        }
    }

    /// Returns the number of digits after the decimal point that the value needs. The result is negative if
    /// the value ends with zeros before the point. Returns `None` if the number is zero.
    pub fn scale(&self) -> Option<i64> {
        (!self.digits.is_empty()).then_some(self.exponent.saturating_neg())
    }

    /// Appends a text that is the same for all spellings of the number.
    pub fn push_normal_form(&self, out: &mut Vec<u8>) {
        if self.is_negative {
            out.push(b'-');
        }
        out.extend_from_slice(self.digits.as_bytes());
        out.push(b'e');
        out.extend_from_slice(self.exponent.to_string().as_bytes());
    }
}

/// Splits a number into its sign, its mantissa and its exponent.
fn split(text: &str) -> Option<(bool, &str, i64)> {
    let (is_negative, rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (mantissa, exponent) = match rest.find(['e', 'E']) {
        Some(index) => (&rest[..index], rest[index + 1..].parse::<i64>().ok()?),
        None => (rest, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let are_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let is_number = !(whole.is_empty() && fraction.is_empty()) && are_digits(whole) && are_digits(fraction);
    is_number.then_some((is_negative, mantissa, exponent))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_equal_by_value_and_never_rounded() {
        for (a, b) in
            [("1.50", "15e-1"), ("0", "-0.0"), ("100", "1e2"), ("+7", "7"), ("0.990", "0.99"), (".5", "0.50")]
        {
            assert!(DecimalText::are_equal(a, b), "{a} {b}");
        }
        for (a, b) in [("1.5e-30", "0"), ("0.5", "0.51"), ("-1", "1"), ("x", "x")] {
            assert!(!DecimalText::are_equal(a, b), "{a} {b}");
        }
    }

    #[test]
    fn text_that_is_not_a_number_is_refused() {
        for text in [
            "",
            "-",
            ".",
            "1e",
            "1e+",
            "e5",
            "1.2.3",
            "--1",
            "1-",
            " 1",
            "NaN",
            "١",
            "0x10",
            "1_000",
            "1e99999999999999999999",
        ] {
            assert!(DecimalText::parse(text).is_none() && !DecimalText::is_valid(text), "{text}");
        }
        for text in ["1", "-1.5", ".5", "5.", "1e-3", "1E+3", "+0"] {
            assert!(DecimalText::parse(text).is_some() && DecimalText::is_valid(text), "{text}");
        }
    }

    #[test]
    fn the_scale_is_the_number_of_digits_after_the_point_and_considers_the_exponent() {
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
            assert_eq!(DecimalText::parse(text).and_then(|number| number.scale()), Some(expected), "{text}");
        }
        for zero in ["0", "-00.00", "0e9"] {
            assert_eq!(DecimalText::parse(zero).and_then(|number| number.scale()), None, "{zero}");
        }
    }
}

//! Numbers as text, compared by their value.

/// Whether two decimal texts are one number, digit for digit.
pub(super) fn numbers_equal(one: &str, other: &str) -> bool {
    match (Digits::of(one), Digits::of(other)) {
        (Some(a), Some(b)) => a == b,
        _ => false,
    }
}

/// A number as its significant digits and the power of ten behind them.
#[derive(PartialEq)]
pub(super) struct Digits {
    negative: bool,
    digits: String,
    exponent: i64,
}

impl Digits {
    /// Parses a number; `None` if the text is no number.
    pub(super) fn of(text: &str) -> Option<Self> {
        let (negative, rest) = match text.strip_prefix('-') {
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
        let zero = significant.is_empty();
        Some(Self {
            negative: negative && !zero,
            digits: significant.to_owned(),
            exponent: if zero { 0 } else { exponent },
        })
    }

    /// Appends a text that is the same for all spellings of the number.
    pub(super) fn push_normal(&self, out: &mut Vec<u8>) {
        if self.negative {
            out.push(b'-');
        }
        out.extend_from_slice(self.digits.as_bytes());
        out.push(b'e');
        out.extend_from_slice(self.exponent.to_string().as_bytes());
    }
}

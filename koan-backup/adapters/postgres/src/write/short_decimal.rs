//! Converts a number with at most 16 digits and no exponent to the binary format of `numeric`, in one pass
//! and with 64-bit arithmetic. Most numbers have this form.

use super::numeric::NEGATIVE;

/// The maximum number of digits. With the last group of four filled up with zeros, 16 digits still fit into
/// 64 bits.
const MAX_DIGITS: usize = 16;
/// The maximum number of groups of four digits in 64 bits.
const MAX_GROUPS: usize = 5;

/// A decimal number with at most 16 digits.
pub(super) struct ShortDecimal {
    is_negative: bool,
    /// All digits, without the point.
    digits: u64,
    /// The number of fraction digits.
    scale: u8,
}

impl ShortDecimal {
    /// Parses a number. Returns `None` if the number has more digits or another form.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let unsigned = text.strip_prefix('-').unwrap_or(text).as_bytes();
        if unsigned.len() > MAX_DIGITS + 1 {
            return None;
        }
        let (mut digits, mut count, mut point) = (0, 0, None);
        for &byte in unsigned {
            match byte {
                b'0'..=b'9' => {
                    digits = digits * 10 + u64::from(byte - b'0');
                    count += 1;
                }
                b'.' if point.is_none() => point = Some(count),
                _ => return None,
            }
        }
        let scale = u8::try_from(count - point.unwrap_or(count)).ok()?;
        let is_number = (1..=MAX_DIGITS).contains(&count);
        is_number.then_some(Self { is_negative: unsigned.len() < text.len(), digits, scale })
    }

    /// Returns the number of fraction digits.
    pub(super) fn scale(&self) -> i32 {
        self.scale.into()
    }

    /// Appends the length and the same bytes as [`numeric`](super::numeric::push).
    pub(super) fn push(&self, out: &mut Vec<u8>) {
        let padded_scale = self.scale.next_multiple_of(4);
        let mut rest = self.digits * 10u64.pow(u32::from(padded_scale - self.scale));
        // The groups are computed from the last group to the first, without trailing zeros.
        let (mut groups, mut count) = ([0u16; MAX_GROUPS], 0u8);
        let mut weight = -i16::from(padded_scale / 4);
        while rest > 0 && rest.is_multiple_of(10_000) {
            rest /= 10_000;
            weight += 1;
        }
        while rest > 0 {
            groups[usize::from(count)] =
                u16::try_from(rest % 10_000).expect("a number below 10,000 fits into u16");
            rest /= 10_000;
            count += 1;
        }
        let (weight, sign) = match count {
            0 => (0, 0),
            _ => (weight + i16::from(count) - 1, if self.is_negative { NEGATIVE } else { 0 }),
        };
        out.extend_from_slice(&(8 + 2 * i32::from(count)).to_be_bytes());
        out.extend_from_slice(&u16::from(count).to_be_bytes());
        out.extend_from_slice(&weight.to_be_bytes());
        out.extend_from_slice(&sign.to_be_bytes());
        out.extend_from_slice(&u16::from(self.scale).to_be_bytes());
        for group in groups[..usize::from(count)].iter().rev() {
            out.extend_from_slice(&group.to_be_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::numeric;
    use super::*;

    /// Returns the output of the general function, preceded by its length.
    fn general(text: &str) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        numeric::push(text, &mut bytes).ok()?;
        let length = i32::try_from(bytes.len()).expect("the length fits into i32");
        Some([&length.to_be_bytes(), bytes.as_slice()].concat())
    }

    #[test]
    fn short_decimals_have_the_same_bytes_as_from_the_general_function() {
        let mut parsed = 0;
        for digits in
            ["0", "1", "10000", "9999999999999999", "120034005600", "00010", "1000000000000000", "7"]
        {
            for point in 0..=digits.len() {
                for sign in ["", "-"] {
                    let text = format!("{sign}{}.{}", &digits[..point], &digits[point..]);
                    for text in [&text, text.trim_end_matches('.')] {
                        let short = ShortDecimal::parse(text).unwrap_or_else(|| panic!("short: {text}"));
                        let mut sent = Vec::new();
                        short.push(&mut sent);
                        assert_eq!(Some(sent), general(text), "{text}");
                        parsed += 1;
                    }
                }
            }
        }
        assert!(parsed > 200, "{parsed}");
    }

    #[test]
    fn other_numbers_are_not_short_decimals() {
        for text in
            ["", "-", ".", "-.", "+1", "1e2", "1.2.3", "--1", "1-", " 1", "NaN", "12345678901234567", "١"]
        {
            assert!(ShortDecimal::parse(text).is_none(), "{text}");
        }
    }
}

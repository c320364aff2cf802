//! `numeric` from the text of a number with few digits and no exponent, as most are: in one pass, and in 64 bits.

use super::numeric::NEGATIVE;

/// The most digits whose groups, the last one filled with zeros, are in 64 bits.
const MOST_DIGITS: usize = 16;
/// So many groups of four digits are in 64 bits.
const MOST_GROUPS: usize = 5;

/// A number.
pub(super) struct PlainDecimal {
    is_negative: bool,
    /// Its digits, whatever is behind the point.
    digits: u64,
    /// How many digits are behind the point.
    scale: u8,
}

impl PlainDecimal {
    /// The number that a text is. `None` says nothing.
    pub(super) fn of(text: &str) -> Option<Self> {
        let unsigned = text.strip_prefix('-').unwrap_or(text).as_bytes();
        if unsigned.len() > MOST_DIGITS + 1 {
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
        let is_number = (1..=MOST_DIGITS).contains(&count);
        is_number.then_some(Self { is_negative: unsigned.len() < text.len(), digits, scale })
    }

    /// How many digits are behind the point.
    pub(super) fn scale(&self) -> i32 {
        self.scale.into()
    }

    /// Appends its length and what [`numeric`](super::numeric::push) appends.
    pub(super) fn push(&self, out: &mut Vec<u8>) {
        let filled = self.scale.next_multiple_of(4);
        let mut rest = self.digits * 10u64.pow(u32::from(filled - self.scale));
        // From the last group on, without the zeros that it ends with.
        let (mut groups, mut count) = ([0u16; MOST_GROUPS], 0u8);
        let mut weight = -i16::from(filled / 4);
        while rest > 0 && rest.is_multiple_of(10_000) {
            rest /= 10_000;
            weight += 1;
        }
        while rest > 0 {
            groups[usize::from(count)] = u16::try_from(rest % 10_000).expect("below 10,000");
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

    /// What the general way appends, with its length.
    fn general(text: &str) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        numeric::push(text, &mut bytes).ok()?;
        let length = i32::try_from(bytes.len()).expect("short");
        Some([&length.to_be_bytes(), bytes.as_slice()].concat())
    }

    #[test]
    fn whatever_is_taken_is_sent_as_in_the_general_way() {
        let mut taken = 0;
        for digits in
            ["0", "1", "10000", "9999999999999999", "120034005600", "00010", "1000000000000000", "7"]
        {
            for point in 0..=digits.len() {
                for sign in ["", "-"] {
                    let text = format!("{sign}{}.{}", &digits[..point], &digits[point..]);
                    for text in [&text, text.trim_end_matches('.')] {
                        let plain = PlainDecimal::of(text).unwrap_or_else(|| panic!("plain: {text}"));
                        let mut sent = Vec::new();
                        plain.push(&mut sent);
                        assert_eq!(Some(sent), general(text), "{text}");
                        taken += 1;
                    }
                }
            }
        }
        assert!(taken > 200, "{taken}");
    }

    #[test]
    fn what_is_no_plain_number_or_too_long_is_left_to_the_general_way() {
        for text in
            ["", "-", ".", "-.", "+1", "1e2", "1.2.3", "--1", "1-", " 1", "NaN", "12345678901234567", "١"]
        {
            assert!(PlainDecimal::of(text).is_none(), "{text}");
        }
    }
}

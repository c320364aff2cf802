//! Reads `numeric` without losing a digit.
//!
//! The server sends groups of four decimal digits: the number of groups, the weight of the first group, the
//! sign, the number of fraction digits, and the groups (PostgreSQL's `numeric_send`).

use super::bytes::malformed;
use koan_backup_sql::conversion_error::ConversionError;

const NEGATIVE: u16 = 0x4000;
const POSITIVE: u16 = 0x0000;

/// Returns the number as text, with all stored fraction digits.
pub(in super::super) fn text(bytes: &[u8]) -> Result<String, ConversionError> {
    let (head, groups) = bytes.split_at_checked(8).ok_or_else(malformed)?;
    let part = |index: usize| [head[index], head[index + 1]];
    let weight = i32::from(i16::from_be_bytes(part(2)));
    let negative = match u16::from_be_bytes(part(4)) {
        POSITIVE => false,
        NEGATIVE => true,
        _ => return Err(not_finite()),
    };
    let scale = usize::from(u16::from_be_bytes(part(6)));
    let group = |index: i32| -> u16 {
        let start = usize::try_from(index).ok().map(|index| index * 2);
        match start.and_then(|start| groups.get(start..start + 2)) {
            Some(&[high, low]) => u16::from_be_bytes([high, low]),
            _ => 0,
        }
    };
    let mut text = Vec::with_capacity(groups.len() * 2 + scale + 3);
    if negative {
        text.push(b'-');
    }
    if weight < 0 {
        text.push(b'0');
    }
    for index in 0..=weight {
        let digits = digits_of(group(index));
        text.extend_from_slice(if index == 0 { without_zeros(&digits) } else { &digits });
    }
    if scale > 0 {
        text.push(b'.');
        let end = text.len() + scale;
        let mut index = weight + 1;
        while text.len() < end {
            text.extend_from_slice(&digits_of(group(index)));
            index += 1;
        }
        text.truncate(end);
    }
    String::from_utf8(text).map_err(|_| malformed())
}

/// Returns the error for NaN and infinity.
pub(super) fn not_finite() -> ConversionError {
    ConversionError::new(
        "contains NaN or infinity, which JSON cannot represent; store the value as text or as NULL",
    )
}

/// Removes leading zeros from a group, but keeps its last digit.
fn without_zeros(digits: &[u8; 4]) -> &[u8] {
    let zeros = digits.iter().take(3).take_while(|digit| **digit == b'0').count();
    &digits[zeros..]
}

/// Returns the four digits of a group in ASCII.
fn digits_of(group: u16) -> [u8; 4] {
    [1000, 100, 10, 1].map(|unit| b'0' + u8::try_from(group / unit % 10).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(weight: i16, sign: u16, scale: u16, groups: &[u16]) -> Vec<u8> {
        let count = u16::try_from(groups.len()).expect("the number of groups fits into u16");
        let mut bytes = count.to_be_bytes().to_vec();
        bytes.extend(weight.to_be_bytes());
        bytes.extend(sign.to_be_bytes());
        bytes.extend(scale.to_be_bytes());
        bytes.extend(groups.iter().flat_map(|group| group.to_be_bytes()));
        bytes
    }

    #[test]
    fn every_digit_of_a_decimal_is_read() {
        let cases = [
            ("0", sent(0, POSITIVE, 0, &[])),
            ("0.00", sent(0, POSITIVE, 2, &[])),
            ("1", sent(0, POSITIVE, 0, &[1])),
            ("-12345.678900", sent(1, NEGATIVE, 6, &[1, 2345, 6789])),
            ("10000", sent(1, POSITIVE, 0, &[1])),
            ("0.0001", sent(-1, POSITIVE, 4, &[1])),
            ("0.00001234", sent(-2, POSITIVE, 8, &[1234])),
            ("100000000.5", sent(2, POSITIVE, 1, &[1, 0, 0, 5000])),
        ];
        for (expected, bytes) in cases {
            assert_eq!(text(&bytes).expect("the bytes are a valid `numeric`"), expected);
        }
    }

    #[test]
    fn nan_infinity_and_malformed_numerics_are_refused() {
        for sign in [0xC000, 0xD000, 0xF000] {
            assert!(text(&sent(0, sign, 0, &[])).is_err());
        }
        assert!(text(&[0; 7]).is_err());
    }
}

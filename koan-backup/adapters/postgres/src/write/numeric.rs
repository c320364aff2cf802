//! Converts the text of a number to the binary format of `numeric`: groups of four decimal digits
//! (PostgreSQL's `numeric_recv`).

use koan_backup_core::value::DecimalText;
use koan_backup_sql::conversion_error::ConversionError;

pub(super) const NEGATIVE: u16 = 0x4000;
/// The number of digits that PostgreSQL accepts on either side of the point.
const MAX_DIGITS: i64 = 131_072;

/// Appends a number: the number of groups, the weight of the first group, the sign, the number of fraction
/// digits, and the groups.
pub(super) fn push(text: &str, out: &mut Vec<u8>) -> Result<(), ConversionError> {
    let invalid = || ConversionError::new("cannot contain a decimal in this text form");
    if !DecimalText::is_valid(text) {
        return Err(invalid());
    }
    let (is_negative, rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i64>().map_err(|_| invalid())?),
        None => (rest, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let length = |part: &str| i64::try_from(part.len()).unwrap_or(i64::MAX);
    // The number of digits before the point, after the exponent was applied.
    let integer_digits = length(whole).checked_add(exponent).ok_or_else(invalid)?;
    let scale = length(fraction).checked_sub(exponent).ok_or_else(invalid)?.max(0);
    if integer_digits.abs() > MAX_DIGITS || scale > MAX_DIGITS {
        return Err(ConversionError::new("cannot hold a number with this many digits"));
    }
    let digit = |position: i64| -> u16 {
        let Ok(position) = usize::try_from(position) else { return 0 };
        let byte = match position.checked_sub(whole.len()) {
            None => whole.as_bytes().get(position),
            Some(position) => fraction.as_bytes().get(position),
        };
        byte.map_or(0, |byte| u16::from(byte - b'0'))
    };
    // Groups are counted from the point: group 0 contains the four digits before it.
    let group = |index: i64| -> u16 {
        let first = integer_digits - 4 * (index + 1);
        (first..first + 4).fold(0, |number, position| number * 10 + digit(position))
    };
    let mut highest = (integer_digits + 3).div_euclid(4) - 1;
    let mut lowest = -(scale + 3).div_euclid(4);
    while highest >= lowest && group(highest) == 0 {
        highest -= 1;
    }
    while lowest <= highest && group(lowest) == 0 {
        lowest += 1;
    }
    let count = u16::try_from((highest - lowest + 1).max(0)).map_err(|_| invalid())?;
    let weight = if count == 0 { 0 } else { i16::try_from(highest).map_err(|_| invalid())? };
    let sign = if is_negative && count > 0 { NEGATIVE } else { 0 };
    out.extend_from_slice(&count.to_be_bytes());
    out.extend_from_slice(&weight.to_be_bytes());
    out.extend_from_slice(&sign.to_be_bytes());
    out.extend_from_slice(&u16::try_from(scale).map_err(|_| invalid())?.to_be_bytes());
    for index in (lowest..=highest).rev() {
        out.extend_from_slice(&group(index).to_be_bytes());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::super::read::decimal;
    use super::*;

    #[test]
    fn a_written_numeric_is_read_back() {
        for (text, read) in [
            ("0", "0"),
            ("-0.00", "0.00"),
            ("1", "1"),
            ("-12345.678900", "-12345.678900"),
            ("10000", "10000"),
            ("00010000.5", "10000.5"),
            ("0.0001", "0.0001"),
            (".00001234", "0.00001234"),
            ("100000000.5", "100000000.5"),
            ("+1.5e3", "1500"),
            ("1.25E1", "12.5"),
            ("12e-7", "0.0000012"),
            ("-1e20", "-100000000000000000000"),
            ("79228162514264337593543950335", "79228162514264337593543950335"),
            ("99999999.9999", "99999999.9999"),
        ] {
            let mut bytes = Vec::new();
            push(text, &mut bytes).expect("the text is a valid decimal");
            assert_eq!(decimal::text(&bytes).expect("the bytes are a valid `numeric`"), read, "{text}");
        }
    }

    #[test]
    fn invalid_and_too_long_decimals_are_refused() {
        for text in ["", "-", "NaN", "1e", "0x10", "1e200000", "1e-200000", "1e9223372036854775807", "1 "] {
            assert!(push(text, &mut Vec::new()).is_err(), "{text}");
        }
    }
}

//! Preserves the digits of numbers in the JSON that the server creates from a composite value.

use koan_backup_core::value::DecimalText;
use std::borrow::Cow;

/// Quotes the numbers that a conversion to binary floating point would change. A field of a decimal type then
/// gets every digit, and a field of a floating-point type refuses the value.
pub(super) fn exact_numbers(json: &str, is_scale_significant: bool) -> Cow<'_, str> {
    let bytes = json.as_bytes();
    let (mut out, mut copied, mut position) = (String::new(), 0, 0);
    while position < bytes.len() {
        match bytes[position] {
            b'"' => position = end_of_string(bytes, position + 1),
            b'-' | b'0'..=b'9' => {
                let is_in_number = |byte: &u8| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E');
                let length = bytes[position..].iter().take_while(|byte| is_in_number(byte)).count();
                let number = &json[position..position + length];
                if !is_exact_in_json(number, is_scale_significant) {
                    out.push_str(&json[copied..position]);
                    out.push('"');
                    out.push_str(number);
                    out.push('"');
                    copied = position + length;
                }
                position += length;
            }
            _ => position += 1,
        }
    }
    if copied == 0 {
        return Cow::Borrowed(json);
    }
    out.push_str(&json[copied..]);
    Cow::Owned(out)
}

/// Returns the position after the quote that ends a string.
fn end_of_string(bytes: &[u8], mut position: usize) -> usize {
    while position < bytes.len() {
        match bytes[position] {
            b'\\' => position += 2,
            b'"' => return position + 1,
            _ => position += 1,
        }
    }
    position
}

/// Returns whether a 64-bit integer or a binary floating-point number represents a number exactly.
fn is_exact_in_json(number: &str, is_scale_significant: bool) -> bool {
    // PostgreSQL writes exponents only for floating-point numbers, which are exact.
    if number.contains(['e', 'E']) {
        return true;
    }
    if !number.contains('.') {
        return number.parse::<i64>().is_ok() || number.parse::<u64>().is_ok();
    }
    // PostgreSQL writes trailing zeros only for decimals.
    if is_scale_significant && number.ends_with('0') {
        return false;
    }
    number.parse::<f64>().is_ok_and(|float| DecimalText::are_equal(&float.to_string(), number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_a_float_would_change_are_quoted() {
        let quoted =
            |json: &str, is_scale_significant| exact_numbers(json, is_scale_significant).into_owned();
        let json = r#"{"a":12345678901234567890.12,"b":0.1,"c":[1.10,-7],"d":"1.10 \" 2.50","e":1e+300,"n":18446744073709551616}"#;
        let expected = r#"{"a":"12345678901234567890.12","b":0.1,"c":["1.10",-7],"d":"1.10 \" 2.50","e":1e+300,"n":"18446744073709551616"}"#;
        assert_eq!(quoted(json, true), expected);
        assert_eq!(quoted(r#"{"a":1.10}"#, false), r#"{"a":1.10}"#);
        assert_eq!(quoted("{}", true), "{}");
    }
}

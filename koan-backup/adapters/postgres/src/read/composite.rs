//! Numbers in the JSON that the server makes of a composite value.

use std::borrow::Cow;

use super::super::write::same_number;

/// The JSON with those numbers as text that a binary floating-point number would change, so that a field of a decimal type
/// gets every digit and one of a floating-point type refuses it.
pub(super) fn exact_numbers(json: &str, scale_counts: bool) -> Cow<'_, str> {
    let bytes = json.as_bytes();
    let (mut out, mut copied, mut place) = (String::new(), 0, 0);
    while place < bytes.len() {
        match bytes[place] {
            b'"' => place = end_of_string(bytes, place + 1),
            b'-' | b'0'..=b'9' => {
                let is_part = |byte: &u8| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E');
                let length = bytes[place..].iter().take_while(|byte| is_part(byte)).count();
                let number = &json[place..place + length];
                if !survives(number, scale_counts) {
                    out.push_str(&json[copied..place]);
                    out.push('"');
                    out.push_str(number);
                    out.push('"');
                    copied = place + length;
                }
                place += length;
            }
            _ => place += 1,
        }
    }
    if copied == 0 {
        return Cow::Borrowed(json);
    }
    out.push_str(&json[copied..]);
    Cow::Owned(out)
}

/// The place behind the quote that ends a string.
fn end_of_string(bytes: &[u8], mut place: usize) -> usize {
    while place < bytes.len() {
        match bytes[place] {
            b'\\' => place += 2,
            b'"' => return place + 1,
            _ => place += 1,
        }
    }
    place
}

/// Whether a number comes back as it is through an integer of 64 bits or a binary floating-point number.
fn survives(number: &str, scale_counts: bool) -> bool {
    // PostgreSQL writes an exponent only of floating-point numbers, which are exact.
    if number.contains(['e', 'E']) {
        return true;
    }
    if !number.contains('.') {
        return number.parse::<i64>().is_ok() || number.parse::<u64>().is_ok();
    }
    // It writes zeros at the end only of decimals.
    if scale_counts && number.ends_with('0') {
        return false;
    }
    number.parse::<f64>().is_ok_and(|float| same_number(&float.to_string(), number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_a_float_would_change_become_text() {
        let of = |json: &str, scale_counts| exact_numbers(json, scale_counts).into_owned();
        let json = r#"{"a":12345678901234567890.12,"b":0.1,"c":[1.10,-7],"d":"1.10 \" 2.50","e":1e+300,"n":18446744073709551616}"#;
        let expected = r#"{"a":"12345678901234567890.12","b":0.1,"c":["1.10",-7],"d":"1.10 \" 2.50","e":1e+300,"n":"18446744073709551616"}"#;
        assert_eq!(of(json, true), expected);
        assert_eq!(of(r#"{"a":1.10}"#, false), r#"{"a":1.10}"#);
        assert_eq!(of("{}", true), "{}");
    }
}

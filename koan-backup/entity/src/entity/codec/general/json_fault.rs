//! The faults for which `serde_json` refuses JSON that a database accepts.

/// The maximum nesting that `serde_json` accepts.
const MAX_DEPTH: usize = 127;

const TOO_DEEP: &str = "is JSON that is nested more than 127 levels deep, which cannot be read; reduce the nesting, \
     or declare the field as `String`, which preserves the JSON as text";
const TOO_LARGE: &str = "contains a JSON number beyond 64-bit floating point (1.8e308), which cannot be read; \
     correct the number, or declare the field as `String`, which preserves the JSON as text";

/// Returns the message for the first value in valid JSON that databases such as PostgreSQL and SQLite accept
/// and `serde_json` refuses. Returns `None` if there is no such value.
pub(super) fn find_fault(text: &str) -> Option<&'static str> {
    let bytes = text.as_bytes();
    let (mut depth, mut offset) = (0usize, 0);
    while let Some(&byte) = bytes.get(offset) {
        match byte {
            b'"' => offset = end_of_string(bytes, offset),
            b'[' | b'{' => {
                depth += 1;
                if depth > MAX_DEPTH {
                    return Some(TOO_DEEP);
                }
                offset += 1;
            }
            b']' | b'}' => {
                depth = depth.saturating_sub(1);
                offset += 1;
            }
            b'-' | b'0'..=b'9' => {
                let is_number_byte =
                    |byte: &u8| matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9');
                let length = bytes[offset..].iter().take_while(|byte| is_number_byte(byte)).count();
                if text[offset..offset + length].parse::<f64>().is_ok_and(f64::is_infinite) {
                    return Some(TOO_LARGE);
                }
                offset += length;
            }
            _ => offset += 1,
        }
    }
    None
}

/// Returns the index after the string that begins at `start`.
fn end_of_string(bytes: &[u8], start: usize) -> usize {
    let mut offset = start + 1;
    while let Some(&byte) = bytes.get(offset) {
        match byte {
            b'"' => return offset + 1,
            b'\\' => offset += 2,
            _ => offset += 1,
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nested(depth: usize) -> String {
        format!("{}1{}", "[".repeat(depth), "]".repeat(depth))
    }

    #[test]
    fn a_fault_is_found_only_in_json_that_serde_json_refuses() {
        for (text, fault) in [
            (nested(127), None),
            (nested(128), Some(TOO_DEEP)),
            (format!("{{\"a\":{}}}", nested(127)), Some(TOO_DEEP)),
            ("[1e308,-1e308,1e-400,\"1e400\",\"[[\",\"\\\"[\"]".to_owned(), None),
            ("{\"a\":1e400}".to_owned(), Some(TOO_LARGE)),
            (format!("[-1{}]", "0".repeat(400)), Some(TOO_LARGE)),
        ] {
            assert_eq!(find_fault(&text), fault, "{text}");
            assert_eq!(serde_json::from_str::<serde_json::Value>(&text).is_err(), fault.is_some(), "{text}");
        }
        assert_eq!(find_fault("\"never ends"), None);
        assert_eq!(find_fault("[1"), None);
    }
}

//! Explains why `serde_json` refuses JSON that a database accepted.

/// The deepest nesting that `serde_json` accepts.
const MAX_DEPTH: usize = 127;

const TOO_DEEP: &str = "is JSON that is nested more than 127 levels deep, which is not read; make it flatter, or \
     declare the field as `String`, which keeps it as text";
const TOO_LARGE: &str = "holds a JSON number beyond 64-bit floating point (1.8e308), which is not read; correct \
     the number, or declare the field as `String`, which keeps the JSON as text";

/// Returns the first part of valid JSON that PostgreSQL, SQLite and others accept and `serde_json` refuses,
/// as an error text.
pub(super) fn of(text: &str) -> Option<&'static str> {
    let bytes = text.as_bytes();
    let (mut depth, mut at) = (0usize, 0);
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'"' => at = end_of_string(bytes, at),
            b'[' | b'{' => {
                depth += 1;
                if depth > MAX_DEPTH {
                    return Some(TOO_DEEP);
                }
                at += 1;
            }
            b']' | b'}' => {
                depth = depth.saturating_sub(1);
                at += 1;
            }
            b'-' | b'0'..=b'9' => {
                let is_part = |byte: &u8| matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9');
                let length = bytes[at..].iter().take_while(|byte| is_part(byte)).count();
                if text[at..at + length].parse::<f64>().is_ok_and(f64::is_infinite) {
                    return Some(TOO_LARGE);
                }
                at += length;
            }
            _ => at += 1,
        }
    }
    None
}

/// Returns the index after the string that begins at `start`.
fn end_of_string(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
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
            assert_eq!(of(&text), fault, "{text}");
            assert_eq!(serde_json::from_str::<serde_json::Value>(&text).is_err(), fault.is_some(), "{text}");
        }
        assert_eq!(of("\"never ends"), None);
        assert_eq!(of("[1"), None);
    }
}

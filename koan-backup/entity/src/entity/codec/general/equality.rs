//! The comparison of values by their meaning.

use std::cmp::Ordering;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::super::row::MemberTyping;
use crate::foundation::value::{DecimalText, Timestamp, Value};

/// Returns whether two values have the same meaning: instants are compared by their point in time, numbers by
/// their decimal value, and JSON by its content.
pub(super) fn values_equal(left: &Value<'_>, right: &Value<'_>) -> bool {
    use Value::{Bytes, Decimal, F64, I64, Json, Str, U64};
    match (left, right) {
        (F64(a), F64(b)) => a.to_bits() == b.to_bits() || has_same_f32_text(*a, *b),
        (I64(a), F64(b)) | (F64(b), I64(a)) => integer_equals(i128::from(*a), *b),
        (U64(a), F64(b)) | (F64(b), U64(a)) => integer_equals(i128::from(*a), *b),
        (Value::Timestamp(a), Value::Timestamp(b)) => a == b || instants_equal(*a, *b),
        (Str(a), Str(b)) => a == b,
        (Bytes(a), Bytes(b)) => a == b,
        (Json(a), Json(b)) => a == b || json_equal(a, b),
        (Str(a), Json(b)) | (Json(b), Str(a)) => a == b || json_equal(a, b) || json_string_is(b, a),
        (Json(a), I64(b)) | (I64(b), Json(a)) => DecimalText::are_equal(a, &b.to_string()),
        (Json(a), U64(b)) | (U64(b), Json(a)) => DecimalText::are_equal(a, &b.to_string()),
        (Json(a), F64(b)) | (F64(b), Json(a)) => {
            DecimalText::are_equal(a, &format!("{b:?}")) || a.parse().is_ok_and(|a| has_same_f32_text(a, *b))
        }
        (Decimal(_) | I64(_) | U64(_) | F64(_) | Str(_), Decimal(_)) | (Decimal(_), _) => {
            match (number_text(left), number_text(right)) {
                (Some(a), Some(b)) => a == b || DecimalText::are_equal(&a, &b),
                _ => false,
            }
        }
        (left, right) => left == right,
    }
}

/// Compares two JSON values whose members and elements are typed. A number is equal to its text. Returns
/// `false` for values that are not JSON, and for untyped JSON.
pub(super) fn typed_json_equal(left: &Value<'_>, right: &Value<'_>, typing: MemberTyping<'_>) -> bool {
    match (typing, left, right) {
        (MemberTyping::Typed(_), Value::Json(left), Value::Json(right)) => {
            json_equal_typed(left, right, typing)
        }
        _ => false,
    }
}

/// Returns whether JSON is a string whose content is the number `number`.
fn json_string_is_number(json: &str, number: &str) -> bool {
    json.starts_with('"')
        && !number.starts_with('"')
        && serde_json::from_str::<String>(json).is_ok_and(|text| DecimalText::are_equal(&text, number))
}

/// Returns whether `widened` is an `f32` with the same shortest text as `stored`: 0.1 in a column is 0.1 in
/// an `f32` field. An `f32` can have two shortest texts, for example 3245888.2 and 3245888.3, and
/// `serde_json` and Rust may write different ones.
fn has_same_f32_text(stored: f64, widened: f64) -> bool {
    let narrow = format!("{widened:?}").parse::<f32>();
    narrow.is_ok_and(|narrow| {
        let is_written = |text: String| text.parse() == Ok(stored);
        f64::from(narrow).to_bits() == widened.to_bits()
            && (is_written(format!("{narrow:?}")) || serde_json::to_string(&narrow).is_ok_and(is_written))
    })
}

fn integer_equals(integer: i128, float: f64) -> bool {
    // The numbers are compared as text, because 2^53 + 1 would be rounded to 2^53 as a float.
    DecimalText::are_equal(&integer.to_string(), &format!("{float:?}"))
}

fn instants_equal(left: Timestamp, right: Timestamp) -> bool {
    matches!((left.unix_nanos(), right.unix_nanos()), (Some(a), Some(b)) if a == b)
}

/// Returns the text of a value that may be a number, or `None` for a variant that cannot contain a number.
fn number_text(value: &Value<'_>) -> Option<String> {
    Some(match value {
        Value::Decimal(text) | Value::Str(text) | Value::Json(text) => text.trim().to_owned(),
        Value::I64(number) => number.to_string(),
        Value::U64(number) => number.to_string(),
        Value::F64(number) => format!("{number:?}"),
        _ => return None,
    })
}

/// Returns whether JSON is a string with the content `text`.
fn json_string_is(json: &str, text: &str) -> bool {
    json.starts_with('"') && serde_json::from_str::<String>(json).is_ok_and(|json| json == text)
}

/// Returns whether two JSON texts have the same content, independently of white space, the order of keys and
/// the form of numbers.
pub(in crate::entity) fn json_equal(left: &str, right: &str) -> bool {
    json_equal_typed(left, right, MemberTyping::Any)
}

fn json_equal_typed(left: &str, right: &str, typing: MemberTyping<'_>) -> bool {
    let (Ok(left), Ok(right)) =
        (serde_json::from_str::<&RawValue>(left), serde_json::from_str::<&RawValue>(right))
    else {
        return false;
    };
    raw_equal(left, right, typing, 0)
}

/// The maximum nesting depth that is compared. `serde_json` refuses a record that is nested deeper.
const MAX_DEPTH: usize = 128;

fn raw_equal(left: &RawValue, right: &RawValue, typing: MemberTyping<'_>, depth: usize) -> bool {
    let (a, b) = (left.get(), right.get());
    if a == b {
        return true;
    }
    if depth > MAX_DEPTH {
        return false;
    }
    match (a.as_bytes().first(), b.as_bytes().first()) {
        (Some(b'{'), Some(b'{')) => {
            let (Ok(Entries(mut a)), Ok(Entries(mut b))) = (serde_json::from_str(a), serde_json::from_str(b))
            else {
                return false;
            };
            let by_key = |x: &(String, &RawValue), y: &(String, &RawValue)| -> Ordering { x.0.cmp(&y.0) };
            a.sort_by(by_key);
            b.sort_by(by_key);
            let typing_of = |name: &String| match typing {
                MemberTyping::Typed(untyped) if !untyped.contains(name) => MemberTyping::Typed(&[]),
                _ => MemberTyping::Any,
            };
            let mut members = a.iter().zip(&b);
            a.len() == b.len()
                && members.all(|(x, y)| x.0 == y.0 && raw_equal(x.1, y.1, typing_of(&x.0), depth + 1))
        }
        (Some(b'['), Some(b'[')) => {
            let typing = if let MemberTyping::Typed(_) = typing {
                MemberTyping::Typed(&[])
            } else {
                MemberTyping::Any
            };
            match (serde_json::from_str::<Vec<&RawValue>>(a), serde_json::from_str::<Vec<&RawValue>>(b)) {
                (Ok(a), Ok(b)) => {
                    a.len() == b.len() && a.iter().zip(&b).all(|(x, y)| raw_equal(x, y, typing, depth + 1))
                }
                _ => false,
            }
        }
        (Some(b'"'), Some(b'"')) => {
            let texts = (serde_json::from_str::<String>(a), serde_json::from_str::<String>(b));
            matches!(texts, (Ok(a), Ok(b)) if a == b)
        }
        _ => {
            DecimalText::are_equal(a, b)
                || (matches!(typing, MemberTyping::Typed(_))
                    && (json_string_is_number(a, b) || json_string_is_number(b, a)))
        }
    }
}

/// The entries of a JSON object, including those with duplicate keys.
pub(super) struct Entries<'a>(pub(super) Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Entries<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Entries<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries<'de>, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry::<String, &'de RawValue>()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(Collect)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_are_compared_without_rounding() {
        assert!(values_equal(&Value::F64(0.1), &Value::F64(f64::from(0.1f32))));
        assert!(!values_equal(&Value::F64(0.123_456_789), &Value::F64(f64::from(0.123_456_79f32))));
        for written in [3_245_888.2, 3_245_888.3] {
            assert!(values_equal(&Value::F64(written), &Value::F64(3_245_888.25)), "{written}");
        }
        assert!(!values_equal(&Value::F64(16_777_217.0), &Value::F64(16_777_216.0)));
        assert!(!integer_equals(9_007_199_254_740_993, 9_007_199_254_740_992.0));
        assert!(integer_equals(9_007_199_254_740_992, 9_007_199_254_740_992.0));
    }

    #[test]
    fn a_number_equals_its_text_in_typed_json() {
        let json = ["document".to_owned()];
        let typed = MemberTyping::Typed(&json);
        let equal = json_equal_typed;
        assert!(equal(
            r#"{"sum":1.5,"list":[2,{"a":0.5}]}"#,
            r#"{"sum":"1.50","list":["2",{"a":"0.5"}]}"#,
            typed
        ));
        assert!(!equal(r#"{"sum":1.5}"#, r#"{"sum":"1.51"}"#, typed));
        assert!(!equal(r#"{"sum":1.5}"#, r#"{"sum":1.5,"more":1}"#, typed));
        // In a member that contains arbitrary JSON, a number differs from its text.
        assert!(!equal(r#"{"document":1.5}"#, r#"{"document":"1.5"}"#, typed));
        assert!(!equal(r#"{"document":{"document":1.5}}"#, r#"{"document":{"document":"1.5"}}"#, typed));
        assert!(!equal(r#"{"sum":1.5}"#, r#"{"sum":"1.5"}"#, MemberTyping::Any));
    }

    #[test]
    fn json_is_compared_by_its_content() {
        assert!(json_equal(r#"{"a": 1, "b": [1.0, "ü"]}"#, r#"{"b":[1,"\u00fc"],"a":1}"#));
        for (stored, written) in [
            (r#"{"a":1,"zip":"8000"}"#, r#"{"a":1}"#),
            (r#"{"a":1,"a":2}"#, r#"{"a":2}"#),
            ("12345678901234567890123", "1.2345678901234568e22"),
        ] {
            assert!(!json_equal(stored, written), "{stored}");
        }
    }

    #[test]
    fn scalars_are_compared_with_the_json_that_they_were_read_from() {
        let json = |text: &'static str| Value::Json(text.into());
        assert!(values_equal(&json("\"a\\u00fc\""), &Value::Str("aü".into())));
        assert!(values_equal(&json("100000000000000000000"), &Value::F64(1e20)));
        assert!(values_equal(&json("7.0"), &Value::I64(7)));
        assert!(values_equal(&json("0.1"), &Value::F64(f64::from(0.1f32))));
        assert!(!values_equal(&json("\"a\""), &Value::Str("b".into())));
        assert!(!values_equal(
            &json("123456789012345678901234567890"),
            &Value::F64(1.234_567_890_123_456_8e29)
        ));
        assert!(!values_equal(&json("18446744073709551616"), &Value::U64(u64::MAX)));
        assert!(!values_equal(&json("[1]"), &Value::I64(1)));
    }
}

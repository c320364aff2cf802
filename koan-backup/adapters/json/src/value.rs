//! Converts a value of a document to a value for the codec.
//!
//! Scalars are converted, so that keys in errors are readable and comparisons of keys are cheap. A number
//! that could not be converted exactly remains JSON text.

use std::borrow::Cow;

use koan_backup_core::{
    schema::{FieldSchema, LogicalType, WireForm},
    value::Value,
};

use super::document::DocumentError;

/// The number of decimal digits that an `f64` always preserves.
const EXACT_DIGITS: usize = 15;

/// Converts the JSON text `raw` to a value. `field` is the field with the name of the value in the document,
/// or `None` if the type has no such field.
pub(super) fn value<'d>(raw: &'d str, field: Option<&FieldSchema>) -> Result<Value<'d>, DocumentError> {
    let logical = field.map_or(&LogicalType::Json, |field| &field.logical);
    Ok(match raw.as_bytes().first() {
        Some(b'n') => Value::Null,
        Some(b't') => Value::Bool(true),
        Some(b'f') => Value::Bool(false),
        Some(b'{' | b'[') => Value::Json(Cow::Borrowed(raw)),
        Some(b'"') if is_read_as_json(raw, logical) => Value::Json(Cow::Borrowed(raw)),
        Some(b'"') => Value::Str(text(raw)?),
        _ => number(raw, logical, field.map_or(WireForm::Plain, |field| field.wire)),
    })
}

/// Returns whether the codec parses a text in a field of this type as JSON.
fn is_read_as_json(raw: &str, logical: &LogicalType) -> bool {
    match logical {
        LogicalType::List | LogicalType::Map | LogicalType::Struct { .. } => true,
        LogicalType::Enum { .. } => raw.starts_with("\"{") || raw.starts_with("\"\\"),
        _ => false,
    }
}

fn text(raw: &str) -> Result<Cow<'_, str>, DocumentError> {
    let inner = raw.get(1..raw.len().saturating_sub(1)).unwrap_or_default();
    if !inner.contains('\\') {
        return Ok(Cow::Borrowed(inner));
    }
    let text = serde_json::from_str(raw);
    text.map(Cow::Owned)
        .map_err(|_| DocumentError::new("contains a text with an invalid escape sequence; correct it"))
}

fn number<'d>(raw: &'d str, logical: &LogicalType, wire: WireForm) -> Value<'d> {
    if *logical == LogicalType::Decimal && wire != WireForm::Own {
        return Value::Decimal(Cow::Borrowed(raw));
    }
    let whole = raw.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-') && raw != "-0";
    let exact = if whole { integer(raw, logical) } else { float(raw) };
    exact.unwrap_or(Value::Json(Cow::Borrowed(raw)))
}

fn integer<'d>(raw: &'d str, logical: &LogicalType) -> Option<Value<'d>> {
    if let Ok(integer) = raw.parse() {
        return Some(Value::I64(integer));
    }
    if let Ok(integer) = raw.parse() {
        return Some(Value::U64(integer));
    }
    matches!(logical, LogicalType::Integer { bits: 128, .. }).then(|| Value::Decimal(Cow::Borrowed(raw)))
}

/// Parses a number. Returns `None` if a digit would be lost.
fn float(raw: &str) -> Option<Value<'static>> {
    let float: f64 = raw.parse().ok()?;
    let mantissa = raw.split(['e', 'E']).next().unwrap_or_default();
    let digits = mantissa.bytes().filter(u8::is_ascii_digit).count();
    let is_zero = mantissa.bytes().all(|byte| matches!(byte, b'0' | b'-' | b'.'));
    let exact = (digits <= EXACT_DIGITS && (float.is_normal() || is_zero))
        || (float.is_finite() && serde_json::to_string(&float).is_ok_and(|shortest| shortest == raw));
    exact.then_some(Value::F64(float))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(raw: &str) -> Value<'_> {
        value(raw, None).expect("the text is a valid value")
    }

    #[test]
    fn scalars_are_converted_and_inexact_numbers_remain_text() {
        assert_eq!(parsed("null"), Value::Null);
        assert_eq!(parsed("true"), Value::Bool(true));
        assert_eq!(parsed("\"a\\u00fc\""), Value::Str("aü".into()));
        assert_eq!(parsed("-7"), Value::I64(-7));
        assert_eq!(parsed("18446744073709551615"), Value::U64(u64::MAX));
        assert_eq!(parsed("1.0"), Value::F64(1.0));
        assert_eq!(parsed("0.1"), Value::F64(0.1));
        assert_eq!(parsed("-0.0"), Value::F64(-0.0));
        assert_eq!(parsed("-0"), Value::F64(-0.0));
        assert_eq!(parsed("2.2250738585072014e-308"), Value::F64(f64::MIN_POSITIVE));
        for raw in ["18446744073709551616", "0.1000000000000000055511", "1e400", "1e-400", "[1, 2]", "{}"] {
            assert_eq!(parsed(raw), Value::Json(raw.into()));
        }
        assert!(value("\"\\ud800\"", None).is_err());
    }
}

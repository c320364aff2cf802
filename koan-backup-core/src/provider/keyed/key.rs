//! The key of a record as something to find and to order it by.

use crate::entity::codec::Record;
use crate::foundation::schema::EntitySchema;
use crate::foundation::value::Value;

/// The key of a record: the one definition of when two keys are one, for providers whose database has none of its own.
///
/// Numbers are equal by their value, whatever digits they are written with (`1`, `1.0`, `1.00`, and `-0.0` is `0.0`), instants by
/// the time they name, text by its bytes. Numbers are in the order of their values, text in that of its bytes, and decimals with a
/// fraction in that of their text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordKey(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Part {
    Null,
    Bool(bool),
    Number(i128),
    Bytes(Vec<u8>),
    Text(String),
}

impl RecordKey {
    /// The key of a record.
    pub fn of(record: &Record, schema: &EntitySchema) -> Self {
        Self(schema.key_fields().map(|(index, _)| part(&record.values[index])).collect())
    }

    /// The key as text for an error.
    pub fn shown(&self) -> String {
        let shown = self.0.iter().map(|part| match part {
            Part::Null => "null".to_owned(),
            Part::Bool(value) => value.to_string(),
            Part::Number(value) => value.to_string(),
            Part::Bytes(bytes) => format!("{} bytes", bytes.len()),
            Part::Text(text) => {
                format!("\"{}\"", text.chars().take(64).flat_map(char::escape_debug).collect::<String>())
            }
        });
        shown.collect::<Vec<_>>().join(", ")
    }

    /// The key that has these values.
    pub fn of_values(values: &[Value<'_>]) -> Self {
        Self(values.iter().map(part).collect())
    }
}

fn part(value: &Value<'_>) -> Part {
    match value {
        Value::Null => Part::Null,
        Value::Bool(value) => Part::Bool(*value),
        Value::I64(value) => Part::Number((*value).into()),
        Value::U64(value) => Part::Number((*value).into()),
        Value::F64(value) => Part::Number(in_order(*value)),
        Value::Bytes(bytes) => Part::Bytes(bytes.to_vec()),
        Value::Uuid(bytes) => Part::Bytes(bytes.to_vec()),
        Value::Decimal(text) => decimal(text),
        Value::Str(text) | Value::Json(text) => Part::Text(text.to_string()),
        Value::Timestamp(at) => match at.unix_nanos() {
            Some(nanos) => Part::Number(nanos),
            None => Part::Text(at.to_string()),
        },
        Value::DateTime(at) => Part::Text(at.to_string()),
        Value::Date(day) => Part::Text(day.to_string()),
        Value::Time(hour) => Part::Text(hour.to_string()),
    }
}

/// A number for each float, in the order of the floats: the bits of a positive one are in order, those of a negative one in
/// the opposite.
fn in_order(value: f64) -> i128 {
    let bits = i128::from(value.to_bits() & (u64::MAX >> 1));
    // There is one zero.
    if bits == 0 {
        return 0;
    }
    if value.is_sign_negative() { -1 - bits } else { bits }
}

/// A decimal by its value: without a plus and without zeros that say nothing.
fn decimal(text: &str) -> Part {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let is_plain = digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if !is_plain || (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
        return Part::Text(text.to_owned());
    }
    let (whole, fraction) = (whole.trim_start_matches('0'), fraction.trim_end_matches('0'));
    let whole = if whole.is_empty() { "0" } else { whole };
    let text =
        if fraction.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") };
    text.parse().map_or_else(|_| Part::Text(text), Part::Number)
}

#[cfg(test)]
mod tests {
    use crate::foundation::value::Value;

    use super::RecordKey;

    #[test]
    fn numbers_are_one_key_whatever_digits_they_are_written_with() {
        let decimal = |text: &'static str| RecordKey::of_values(&[Value::Decimal(text.into())]);
        for same in ["1", "+1", "01", "1.0", "1.00", "001.000"] {
            assert_eq!(decimal(same), decimal("1"), "{same}");
            assert_eq!(decimal(same), RecordKey::of_values(&[Value::I64(1)]), "{same}");
        }
        assert_eq!(decimal("-0.50"), decimal("-.5"));
        assert_eq!(decimal("-0.0"), decimal("0"));
        for other in ["10", "-1", "1.01", "0.1", "1e0", ""] {
            assert_ne!(decimal(other), decimal("1"), "{other}");
        }
        assert_eq!(RecordKey::of_values(&[Value::F64(-0.0)]), RecordKey::of_values(&[Value::F64(0.0)]));
    }

    #[test]
    fn keys_are_in_the_order_of_their_values() {
        let key = |value: Value<'static>| RecordKey::of_values(&[value]);
        let text = |text: &'static str| key(Value::Str(text.into()));
        assert!(key(Value::I64(-3)) < key(Value::I64(2)) && key(Value::I64(2)) < key(Value::U64(u64::MAX)));
        let floats = [f64::MIN, -1.5, -0.0, 0.0, f64::MIN_POSITIVE, 1.5, f64::MAX];
        assert!(floats.map(|value| key(Value::F64(value))).is_sorted());
        assert!(text("") < text("Z") && text("Z") < text("a") && text("z") < text("é"));
    }
}

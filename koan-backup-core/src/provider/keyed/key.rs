//! The key of a record, for lookups and ordering.

use crate::entity::codec::Record;
use crate::foundation::schema::EntitySchema;
use crate::foundation::value::Value;

/// The key of a record. This type defines key equality for providers whose database does not define it.
///
/// Numbers are compared by value: `1`, `1.0` and `1.00` are equal, and so are `-0.0` and `0.0`. Instants are
/// compared by their point in time, and text by its bytes. Numbers are ordered by value, text by its bytes,
/// and decimals with a fraction by their text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordKey(Vec<KeyField>);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum KeyField {
    Null,
    Bool(bool),
    Number(i128),
    Bytes(Vec<u8>),
    Text(String),
}

impl RecordKey {
    /// Returns the key of a record.
    pub fn of(record: &Record, schema: &EntitySchema) -> Self {
        Self(schema.key_fields().map(|(index, _)| key_field(&record.values[index])).collect())
    }

    /// Returns the key as text for an error.
    pub fn shown(&self) -> String {
        let field_texts = self.0.iter().map(|field| match field {
            KeyField::Null => "null".to_owned(),
            KeyField::Bool(value) => value.to_string(),
            KeyField::Number(value) => value.to_string(),
            KeyField::Bytes(bytes) => format!("{} bytes", bytes.len()),
            KeyField::Text(text) => {
                format!("\"{}\"", text.chars().take(64).flat_map(char::escape_debug).collect::<String>())
            }
        });
        field_texts.collect::<Vec<_>>().join(", ")
    }

    /// Returns the key with these values.
    pub fn of_values(values: &[Value<'_>]) -> Self {
        Self(values.iter().map(key_field).collect())
    }
}

fn key_field(value: &Value<'_>) -> KeyField {
    match value {
        Value::Null => KeyField::Null,
        Value::Bool(value) => KeyField::Bool(*value),
        Value::I64(value) => KeyField::Number((*value).into()),
        Value::U64(value) => KeyField::Number((*value).into()),
        Value::F64(value) => KeyField::Number(order_preserving_integer(*value)),
        Value::Bytes(bytes) => KeyField::Bytes(bytes.to_vec()),
        Value::Uuid(bytes) => KeyField::Bytes(bytes.to_vec()),
        Value::Decimal(text) => decimal(text),
        Value::Str(text) | Value::Json(text) => KeyField::Text(text.to_string()),
        Value::Timestamp(at) => match at.unix_nanos() {
            Some(nanos) => KeyField::Number(nanos),
            None => KeyField::Text(at.to_string()),
        },
        Value::DateTime(at) => KeyField::Text(at.to_string()),
        Value::Date(day) => KeyField::Text(day.to_string()),
        Value::Time(hour) => KeyField::Text(hour.to_string()),
    }
}

/// Maps each float to an integer such that the order is preserved. The bits of positive floats are in the
/// order of their values; the bits of negative floats are in the opposite order.
fn order_preserving_integer(value: f64) -> i128 {
    let bits = i128::from(value.to_bits() & (u64::MAX >> 1));
    // Both zeros are equal.
    if bits == 0 {
        return 0;
    }
    if value.is_sign_negative() { -1 - bits } else { bits }
}

/// Converts a decimal to a key field without a plus sign and without insignificant zeros.
fn decimal(text: &str) -> KeyField {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let is_plain = digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if !is_plain || (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
        return KeyField::Text(text.to_owned());
    }
    let (whole, fraction) = (whole.trim_start_matches('0'), fraction.trim_end_matches('0'));
    let whole = if whole.is_empty() { "0" } else { whole };
    let text =
        if fraction.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") };
    text.parse().map_or_else(|_| KeyField::Text(text), KeyField::Number)
}

#[cfg(test)]
mod tests {
    use crate::foundation::value::Value;

    use super::RecordKey;

    #[test]
    fn numbers_with_the_same_value_are_the_same_key() {
        let decimal = |text: &'static str| RecordKey::of_values(&[Value::Decimal(text.into())]);
        for equal in ["1", "+1", "01", "1.0", "1.00", "001.000"] {
            assert_eq!(decimal(equal), decimal("1"), "{equal}");
            assert_eq!(decimal(equal), RecordKey::of_values(&[Value::I64(1)]), "{equal}");
        }
        assert_eq!(decimal("-0.50"), decimal("-.5"));
        assert_eq!(decimal("-0.0"), decimal("0"));
        for different in ["10", "-1", "1.01", "0.1", "1e0", ""] {
            assert_ne!(decimal(different), decimal("1"), "{different}");
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

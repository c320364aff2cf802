//! The key of a record as something to find and to order it by.

use koan_backup_core::{EntitySchema, Record, Value};

/// The key of a record. Numbers are in the order of their values, text in that of its bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct RecordKey(Vec<Part>);

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
    pub(crate) fn of(record: &Record, schema: &EntitySchema) -> Self {
        Self(schema.key_fields().map(|(index, _)| part(&record.values[index])).collect())
    }

    /// The key that has these values.
    pub(crate) fn of_values(values: &[Value<'_>]) -> Self {
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
        Value::Decimal(text) | Value::Str(text) | Value::Json(text) => Part::Text(text.to_string()),
        Value::Timestamp(at) => match at.unix_nanos() {
            Some(nanos) => Part::Number(nanos),
            None => Part::Text(at.to_string()),
        },
        Value::DateTime(at) => Part::Text(at.to_string()),
        Value::Date(day) => Part::Text(day.to_string()),
        Value::Time(hour) => Part::Text(hour.to_string()),
        other => Part::Text(format!("{other:?}")),
    }
}

/// A number for each float, in the order of the floats: the bits of a positive one are in order, those of a negative one in
/// the opposite.
fn in_order(value: f64) -> i128 {
    let bits = i128::from(value.to_bits() & (u64::MAX >> 1));
    if value.is_sign_negative() { -1 - bits } else { bits }
}

#[cfg(test)]
mod tests {
    use koan_backup_core::Value;

    use super::RecordKey;

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

//! Hashes the values of a record in a normal form, which is the same for all spellings of a value.

use std::fmt::Write as _;

use serde_json::value::RawValue;

use super::super::decimal::Decimal;
use super::super::record::Record;
use super::equality::Entries;
use crate::digest::RecordSetHash;
use crate::schema::EntitySchema;
use crate::value::Value;

/// The deepest nesting that is normalized; no record that can be read is nested deeper.
const MAX_DEPTH: usize = 128;

impl Record {
    /// Returns a hash of the values that are not part of the key. It is the same for all spellings of a
    /// value: numbers count by their value (`1` and `1.0`, `0.0` and `-0.0`), instants by their point in
    /// time, and JSON by its content. It shows whether a database stored a record unchanged, although the
    /// database may return the values in another form. `schema` is that of the record.
    pub fn value_hash(&self, schema: &EntitySchema) -> RecordSetHash {
        let mut form = Vec::new();
        let is_key = |index: usize| schema.fields.get(index).is_some_and(|field| field.key);
        for (_, value) in self.values.iter().enumerate().filter(|(index, _)| !is_key(*index)) {
            push(value, &mut form);
        }
        let mut extra: Vec<_> = self.extra.iter().collect();
        extra.sort_by(|one, other| one.0.cmp(&other.0));
        for (name, value) in extra {
            push_sized(b'f', name.as_bytes(), &mut form);
            push(value, &mut form);
        }
        let mut hash = RecordSetHash::default();
        hash.add(&form);
        hash
    }
}

fn push(value: &Value<'_>, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.push(b'n'),
        Value::Bool(true) => out.push(b't'),
        Value::Bool(false) => out.push(b'u'),
        Value::I64(number) => push_number(&number.to_string(), out),
        Value::U64(number) => push_number(&number.to_string(), out),
        Value::F64(number) => push_number(&format!("{number:?}"), out),
        Value::Decimal(text) => push_number(text.trim(), out),
        Value::Str(text) => push_sized(b's', text.as_bytes(), out),
        Value::Bytes(bytes) => push_sized(b'b', bytes, out),
        Value::Uuid(bytes) => push_sized(b'i', bytes, out),
        Value::Json(text) => match serde_json::from_str::<&RawValue>(text) {
            Ok(json) => push_json(json, 0, out),
            Err(_) => push_sized(b'j', text.as_bytes(), out),
        },
        Value::Timestamp(instant) => match instant.unix_nanos() {
            Some(nanos) => push_sized(b'm', nanos.to_string().as_bytes(), out),
            None => push_displayed(b'm', instant, out),
        },
        Value::DateTime(moment) => push_displayed(b'l', moment, out),
        Value::Date(date) => push_displayed(b'd', date, out),
        Value::Time(time) => push_displayed(b'h', time, out),
    }
}

/// Appends a kind, a length and bytes, so that different sequences of values have different forms.
fn push_sized(kind: u8, bytes: &[u8], out: &mut Vec<u8>) {
    out.push(kind);
    out.extend_from_slice(bytes.len().to_string().as_bytes());
    out.push(b':');
    out.extend_from_slice(bytes);
}

fn push_displayed(kind: u8, value: &dyn std::fmt::Display, out: &mut Vec<u8>) {
    let mut text = String::new();
    let _ = write!(text, "{value}");
    push_sized(kind, text.as_bytes(), out);
}

fn push_number(text: &str, out: &mut Vec<u8>) {
    match Decimal::parse(text) {
        Some(number) => {
            out.push(b'#');
            number.push_normal_form(out);
            out.push(b';');
        }
        None => push_sized(b'w', text.as_bytes(), out),
    }
}

fn push_json(json: &RawValue, depth: usize, out: &mut Vec<u8>) {
    let text = json.get();
    let verbatim = |out: &mut Vec<u8>| push_sized(b'j', text.as_bytes(), out);
    if depth > MAX_DEPTH {
        return verbatim(out);
    }
    match text.as_bytes().first() {
        Some(b'{') => {
            let Ok(Entries(mut entries)) = serde_json::from_str(text) else { return verbatim(out) };
            entries.sort_by(|one, other| one.0.cmp(&other.0));
            out.push(b'{');
            for (name, value) in entries {
                push_sized(b'f', name.as_bytes(), out);
                push_json(value, depth + 1, out);
            }
            out.push(b'}');
        }
        Some(b'[') => {
            let Ok(values) = serde_json::from_str::<Vec<&RawValue>>(text) else { return verbatim(out) };
            out.push(b'[');
            values.into_iter().for_each(|value| push_json(value, depth + 1, out));
            out.push(b']');
        }
        Some(b'"') => match serde_json::from_str::<String>(text) {
            Ok(text) => push_sized(b's', text.as_bytes(), out),
            Err(_) => verbatim(out),
        },
        Some(b't') => out.push(b't'),
        Some(b'f') => out.push(b'u'),
        Some(b'n') => out.push(b'n'),
        _ => push_number(text, out),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(record: &Record) -> RecordSetHash {
        record.value_hash(&EntitySchema { fields: Vec::new(), open: true, variants: false })
    }

    fn hash(value: Value<'static>) -> RecordSetHash {
        of(&Record { values: vec![value], extra: Vec::new() })
    }

    fn json(text: &'static str) -> RecordSetHash {
        hash(Value::Json(text.into()))
    }

    #[test]
    fn all_spellings_of_a_value_have_the_same_hash() {
        let decimal = |text: &'static str| hash(Value::Decimal(text.into()));
        for text in ["1.0", "1.00", "+1", "01", "10e-1"] {
            assert_eq!(decimal("1"), decimal(text), "{text}");
        }
        assert_eq!(hash(Value::F64(0.0)), hash(Value::F64(-0.0)));
        assert_eq!(hash(Value::F64(2.0)), hash(Value::I64(2)));
        assert_eq!(
            json(r#"{"b": [1, 2.50, "\u00e9"], "a": {"y": null, "x": -0.0}}"#),
            json(r#"{"a":{"x":0,"y":null},"b":[1.0,2.5,"é"]}"#)
        );
        let field = |name: &str| (name.to_owned(), Value::I64(if name == "a" { 1 } else { 2 }));
        let extra = |names: [&str; 2]| Record { values: Vec::new(), extra: names.map(field).to_vec() };
        assert_eq!(of(&extra(["a", "b"])), of(&extra(["b", "a"])));
    }

    #[test]
    fn different_values_have_different_hashes() {
        let values = [
            Value::Null,
            Value::Bool(true),
            Value::Bool(false),
            Value::I64(1),
            Value::I64(10),
            Value::I64(-1),
            Value::F64(0.1),
            Value::Decimal("1e400".into()),
            Value::Str("1".into()),
            Value::Str("".into()),
            Value::Bytes(vec![b'1'].into()),
            Value::Json("{}".into()),
            Value::Json("[]".into()),
            Value::Json("[1]".into()),
            Value::Json("[1,1]".into()),
            Value::Json("[11]".into()),
            Value::Json(r#"{"a":1}"#.into()),
            Value::Json(r#"{"a":1,"a":1}"#.into()),
            Value::Json(r#"{"b":1}"#.into()),
            Value::Json(r#"["a",1]"#.into()),
            Value::Json("[[1]]".into()),
        ];
        for (at, one) in values.iter().enumerate() {
            for other in &values[at + 1..] {
                assert_ne!(hash(one.clone()), hash(other.clone()), "{one:?} {other:?}");
            }
        }
        let pair = |a: &'static str, b: &'static str| Record {
            values: vec![Value::Str(a.into()), Value::Str(b.into())],
            extra: Vec::new(),
        };
        assert_ne!(of(&pair("ab", "c")), of(&pair("a", "bc")));
    }
}

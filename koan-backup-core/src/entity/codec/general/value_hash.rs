//! Hashes the values of a record in a normal form, which is the same for all spellings of a value.

use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hasher as _};

use serde_json::value::RawValue;

use super::super::record::Record;
use super::equality::Entries;
use crate::foundation::schema::EntitySchema;
use crate::foundation::value::{Date, DateTime, DecimalText, Timestamp, Value};

/// The deepest nesting that is normalized; no record that can be read is nested deeper.
const MAX_DEPTH: usize = 128;

impl Record {
    /// Returns hashes of the values: two for each field of `schema`, which is that of the record, and two for
    /// all other values together. Fields of the key have zeros.
    ///
    /// A hash is the same for all spellings of a value: numbers count by their value (`1` and `1.0`, `0.0`
    /// and `-0.0`), instants by their point in time, and JSON by its content. In JSON of a field whose type
    /// names a decimal type, such as `Vec<Decimal>`, texts that are numbers count by their value as well.
    /// Dates with a time count in whole microseconds: the first hash is of the microsecond before the value,
    /// the second of the one after it. For all other values both are equal.
    ///
    /// They show which fields a database stored unchanged, although it may return the values in another
    /// form. They are no protection against values that somebody chose to have the same hash.
    pub fn value_hashes(&self, schema: &EntitySchema) -> Vec<[u64; 2]> {
        let field_hashes = |(index, value): (usize, &Value<'_>)| {
            let field = schema.fields.get(index);
            if field.is_some_and(|field| field.key) {
                return [0, 0];
            }
            let texts = match field.is_some_and(|field| names_decimal(&field.rust_type)) {
                true => Texts::Decimals,
                false => Texts::Plain,
            };
            [Side::Before, Side::After].map(|side| {
                let mut form = Vec::new();
                push(value, texts, side, &mut form);
                hash_of(&form)
            })
        };
        let mut hashes: Vec<_> = self.values.iter().enumerate().map(field_hashes).collect();
        let mut extra: Vec<_> = self.extra.iter().collect();
        extra.sort_by(|one, other| one.0.cmp(&other.0));
        hashes.push([Side::Before, Side::After].map(|side| {
            let mut form = Vec::new();
            for (name, value) in &extra {
                push_sized(b'f', name.as_bytes(), &mut form);
                push(value, Texts::Plain, side, &mut form);
            }
            hash_of(&form)
        }));
        hashes
    }
}

/// How texts within a JSON value are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Texts {
    /// Character by character.
    Plain,
    /// A text that is a number is compared as a decimal.
    Decimals,
}

/// The direction in which an instant is rounded to a microsecond. A database may round either way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Before,
    After,
}

impl Side {
    fn microseconds(self, nanos: i128) -> i128 {
        match self {
            Self::Before => nanos.div_euclid(1_000),
            Self::After => -(-nanos).div_euclid(1_000),
        }
    }
}

/// Whether a type, as it is written in the source code, has a part whose name ends with `Decimal`.
fn names_decimal(rust_type: &str) -> bool {
    rust_type.split(|c: char| !c.is_alphanumeric() && c != '_').any(|name| name.ends_with("Decimal"))
}

fn hash_of(form: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(form);
    hasher.finish()
}

fn push(value: &Value<'_>, texts: Texts, side: Side, out: &mut Vec<u8>) {
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
            Ok(json) => push_json(json, 0, texts, out),
            Err(_) => push_sized(b'j', text.as_bytes(), out),
        },
        Value::Timestamp(instant) => push_moment(b'm', *instant, instant, side, out),
        Value::DateTime(moment) => {
            push_moment(b'l', Timestamp { local: *moment, offset_seconds: 0 }, moment, side, out);
        }
        Value::Date(date) => push_displayed(b'd', date, out),
        Value::Time(time) => {
            let local = DateTime { date: Date { year: 1970, month: 1, day: 1 }, time: *time };
            push_moment(b'h', Timestamp { local, offset_seconds: 0 }, time, side, out);
        }
    }
}

/// Appends a kind, a length and bytes, so that different sequences of values have different forms.
fn push_sized(kind: u8, bytes: &[u8], out: &mut Vec<u8>) {
    out.push(kind);
    out.extend_from_slice(bytes.len().to_string().as_bytes());
    out.push(b':');
    out.extend_from_slice(bytes);
}

/// Appends a point in time in whole microseconds, or its text where it has no number.
fn push_moment(kind: u8, instant: Timestamp, value: &dyn std::fmt::Display, side: Side, out: &mut Vec<u8>) {
    match instant.unix_nanos() {
        Some(nanos) => push_sized(kind, side.microseconds(nanos).to_string().as_bytes(), out),
        None => push_displayed(kind, value, out),
    }
}

fn push_displayed(kind: u8, value: &dyn std::fmt::Display, out: &mut Vec<u8>) {
    let mut text = String::new();
    let _ = write!(text, "{value}");
    push_sized(kind, text.as_bytes(), out);
}

fn push_number(text: &str, out: &mut Vec<u8>) {
    match DecimalText::parse(text) {
        Some(number) => {
            out.push(b'#');
            number.push_normal_form(out);
            out.push(b';');
        }
        None => push_sized(b'w', text.as_bytes(), out),
    }
}

fn push_json(json: &RawValue, depth: usize, texts: Texts, out: &mut Vec<u8>) {
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
                push_json(value, depth + 1, texts, out);
            }
            out.push(b'}');
        }
        Some(b'[') => {
            let Ok(values) = serde_json::from_str::<Vec<&RawValue>>(text) else { return verbatim(out) };
            out.push(b'[');
            values.into_iter().for_each(|value| push_json(value, depth + 1, texts, out));
            out.push(b']');
        }
        Some(b'"') => match serde_json::from_str::<String>(text) {
            Ok(text) if texts == Texts::Decimals && DecimalText::parse(&text).is_some() => {
                push_number(&text, out);
            }
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

    fn of(record: &Record) -> Vec<[u64; 2]> {
        record.value_hashes(&EntitySchema { fields: Vec::new(), open: true, variants: false })
    }

    fn hash(value: Value<'static>) -> Vec<[u64; 2]> {
        of(&Record { values: vec![value], extra: Vec::new() })
    }

    fn json(text: &'static str) -> Vec<[u64; 2]> {
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

    #[test]
    fn texts_in_json_of_a_decimal_type_are_numbers() {
        let hashes = |rust_type: &str, text: &'static str| {
            let field = crate::foundation::schema::FieldSchema {
                name: "f".into(),
                column: None,
                rust_type: rust_type.into(),
                logical: crate::foundation::schema::LogicalType::Json,
                wire: crate::foundation::schema::WireForm::Plain,
                nullable: false,
                key: false,
                required: true,
            };
            let record = Record { values: vec![Value::Json(text.into())], extra: Vec::new() };
            record.value_hashes(&EntitySchema { fields: vec![field], open: false, variants: false })
        };
        let (one, other) = (r#"[{"a":"1.50"},"2"]"#, r#"[{"a":"1.5000"},"2.0"]"#);
        for rust_type in
            ["Vec<Decimal>", "Option < Vec < rust_decimal :: Decimal > >", "Map<String, BigDecimal>"]
        {
            assert_eq!(hashes(rust_type, one), hashes(rust_type, other), "{rust_type}");
            assert_ne!(hashes(rust_type, one), hashes(rust_type, r#"[{"a":"1.51"},"2"]"#));
        }
        assert_ne!(hashes("Vec<String>", one), hashes("Vec<String>", other));
        assert_ne!(hashes("Vec<DecimalText>", one), hashes("Vec<DecimalText>", other));
    }

    #[test]
    fn digits_beyond_microseconds_are_between_two_of_them() {
        let instant = |text: &str| Value::Timestamp(Timestamp::parse(text).expect(text).0);
        let stored = |text: &str| hash(instant(text))[0];
        for at in ["1969-12-31T23:59:59", "2024-02-29T12:00:00"] {
            let exact = stored(&format!("{at}.000001789Z"));
            assert_eq!([exact[0]; 2], stored(&format!("{at}.000001Z")), "cut off");
            assert_eq!([exact[1]; 2], stored(&format!("{at}.000002+00:00")), "rounded");
            assert_ne!(exact[0], exact[1]);
            assert!(!exact.contains(&stored(&format!("{at}.000003Z"))[0]));
        }
    }
}

//! The hashes of the values of a record. They are computed from a normal form, which is the same for all
//! spellings of a value.

use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hasher as _};

use serde_json::value::RawValue;

use super::super::record::Record;
use super::equality::Entries;
use crate::foundation::schema::EntitySchema;
use crate::foundation::value::{Date, DateTime, DecimalText, Timestamp, Value};

/// The maximum nesting depth that is normalized. `serde_json` refuses a record that is nested deeper.
const MAX_DEPTH: usize = 128;

impl Record {
    /// Returns hashes of the values: two for each field of `schema`, which is the schema of the record, and
    /// two for all other values together. The hashes of key fields are zero.
    ///
    /// A hash is the same for all spellings of a value: numbers are hashed by their numeric value (`1` and
    /// `1.0`, `0.0` and `-0.0`), instants by their point in time, and JSON by its content. If the type of a
    /// JSON field contains a decimal type, such as `Vec<Decimal>`, JSON strings that are numbers are also
    /// hashed by their numeric value. Values with a time of day are hashed in whole microseconds: the first
    /// hash is of the value rounded down, the second of the value rounded up. For all other values both
    /// hashes are equal.
    ///
    /// The hashes show which fields a database stored unchanged, even if it returns the values in a different
    /// form. They do not protect against values that were chosen to have the same hash.
    pub fn value_hashes(&self, schema: &EntitySchema) -> Vec<[u64; 2]> {
        let field_hashes = |(index, value): (usize, &Value<'_>)| {
            let field = schema.fields.get(index);
            if field.is_some_and(|field| field.key) {
                return [0, 0];
            }
            let strings = match field.is_some_and(|field| contains_decimal_type(&field.rust_type)) {
                true => JsonStringHashing::Numeric,
                false => JsonStringHashing::Plain,
            };
            [Rounding::Down, Rounding::Up].map(|rounding| {
                let mut form = Vec::new();
                push(value, strings, rounding, &mut form);
                hash_of(&form)
            })
        };
        let mut hashes: Vec<_> = self.values.iter().enumerate().map(field_hashes).collect();
        let mut extra: Vec<_> = self.extra.iter().collect();
        extra.sort_by(|left, right| left.0.cmp(&right.0));
        hashes.push([Rounding::Down, Rounding::Up].map(|rounding| {
            let mut form = Vec::new();
            for (name, value) in &extra {
                push_sized(b'f', name.as_bytes(), &mut form);
                push(value, JsonStringHashing::Plain, rounding, &mut form);
            }
            hash_of(&form)
        }));
        hashes
    }
}

/// How strings within a JSON value are hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum JsonStringHashing {
    /// By their characters.
    Plain,
    /// A string that is a number is hashed by its numeric value.
    Numeric,
}

/// The direction in which an instant is rounded to a microsecond. A database may round either way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rounding {
    Down,
    Up,
}

impl Rounding {
    fn microseconds(self, nanos: i128) -> i128 {
        match self {
            Self::Down => nanos.div_euclid(1_000),
            Self::Up => -(-nanos).div_euclid(1_000),
        }
    }
}

/// Returns whether a type, as it is written in the source code, contains a type whose name ends with
/// `Decimal`.
fn contains_decimal_type(rust_type: &str) -> bool {
    rust_type.split(|c: char| !c.is_alphanumeric() && c != '_').any(|name| name.ends_with("Decimal"))
}

fn hash_of(form: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(form);
    hasher.finish()
}

fn push(value: &Value<'_>, strings: JsonStringHashing, rounding: Rounding, out: &mut Vec<u8>) {
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
            Ok(json) => push_json(json, 0, strings, out),
            Err(_) => push_sized(b'j', text.as_bytes(), out),
        },
        Value::Timestamp(instant) => push_instant(b'm', *instant, instant, rounding, out),
        Value::DateTime(local) => {
            push_instant(b'l', Timestamp { local: *local, offset_seconds: 0 }, local, rounding, out);
        }
        Value::Date(date) => push_displayed(b'd', date, out),
        Value::Time(time) => {
            let local = DateTime { date: Date { year: 1970, month: 1, day: 1 }, time: *time };
            push_instant(b'h', Timestamp { local, offset_seconds: 0 }, time, rounding, out);
        }
    }
}

/// Appends a kind, a length and bytes. The length ensures that different sequences of values have different
/// forms.
fn push_sized(kind: u8, bytes: &[u8], out: &mut Vec<u8>) {
    out.push(kind);
    out.extend_from_slice(bytes.len().to_string().as_bytes());
    out.push(b':');
    out.extend_from_slice(bytes);
}

/// Appends a point in time in whole microseconds, or the text of `value` if the instant has no Unix time.
fn push_instant(
    kind: u8,
    instant: Timestamp,
    value: &dyn std::fmt::Display,
    rounding: Rounding,
    out: &mut Vec<u8>,
) {
    match instant.unix_nanos() {
        Some(nanos) => push_sized(kind, rounding.microseconds(nanos).to_string().as_bytes(), out),
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

fn push_json(json: &RawValue, depth: usize, strings: JsonStringHashing, out: &mut Vec<u8>) {
    let text = json.get();
    let verbatim = |out: &mut Vec<u8>| push_sized(b'j', text.as_bytes(), out);
    if depth > MAX_DEPTH {
        return verbatim(out);
    }
    match text.as_bytes().first() {
        Some(b'{') => {
            let Ok(Entries(mut entries)) = serde_json::from_str(text) else { return verbatim(out) };
            entries.sort_by(|left, right| left.0.cmp(&right.0));
            out.push(b'{');
            for (name, value) in entries {
                push_sized(b'f', name.as_bytes(), out);
                push_json(value, depth + 1, strings, out);
            }
            out.push(b'}');
        }
        Some(b'[') => {
            let Ok(values) = serde_json::from_str::<Vec<&RawValue>>(text) else { return verbatim(out) };
            out.push(b'[');
            values.into_iter().for_each(|value| push_json(value, depth + 1, strings, out));
            out.push(b']');
        }
        Some(b'"') => match serde_json::from_str::<String>(text) {
            Ok(text) if strings == JsonStringHashing::Numeric && DecimalText::parse(&text).is_some() => {
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

    fn hashes_of(record: &Record) -> Vec<[u64; 2]> {
        record.value_hashes(&EntitySchema { fields: Vec::new(), open: true, variants: false })
    }

    fn hash(value: Value<'static>) -> Vec<[u64; 2]> {
        hashes_of(&Record { values: vec![value], extra: Vec::new() })
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
        assert_eq!(hashes_of(&extra(["a", "b"])), hashes_of(&extra(["b", "a"])));
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
        for (index, value) in values.iter().enumerate() {
            for other in &values[index + 1..] {
                assert_ne!(hash(value.clone()), hash(other.clone()), "{value:?} {other:?}");
            }
        }
        let pair = |a: &'static str, b: &'static str| Record {
            values: vec![Value::Str(a.into()), Value::Str(b.into())],
            extra: Vec::new(),
        };
        assert_ne!(hashes_of(&pair("ab", "c")), hashes_of(&pair("a", "bc")));
    }

    #[test]
    fn json_strings_of_a_decimal_type_are_hashed_by_their_numeric_value() {
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
        let (short, long) = (r#"[{"a":"1.50"},"2"]"#, r#"[{"a":"1.5000"},"2.0"]"#);
        for rust_type in
            ["Vec<Decimal>", "Option < Vec < rust_decimal :: Decimal > >", "Map<String, BigDecimal>"]
        {
            assert_eq!(hashes(rust_type, short), hashes(rust_type, long), "{rust_type}");
            assert_ne!(hashes(rust_type, short), hashes(rust_type, r#"[{"a":"1.51"},"2"]"#));
        }
        assert_ne!(hashes("Vec<String>", short), hashes("Vec<String>", long));
        assert_ne!(hashes("Vec<DecimalText>", short), hashes("Vec<DecimalText>", long));
    }

    #[test]
    fn an_instant_with_nanoseconds_has_the_hashes_of_the_microseconds_before_and_after_it() {
        let instant = |text: &str| Value::Timestamp(Timestamp::parse(text).expect("the instant is valid").0);
        let stored = |text: &str| hash(instant(text))[0];
        for second in ["1969-12-31T23:59:59", "2024-02-29T12:00:00"] {
            let exact = stored(&format!("{second}.000001789Z"));
            assert_eq!([exact[0]; 2], stored(&format!("{second}.000001Z")), "rounded down");
            assert_eq!([exact[1]; 2], stored(&format!("{second}.000002+00:00")), "rounded up");
            assert_ne!(exact[0], exact[1]);
            assert!(!exact.contains(&stored(&format!("{second}.000003Z"))[0]));
        }
    }
}

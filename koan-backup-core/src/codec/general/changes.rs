//! Whether a type keeps what a row holds.
//!
//! A type may know fewer variants, fewer digits or fewer nested fields than a column holds. The archive has what the type
//! writes, so what it drops would be lost without a word.

use std::cmp::Ordering;
use std::fmt;

use serde::de::{Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::super::error::RecordError;
use super::normalize::neutral;
use super::super::token::Plain;
use super::super::record::{TakeFields, named_value, write_fields};
use super::super::row::{Row, Slot};
use super::super::compare::writes;
use crate::schema::{EntitySchema, FieldSchema};
use crate::value::{Timestamp, Value};

/// The names of the values of `row` that `value`, which was read from it, does not write again as they are.
///
/// # Errors
/// A field of `value` cannot be told as a value.
pub(in crate::codec) fn changed<'r, T: Serialize>(
    value: &T,
    row: &Row<'r>,
    schema: &EntitySchema,
) -> Result<Vec<&'r str>, RecordError> {
    let comparison =
        Comparison { row: *row, kept: vec![false; row.values.len()], changed: Vec::new(), next: 0 };
    write_fields(value, schema, comparison)
}

/// Compares the fields of a record with the row it was read from.
struct Comparison<'r> {
    row: Row<'r>,
    /// Of each place of the row, whether a field was compared with it.
    kept: Vec<bool>,
    changed: Vec<&'r str>,
    /// Where in the row the next field is expected.
    next: usize,
}

impl<'r> Comparison<'r> {
    /// The place and the value that the row has for a field.
    fn stored(&mut self, name: &str) -> Option<(&'r Slot, &'r Value<'r>)> {
        let index = self.row.projection.position_from(self.next, name)?;
        self.next = index + 1;
        *self.kept.get_mut(index)? = true;
        Some((&self.row.projection.slots()[index], self.row.values.get(index)?))
    }
}

impl<'r> TakeFields for Comparison<'r> {
    type Out = Vec<&'r str>;

    fn field<T: Serialize + ?Sized>(
        &mut self,
        _: usize,
        field: &FieldSchema,
        value: &T,
    ) -> Result<(), RecordError> {
        let stored = self.stored(&field.name);
        if let Some((slot, stored)) = stored
            && Plain::of(slot, stored).is_some_and(|stored| writes(value, &stored))
            && neutral(field, stored.borrowed()).is_ok()
        {
            return Ok(());
        }
        let written = neutral(field, named_value(&field.name, value)?)?;
        if let Some((slot, stored)) = stored
            && !same(stored, &written)
            && !neutral(field, stored.borrowed()).is_ok_and(|plain| same(&plain, &written))
        {
            self.changed.push(slot.name());
        }
        Ok(())
    }

    fn extra<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> Result<(), RecordError> {
        let written = named_value(name, value)?;
        if let Some((slot, stored)) = self.stored(name)
            && !same(stored, &written)
        {
            self.changed.push(slot.name());
        }
        Ok(())
    }

    fn end(mut self) -> Vec<&'r str> {
        let places = self.row.projection.slots().iter().zip(self.row.values).zip(&self.kept);
        let dropped = places.filter(|((_, stored), kept)| !**kept && !stored.is_null());
        self.changed.extend(dropped.map(|((slot, _), _)| slot.name()));
        self.changed
    }
}

/// Whether two values are one: instants by their time, numbers by their worth, JSON by its content.
fn same(one: &Value<'_>, other: &Value<'_>) -> bool {
    use Value::{Bytes, Decimal, F64, I64, Json, Str, U64};
    match (one, other) {
        (F64(a), F64(b)) => a.to_bits() == b.to_bits() || is_single(*a, *b),
        (I64(a), F64(b)) | (F64(b), I64(a)) => integer_is(i128::from(*a), *b),
        (U64(a), F64(b)) | (F64(b), U64(a)) => integer_is(i128::from(*a), *b),
        (Value::Timestamp(a), Value::Timestamp(b)) => a == b || instants_equal(*a, *b),
        (Str(a), Str(b)) => a == b,
        (Bytes(a), Bytes(b)) => a == b,
        (Json(a), Json(b)) => a == b || json_equal(a, b),
        (Str(a), Json(b)) | (Json(b), Str(a)) => a == b || json_equal(a, b) || json_text_is(b, a),
        (Json(a), I64(b)) | (I64(b), Json(a)) => numbers_equal(a, &b.to_string()),
        (Json(a), U64(b)) | (U64(b), Json(a)) => numbers_equal(a, &b.to_string()),
        (Json(a), F64(b)) | (F64(b), Json(a)) => {
            numbers_equal(a, &format!("{b:?}")) || a.parse().is_ok_and(|a| is_single(a, *b))
        }
        (Decimal(_) | I64(_) | U64(_) | F64(_) | Str(_), Decimal(_)) | (Decimal(_), _) => {
            match (number_text(one), number_text(other)) {
                (Some(a), Some(b)) => a == b || numbers_equal(&a, &b),
                _ => false,
            }
        }
        (one, other) => one == other,
    }
}

/// Whether `single` is the `f32` whose shortest text is that of `stored`: 0.1 in a column is 0.1 in an `f32` field. Of two that
/// are equally short, JSON may have the other: 3245888.2 and 3245888.3 are one `f32`.
fn is_single(stored: f64, single: f64) -> bool {
    let narrow = format!("{single:?}").parse::<f32>();
    narrow.is_ok_and(|narrow| {
        let is_written = |text: String| text.parse() == Ok(stored);
        f64::from(narrow).to_bits() == single.to_bits()
            && (is_written(format!("{narrow:?}")) || serde_json::to_string(&narrow).is_ok_and(is_written))
    })
}

fn integer_is(integer: i128, float: f64) -> bool {
    // Shortest text, so that 2^53 + 1 is not the 2^53 it would be rounded to.
    numbers_equal(&integer.to_string(), &format!("{float:?}"))
}

fn instants_equal(one: Timestamp, other: Timestamp) -> bool {
    matches!((one.unix_nanos(), other.unix_nanos()), (Some(a), Some(b)) if a == b)
}

fn number_text(value: &Value<'_>) -> Option<String> {
    Some(match value {
        Value::Decimal(text) | Value::Str(text) | Value::Json(text) => text.trim().to_owned(),
        Value::I64(number) => number.to_string(),
        Value::U64(number) => number.to_string(),
        Value::F64(number) => format!("{number:?}"),
        _ => return None,
    })
}

/// Whether two decimal texts are one number, digit for digit.
fn numbers_equal(one: &str, other: &str) -> bool {
    match (Digits::of(one), Digits::of(other)) {
        (Some(a), Some(b)) => a == b,
        _ => false,
    }
}

/// A number as its significant digits and the power of ten behind them.
#[derive(PartialEq)]
struct Digits {
    negative: bool,
    digits: String,
    exponent: i64,
}

impl Digits {
    fn of(text: &str) -> Option<Self> {
        let (negative, rest) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (mantissa, exponent) = match rest.find(['e', 'E']) {
            Some(at) => (&rest[..at], rest[at + 1..].parse::<i64>().ok()?),
            None => (rest, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all = [whole, fraction].concat();
        if all.is_empty() || !all.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let mut exponent = exponent.checked_sub(i64::try_from(fraction.len()).ok()?)?;
        let digits = all.trim_start_matches('0');
        let significant = digits.trim_end_matches('0');
        exponent = exponent.checked_add(i64::try_from(digits.len() - significant.len()).ok()?)?;
        let zero = significant.is_empty();
        Some(Self {
            negative: negative && !zero,
            digits: significant.to_owned(),
            exponent: if zero { 0 } else { exponent },
        })
    }
}

/// Whether JSON is a text, and which.
fn json_text_is(json: &str, text: &str) -> bool {
    json.starts_with('"') && serde_json::from_str::<String>(json).is_ok_and(|json| json == text)
}

/// Whether two JSON texts have the same content: white space, the order of keys and the way numbers are written aside.
fn json_equal(one: &str, other: &str) -> bool {
    let (Ok(one), Ok(other)) =
        (serde_json::from_str::<&RawValue>(one), serde_json::from_str::<&RawValue>(other))
    else {
        return false;
    };
    raw_equal(one, other, 0)
}

/// Nested deeper than any record that is read.
const MAX_DEPTH: usize = 128;

fn raw_equal(one: &RawValue, other: &RawValue, depth: usize) -> bool {
    let (a, b) = (one.get(), other.get());
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
            a.len() == b.len() && a.iter().zip(&b).all(|(x, y)| x.0 == y.0 && raw_equal(x.1, y.1, depth + 1))
        }
        (Some(b'['), Some(b'[')) => {
            match (serde_json::from_str::<Vec<&RawValue>>(a), serde_json::from_str::<Vec<&RawValue>>(b)) {
                (Ok(a), Ok(b)) => {
                    a.len() == b.len() && a.iter().zip(&b).all(|(x, y)| raw_equal(x, y, depth + 1))
                }
                _ => false,
            }
        }
        (Some(b'"'), Some(b'"')) => {
            matches!((serde_json::from_str::<String>(a), serde_json::from_str::<String>(b)), (Ok(a), Ok(b)) if a == b)
        }
        _ => numbers_equal(a, b),
    }
}

/// The entries of a JSON object, those of one key as well.
struct Entries<'a>(Vec<(String, &'a RawValue)>);

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
    use crate::codec::Projection;
    use crate::schema::{LogicalType, WireForm};

    #[test]
    fn numbers_are_equal_by_their_worth_and_not_by_their_rounding() {
        for (a, b) in [("1.50", "15e-1"), ("0", "-0.0"), ("100", "1e2"), ("+7", "7"), ("0.990", "0.99")] {
            assert!(numbers_equal(a, b), "{a} {b}");
        }
        assert!(!numbers_equal("1.5e-30", "0"));
        assert!(same(&Value::F64(0.1), &Value::F64(f64::from(0.1f32))));
        assert!(!same(&Value::F64(0.123_456_789), &Value::F64(f64::from(0.123_456_79f32))));
        for written in [3_245_888.2, 3_245_888.3] {
            assert!(same(&Value::F64(written), &Value::F64(3_245_888.25)), "{written}");
        }
        assert!(!same(&Value::F64(16_777_217.0), &Value::F64(16_777_216.0)));
        assert!(!integer_is(9_007_199_254_740_993, 9_007_199_254_740_992.0));
        assert!(integer_is(9_007_199_254_740_992, 9_007_199_254_740_992.0));
    }

    #[test]
    fn a_value_that_cannot_be_told_is_refused_though_it_is_written_as_it_was_read() {
        #[derive(Serialize)]
        struct Delivery {
            day: &'static str,
        }
        let day = FieldSchema {
            name: "day".into(),
            column: None,
            rust_type: "Day".into(),
            logical: LogicalType::Date,
            wire: WireForm::Plain,
            nullable: false,
            key: false,
            required: true,
        };
        let schema = EntitySchema { fields: vec![day], open: false, variants: false };
        let mut projection = Projection::new(&schema);
        projection.field(&schema.fields[0]);
        let read = |day: &'static str| {
            let values = [Value::Str(day.into())];
            changed(&Delivery { day }, &Row { projection: &projection, values: &values }, &schema)
                .map(|changed| changed.len())
        };
        assert_eq!(read("2024-02-29").expect("a date"), 0);
        assert!(read("2024-02-30").is_err(), "a restore could not tell which day it is");
    }

    #[test]
    fn json_is_compared_by_content() {
        assert!(json_equal(r#"{"a": 1, "b": [1.0, "ü"]}"#, r#"{"b":[1,"\u00fc"],"a":1}"#));
        for (stored, kept) in [
            (r#"{"a":1,"zip":"8000"}"#, r#"{"a":1}"#),
            (r#"{"a":1,"a":2}"#, r#"{"a":2}"#),
            ("12345678901234567890123", "1.2345678901234568e22"),
        ] {
            assert!(!json_equal(stored, kept), "{stored}");
        }
    }

    #[test]
    fn plain_values_are_compared_with_the_json_they_were_read_from() {
        let json = |text: &'static str| Value::Json(text.into());
        assert!(same(&json("\"a\\u00fc\""), &Value::Str("aü".into())));
        assert!(same(&json("100000000000000000000"), &Value::F64(1e20)));
        assert!(same(&json("7.0"), &Value::I64(7)));
        assert!(same(&json("0.1"), &Value::F64(f64::from(0.1f32))));
        assert!(!same(&json("\"a\""), &Value::Str("b".into())));
        assert!(!same(&json("123456789012345678901234567890"), &Value::F64(1.234_567_890_123_456_8e29)));
        assert!(!same(&json("18446744073709551616"), &Value::U64(u64::MAX)));
        assert!(!same(&json("[1]"), &Value::I64(1)));
    }
}

//! The values of a line that its type writes exactly so, without the type.
//!
//! What [`record`](super::super::record) collects while a type writes stands in the line already. Reading it from there takes a third of
//! the time of reading the type and having it write, and copies nothing. It is right only for lines of which it is known that the
//! type writes them again as they are.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::super::general::normalize::neutral;
use super::super::token::Plain;
use super::super::row::Projection;
use super::scan;
use crate::schema::{EntitySchema, FieldSchema, LogicalType, WireForm};
use crate::value::Value;

/// The values of a line without its line feed, one for each field of the schema, in order. `None` where they cannot be told
/// without the type: it says nothing about the line. `scalars` are the places of the fields of a type of single values.
pub(crate) fn written_values<'l>(
    line: &'l [u8],
    schema: &EntitySchema,
    scalars: Option<&Projection>,
) -> Option<Vec<Value<'l>>> {
    if let Some(values) = scalars.and_then(|fields| scanned(line, schema, fields)) {
        return Some(values);
    }
    let mut json = serde_json::Deserializer::from_str(std::str::from_utf8(line).ok()?);
    let values = json.deserialize_map(Fields(schema)).ok()?;
    json.end().ok()?;
    Some(values)
}

fn scanned<'l>(line: &'l [u8], schema: &EntitySchema, places: &Projection) -> Option<Vec<Value<'l>>> {
    let mut values = Vec::with_capacity(schema.fields.len());
    let mut fields = schema.fields.iter();
    scan::each(line, places, |plain| {
        values.push(value(fields.next()?, plain)?);
        Some(())
    })?;
    Some(values)
}

/// The value of a field for which `plain` stands. Most are told at once.
#[inline]
fn value<'l>(field: &FieldSchema, plain: Plain<'l>) -> Option<Value<'l>> {
    Some(match (plain, &field.logical) {
        (Plain::Text(text), LogicalType::Text) => Value::Str(text),
        (Plain::Text(text), LogicalType::Decimal) if field.wire != WireForm::Own => Value::Decimal(text),
        (Plain::I64(number), LogicalType::Integer { .. }) => Value::I64(number),
        (plain, _) => return neutral(field, plain.into_value()?).ok(),
    })
}

/// The fields of a record.
struct Fields<'s>(&'s EntitySchema);

impl<'de> Visitor<'de> for Fields<'_> {
    type Value = Vec<Value<'de>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a record")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Vec<Value<'de>>, A::Error> {
        let fields = &self.0.fields;
        let mut values: Vec<_> = fields.iter().map(|_| Value::Null).collect();
        let mut next = 0;
        while let Some(place) = map.next_key_seed(Place { schema: self.0, next })? {
            next = place + 1;
            values[place] = map.next_value_seed(&fields[place])?;
        }
        Ok(values)
    }
}

/// Which field a name is that of.
struct Place<'s> {
    schema: &'s EntitySchema,
    /// Where it is expected; types write their fields in order.
    next: usize,
}

impl<'de> DeserializeSeed<'de> for Place<'_> {
    type Value = usize;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<usize, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Place<'_> {
    type Value = usize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a field")
    }

    fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<usize, E> {
        self.schema.position_from(self.next, name).ok_or_else(|| E::custom(UNTOLD))
    }
}

/// Nobody sees it: the line is read as its type then.
const UNTOLD: &str = "cannot be told without the type";

impl<'de> DeserializeSeed<'de> for &FieldSchema {
    type Value = Value<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value<'de>, D::Error> {
        let written = match &self.logical {
            // What is written of 128 bits is in no number that a visitor is given.
            LogicalType::Integer { bits: 128, .. } => return Err(D::Error::custom(UNTOLD)),
            LogicalType::Float { bits } => deserializer.deserialize_option(Float { bits: *bits })?,
            _ if self.is_scalar() => deserializer.deserialize_any(Scalar { floats: false })?,
            _ => {
                let raw = <&RawValue>::deserialize(deserializer)?;
                structure(raw).ok_or_else(|| D::Error::custom(UNTOLD))?
            }
        };
        neutral(self, written).map_err(D::Error::custom)
    }
}

/// Lists, maps and structures. What else such a field may write is told by its type.
fn structure(raw: &RawValue) -> Option<Value<'_>> {
    match raw.get() {
        "null" => Some(Value::Null),
        text if text.starts_with(['{', '[']) => Some(Value::Json(Cow::Borrowed(text))),
        _ => None,
    }
}

/// A floating-point number, if there is one: of 32 bits the text means another number than of 64.
struct Float {
    bits: u8,
}

impl<'de> Visitor<'de> for Float {
    type Value = Value<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a floating-point number")
    }

    fn visit_none<E>(self) -> Result<Value<'de>, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value<'de>, D::Error> {
        let scalar = Scalar { floats: true };
        if self.bits > 32 {
            deserializer.deserialize_f64(scalar)
        } else {
            deserializer.deserialize_f32(scalar)
        }
    }
}

/// A plain value.
struct Scalar {
    /// Whether the field is one, so that its text is that of the number.
    floats: bool,
}

impl<'de> Visitor<'de> for Scalar {
    type Value = Value<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a plain value")
    }

    fn visit_bool<E>(self, v: bool) -> Result<Value<'de>, E> {
        Ok(Value::Bool(v))
    }

    fn visit_i64<E>(self, v: i64) -> Result<Value<'de>, E> {
        Ok(Value::I64(v))
    }

    fn visit_u64<E>(self, v: u64) -> Result<Value<'de>, E> {
        Ok(i64::try_from(v).map_or(Value::U64(v), Value::I64))
    }

    fn visit_f64<E: serde::de::Error>(self, v: f64) -> Result<Value<'de>, E> {
        if self.floats { Ok(Value::F64(v)) } else { Err(E::custom(UNTOLD)) }
    }

    fn visit_str<E>(self, v: &str) -> Result<Value<'de>, E> {
        Ok(Value::Str(Cow::Owned(v.to_owned())))
    }

    fn visit_borrowed_str<E>(self, v: &'de str) -> Result<Value<'de>, E> {
        Ok(Value::Str(Cow::Borrowed(v)))
    }

    fn visit_unit<E>(self) -> Result<Value<'de>, E> {
        Ok(Value::Null)
    }
}

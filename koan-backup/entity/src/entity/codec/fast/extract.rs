//! The extraction of the values of a line that is known to round-trip, without the type of the line.
//!
//! A restore needs the values that [`to_record`](super::super::general::to_record) would collect while the
//! type is serialized. In a line that round-trips, the values of the line are the same. The scan of the line
//! takes a third of the time of deserializing and serializing the type, and copies no value.

use super::super::general::normalize;
use super::super::row::Projection;
use super::super::token::Token;
use super::scan::scan_fields;
use crate::foundation::schema::{EntitySchema, FieldSchema, LogicalType, WireForm};
use crate::foundation::value::Value;

/// Extracts one value for each field of `schema` from `line`, which must not contain its line feed. `fields`
/// is the projection of `schema`. The value of a field that is missing in the line is [`Value::Null`].
///
/// Returns `None` if the values depend on the type. The result is valid only for a line that round-trips.
pub(crate) fn extract_values<'l>(
    line: &'l [u8],
    schema: &EntitySchema,
    fields: &Projection,
) -> Option<Vec<Value<'l>>> {
    let count = schema.fields.len();
    let mut values = Vec::with_capacity(count);
    scan_fields(line, fields, |index, token| {
        let value = value(schema.fields.get(index)?, token)?;
        if index < values.len() {
            values[index] = value;
        } else {
            values.resize(index, Value::Null);
            values.push(value);
        }
        Some(())
    })?;
    values.resize(count, Value::Null);
    Some(values)
}

/// Returns the value of a field from its token. The most frequent tokens need no normalization.
#[inline]
fn value<'l>(field: &FieldSchema, token: Token<'l>) -> Option<Value<'l>> {
    Some(match (token, &field.logical) {
        (Token::Text(text), LogicalType::Text) => Value::Str(text),
        (Token::Text(text), LogicalType::Decimal) if field.wire != WireForm::Own => Value::Decimal(text),
        (Token::I64(number), LogicalType::Integer { .. }) => Value::I64(number),
        (token, _) => return normalize(field, token.into_value()?).ok(),
    })
}

#[cfg(test)]
mod tests {
    use serde::{Deserialize, Serialize};

    use super::*;
    use crate::entity::codec::general::decode;

    #[derive(Serialize, Deserialize)]
    struct Article {
        id: i64,
        title: String,
        #[serde(skip_serializing_if = "Option::is_none", default)]
        tags: Option<Vec<String>>,
        digest: Vec<u8>,
        price: Option<f64>,
        meta: serde_json::Value,
    }

    fn schema() -> EntitySchema {
        let field = |name: &str, logical| FieldSchema {
            name: name.to_owned(),
            column: None,
            rust_type: String::new(),
            logical,
            wire: WireForm::Plain,
            nullable: true,
            key: name == "id",
            required: false,
        };
        let fields = vec![
            field("id", LogicalType::Integer { bits: 64, signed: true }),
            field("title", LogicalType::Text),
            field("tags", LogicalType::List),
            field("digest", LogicalType::Bytes),
            field("price", LogicalType::Float { bits: 64 }),
            field("meta", LogicalType::Json),
        ];
        EntitySchema { fields, open: false, variants: false }
    }

    fn extract(line: &str) -> Option<Vec<Value<'_>>> {
        let schema = schema();
        extract_values(line.as_bytes(), &schema, &Projection::of(&schema))
    }

    #[test]
    fn extracted_values_are_the_values_that_the_type_serializes() {
        for line in [
            r#"{"id":1,"title":"a","tags":["b","]}"],"digest":[1,255],"price":0.5,"meta":{"a":[1,{"b":"}"}]}}"#,
            r#"{"id":-1,"title":"a \"b\" \\ \n","digest":[],"price":null,"meta":null}"#,
            r#"{"id":0,"title":"","tags":[],"digest":[0],"price":1e+300,"meta":[]}"#,
        ] {
            let record = decode::<Article>(line.as_bytes(), &schema()).expect("the line decodes as the type");
            assert_eq!(extract(line), Some(record.values), "{line}");
        }
    }

    #[test]
    fn fields_are_found_in_any_order() {
        let line = r#"{"price":0.5,"id":1,"digest":[1]}"#;
        let bytes = Value::Bytes(vec![1].into());
        let expected = [Value::I64(1), Value::Null, Value::Null, bytes, Value::F64(0.5), Value::Null];
        assert_eq!(extract(line).as_deref(), Some(&expected[..]));
    }

    #[test]
    fn values_that_depend_on_the_type_are_not_extracted() {
        for line in [
            r#"{"id":1,"meta":1.50}"#,
            r#"{"id":1,"meta":"text"}"#,
            r#"{"id":1,"price":5}"#,
            r#"{"id":1,"more":5}"#,
            r#"{"id":1,"meta":{}"#,
            r#"{"id":1,"meta":{]}"#,
            r#"{"id":1,"meta":{}}}"#,
            r#"{"id":1,"digest":[256]}"#,
            r#"{"id":1 }"#,
            "{}",
        ] {
            assert_eq!(extract(line), None, "{line}");
        }
    }
}

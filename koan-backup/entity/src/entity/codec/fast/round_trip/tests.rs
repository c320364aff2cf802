use std::fmt;

use serde::de::{self, Deserializer, MapAccess, Visitor};
use serde::ser::{self, Serializer};
use serde::{Deserialize, Serialize};

use super::super::super::row::{Projection, Row};
use super::*;
use crate::entity::codec::fast::encode_fast;
use crate::entity::codec::general;
use crate::foundation::schema::{FieldSchema, LogicalType, WireForm};
use crate::foundation::value::Value;

/// Returns whether the fast path proves that a row round-trips through `T`. If it does, the function asserts
/// that the general path comes to the same result.
fn round_trips<T: Serialize + DeserializeOwned>(fields: &[(&str, LogicalType, Value<'_>)]) -> bool {
    let mut projection = Projection::default();
    for (name, logical, _) in fields {
        projection.field(&FieldSchema {
            name: (*name).to_owned(),
            column: None,
            rust_type: String::new(),
            logical: logical.clone(),
            wire: WireForm::Plain,
            nullable: true,
            key: false,
            required: false,
        });
    }
    let values: Vec<_> = fields.iter().map(|(_, _, value)| value.borrowed()).collect();
    let row = Row { projection: &projection, values: &values };
    let is_proven = LineTokens::from_row(&row).is_some_and(|line| tokens_round_trip::<T>(&line));
    let check = |line: &[u8]| {
        let mut written = Vec::new();
        general::round_trip::<T>(line, &mut written)?.into_result(line, &written)
    };
    let is_confirmed = encode_fast(&row, &mut Vec::new(), |_| false, check);
    assert!(!is_proven || is_confirmed, "only the fast path accepts {row:?}");
    is_proven
}

const INTEGER: LogicalType = LogicalType::Integer { bits: 64, signed: true };

fn id(value: i64) -> (&'static str, LogicalType, Value<'static>) {
    ("id", INTEGER, Value::I64(value))
}

fn text(value: &str) -> (&'static str, LogicalType, Value<'_>) {
    ("text", LogicalType::Text, Value::Str(value.into()))
}

#[derive(Serialize, Deserialize)]
struct Usual {
    id: i64,
    text: Option<String>,
}

#[test]
fn a_row_that_the_type_writes_unchanged_round_trips() {
    for value in [0, -1, i64::MIN, i64::MAX] {
        assert!(round_trips::<Usual>(&[id(value), text("a \"quoted\" \\ text\n")]));
    }
    assert!(round_trips::<Usual>(&[id(1), ("text", LogicalType::Text, Value::Null)]));
}

#[test]
fn a_row_with_other_fields_or_another_order_does_not_round_trip() {
    assert!(!round_trips::<Usual>(&[text("a"), id(1)]));
    assert!(!round_trips::<Usual>(&[id(1)]));
    assert!(!round_trips::<Usual>(&[id(1), text("a"), ("more", INTEGER, Value::Null)]));
    assert!(!round_trips::<Usual>(&[id(1), ("other", LogicalType::Text, Value::Null)]));
}

#[test]
fn a_date_stored_as_text_round_trips_in_the_form_that_the_type_writes() {
    #[derive(Serialize, Deserialize)]
    struct Dated {
        day: Option<jiff::civil::Date>,
    }
    let day = |text| [("day", LogicalType::Date, Value::Str(std::borrow::Cow::Borrowed(text)))];
    assert!(round_trips::<Dated>(&day("2024-02-29")));
    for other in ["20240229", "2024-02-30", "2024-02-29 ", "", "null"] {
        assert!(!round_trips::<Dated>(&day(other)), "{other}");
    }
}

#[test]
fn text_that_a_restore_cannot_convert_to_a_date_does_not_round_trip() {
    #[derive(Serialize, Deserialize)]
    struct Anything {
        day: String,
    }
    let day_round_trips = |logical, text| {
        round_trips::<Anything>(&[("day", logical, Value::Str(std::borrow::Cow::Borrowed(text)))])
    };
    for (logical, valid) in [
        (LogicalType::Date, "2024-02-29"),
        (LogicalType::Time, "10:00:00"),
        (LogicalType::DateTime, "2024-02-29T10:00:00"),
        (LogicalType::Timestamp, "2024-02-29T10:00:00Z"),
    ] {
        assert!(day_round_trips(logical.clone(), valid));
        for invalid in ["+12345-01-01", "-0001-01-01", "soon", ""] {
            assert!(!day_round_trips(logical.clone(), invalid), "{logical:?}: {invalid}");
        }
    }
}

#[test]
fn a_value_that_the_type_changes_does_not_round_trip() {
    #[derive(Serialize, Deserialize)]
    struct Small {
        id: u8,
        text: Trimmed,
    }
    #[derive(Serialize, Deserialize)]
    #[serde(from = "String")]
    struct Trimmed(String);
    impl From<String> for Trimmed {
        fn from(text: String) -> Self {
            Self(text.trim().to_owned())
        }
    }
    assert!(round_trips::<Small>(&[id(255), text("a")]));
    assert!(!round_trips::<Small>(&[id(256), text("a")]));
    assert!(!round_trips::<Small>(&[id(-1), text("a")]));
    assert!(!round_trips::<Small>(&[id(255), text("a ")]));
}

#[test]
fn floats_round_trip_only_at_the_width_of_their_field() {
    #[derive(Serialize, Deserialize)]
    struct Wide {
        rate: f64,
    }
    #[derive(Serialize, Deserialize)]
    struct Narrow {
        rate: f32,
    }
    let rate = |bits, value| [("rate", LogicalType::Float { bits }, Value::F64(value))];
    for value in [0.1, -0.0, 1e300, f64::MIN_POSITIVE, 5.0] {
        assert!(round_trips::<Wide>(&rate(64, value)), "{value}");
    }
    assert!(round_trips::<Narrow>(&rate(32, f64::from(0.1f32))));
    // The width of the schema differs from the width of the type.
    assert!(!round_trips::<Narrow>(&rate(64, 0.1)));
    assert!(!round_trips::<Wide>(&rate(32, f64::from(0.1f32))));
    assert!(!round_trips::<Narrow>(&rate(32, 0.1)));
}

#[test]
fn the_general_path_handles_values_that_serde_json_reads_with_different_calls() {
    #[derive(Serialize, Deserialize)]
    struct Anything {
        id: serde_json::Value,
    }
    #[derive(Serialize, Deserialize)]
    struct Huge {
        id: i128,
    }
    #[derive(Serialize, Deserialize)]
    struct Raw {
        id: Box<serde_json::value::RawValue>,
    }
    assert!(!round_trips::<Anything>(&[id(1)]));
    assert!(!round_trips::<Huge>(&[id(1)]));
    assert!(!round_trips::<Raw>(&[id(1)]));
}

#[test]
fn a_type_that_reads_only_a_part_of_a_line_does_not_round_trip() {
    /// A type that reads the names of all fields without their values, or only the first field.
    struct Careless<const KEYS_ONLY: bool>;
    impl<const KEYS_ONLY: bool> Serialize for Careless<KEYS_ONLY> {
        fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
            Usual { id: 1, text: Some("a".to_owned()) }.serialize(serializer)
        }
    }
    impl<'de, const KEYS_ONLY: bool> Deserialize<'de> for Careless<KEYS_ONLY> {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
            deserializer.deserialize_map(Self)
        }
    }
    impl<'de, const KEYS_ONLY: bool> Visitor<'de> for Careless<KEYS_ONLY> {
        type Value = Self;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a map")
        }
        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Self, A::Error> {
            if KEYS_ONLY {
                while map.next_key::<String>()?.is_some() {}
            } else {
                map.next_entry::<String, i64>()?;
            }
            Ok(self)
        }
    }
    assert!(!round_trips::<Careless<true>>(&[id(1), text("a")]));
    assert!(!round_trips::<Careless<false>>(&[id(1), text("a")]));
}

#[test]
fn the_general_path_handles_a_type_that_ignores_an_error() {
    #[derive(Serialize, Deserialize)]
    enum Status {
        Open,
    }
    fn lenient<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
        deserializer: D,
    ) -> std::result::Result<Option<T>, D::Error> {
        Ok(T::deserialize(deserializer).ok())
    }
    #[derive(Serialize, Deserialize)]
    struct Lenient {
        id: i64,
        #[serde(deserialize_with = "lenient")]
        text: Option<Status>,
    }
    #[derive(Serialize, Deserialize)]
    struct LenientNumber {
        id: i64,
        #[serde(deserialize_with = "lenient")]
        text: Option<i128>,
    }
    // `null` decodes as neither type, and after the failed read the position of `serde_json` in the line
    // differs from that of the fast path.
    let null = ("text", LogicalType::Text, Value::Null);
    assert!(round_trips::<Lenient>(&[id(1), text("Open")]));
    assert!(!round_trips::<Lenient>(&[id(1), null.clone()]));
    assert!(!round_trips::<LenientNumber>(&[id(1), null.clone()]));

    /// A type that decodes invalid input as a default value, which happens to serialize as the same line.
    struct Defaulting(Usual);
    impl<'de> Deserialize<'de> for Defaulting {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
            #[derive(Deserialize)]
            struct Other {
                id: i64,
                #[serde(rename = "missing")]
                _missing: i64,
            }
            let id = Other::deserialize(deserializer).map_or(1, |other| other.id);
            Ok(Self(Usual { id, text: None }))
        }
    }
    impl Serialize for Defaulting {
        fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
            self.0.serialize(serializer)
        }
    }
    assert!(!round_trips::<Defaulting>(&[id(1), null]));
}

#[test]
fn a_field_that_differs_fails_even_if_the_type_ignores_the_error() {
    struct IgnoresErrors(i64);
    impl<'de> Deserialize<'de> for IgnoresErrors {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
            Usual::deserialize(deserializer).map(|usual| Self(usual.id))
        }
    }
    impl Serialize for IgnoresErrors {
        fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
            let mut fields = serializer.serialize_struct("IgnoresErrors", 2)?;
            let _ = ser::SerializeStruct::serialize_field(&mut fields, "id", &(self.0 + 1));
            let _ = ser::SerializeStruct::serialize_field(&mut fields, "text", &None::<i64>);
            ser::SerializeStruct::end(fields)
        }
    }
    assert!(!round_trips::<IgnoresErrors>(&[id(1), ("text", LogicalType::Text, Value::Null)]));
}

#[test]
fn a_field_name_can_be_read_only_as_text() {
    #[derive(Serialize)]
    struct Numbered {
        id: Name,
    }
    #[derive(Serialize)]
    #[serde(transparent)]
    struct Name(String);
    /// This implementation requests a number and accepts text as well.
    impl<'de> Deserialize<'de> for Name {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
            deserializer.deserialize_u64(Self(String::new()))
        }
    }
    impl<'de> Visitor<'de> for Name {
        type Value = Self;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a number")
        }
        fn visit_str<E: de::Error>(self, text: &str) -> std::result::Result<Self, E> {
            Ok(Self(text.to_owned()))
        }
    }
    impl<'de> Deserialize<'de> for Numbered {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
            struct Map;
            impl<'de> Visitor<'de> for Map {
                type Value = Numbered;
                fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    f.write_str("a map")
                }
                fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Numbered, A::Error> {
                    let mut id = Name(String::new());
                    while let Some((_, value)) = map.next_entry::<Name, String>()? {
                        id = Name(value);
                    }
                    Ok(Numbered { id })
                }
            }
            deserializer.deserialize_map(Map)
        }
    }
    assert!(!round_trips::<Numbered>(&[("id", LogicalType::Text, Value::Str("a".into()))]));
}

#[test]
fn the_general_path_handles_a_type_that_serializes_as_a_map() {
    assert!(!round_trips::<std::collections::HashMap<String, i64>>(&[id(1)]));
}

use std::fmt;

use serde::de::{self, Deserializer, MapAccess, Visitor};
use serde::ser::{self, Serializer};
use serde::{Deserialize, Serialize};

use super::super::super::row::{Projection, Row};
use super::*;
use crate::codec::encode_plain;
use crate::schema::{FieldSchema, LogicalType, WireForm};
use crate::value::Value;

/// Whether `T` is seen to keep a row, of which the long way must then say the same.
fn kept<T: Serialize + DeserializeOwned>(fields: &[(&str, LogicalType, Value<'_>)]) -> bool {
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
    let is_kept = PlainRow::of(&row).is_some_and(|row| keeps::<T>(&row));
    let mut line = Vec::new();
    let prove = |line: &[u8]| crate::codec::prove::<T>(line, &mut Vec::new());
    let is_proven = encode_plain(&row, &mut line, |_| false, prove);
    assert!(!is_kept || is_proven, "kept at a glance, and not proven: {row:?}");
    is_kept
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
fn what_comes_back_as_it_is_is_kept() {
    for value in [0, -1, i64::MIN, i64::MAX] {
        assert!(kept::<Usual>(&[id(value), text("a \"quoted\" \\ text\n")]));
    }
    assert!(kept::<Usual>(&[id(1), ("text", LogicalType::Text, Value::Null)]));
}

#[test]
fn another_order_and_another_number_of_fields_are_not_kept() {
    assert!(!kept::<Usual>(&[text("a"), id(1)]));
    assert!(!kept::<Usual>(&[id(1)]));
    assert!(!kept::<Usual>(&[id(1), text("a"), ("more", INTEGER, Value::Null)]));
    assert!(!kept::<Usual>(&[id(1), ("other", LogicalType::Text, Value::Null)]));
}

#[test]
fn a_date_that_is_stored_as_text_is_kept_if_it_is_written_so() {
    #[derive(Serialize, Deserialize)]
    struct Dated {
        day: Option<jiff::civil::Date>,
    }
    let day = |text| [("day", LogicalType::Date, Value::Str(std::borrow::Cow::Borrowed(text)))];
    assert!(kept::<Dated>(&day("2024-02-29")));
    for other in ["20240229", "2024-02-30", "2024-02-29 ", "", "null"] {
        assert!(!kept::<Dated>(&day(other)), "{other}");
    }
}

#[test]
fn text_that_is_no_date_to_a_restore_is_not_kept_though_its_type_writes_it_again() {
    #[derive(Serialize, Deserialize)]
    struct Anything {
        day: String,
    }
    let kept =
        |logical, text| kept::<Anything>(&[("day", logical, Value::Str(std::borrow::Cow::Borrowed(text)))]);
    for (logical, good) in [
        (LogicalType::Date, "2024-02-29"),
        (LogicalType::Time, "10:00:00"),
        (LogicalType::DateTime, "2024-02-29T10:00:00"),
        (LogicalType::Timestamp, "2024-02-29T10:00:00Z"),
    ] {
        assert!(kept(logical.clone(), good));
        for bad in ["+12345-01-01", "-0001-01-01", "soon", ""] {
            assert!(!kept(logical.clone(), bad), "{logical:?}: {bad}");
        }
    }
}

#[test]
fn what_the_type_changes_is_not_kept() {
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
    assert!(kept::<Small>(&[id(255), text("a")]));
    assert!(!kept::<Small>(&[id(256), text("a")]));
    assert!(!kept::<Small>(&[id(-1), text("a")]));
    assert!(!kept::<Small>(&[id(255), text("a ")]));
}

#[test]
fn floats_are_kept_at_their_own_width() {
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
        assert!(kept::<Wide>(&rate(64, value)), "{value}");
    }
    assert!(kept::<Narrow>(&rate(32, f64::from(0.1f32))));
    // The schema and the type do not agree.
    assert!(!kept::<Narrow>(&rate(64, 0.1)));
    assert!(!kept::<Wide>(&rate(32, f64::from(0.1f32))));
    assert!(!kept::<Narrow>(&rate(32, 0.1)));
}

#[test]
fn what_serde_json_reads_in_another_way_is_left_to_it() {
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
    assert!(!kept::<Anything>(&[id(1)]));
    assert!(!kept::<Huge>(&[id(1)]));
    assert!(!kept::<Raw>(&[id(1)]));
}

#[test]
fn a_type_that_reads_a_part_of_a_line_or_loses_its_place_does_not_keep_it() {
    /// Takes the names of all fields and no value, or one field.
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
    assert!(!kept::<Careless<true>>(&[id(1), text("a")]));
    assert!(!kept::<Careless<false>>(&[id(1), text("a")]));
}

#[test]
fn a_type_that_passes_over_an_error_is_left_to_the_long_way() {
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
    // `serde_json` loses its place at the `null` that neither of them is.
    let null = ("text", LogicalType::Text, Value::Null);
    assert!(kept::<Lenient>(&[id(1), text("Open")]));
    assert!(!kept::<Lenient>(&[id(1), null.clone()]));
    assert!(!kept::<LenientNumber>(&[id(1), null.clone()]));

    /// Reads as nothing what does not read, and writes what was there.
    struct Whole(Usual);
    impl<'de> Deserialize<'de> for Whole {
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
    impl Serialize for Whole {
        fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
            self.0.serialize(serializer)
        }
    }
    assert!(!kept::<Whole>(&[id(1), null]));
}

#[test]
fn what_a_type_writes_besides_is_not_passed_over() {
    struct Loose(i64);
    impl<'de> Deserialize<'de> for Loose {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
            Usual::deserialize(deserializer).map(|usual| Self(usual.id))
        }
    }
    impl Serialize for Loose {
        fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
            let mut fields = serializer.serialize_struct("Loose", 2)?;
            let _ = ser::SerializeStruct::serialize_field(&mut fields, "id", &(self.0 + 1));
            let _ = ser::SerializeStruct::serialize_field(&mut fields, "text", &None::<i64>);
            ser::SerializeStruct::end(fields)
        }
    }
    assert!(!kept::<Loose>(&[id(1), ("text", LogicalType::Text, Value::Null)]));
}

#[test]
fn names_are_text_and_nothing_else() {
    #[derive(Serialize)]
    struct Numbered {
        id: Name,
    }
    #[derive(Serialize)]
    #[serde(transparent)]
    struct Name(String);
    /// Asks for a number and takes text as well.
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
    assert!(!kept::<Numbered>(&[("id", LogicalType::Text, Value::Str("a".into()))]));
}

#[test]
fn a_type_that_is_written_as_a_map_is_left_to_the_long_way() {
    assert!(!kept::<std::collections::HashMap<String, i64>>(&[id(1)]));
}

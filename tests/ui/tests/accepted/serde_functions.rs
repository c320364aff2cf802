//! Fields that serde reads or writes with functions of the application.

use koan_backup::{
    Entity,
    entity::EntityCodec,
    schema::{LogicalType, WireForm},
};
use serde::{Deserialize, Serialize};

mod hex {
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(deserializer)?;
        let byte = |at: usize| u8::from_str_radix(text.get(at..at + 2).unwrap_or("-"), 16);
        (0..text.len()).step_by(2).map(byte).collect::<Result<_, _>>().map_err(serde::de::Error::custom)
    }
}

/// A type with an argument that is used in `with`, like `serde_with::As`.
struct As<T>(T);

impl As<String> {
    fn serialize<T: ToString, S: serde::Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&value.to_string())
    }

    fn deserialize<'de, T: std::str::FromStr, D: serde::Deserializer<'de>>(
        deserializer: D,
    ) -> Result<T, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(|_| serde::de::Error::custom("not parsed"))
    }
}

#[derive(Serialize, Deserialize)]
struct Address {
    street: String,
}

mod pass {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub fn serialize<T: Serialize, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
        value.serialize(serializer)
    }

    pub fn deserialize<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<T, D::Error> {
        T::deserialize(deserializer)
    }
}

#[derive(Serialize, Deserialize, Entity)]
struct Blob {
    id: i64,
    #[serde(with = "hex")]
    both: Vec<u8>,
    #[serde(serialize_with = "hex::serialize", deserialize_with = "hex::deserialize")]
    each: Vec<u8>,
    #[serde(deserialize_with = "pass::deserialize")]
    only_read: Vec<u8>,
    #[serde(serialize_with = "pass::serialize")]
    only_written: u32,
    #[serde(with = "As::<String>")]
    number: i64,
    #[serde(with = "pass", default)]
    absent: Option<u8>,
    #[serde(flatten, with = "pass")]
    address: Address,
}

/// Asserts that a line decodes as the type, and that the type writes the same line.
fn assert_round_trip<T: Entity>(line: &str) {
    EntityCodec::new(T::descriptor()).check_round_trip(line.as_bytes(), &mut Vec::new()).unwrap();
}

#[test]
fn is_accepted() {
    // Serde writes a type with flattened fields as a map, whose keys are in order.
    assert_round_trip::<Blob>(
        r#"{"absent":null,"both":"0aff","each":"","id":1,"number":"5","only_read":[1],"only_written":1,"street":"x"}"#,
    );

    let schema = Blob::descriptor().schema();
    let found: Vec<_> = schema
        .fields
        .iter()
        .map(|field| (&*field.name, field.logical.clone(), field.wire, field.required))
        .collect();
    let integer = |bits, signed| LogicalType::Integer { bits, signed };
    assert_eq!(
        found,
        [
            ("id", integer(64, true), WireForm::Plain, true),
            ("both", LogicalType::Bytes, WireForm::HexLower, true),
            ("each", LogicalType::Bytes, WireForm::HexLower, true),
            ("only_read", LogicalType::Bytes, WireForm::Plain, true),
            ("only_written", integer(32, false), WireForm::Own, true),
            ("number", LogicalType::Text, WireForm::Own, true),
            ("absent", integer(8, false), WireForm::Own, false),
        ]
    );
    assert!(
        schema.open,
        "the schema must be open, because the fields that a function writes for a flattened type are unknown"
    );
}

//! The attributes of serde determine which fields a record has, and their names.

use koan_backup::{Entity, entity::EntityCodec};
use serde::{Deserialize, Serialize};

macro_rules! cases {
    ($($name:ident = $case:literal),* $(,)?) => {
        $(
            #[derive(Serialize, Deserialize, Entity)]
            #[serde(rename_all = $case)]
            #[entity(key = "first_name_2")]
            struct $name { first_name_2: String }
        )*
        fn cases() {
            $(assert_name_of_serde::<$name>();)*
        }
    };
}

cases! {
    Lower = "lowercase", Upper = "UPPERCASE", Pascal = "PascalCase", Camel = "camelCase", Snake = "snake_case",
    ScreamingSnake = "SCREAMING_SNAKE_CASE", Kebab = "kebab-case", ScreamingKebab = "SCREAMING-KEBAB-CASE",
}

/// Asserts that serde reads and writes the field name of the schema.
fn assert_name_of_serde<T: Entity>() {
    let name = names::<T>().join(" ");
    EntityCodec::new(T::descriptor())
        .check_round_trip(format!("{{\"{name}\":\"\"}}").as_bytes(), &mut Vec::new())
        .unwrap();
}

#[derive(Serialize, Deserialize)]
struct Address {
    street: String,
    #[serde(rename = "zip")]
    code: String,
}

#[derive(Serialize, Deserialize, Entity)]
#[serde(rename_all(serialize = "camelCase", deserialize = "camelCase"), deny_unknown_fields)]
struct User {
    user_id: i64,
    #[serde(rename = "ID")]
    id: i64,
    #[serde(rename(serialize = "mail", deserialize = "mail"), alias = "email")]
    e_mail: String,
    #[serde(skip)]
    cached: u8,
    #[serde(skip_serializing, skip_deserializing)]
    also_cached: u8,
    #[serde(default)]
    tags: Vec<String>,
    #[serde(default = "one", skip_serializing_if = "is_one")]
    count: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

fn one() -> u8 {
    1
}

fn is_one(value: &u8) -> bool {
    *value == 1
}

#[derive(Serialize, Deserialize, Entity)]
struct Flat {
    id: i64,
    #[serde(flatten)]
    address: Address,
}

#[derive(Serialize, Deserialize, Entity)]
struct Open {
    id: i64,
    #[serde(flatten)]
    rest: std::collections::BTreeMap<String, String>,
}

#[derive(Default, Serialize, Deserialize, Entity)]
#[serde(default)]
struct AllDefault {
    id: i64,
    name: String,
}

fn names<T: Entity>() -> Vec<String> {
    T::descriptor().schema().fields.into_iter().map(|field| field.name).collect()
}

fn required<T: Entity>() -> Vec<bool> {
    T::descriptor().schema().fields.into_iter().map(|field| field.required).collect()
}

#[test]
fn is_accepted() {
    cases();
    assert_eq!(names::<Camel>(), ["firstName2"]);
    assert_eq!(names::<User>(), ["userId", "ID", "mail", "tags", "count", "note"]);
    assert_eq!(required::<User>(), [true, true, true, false, false, false]);
    let key: Vec<_> = User::descriptor().schema().key_fields().map(|(_, field)| field.name.clone()).collect();
    assert_eq!(key, ["ID"]);

    assert_eq!(names::<Flat>(), ["id", "street", "zip"]);
    assert!(!Flat::descriptor().schema().open);
    assert_eq!(names::<Open>(), ["id"]);
    assert!(Open::descriptor().schema().open);
    assert_eq!(required::<AllDefault>(), [false, false]);
}

//! Types whose tokens come from `macro_rules!` macros, in each form of an argument.

use koan_backup::Entity;
use serde::{Deserialize, Serialize};

macro_rules! with_tokens {
    ($($token:tt)*) => {
        #[derive(Serialize, Deserialize, Entity)]
        $($token)*
    };
}

with_tokens! {
    struct Tokens {
        id: i64,
        #[entity(column = "Label")]
        label: Option<String>,
    }
}

with_tokens! {
    #[serde(tag = "kind")]
    enum TokensOfEnum {
        First { id: i64, tenant: String },
        Second { tenant: String, id: i64 },
    }
}

with_tokens! {
    #[serde(transparent)]
    #[entity(key = "id: i64")]
    struct TokensOfNewtype(Tokens);
}

with_tokens! {
    #[entity(key = "base.id: i64, tenant")]
    struct TokensOfNestedKey {
        #[serde(flatten)]
        base: Tokens,
        tenant: String,
    }
}

macro_rules! with_item {
    ($item:item) => {
        #[derive(Serialize, Deserialize, Entity)]
        $item
    };
}

with_item! {
    pub struct Item {
        #[entity(key)]
        pub code: String,
        #[entity(key)]
        pub number: u32,
    }
}

macro_rules! with_identifiers {
    ($name:ident, $key:ident, $key_type:ident, $field:ident) => {
        #[derive(Serialize, Deserialize, Entity)]
        #[entity(table = "identifiers")]
        struct $name {
            #[entity(key)]
            $key: $key_type,
            $field: Option<$key_type>,
        }
    };
}

with_identifiers!(Identifiers, number, u64, other);

macro_rules! with_type {
    ($visibility:vis $name:ident, $key:ty, $value:ty, $table:literal, $encrypt:literal) => {
        #[derive(Serialize, Deserialize, Entity)]
        #[entity(table = $table)]
        #[entity_backup(encrypt = $encrypt)]
        $visibility struct $name {
            id: $key,
            value: Vec<$value>,
        }
    };
}

with_type!(pub(crate) Typed, i32, Option<String>, "typed", true);

macro_rules! with_path {
    ($krate:path, $serde_name:literal, $key:path) => {
        #[derive(Serialize, Deserialize, Entity)]
        #[entity(crate = $krate)]
        struct WithPath {
            #[serde(rename = $serde_name)]
            id: $key,
        }
    };
}

with_path!(koan_backup, "identifier", std::primitive::u8);

macro_rules! outer {
    ($($field:ident: $ty:ty),*) => {
        macro_rules! inner {
            ($name:ident { $inner_field:ident: $inner_ty:ty }) => {
                with_tokens! {
                    struct $name { $inner_field: $inner_ty, $($field: $ty),* }
                }
            };
        }
    };
}

outer!(first: String, second: Vec<u8>);
inner!(Nested { id: i64 });

macro_rules! entities {
    ($($name:ident($key:ident: $ty:ty) $body:tt)*) => {
        $(
            entities!(@one $name $key $ty, $body);
        )*
    };
    (@one $name:ident $key:ident $ty:ty, { $($field:ident: $field_ty:ty),* $(,)? }) => {
        #[derive(Serialize, Deserialize, Entity)]
        struct $name {
            #[entity(key)]
            $key: $ty,
            $($field: $field_ty,)*
        }
    };
}

entities! {
    Many(id: i64) { name: String }
    More(code: String) { id: Option<i64> }
}

macro_rules! registered {
    ($ty:ty, $name:literal, $key:literal) => {
        koan_backup::register!($ty, name = $name, key = $key);
    };
}

#[derive(Serialize, Deserialize)]
struct Page<T> {
    id: u16,
    items: Vec<T>,
}

registered!(Page<String>, "HygienicPage", "id: u16");

#[test]
fn is_accepted() {
    let tokens = || Tokens { id: 1, label: None };
    assert_eq!(tokens().key(), 1);
    assert_eq!(TokensOfEnum::Second { tenant: String::new(), id: 2 }.key(), 2);
    assert_eq!(TokensOfNewtype(tokens()).key(), 1);
    assert_eq!(TokensOfNestedKey { base: tokens(), tenant: "a".into() }.key(), (1, "a".to_owned()));
    assert_eq!(Item { code: "a".into(), number: 2 }.key(), ("a".to_owned(), 2));
    assert_eq!(Identifiers { number: 3, other: None }.key(), 3);
    assert_eq!(Typed { id: 4, value: Vec::new() }.key(), 4);
    assert_eq!(Typed::descriptor().key_type(), "i32");
    assert_eq!(Typed::descriptor().table(), Some("typed"));
    assert_eq!(WithPath { id: 5 }.key(), 5);
    assert_eq!(WithPath::descriptor().schema().fields[0].name, "identifier");
    assert_eq!(Nested { id: 6, first: String::new(), second: Vec::new() }.key(), 6);
    assert_eq!(Many { id: 7, name: String::new() }.key(), 7);
    assert_eq!(More { code: "b".into(), id: None }.key(), "b");
    assert_eq!(Page::<String> { id: 8, items: Vec::new() }.key(), 8);
}

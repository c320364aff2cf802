//! Enums whose fields serde writes as top-level fields of the record.

use koan_backup::{Entity, entity::EntityCodec};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Entity)]
#[serde(tag = "kind", rename_all = "snake_case", rename_all_fields = "camelCase")]
enum Contact {
    Person {
        id: i64,
        first_name: String,
    },
    #[serde(rename = "org", rename_all = "UPPERCASE")]
    Company {
        vat: Option<String>,
        #[serde(rename = "id")]
        id: i64,
    },
    #[serde(skip)]
    Scratch {
        id: i64,
        #[allow(dead_code)]
        anything: u8,
    },
}

#[derive(Serialize, Deserialize, Entity)]
#[serde(untagged)]
enum Reading {
    Exact {
        #[entity(key)]
        sensor: u32,
        #[entity(key)]
        at: i64,
        value: f64,
    },
    Range {
        at: i64,
        low: f64,
        high: f64,
        sensor: u32,
    },
}

#[derive(Serialize, Deserialize, Entity)]
#[serde(tag = "t")]
#[entity(key = "code")]
enum One {
    Only {
        #[entity(column = "Code")]
        code: String,
    },
}

fn fields<T: Entity>() -> Vec<(String, bool, bool)> {
    T::descriptor().schema().fields.into_iter().map(|field| (field.name, field.key, field.required)).collect()
}

fn owned(fields: &[(&str, bool, bool)]) -> Vec<(String, bool, bool)> {
    fields.iter().map(|&(name, key, required)| (name.to_owned(), key, required)).collect()
}

/// Asserts that a line decodes as the type, and that the type writes the same line.
fn assert_round_trip<T: Entity>(line: &str) {
    EntityCodec::new(T::descriptor()).check_round_trip(line.as_bytes(), &mut Vec::new()).unwrap();
}

#[test]
fn is_accepted() {
    assert_round_trip::<Contact>(r#"{"kind":"person","id":1,"firstName":"Ada"}"#);
    assert_round_trip::<Contact>(r#"{"kind":"org","VAT":null,"id":1}"#);
    assert_round_trip::<Reading>(r#"{"at":1,"low":0.5,"high":1.5,"sensor":2}"#);

    assert_eq!(
        fields::<Contact>(),
        owned(&[
            ("kind", false, true),
            ("id", true, true),
            ("firstName", false, false),
            ("VAT", false, false)
        ])
    );
    assert!(Contact::descriptor().schema().variants);
    assert_eq!(Contact::Person { id: 1, first_name: String::new() }.key(), 1);
    assert_eq!(Contact::Company { vat: None, id: 2 }.key(), 2);
    assert_eq!(Contact::Scratch { id: 3, anything: 0 }.key(), 3);

    assert_eq!(
        fields::<Reading>(),
        owned(&[
            ("sensor", true, true),
            ("at", true, true),
            ("value", false, false),
            ("low", false, false),
            ("high", false, false)
        ])
    );
    assert_eq!(Reading::Exact { sensor: 1, at: 2, value: 0.0 }.key(), (1_u32, 2_i64));
    assert_eq!(Reading::Range { sensor: 1, at: 2, low: 0.0, high: 0.0 }.key(), (1_u32, 2_i64));
    assert_eq!(Reading::descriptor().key_type(), "(u32, i64)");

    assert_eq!(One::Only { code: "x".into() }.key(), "x");
    assert_eq!(One::descriptor().schema().fields[1].column.as_deref(), Some("Code"));
}

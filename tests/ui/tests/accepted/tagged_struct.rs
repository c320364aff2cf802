//! Serde writes the name of a struct with a tag, but does not require the name when it reads the struct.

use koan_backup::{Entity, entity::EntityCodec};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Entity)]
#[serde(tag = "kind")]
struct Event {
    id: i64,
}

/// Asserts that a line decodes as the type, and that the type writes the same line.
fn assert_round_trip<T: Entity>(line: &str) {
    EntityCodec::new(T::descriptor()).check_round_trip(line.as_bytes(), &mut Vec::new()).unwrap();
}

#[test]
fn is_accepted() {
    assert_round_trip::<Event>(r#"{"kind":"Event","id":7}"#);
    EntityCodec::new(Event::descriptor()).check(br#"{"id":7}"#).unwrap();

    let schema = Event::descriptor().schema();
    let fields: Vec<_> = schema.fields.iter().map(|field| (&*field.name, field.required)).collect();
    assert_eq!(fields, [("kind", false), ("id", true)]);
}

//! Serde writes the name of a struct that has a tag, and does not need it to read the struct.

use koan_backup::{Entity, entity::EntityCodec};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Entity)]
#[serde(tag = "kind")]
struct Event {
    id: i64,
}

/// A line decodes as the type, and the type writes it again.
fn prove<T: Entity>(line: &str) {
    EntityCodec::new(T::descriptor()).check_round_trip(line.as_bytes(), &mut Vec::new()).unwrap();
}

#[test]
fn is_accepted() {
    prove::<Event>(r#"{"kind":"Event","id":7}"#);
    EntityCodec::new(Event::descriptor()).check(br#"{"id":7}"#).unwrap();

    let schema = Event::descriptor().schema();
    let fields: Vec<_> = schema.fields.iter().map(|field| (&*field.name, field.required)).collect();
    assert_eq!(fields, [("kind", false), ("id", true)]);
}

//! Types that are unusual, and that the derives of serde accept.

use koan_backup::Entity;
use serde::{Deserialize, Serialize};

/// A variant has the name of an associated type of `Entity`.
#[derive(Serialize, Deserialize, Entity)]
#[serde(tag = "kind")]
enum Item {
    Key { id: u32 },
    Lock { id: u32 },
}

/// The fields cannot be borrowed, because they are not aligned.
#[derive(Clone, Copy, Serialize, Deserialize, Entity)]
#[repr(C, packed)]
struct Reading {
    kind: u8,
    id: u32,
}

#[derive(Clone, Copy, Serialize, Deserialize, Entity)]
#[repr(C, packed(2))]
#[entity(key = "position.x: u32, kind")]
struct Nested {
    #[serde(flatten)]
    position: Position,
    kind: u8,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
struct Position {
    x: u32,
}

/// Parts of a type are deprecated.
#[derive(Serialize, Deserialize, Entity)]
#[allow(deprecated, reason = "the old form is still read")]
struct Replaced {
    #[deprecated]
    id: i64,
    old: Option<Old>,
}

#[deprecated]
#[derive(Serialize, Deserialize)]
struct Old {
    a: i64,
}

#[derive(Serialize, Deserialize)]
struct Page<T> {
    id: i64,
    item: T,
}

#[test]
fn the_key_of_an_unusual_type_is_read() {
    assert_eq!((Item::Key { id: 1 }.key(), Item::Lock { id: 2 }.key()), (1, 2));
    assert_eq!(Reading { kind: 1, id: 7 }.key(), 7);
    assert_eq!(Nested { position: Position { x: 3 }, kind: 4 }.key(), (3, 4));
}

#[test]
fn a_registration_may_be_in_a_function() {
    koan_backup::register!(Page<u8>, name = "BytePage", key = "id: i64");
    assert_eq!(Page::<u8>::descriptor().name(), "BytePage");
}

//! The entities of the conformance suite.

use std::collections::BTreeMap;

use jiff::civil;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::entity::EntityCodec;
use crate::entity::{Entity, EntityDeclaration, EntityDescriptor, FieldDeclaration, Shape};

/// Returns the entities that the suite stores in databases.
pub fn entities() -> Vec<EntityCodec> {
    [Specimen::descriptor(), Pair::descriptor(), Line::descriptor()].map(EntityCodec::new).to_vec()
}

/// An entity with a field of every logical type.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Specimen {
    /// The key.
    pub id: i64,
    /// A boolean.
    pub flag: bool,
    /// A small integer.
    pub small: i8,
    /// A large integer.
    pub large: i64,
    /// An integer that can exceed the range of `i64`.
    pub huge: u64,
    /// A floating-point number.
    pub ratio: f64,
    /// Text.
    pub text: String,
    /// Optional text.
    pub note: Option<String>,
    /// Bytes.
    pub bytes: Vec<u8>,
    /// A UUID.
    pub code: Uuid,
    /// An instant.
    pub at: jiff::Timestamp,
    /// A date and time without an offset.
    pub local: civil::DateTime,
    /// A date.
    pub day: civil::Date,
    /// A time of day.
    pub hour: civil::Time,
    /// An enum with two variants.
    pub sort: Rarity,
    /// A list.
    pub words: Vec<String>,
    /// A map.
    pub numbers: BTreeMap<String, f64>,
    /// A structure.
    pub place: ShelfPosition,
}

/// An enum with two variants.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Rarity {
    /// The first variant.
    Common,
    /// The second variant.
    Rare,
}

/// A structure within a record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ShelfPosition {
    /// A number.
    pub shelf: u32,
    /// Optional text.
    pub label: Option<String>,
}

/// An entity with a composite key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pair {
    /// The first field of the key.
    pub owner: String,
    /// The second field of the key.
    pub number: i64,
    /// Any text.
    pub content: String,
}

/// A small entity that can have many records.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// The key.
    pub id: i64,
    /// Any text.
    pub content: String,
}

impl Line {
    pub(super) fn new(id: i64, content: &str) -> Self {
        Self { id, content: content.to_owned() }
    }
}

/// Returns records with extreme values that all built-in databases support.
pub(super) fn specimens() -> Vec<Specimen> {
    let plain = Specimen {
        id: 1,
        flag: true,
        small: -128,
        large: i64::MIN,
        huge: 0,
        ratio: 0.1,
        text: String::new(),
        note: None,
        bytes: Vec::new(),
        code: Uuid::nil(),
        at: jiff::Timestamp::UNIX_EPOCH,
        local: civil::date(1999, 12, 31).at(23, 59, 59, 999_999_000),
        day: civil::date(2024, 2, 29),
        hour: civil::time(0, 0, 0, 0),
        sort: Rarity::Common,
        words: Vec::new(),
        numbers: BTreeMap::new(),
        place: ShelfPosition { shelf: 0, label: None },
    };
    let extremes = Specimen {
        id: i64::MAX,
        flag: false,
        small: 127,
        large: i64::MAX,
        huge: u64::MAX,
        ratio: f64::MIN_POSITIVE,
        text: "'; DROP TABLE \"x\"; -- \\ \t\r\n\u{1F980} e\u{301} \u{202e} %s {}".to_owned(),
        note: Some(" null ".to_owned()),
        bytes: (0..=255).collect(),
        code: Uuid::from_bytes([0xff; 16]),
        at: "9999-12-30T22:00:00.999999Z".parse().unwrap_or(jiff::Timestamp::UNIX_EPOCH),
        local: civil::date(1, 1, 1).at(0, 0, 0, 1_000),
        day: civil::date(1, 1, 1),
        hour: civil::time(23, 59, 59, 999_999_000),
        sort: Rarity::Rare,
        words: vec!["[]".to_owned(), String::new(), "ü,\"".to_owned()],
        numbers: BTreeMap::from([("a".to_owned(), -1.5e300), (String::new(), 0.0)]),
        place: ShelfPosition { shelf: u32::MAX, label: Some("x".to_owned()) },
    };
    let negative =
        Specimen { id: -7, ratio: -2.5, note: Some(String::new()), huge: 1 << 53, ..plain.clone() };
    vec![negative, plain, extremes]
}

const fn field<T>(name: &'static str, rust_type: &'static str) -> FieldDeclaration
where
    T: Serialize + DeserializeOwned + 'static,
{
    FieldDeclaration::new::<T>(name, rust_type)
}

/// Implements `Entity` as the derive macro does, but without a registration: the entities of the suite must
/// not be registered in the application.
macro_rules! entity {
    ($ty:ident, $table:literal, $key:ty, |$record:ident| $key_of:expr, [$($field:expr),+ $(,)?]) => {
        const _: () = {
            static FIELDS: &[FieldDeclaration] = &[$($field),+];
            static DESCRIPTOR: EntityDescriptor = EntityDescriptor::new::<$ty>(EntityDeclaration {
                name: stringify!($ty),
                aliases: &[],
                table: Some($table),
                provider: None,
                route: None,
                module_path: module_path!(),
                ident: stringify!($ty),
                file: file!(),
                line: line!(),
                key_type: stringify!($key),
                policy: None,
                shape: Shape::Struct(FIELDS),
            });
            impl Entity for $ty {
                type Key = $key;
                fn key(&self) -> Self::Key {
                    let $record = self;
                    $key_of
                }
                fn descriptor() -> &'static EntityDescriptor {
                    &DESCRIPTOR
                }
            }
        };
    };
}

entity!(
    Specimen,
    "koan_specimens",
    i64,
    |record| record.id,
    [
        field::<i64>("id", "i64").key(),
        field::<bool>("flag", "bool"),
        field::<i8>("small", "i8"),
        field::<i64>("large", "i64"),
        field::<u64>("huge", "u64"),
        field::<f64>("ratio", "f64"),
        field::<String>("text", "String"),
        field::<Option<String>>("note", "Option<String>"),
        field::<Vec<u8>>("bytes", "Vec<u8>"),
        field::<Uuid>("code", "Uuid"),
        field::<jiff::Timestamp>("at", "jiff::Timestamp"),
        field::<civil::DateTime>("local", "civil::DateTime"),
        field::<civil::Date>("day", "civil::Date"),
        field::<civil::Time>("hour", "civil::Time"),
        field::<Rarity>("sort", "Rarity"),
        field::<Vec<String>>("words", "Vec<String>"),
        field::<BTreeMap<String, f64>>("numbers", "BTreeMap<String, f64>"),
        field::<ShelfPosition>("place", "ShelfPosition"),
    ]
);
entity!(
    Pair,
    "koan_pairs",
    (String, i64),
    |record| (record.owner.clone(), record.number),
    [
        field::<String>("owner", "String").key(),
        field::<i64>("number", "i64").key(),
        field::<String>("content", "String"),
    ]
);
entity!(
    Line,
    "koan_lines",
    i64,
    |record| record.id,
    [field::<i64>("id", "i64").key(), field::<String>("content", "String")]
);

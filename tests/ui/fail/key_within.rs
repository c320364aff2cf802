//! Keys within other fields.

use koan_backup::Entity;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Clone)]
struct Base {
    id: i64,
}

#[derive(Serialize, Deserialize, Entity)]
#[entity(key = "base.id: i64")]
struct NotFlattened {
    base: Base,
}

#[derive(Serialize, Deserialize, Entity)]
#[entity(key = "base.id")]
struct Untyped {
    #[serde(flatten)]
    base: Base,
}

#[derive(Serialize, Deserialize, Entity)]
#[entity(key = "bsae.id: i64")]
struct Misspelt {
    #[serde(flatten)]
    base: Base,
}

#[derive(Serialize, Deserialize, Entity)]
struct Marked {
    #[serde(flatten)]
    #[entity(key)]
    base: Base,
}

#[derive(Serialize, Deserialize, Entity)]
#[entity(key = "base.id: String")]
struct WrongType {
    #[serde(flatten)]
    base: Base,
}

#[derive(Serialize, Deserialize, Entity)]
#[serde(transparent)]
#[entity(key = "id: String")]
struct WrongTypeOfNewtype(Base);

#[derive(Serialize, Deserialize, Entity)]
#[serde(tag = "kind")]
#[entity(key = "base.id: i64")]
enum NotInEachVariant {
    First {
        #[serde(flatten)]
        base: Base,
    },
    Second {
        base: Base,
    },
}

#[derive(Serialize, Deserialize, Entity)]
#[entity(key = "base, base.id: i64")]
struct FieldAndPath {
    #[serde(flatten)]
    base: Base,
}

fn main() {}

//! Variants without the key field, or with a key field of another type or name.

use koan_backup::Entity;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Data {
    id: i64,
}

#[derive(Serialize, Deserialize, Entity)]
#[serde(tag = "kind")]
enum Missing {
    A {
        id: i64,
    },
    B {
        name: String,
    },
    Unit,
    Newtype(Data),
    #[serde(skip)]
    Skipped,
}

#[derive(Serialize, Deserialize, Entity)]
#[serde(tag = "kind")]
enum NoKey {
    A { a: i64 },
    B { b: i64 },
}

#[derive(Serialize, Deserialize, Entity)]
#[serde(untagged)]
enum Differs {
    A {
        id: i64,
    },
    B {
        id: u64,
    },
    C {
        #[serde(rename = "ID")]
        id: i64,
    },
}

mod same {
    use super::*;

    pub fn serialize<S: serde::Serializer>(id: &i64, serializer: S) -> Result<S::Ok, S::Error> {
        id.serialize(serializer)
    }

    pub fn deserialize<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
        i64::deserialize(deserializer)
    }
}

#[derive(Serialize, Deserialize, Entity)]
#[serde(tag = "kind")]
enum Adapted {
    #[serde(with = "same")]
    A { id: i64 },
}

fn main() {}

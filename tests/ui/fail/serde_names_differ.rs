//! Fields whose names differ between serialization and deserialization, and fields with the same name.

#![allow(unreachable_patterns)]

use koan_backup::Entity;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Entity)]
struct Field {
    id: i64,
    #[serde(rename(serialize = "a", deserialize = "b"))]
    both: i64,
    #[serde(rename(serialize = "c"))]
    written: i64,
    #[serde(rename(deserialize = "d"))]
    read: i64,
}

#[derive(Serialize, Deserialize, Entity)]
#[serde(rename_all(serialize = "camelCase", deserialize = "PascalCase"))]
struct Fields {
    id: i64,
}

#[derive(Serialize, Deserialize, Entity)]
#[serde(tag = "kind", rename_all_fields(serialize = "camelCase"))]
enum Variants {
    #[serde(rename(serialize = "a"))]
    One { id: i64 },
    #[serde(rename_all(deserialize = "camelCase"))]
    Two { id: i64 },
}

#[derive(Serialize, Deserialize, Entity)]
struct Shared {
    id: i64,
    #[serde(rename = "id")]
    other: i64,
}

fn main() {}

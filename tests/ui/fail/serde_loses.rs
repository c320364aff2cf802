//! Fields that serde writes but does not read, or reads but does not write.

use koan_backup::Entity;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Entity)]
struct User {
    id: i64,
    #[serde(skip_serializing)]
    password: Option<String>,
    #[serde(skip_deserializing)]
    computed: i64,
    #[serde(skip_serializing_if = "String::is_empty")]
    note: String,
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "read")]
    maybe: Option<String>,
}

fn read<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Option::deserialize(deserializer)
}

#[derive(Serialize, Deserialize, Entity)]
#[serde(tag = "kind")]
enum Contact {
    #[serde(skip_serializing)]
    Mail { id: i64 },
    #[serde(skip_deserializing)]
    Phone { id: i64 },
}

fn main() {}

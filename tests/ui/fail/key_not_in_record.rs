//! Key fields that serde does not write, or does not write as separate fields.

use koan_backup::Entity;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Entity)]
struct Skipped {
    #[serde(skip)]
    id: i64,
}

#[derive(Default, Serialize, Deserialize)]
struct Address {
    street: String,
}

#[derive(Serialize, Deserialize, Entity)]
struct Flattened {
    #[entity(key)]
    #[serde(flatten)]
    address: Address,
}

#[derive(Serialize, Deserialize, Entity)]
struct Sometimes {
    #[serde(default, skip_serializing_if = "String::is_empty")]
    id: String,
}

fn main() {}

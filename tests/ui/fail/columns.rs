//! Two fields have the same column, or a field has a column although it cannot have one.

use koan_backup::Entity;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Address {
    street: String,
}

#[derive(Serialize, Deserialize, Entity)]
struct Shared {
    #[entity(column = "a")]
    id: i64,
    #[entity(column = "a")]
    other: i64,
}

#[derive(Serialize, Deserialize, Entity)]
struct SharedByName {
    #[entity(column = "other")]
    id: i64,
    other: i64,
}

#[derive(Serialize, Deserialize, Entity)]
struct Nothing {
    id: i64,
    #[entity(column = "a")]
    #[serde(skip)]
    skipped: i64,
    #[entity(column = "b")]
    #[serde(flatten)]
    address: Address,
}

#[derive(Serialize, Deserialize, Entity)]
#[serde(tag = "kind")]
enum Differs {
    A {
        #[entity(column = "a")]
        id: i64,
    },
    B {
        #[entity(column = "b")]
        id: i64,
    },
}

impl From<Address> for Converted {
    fn from(_: Address) -> Self {
        Converted { id: 0 }
    }
}

impl From<Converted> for Address {
    fn from(_: Converted) -> Self {
        Address { street: String::new() }
    }
}

#[derive(Clone, Serialize, Deserialize, Entity)]
#[serde(from = "Address", into = "Address")]
struct Converted {
    #[entity(column = "a")]
    id: i64,
}

fn main() {}

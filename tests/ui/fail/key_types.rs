//! Keys of types that cannot identify a record.

use koan_backup::{Entity, register};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};

#[derive(Serialize, Deserialize, Entity)]
struct Optional {
    id: Option<i64>,
}

#[derive(Serialize, Deserialize, Entity)]
struct Qualified {
    #[entity(key)]
    code: std::option::Option<String>,
}

#[derive(Serialize, Deserialize, Entity)]
#[entity(key = "at, name")]
struct Floats {
    at: f64,
    name: f32,
}

#[derive(Serialize, Deserialize, Entity)]
struct Maps {
    #[entity(key)]
    one: HashMap<String, String>,
    #[entity(key)]
    other: BTreeMap<String, String>,
}

#[derive(Serialize, Deserialize, Entity)]
struct Unit {
    id: (),
}

#[derive(Serialize, Deserialize, Entity)]
#[serde(tag = "kind")]
enum Variants {
    First { id: Option<i64> },
    Second { id: Option<i64> },
}

#[derive(Serialize, Deserialize)]
struct Page {
    id: Option<i64>,
}

#[derive(Serialize, Deserialize, Entity)]
#[serde(transparent)]
#[entity(key = "id: Option<i64>")]
struct Newtype(Page);

register!(Page, key = "id: Option<i64>");

#[derive(Serialize, Deserialize, Entity)]
#[entity(key = "page.id: Option<i64>")]
struct Flattened {
    #[serde(flatten)]
    page: Page,
}

fn main() {}

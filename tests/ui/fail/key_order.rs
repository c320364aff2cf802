//! Composite keys in another order than that of the fields.

use koan_backup::Entity;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Entity)]
#[entity(key = "line, order_id")]
struct OrderLine {
    order_id: i64,
    line: i64,
}

#[derive(Serialize, Deserialize, Entity)]
#[serde(tag = "kind")]
#[entity(key = "c, a, b")]
enum Variants {
    First { a: i64, b: i64, c: i64 },
    Second { c: i64, b: i64, a: i64 },
}

#[derive(Serialize, Deserialize)]
struct Base {
    id: i64,
}

#[derive(Serialize, Deserialize, Entity)]
#[entity(key = "tenant, base.id: i64")]
struct Flattened {
    #[serde(flatten)]
    base: Base,
    tenant: i64,
}

fn main() {}

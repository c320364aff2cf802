//! The derives of serde are missing, or one of them.

use koan_backup::{Entity, register};
use serde::{Deserialize, Serialize};

#[derive(Entity)]
struct Neither {
    id: i64,
}

#[derive(Serialize, Entity)]
struct WithoutDeserialize {
    id: i64,
}

#[derive(Deserialize, Entity)]
struct WithoutSerialize {
    id: i64,
}

struct Page {
    id: i64,
}

register!(Page, key = "id: i64");

fn main() {}

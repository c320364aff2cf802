//! Invalid names: empty names, names with forbidden characters, and duplicate aliases.

use koan_backup::Entity;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Entity)]
#[entity(name = "", table = " ", provider = "")]
struct Empty {
    #[entity(column = "")]
    id: i64,
}

#[derive(Serialize, Deserialize, Entity)]
#[entity(name = "a/b", alias = "a\\b", alias = "AuditLog#archive", alias = "")]
struct NotAllowed {
    id: i64,
}

#[derive(Serialize, Deserialize, Entity)]
#[entity(name = "a\nb", table = "a\0b", provider = "a\tb")]
struct Control {
    #[entity(column = "a\0b")]
    id: i64,
}

#[derive(Serialize, Deserialize, Entity)]
#[entity(alias = "Old", alias("Old", "Aliased"))]
struct Aliased {
    id: i64,
}

#[derive(Serialize, Deserialize, Entity)]
#[entity(name = "New", alias = "New")]
struct Renamed {
    id: i64,
}

#[derive(Serialize, Deserialize, Entity)]
#[entity(route = "")]
struct WithoutRoute {
    id: i64,
}

#[derive(Serialize, Deserialize, Entity)]
#[entity(route = "Users")]
struct UpperCase {
    id: i64,
}

#[derive(Serialize, Deserialize, Entity)]
#[entity(route = "users/all")]
struct TwoSegments {
    id: i64,
}

fn main() {}

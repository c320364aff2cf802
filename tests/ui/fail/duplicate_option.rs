//! A duplicate option is reported at its second occurrence.

use koan_backup::Entity;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Entity)]
#[entity(name = "User", table = "users", name = "Person")]
#[entity(table = "people", provider = "a", provider = "b", crate = "koan_backup", crate = "koan_backup")]
#[entity(key = "id", key = "id")]
#[entity_backup(encrypt, include_schema)]
#[entity_backup(encrypt = false, include_schema)]
struct User {
    #[entity(column = "a", column = "b")]
    id: i64,
}

#[derive(Serialize, Deserialize, Entity)]
#[entity_backup(enabled = false, enabled = false, reason = "a", reason = "b")]
struct Excluded {
    #[entity(key)]
    #[entity(key)]
    id: i64,
}

fn main() {}

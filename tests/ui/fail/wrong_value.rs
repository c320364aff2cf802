//! Options with values of the wrong type.

use koan_backup::Entity;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Entity)]
#[entity(name = User, table, provider = 1, alias = true, alias("Old", 2), key = ["id"], crate = "1 + 1")]
#[entity_backup(encrypt = "yes", include_schema = 0, enabled(true), reason)]
struct User {
    #[entity(key = true, column = id)]
    id: i64,
}

#[derive(Serialize, Deserialize, Entity)]
#[entity = "User"]
#[entity_backup = true]
struct Order {
    id: i64,
}

#[derive(Serialize, Deserialize, Entity)]
#[entity_backup(retention_days = 0)]
struct Forgotten {
    id: i64,
}

#[derive(Serialize, Deserialize, Entity)]
#[entity_backup(retention_days = "30")]
struct Quoted {
    id: i64,
}

fn main() {}

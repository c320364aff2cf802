//! Attribute lists with syntax errors.

use koan_backup::Entity;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Entity)]
#[entity("User", name =, , table "users", alias("Old") "Older")]
struct User {
    id: i64,
}

fn main() {}

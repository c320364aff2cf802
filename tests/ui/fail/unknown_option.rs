//! Unknown options. The error lists the known options.

use koan_backup::Entity;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Entity)]
#[entity(nmae = "User")]
#[entity_backup(encrypted)]
struct User {
    #[entity(primary_key)]
    id: i64,
}

fn main() {}

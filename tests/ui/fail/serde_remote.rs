//! A description of another crate's type is no serde type.

use koan_backup::Entity;
use serde::{Deserialize, Serialize};

mod other {
    pub struct User {
        pub id: i64,
    }
}

#[derive(Serialize, Deserialize, Entity)]
#[serde(remote = "other::User")]
struct User {
    id: i64,
}

fn main() {}

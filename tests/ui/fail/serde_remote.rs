//! A remote definition describes a type of another crate and does not implement the traits of serde.

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

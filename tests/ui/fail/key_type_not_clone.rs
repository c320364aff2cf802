//! rustc reports a key type that is not `Clone`, at the type of the field.

use koan_backup::Entity;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct NotClone;

#[derive(Serialize, Deserialize, Entity)]
struct User {
    id: NotClone,
}

fn main() {}

//! A key that cannot be copied out of a record is rustc's to report, on the type of the field.

use koan_backup::Entity;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct NotClone;

#[derive(Serialize, Deserialize, Entity)]
struct User {
    id: NotClone,
}

fn main() {}

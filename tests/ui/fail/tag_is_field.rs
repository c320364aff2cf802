//! Tags with the name of a field.

use koan_backup::Entity;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Entity)]
#[serde(tag = "id")]
struct Tagged {
    id: i64,
}

#[derive(Serialize, Deserialize, Entity)]
#[serde(tag = "userName", rename_all = "camelCase")]
struct Renamed {
    id: i64,
    user_name: String,
}

fn main() {}

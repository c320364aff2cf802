//! A struct without a key.

use koan_backup::Entity;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Entity)]
struct User {
    user_id: i64,
    name: String,
}

#[derive(Serialize, Deserialize, Entity)]
struct Empty {}

#[derive(Serialize, Deserialize)]
struct Page {
    id: i64,
}

#[derive(Serialize, Deserialize, Entity)]
#[serde(transparent)]
struct UserPage(Page);

fn main() {}

//! A transparent struct with more than one field.

use koan_backup::Entity;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Page {
    id: i64,
}

#[derive(Serialize, Deserialize, Entity)]
#[serde(transparent)]
#[entity(key = "id: i64")]
struct Two(Page, Page);

fn main() {}

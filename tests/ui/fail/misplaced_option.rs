//! Options in the wrong position: on a type, a field or a variant that does not accept them.

use koan_backup::Entity;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Entity)]
#[entity(column = "id")]
struct User {
    #[entity(table = "users")]
    #[entity_backup(encrypt)]
    id: i64,
}

#[derive(Serialize, Deserialize, Entity)]
#[serde(tag = "kind")]
enum Contact {
    #[entity(name = "Mail")]
    #[entity_backup]
    Mail { id: i64 },
}

#[derive(Serialize, Deserialize)]
struct Page {
    id: i64,
}

#[derive(Serialize, Deserialize, Entity)]
#[serde(transparent)]
#[entity(key = "id: i64")]
struct UserPage(#[entity(column = "page")] Page);

fn main() {}

//! Options of one attribute in another one.

use koan_backup::{Entity, register};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Entity)]
#[entity(encrypt, rename_all = "camelCase")]
#[entity_backup(table = "users", encrypt_by_default, flatten)]
struct User {
    id: i64,
    #[entity(encrypt, flatten)]
    email: String,
}

#[derive(Serialize, Deserialize)]
struct Page<T> {
    id: i64,
    items: Vec<T>,
}

register!(Page<u8>, name = "A", key = "id: i64", encrypt, column = "x", backup(table = "pages"));

#[derive(Serialize, Deserialize, Entity)]
#[entity(name = "U"; table = "users")]
struct Semicolon {
    id: i64,
}

fn main() {}

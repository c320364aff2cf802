//! All mistakes of one item are reported together. Follow-up errors are avoided: the type implements
//! `Entity`.

use koan_backup::Entity;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Entity)]
#[entity(name = "", tabel = "users", key = "code")]
#[entity_backup(enabled = false, encrypt, encypt)]
struct User {
    #[entity(colum = "id")]
    id: i64,
    #[serde(skip_serializing)]
    password: Option<String>,
    #[serde(rename(serialize = "a", deserialize = "b"))]
    name: String,
}

fn uses_it() -> &'static str {
    User::descriptor().name()
}

fn main() {}

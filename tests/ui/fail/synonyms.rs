//! Options under the names of other libraries: one error for each, without another one that follows from it.

use koan_backup::{Entity, entity_backup_scope, register};
use serde::{Deserialize, Serialize};

entity_backup_scope!(all, encrypt);

#[derive(Serialize, Deserialize, Entity)]
#[entity(primary_key = "code", rename = "Thing", table_name = "things")]
struct OnType {
    code: i64,
}

#[derive(Serialize, Deserialize, Entity)]
struct OnField {
    #[entity(pk)]
    code: i64,
    #[entity(rename = "Label")]
    label: String,
    #[entity(skip)]
    cache: String,
}

#[derive(Serialize, Deserialize, Entity)]
#[entity_backup(skip)]
struct Skip {
    id: i64,
}

#[derive(Serialize, Deserialize, Entity)]
#[entity_backup(exclude, reason = "derived", encrypted)]
struct Exclude {
    id: i64,
}

#[derive(Serialize, Deserialize, Entity)]
#[entity(ignore)]
struct Ignore {
    id: i64,
}

#[derive(Serialize, Deserialize, Entity)]
#[entity(kye = "code")]
struct Misspelt {
    code: i64,
}

#[derive(Serialize, Deserialize)]
struct Page<T> {
    id: i64,
    items: Vec<T>,
}

register!(Page<u8>, rename = "Page", pk = "id: i64", ignore);

fn main() {}

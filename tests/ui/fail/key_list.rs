//! Wrong declarations of the key on the type.

use koan_backup::Entity;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Entity)]
#[entity(key = "id, code")]
struct Unknown {
    id: i64,
    name: String,
}

#[derive(Serialize, Deserialize, Entity)]
#[entity(key = "")]
struct Empty {
    id: i64,
}

#[derive(Serialize, Deserialize, Entity)]
#[entity(key = "id; name")]
struct NotNames {
    id: i64,
}

#[derive(Serialize, Deserialize, Entity)]
#[entity(key = "id, name, id")]
struct Twice {
    id: i64,
    name: String,
}

#[derive(Serialize, Deserialize, Entity)]
#[entity(key = "id: i64")]
struct Typed {
    id: i64,
}

#[derive(Serialize, Deserialize, Entity)]
#[entity(key = "id as ID")]
struct Renamed {
    id: i64,
}

#[derive(Serialize, Deserialize, Entity)]
#[entity(key = "id")]
struct Both {
    id: i64,
    #[entity(key)]
    name: String,
}

#[derive(Serialize, Deserialize, Entity)]
#[entity(key = "self")]
struct NoField {
    id: i64,
}

#[derive(Serialize, Deserialize, Entity)]
#[entity(key = "id, base.crate: i64")]
struct NoPath {
    id: i64,
}

#[derive(Serialize, Deserialize)]
struct Page {
    id: i64,
}

#[derive(Serialize, Deserialize, Entity)]
#[serde(transparent)]
#[entity(key = "id")]
struct Untyped(Page);

fn main() {}

//! Enums whose fields are not top-level fields of the record.

use koan_backup::Entity;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Entity)]
enum External {
    A { id: i64 },
}

#[derive(Serialize, Deserialize, Entity)]
#[serde(tag = "kind", content = "data")]
enum Adjacent {
    A { id: i64 },
}

#[derive(Serialize, Deserialize, Entity)]
#[serde(tag = "kind")]
enum OneUntagged {
    A {
        id: i64,
    },
    #[serde(untagged)]
    B {
        id: i64,
    },
}

#[derive(Serialize, Deserialize, Entity)]
#[serde(tag = "kind")]
enum Never {}

fn main() {}

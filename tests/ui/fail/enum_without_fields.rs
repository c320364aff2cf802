//! Variants that cannot have a key: the variant for unknown tags, and variants that contain another struct.

use koan_backup::Entity;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Entity)]
#[serde(tag = "kind")]
enum Message {
    Sent {
        id: i64,
    },
    #[serde(other)]
    Unknown,
}

#[derive(Serialize, Deserialize)]
struct Mail {
    id: i64,
}

#[derive(Serialize, Deserialize, Entity)]
#[serde(tag = "kind")]
enum Undeclared {
    Mail(Mail),
    Draft(Mail),
}

#[derive(Serialize, Deserialize, Entity)]
#[serde(tag = "kind")]
#[entity(key = "id: i64")]
enum Declared {
    Mail(Mail),
}

fn main() {}

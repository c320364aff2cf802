//! Policies with contradictory options.

use koan_backup::Entity;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Entity)]
#[entity_backup(enabled = false)]
struct NoReason {
    id: i64,
}

#[derive(Serialize, Deserialize, Entity)]
#[entity_backup(enabled = false, reason = "  ")]
struct EmptyReason {
    id: i64,
}

#[derive(Serialize, Deserialize, Entity)]
#[entity_backup(reason = "because")]
struct ReasonAlone {
    id: i64,
}

#[derive(Serialize, Deserialize, Entity)]
#[entity_backup(enabled, reason = "because")]
struct ReasonWhileEnabled {
    id: i64,
}

#[derive(Serialize, Deserialize, Entity)]
#[entity_backup(enabled = false, reason = "because", encrypt, include_schema = false)]
struct OptionsWhileExcluded {
    id: i64,
}

fn main() {}

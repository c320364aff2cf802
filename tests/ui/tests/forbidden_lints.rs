//! Expansions switch off no lint that the derives of serde leave on, because a crate may forbid it.

#![forbid(deprecated, dead_code, non_local_definitions)]

use koan_backup::Entity;
use serde::{Deserialize, Serialize};

koan_backup::entity_backup_scope!(mode = All);

#[derive(Serialize, Deserialize, Entity)]
#[entity(key = "id", table = "users")]
struct User {
    id: i64,
}

#[test]
fn a_crate_may_forbid_lints() {
    assert_eq!(User { id: 7 }.key(), 7);
}

//! The library of the package, with an entity. The test programs of this package link its crates, or do not.

use koan_backup::prelude::*;
use serde::{Deserialize, Serialize};

koan_backup::entity_backup_scope!(mode = All);

/// An entity of the library.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
pub struct Ledger {
    /// The key.
    pub id: i64,
}

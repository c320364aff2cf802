//! Entities in a crate of their own, found through the linker: one for each way an entity can be declared under a scope
//! that covers nothing by itself.

use koan_backup::prelude::*;
use serde::{Deserialize, Serialize};

koan_backup::entity_backup_scope!(mode = None, include_schema_by_default = false);

/// Opts in, with the scope's defaults.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
#[entity_backup]
pub struct Invoice {
    /// The key.
    pub id: i64,
    /// What is due.
    pub total_cents: i64,
}

/// Nobody decided about it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
pub struct Draft {
    /// The key.
    pub id: i64,
}

/// Left out on purpose.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
#[entity_backup(enabled = false, reason = "rebuilt from invoices")]
pub struct InvoiceIndex {
    /// The key.
    pub id: i64,
}

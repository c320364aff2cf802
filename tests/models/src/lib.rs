//! Entities in a separate crate, which the linker collects. The crate has one entity for each form of
//! declaration, in a scope that includes no entity by default.

use koan_backup_entity::Entity;
use serde::{Deserialize, Serialize};

koan_backup_entity::entity_backup_scope!(mode = None, include_schema_by_default = false);

/// An entity that opts in, with the defaults of the scope.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
#[entity_backup]
pub struct Invoice {
    /// The key.
    pub id: i64,
    /// The amount that is due.
    pub total_cents: i64,
}

/// An entity without any declaration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
pub struct Draft {
    /// The key.
    pub id: i64,
}

/// An entity that is excluded explicitly.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
#[entity_backup(enabled = false, reason = "rebuilt from invoices")]
pub struct InvoiceIndex {
    /// The key.
    pub id: i64,
}

//! koan-backup.

pub use koan_backup_core::*;
pub use koan_backup_derive::{Entity, entity_backup_scope, register};

#[doc(hidden)]
pub use koan_backup_core::__private;

//! The common code of the adapters for SQL databases: quoting of names, matching of entities with tables and
//! columns, coverage, and findings.
//!
//! This crate depends on no database. Applications do not use it.

#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod columns;
pub mod content;
pub mod conversion_error;
pub mod coverage;
#[cfg(feature = "testing")]
#[doc(hidden)]
pub mod documented;
pub mod droppable;
pub mod event_tables;
pub mod field_kind;
pub mod findings;
pub mod identifier;
pub mod mapping;
pub mod tables;

use koan_backup_core::provider::Capabilities;

/// Returns the capabilities of an adapter for a transactional SQL database: all of them.
pub fn capabilities() -> Capabilities {
    let mut capabilities = Capabilities::default();
    capabilities.bulk_upsert = true;
    capabilities.bulk_delete = true;
    capabilities.atomic_restore = true;
    capabilities.snapshot_reads = true;
    capabilities.sets = true;
    capabilities.ordered_reads = true;
    capabilities.restore_optimisation = true;
    capabilities
}

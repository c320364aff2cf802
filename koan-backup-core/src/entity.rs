//! Entities: the declaration, the erased type, and the backup policy of a Rust type. The crate
//! `koan-backup-entity` contains them.

pub(crate) use koan_backup_entity::__engine::{Decision, codec, crate_of, decide};
pub use koan_backup_entity::entity::*;

//! The context of an application: its entities, databases and storage profiles, and the operations on them.

mod backup;
mod builder;
mod catalog;
mod context;
mod copy;
mod coverage;
mod data;
mod diff;
mod installed;
mod maintenance;
mod methods;
mod recover;
mod rekey;
mod removal;
mod restore;
mod retention;
mod runtime;
mod setters;
mod verify;
mod warm_up;

pub use backup::BackupBuilder;
pub use builder::KoanBuilder;
pub use catalog::{Catalog, CatalogQuery};
pub use context::Koan;
pub use copy::CopyBuilder;
pub use data::Data;
pub use diff::DiffBuilder;
pub use installed::{Backup, EntityBackup, Restore};
pub use maintenance::{MaintenanceBuilder, MaintenanceTask};
pub use recover::RecoverBuilder;
pub use rekey::{RekeyAllBuilder, RekeyBuilder};
pub use removal::DeleteBuilder;
pub use restore::{RestoreBuilder, ViabilityBuilder};
pub use retention::RetentionBuilder;
pub use verify::VerifyBuilder;
pub use warm_up::{OpenedProfile, OpenedProvider, WarmUpReport};

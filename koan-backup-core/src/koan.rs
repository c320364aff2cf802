//! The context of an application: its entities, databases and storage profiles, and the operations on them.

mod archive;
mod background;
mod backup;
mod builder;
mod capabilities;
mod catalog;
mod contents;
mod context;
mod copy;
mod coverage;
mod data;
mod defaults;
mod diagnosis;
mod diff;
mod directory;
mod extract;
mod find;
mod installed;
mod maintenance;
mod maintenance_task;
mod methods;
mod names;
mod recover;
mod refresh;
mod refused_backup;
mod rekey;
mod removal;
mod restore;
mod retention;
mod schemas;
mod setters;
mod stream_coverage;
mod streams;
mod verify;
mod warm_up;

pub use archive::ArchiveBuilder;
pub use backup::BackupBuilder;
pub use builder::KoanBuilder;
pub use capabilities::{
    ContextCapabilities, EntityCapabilities, ProfileCapabilities, ProviderCapabilities, Source,
    StreamCapabilities,
};
pub use catalog::{Catalog, CatalogQuery};
pub use context::Koan;
pub use copy::CopyBuilder;
pub use data::Data;
pub use defaults::MaintenanceDefaults;
pub use diagnosis::DiagnosisBuilder;
pub use diff::DiffBuilder;
pub use directory::{DirectoryBackupBuilder, RestoreDirectory};
pub use extract::{ExtractBuilder, ExtractDirectoryBuilder, ExtractFilesBuilder, RecordsBuilder};
pub use find::{FindBuilder, FoundBackup};
pub use installed::{Backup, EntityBackup, Restore};
pub use maintenance::MaintenanceBuilder;
pub use maintenance_task::MaintenanceTask;
pub use names::{Names, OneName, SeveralNames};
pub use recover::RecoverBuilder;
pub use rekey::{RekeyAllBuilder, RekeyBuilder};
pub use removal::DeleteBuilder;
pub use restore::{RestoreBuilder, ViabilityBuilder};
pub use retention::RetentionBuilder;
pub use schemas::SchemasBuilder;
pub use streams::{
    StreamBackupBuilder, StreamBackupCopy, StreamBackupDeletion, StreamBackupLookup, StreamBackupQuery,
    StreamBackupRekey, StreamBackupVerification, StreamBackupsBuilder, StreamBackupsCleanup,
    StreamBackupsVerification, StreamRestoreBuilder, StreamRestoresBuilder, Streams,
};
pub use verify::VerifyBuilder;
pub use warm_up::{OpenedProfile, OpenedProvider, WarmUpReport};

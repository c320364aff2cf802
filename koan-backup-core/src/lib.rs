//! The core of koan-backup.
//!
//! Entities, policies, the registry, the archive format, the pipelines and the ports. It knows no database, no HTTP and
//! no terminal. Applications depend on the crate `koan-backup`, which re-exports what they need.

pub mod archive;
pub mod catalog;
mod declaration;
pub mod encryption;
pub mod entity;
mod environment;
mod foundation;
mod koan;
mod operations;
pub mod provider;
pub mod storage;

/// The builders that the methods of [`Koan`] return. Each of them is a future.
pub mod builders {
    pub use crate::declaration::selection::Selection;
    pub use crate::koan::{
        BackupBuilder, Catalog, CatalogQuery, CopyBuilder, Data, DeleteBuilder, DiffBuilder,
        MaintenanceBuilder, RecoverBuilder, RekeyAllBuilder, RekeyBuilder, RestoreBuilder, RetentionBuilder,
        VerifyBuilder, ViabilityBuilder,
    };
    pub use crate::operations::backup::BackupOptions;
    pub use crate::operations::restore::RestoreOptions;
    pub use crate::operations::verify::VerifyOptions;
}
/// What maintenance does and reports.
pub mod maintenance {
    pub use crate::koan::MaintenanceTask;
    pub use crate::operations::maintenance::{MaintenanceReport, ProfileMaintenance};
}
/// What operations report.
pub mod report {
    pub use crate::declaration::inventory::IncludedEntity;
    pub use crate::koan::{OpenedProfile, OpenedProvider, WarmUpReport};
    pub use crate::operations::backup::BackupReport;
    pub use crate::operations::copy::CopyReport;
    pub use crate::operations::diff::{BackupDiff, Change, Difference, EntityDiff};
    pub use crate::operations::prune::{PruneReport, RemovedBackup};
    pub use crate::operations::recover::{ArchiveRecovery, RecoveryOutcome, RecoveryReport};
    pub use crate::operations::rekey::{RekeyReport, RekeySummary};
    pub use crate::operations::restore::{EntityRestore, RestoreReport, Verification, ViabilityReport};
    pub use crate::operations::verify::{EntityVerification, Issue, VerifyReport, VerifyScope};
    pub use crate::provider::{Finding, Severity, SuspendedKind, SuspendedObject, WriteCounts};
}
/// Which backups stay and which are removed, with the reasons. The policy is [`Retention`].
pub mod retention {
    pub use crate::catalog::retention::{KeepReason, Period, RemoveReason, RetentionDecision, RetentionPlan};
}
/// The fields and types of an entity, independent of databases.
pub mod schema {
    pub use crate::foundation::schema::{
        EntitySchema, FieldSchema, LogicalType, TraceError, Traced, Tracer, WireForm,
    };
}
/// The values that pass between an adapter and a codec.
pub mod value {
    pub use crate::foundation::value::{
        Date, DateTime, DecimalText, OffsetStyle, TemporalStyle, Time, Timestamp, Value,
    };
}

pub use archive::Compression;
pub use catalog::BackupRef;
pub use catalog::retention::Retention;
pub use declaration::inventory::Inventory;
pub use encryption::{ArchiveEncryption, Identities, KeySource, Keys, Recipients};
pub use entity::Entity;
pub use environment::event::{Event, Listener};
pub use foundation::clock::{Clock, SystemClock};
pub use foundation::compact;
pub use foundation::error::{Error, ErrorKind, Result};
pub use foundation::id::{BackupId, BackupName, SetName};
pub use foundation::identity::ApplicationIdentity;
#[doc(hidden)]
pub use foundation::private_files;
pub use koan::{Backup, EntityBackup, Koan, KoanBuilder, Restore};
pub use provider::{ConflictMode, RestoreLevel};
pub use storage::Storage;

/// Canonical JSON: the text of a record in an archive.
pub mod canonical {
    pub use crate::foundation::canonical::{CanonicalError, CanonicalSerializer, write_canonical};
}

/// What expansions of the macros name. Not public interface: it changes without notice.
#[doc(hidden)]
pub mod __private {
    pub use linkme;
    pub use serde;

    pub use crate::declaration::registry::{
        KOAN_BACKUP_0_1_ENTITIES as ENTITIES, KOAN_BACKUP_0_1_SCOPES as SCOPES,
    };
    pub use crate::entity::{
        Entity, EntityDeclaration, EntityDescriptor, FieldDeclaration, PolicyDeclaration, ScopeDeclaration,
        ScopeMode, Shape, order_with, traced_with, wire_with,
    };
    pub use crate::foundation::schema::{Refused, Sampler, Unordered};
}

//! The core of koan-backup.
//!
//! Entities, policies, the registry, the archive format, the pipelines and the ports. It knows no database, no HTTP and
//! no terminal. Applications depend on the crate `koan-backup`, which re-exports what they need.

mod archive;
mod catalog;
mod declaration;
mod encryption;
mod entity;
mod environment;
mod foundation;
mod koan;
mod operations;
pub mod provider;
mod storage;

pub use archive::{
    ArchiveFile, BackupStatistics, BackupStatus, Block, BlockTable, Checksums, Compression,
    CompressionMethod, DiscoveryDocument, DiscoverySummary, EncryptionScope, EncryptionSummary,
    EntityManifest, EntityStatistics, EntityStatus, ExcludedEntity, FORMAT_VERSION, Manifest, Producer,
    ProviderDocument, ProviderInfo, SchemaSnapshots, UncoveredEntity, VerificationSummary, entity_file,
};
pub use catalog::retention::{KeepReason, Period, RemoveReason, Retention, RetentionDecision, RetentionPlan};
pub use catalog::{
    BackupRef, CatalogEntry, CatalogHealth, CatalogPage, CatalogStatistics, EntityStatistic, Expectations,
    Growth, Order, ProfileStatistic, RemovalReason, SeriesStatistic, Shrunk, SortBy, StaleEntity, Undone,
    UnlistedArchive, UnlistedState, UnreadableManifest,
};
pub use declaration::inventory::{IncludedEntity, Inventory};
pub use declaration::selection::Selection;
pub use encryption::{ArchiveEncryption, Identities, KeySource, Keys, Recipients};
pub use entity::codec::{Projection, Record, RecordError, Row, Slot};
pub use entity::{
    Entity, EntityCodec, EntityDeclaration, EntityDescriptor, FieldDeclaration, OrderProbe, Policy,
    PolicyDeclaration, PolicySource, Presence, ScopeDeclaration, ScopeMode, Shape,
};
pub use environment::event::{Event, Listener};
pub use foundation::canonical::{CanonicalError, CanonicalSerializer, write_canonical};
pub use foundation::clock::{Clock, SystemClock};
pub use foundation::compact;
pub use foundation::consistency::Consistency;
pub use foundation::digest::RecordSetHash;
pub use foundation::error::{Error, ErrorKind, Result};
pub use foundation::id::{BackupId, BackupName, SetName};
pub use foundation::identity::ApplicationIdentity;
pub use foundation::lines::Chunk;
pub use foundation::own_thread::on_own_thread;
#[doc(hidden)]
pub use foundation::private_files;
pub use foundation::schema::{EntitySchema, FieldSchema, LogicalType, TraceError, Traced, Tracer, WireForm};
pub use foundation::series::SeriesName;
pub use foundation::value::{Date, DateTime, OffsetStyle, TemporalStyle, Time, Timestamp, Value};
pub use koan::{
    Backup, BackupBuilder, Catalog, CatalogQuery, CopyBuilder, Data, DeleteBuilder, DiffBuilder,
    EntityBackup, Koan, KoanBuilder, MaintenanceBuilder, MaintenanceTask, OpenedProfile, OpenedProvider,
    RecoverBuilder, RekeyAllBuilder, RekeyBuilder, Restore, RestoreBuilder, RetentionBuilder, VerifyBuilder,
    ViabilityBuilder, WarmUpReport,
};
pub use operations::backup::{BackupOptions, BackupReport};
pub use operations::copy::CopyReport;
pub use operations::diff::{BackupDiff, Change, Difference, EntityDiff};
pub use operations::maintenance::{MaintenanceReport, ProfileMaintenance};
pub use operations::prune::{PruneReport, RemovedBackup};
pub use operations::recover::{ArchiveRecovery, RecoveryOutcome, RecoveryReport};
pub use operations::rekey::{RekeyReport, RekeySummary};
pub use operations::restore::{EntityRestore, RestoreOptions, RestoreReport, Verification, ViabilityReport};
pub use operations::verify::{EntityVerification, Issue, VerifyOptions, VerifyReport, VerifyScope};
#[cfg(feature = "conformance")]
pub use provider::conformance;
pub use provider::{
    Capabilities, ConflictMode, EncodedRecords, EntityCoverage, Finding, Flow, ForeignKey,
    NOT_KEPT_ELSEWHERE, Provider, ProviderDescription, ReadRequest, ReadSummary, RecordEncoder, RecordSink,
    RestoreLevel, RestoreSession, RestoreTarget, SessionIntent, SessionOptions, Severity, Snapshot,
    WriteCounts,
};
pub use storage::machine_state::{KnownPlace, MachineState};
pub use storage::{Storage, StorageOptions};

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

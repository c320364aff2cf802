//! The core of koan-backup.
//!
//! Entities, policies, the registry, the archive format, the pipelines and the ports. It knows no database, no HTTP and
//! no terminal. Applications depend on the crate `koan-backup`, which re-exports what they need.

mod archive;
mod backup;
mod buffers;
mod cancellation;
mod canonical;
mod catalog;
mod clock;
mod codec;
pub mod compact;
#[cfg(feature = "conformance")]
pub mod conformance;
mod consistency;
mod copy;
mod diff;
mod digest;
mod encryption;
mod entity;
mod environment;
mod error;
mod event;
mod id;
mod identity;
mod inventory;
mod koan;
mod lease;
mod lines;
mod machine_state;
mod maintenance;
mod names;
mod operation;
mod own_thread;
#[doc(hidden)]
pub mod private_files;
mod provider;
mod prune;
mod recover;
mod refusal;
mod registry;
mod rekey;
mod restore;
mod retention;
mod schema;
mod selection;
mod series;
mod storage;
mod value;
mod verify;

pub use archive::{
    ArchiveFile, BackupStatistics, BackupStatus, Block, BlockTable, Checksums, Compression,
    CompressionMethod, DiscoveryDocument, DiscoverySummary, EncryptionScope, EncryptionSummary,
    EntityManifest, EntityStatistics, EntityStatus, ExcludedEntity, FORMAT_VERSION, Manifest, Producer,
    ProviderDocument, ProviderInfo, SchemaSnapshots, UncoveredEntity, VerificationSummary, entity_file,
};
pub use backup::{BackupOptions, BackupReport};
pub use canonical::{CanonicalError, CanonicalSerializer, write_canonical};
pub use catalog::{
    BackupRef, CatalogEntry, CatalogHealth, CatalogPage, CatalogStatistics, EntityStatistic, Expectations,
    Growth, Order, ProfileStatistic, RemovalReason, SeriesStatistic, Shrunk, SortBy, StaleEntity, Undone,
    UnlistedArchive, UnlistedState, UnreadableManifest,
};
pub use clock::{Clock, SystemClock};
pub use codec::{Projection, Record, RecordError, Row, Slot};
pub use consistency::Consistency;
pub use copy::CopyReport;
pub use diff::{BackupDiff, Change, Difference, EntityDiff};
pub use digest::RecordSetHash;
pub use encryption::{ArchiveEncryption, Identities, KeySource, Keys, Recipients};
pub use entity::{
    Entity, EntityCodec, EntityDeclaration, EntityDescriptor, FieldDeclaration, OrderProbe, Policy,
    PolicyDeclaration, PolicySource, Presence, ScopeDeclaration, ScopeMode, Shape,
};
pub use error::{Error, ErrorKind, Result};
pub use event::{Event, Listener};
pub use id::{BackupId, BackupName, SetName};
pub use identity::ApplicationIdentity;
pub use inventory::{IncludedEntity, Inventory};
pub use koan::{
    Backup, BackupBuilder, Catalog, CatalogQuery, CopyBuilder, Data, DeleteBuilder, DiffBuilder,
    EntityBackup, Koan, KoanBuilder, MaintenanceBuilder, MaintenanceTask, OpenedProfile, OpenedProvider,
    RecoverBuilder, RekeyAllBuilder, RekeyBuilder, Restore, RestoreBuilder, RetentionBuilder, VerifyBuilder,
    ViabilityBuilder, WarmUpReport,
};
pub use lines::Chunk;
pub use machine_state::{KnownPlace, MachineState};
pub use maintenance::{MaintenanceReport, ProfileMaintenance};
pub use own_thread::on_own_thread;
pub use provider::{
    Capabilities, ConflictMode, EncodedRecords, EntityCoverage, Finding, Flow, ForeignKey,
    NOT_KEPT_ELSEWHERE, Provider, ProviderDescription, ReadRequest, ReadSummary, RecordEncoder, RecordSink,
    RestoreLevel, RestoreSession, RestoreTarget, SessionIntent, SessionOptions, Severity, Snapshot,
    WriteCounts,
};
pub use prune::{PruneReport, RemovedBackup};
pub use recover::{ArchiveRecovery, RecoveryOutcome, RecoveryReport};
pub use rekey::{RekeyReport, RekeySummary};
pub use restore::{EntityRestore, RestoreOptions, RestoreReport, Verification, ViabilityReport};
pub use retention::{KeepReason, Period, RemoveReason, Retention, RetentionDecision, RetentionPlan};
pub use schema::{EntitySchema, FieldSchema, LogicalType, TraceError, Traced, Tracer, WireForm};
pub use selection::Selection;
pub use series::SeriesName;
pub use storage::{Storage, StorageOptions};
pub use value::{Date, DateTime, OffsetStyle, TemporalStyle, Time, Timestamp, Value};
pub use verify::{EntityVerification, Issue, VerifyOptions, VerifyReport, VerifyScope};

/// What expansions of the macros name. Not public interface: it changes without notice.
#[doc(hidden)]
pub mod __private {
    pub use linkme;
    pub use serde;

    pub use crate::entity::{
        Entity, EntityDeclaration, EntityDescriptor, FieldDeclaration, PolicyDeclaration, ScopeDeclaration,
        ScopeMode, Shape, order_with, traced_with, wire_with,
    };
    pub use crate::registry::{KOAN_BACKUP_0_1_ENTITIES as ENTITIES, KOAN_BACKUP_0_1_SCOPES as SCOPES};
    pub use crate::schema::{Refused, Sampler, Unordered};
}

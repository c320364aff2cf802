//! The core of koan-backup.
//!
//! It contains entities, policies, the registry of declared entities, the archive format, the pipelines, and
//! the traits for databases and storage. It contains no code for a particular database, for HTTP or for a
//! terminal. Applications depend on the crate `koan-backup`, which re-exports what they need.

#![cfg_attr(docsrs, feature(doc_cfg))]

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
        ArchiveBuilder, BackupBuilder, Catalog, CatalogQuery, CopyBuilder, Data, DeleteBuilder,
        DiagnosisBuilder, DiffBuilder, DirectoryBackupBuilder, ExtractBuilder, ExtractDirectoryBuilder,
        ExtractFilesBuilder, FindBuilder, MaintenanceBuilder, Names, OneName, RecordsBuilder, RecoverBuilder,
        RekeyAllBuilder, RekeyBuilder, RestoreBuilder, RestoreDirectory, RetentionBuilder, SchemasBuilder,
        SeveralNames, VerifyBuilder, ViabilityBuilder,
    };
    pub use crate::operations::backup::BackupOptions;
    pub use crate::operations::restore::RestoreOptions;
    pub use crate::operations::verify::VerifyOptions;
}
/// Event streams: the declaration of event types, and the port to event stores.
///
/// `#[derive(EventStream)]` declares the type of the events of one object name, and [`RawStream`](event_store::RawStream) an
/// object name whose events remain JSON.
pub mod event_store {
    pub use crate::declaration::raw_stream::RawStream;
    pub use koan_backup_entity::entity::stream::{
        EventLayout, EventStream, JsonText, StreamChunk, StreamDeclaration, StreamDescriptor, StreamDocument,
        StreamEvent, StreamPart, StreamSnapshot, TerminatedStream,
    };

    #[cfg(feature = "conformance")]
    pub use crate::provider::event_store::conformance;
    pub use crate::provider::event_store::{
        BatchValue, Batches, EventKey, EventReader, EventStore, EventStoreCapabilities, EventStoreSession,
        EventWriter, NewEvent, OpenedStream, OpenedStreams, PositionedEvent, RemovedObject, SnapshotKey,
        StreamHead, StreamHeads, StreamState, batches, check_document, is_terminated, record_version,
    };
}
/// Vectors: the records in which archives contain embeddings, and the port to vector stores.
///
/// Contexts accept no vector store, and backups contain no vectors: the port, its conformance suite and a store in memory
/// are the part of the support of vectors that exists.
pub mod vector_store {
    pub use koan_backup_entity::entity::vector::{
        ArchivedVector, RecordKey, SparseVector, VectorAssignment, VectorForm, VectorPayload, VectorValue,
        f16,
    };

    #[cfg(feature = "conformance")]
    pub use crate::provider::vector_store::conformance;
    pub use crate::provider::vector_store::{
        CollectionInfo, Exactness, Metric, StoredVector, VectorPlace, VectorReader, VectorStore,
        VectorStoreCapabilities, VectorStoreSession, VectorWriter,
    };
}
/// Single backups of event streams: the return types of [`Koan::streams`], [`Koan::restore_streams`],
/// [`Koan::stream_backups`] and the related methods of [`Koan`], and their reports.
///
/// A single backup contains the streams of one aggregate at one version. It is stored at
/// `streams/{object name}/{object id}/{backup id}.json`, with `.gz` if it is compressed and `.age` if it is encrypted, and
/// `{backup id}.meta` beside it, which is created last: the backup exists once its `.meta` exists. Names are
/// percent-encoded. For an encrypted type, the path contains a keyed hash in place of the object id, and the `.meta` contains
/// object id, description, metadata and tags only in encrypted form. Names, counts, times and sizes are never encrypted.
pub mod streams {
    pub use crate::archive::{StreamCompression, StreamIncludes};
    pub use crate::catalog::stream_backups::{
        DamagedStreamBackup, StreamBackupHandle, StreamBackupHealth, StreamBackupPage, StreamBackupRef,
        UnlistedStreamContent, UnreadableStreamBackup,
    };
    pub use crate::koan::{
        StreamBackupBuilder, StreamBackupCopy, StreamBackupDeletion, StreamBackupLookup, StreamBackupQuery,
        StreamBackupRekey, StreamBackupVerification, StreamBackupsBuilder, StreamBackupsCleanup,
        StreamBackupsVerification, StreamRestoreBuilder, StreamRestoresBuilder, Streams,
    };
    pub use crate::operations::streams::{
        BulkBackupReport, BulkFailure, BulkProgress, BulkRestoreReport, KeptStreamBackup,
        RemovedStreamBackup, StreamCleanupReport, StreamCopyReport, StreamKeepReason, StreamProgress,
        StreamRekeyReport, StreamRekeySummary, StreamRestoreOutcome, StreamRestoreReport, StreamVerification,
        StreamVerificationSummary, UnfinishedStreamRemoval, UnremovedStreamBackup, UnverifiedStreamBackup,
    };
}
/// The task that runs maintenance in the background, and the reports of maintenance.
pub mod maintenance {
    pub use crate::koan::{MaintenanceDefaults, MaintenanceTask};
    pub use crate::operations::maintenance::{
        DirectoryMaintenance, MaintenanceReport, ProfileMaintenance, StreamMaintenance,
    };
}
/// The reports of operations, and the types of their fields.
pub mod report {
    pub use crate::declaration::inventory::{
        DeclarationKind, ExcludedEntity, IncludedEntity, LinkedCrate, UncoveredColumn, UncoveredEntity,
        UncoveredTable,
    };
    pub use crate::environment::event::VerificationOutcome;
    pub use crate::koan::{
        ContextCapabilities, EntityCapabilities, FoundBackup, OpenedProfile, OpenedProvider,
        ProfileCapabilities, ProviderCapabilities, Source, StreamCapabilities, WarmUpReport,
    };
    pub use crate::operations::backup::BackupReport;
    pub use crate::operations::copy::CopyReport;
    pub use crate::operations::diagnosis::{Check, CheckCode, CheckState, CheckSubject, Diagnosis};
    pub use crate::operations::diff::{BackupDiff, Change, Difference, EntityDiff};
    pub use crate::operations::extract::{ExtractReport, ExtractedFile, ExtractedRecords, RecordStream};
    pub use crate::operations::prune::{PruneReport, RemovedBackup};
    pub use crate::operations::recover::{ArchiveRecovery, RecoveryOutcome, RecoveryReport};
    pub use crate::operations::rekey::{RekeyReport, RekeySummary};
    pub use crate::operations::restore::{EntityRestore, RestoreReport, Verification, ViabilityReport};
    pub use crate::operations::stored_archive::StoredArchive;
    pub use crate::operations::tree::{DirectoryBackupReport, DirectoryFile};
    pub use crate::operations::verify::{EntityVerification, Issue, VerifyReport, VerifyScope};
    pub use crate::provider::{Finding, Severity, SuspendedKind, SuspendedObject, WriteCounts};
}
/// Which backups stay and which are removed, with the reasons. The policy is [`Retention`].
pub mod retention {
    pub use crate::catalog::retention::{KeepReason, Period, RemoveReason, RetentionDecision, RetentionPlan};
}

pub use archive::Compression;
pub use catalog::BackupRef;
pub use catalog::retention::Retention;
pub use declaration::inventory::Inventory;
pub use encryption::{ArchiveEncryption, Identities, KeySource, Keys, Recipients};
pub use entity::Entity;
pub use environment::event::{Event, Listener};
#[doc(hidden)]
pub use foundation::bounded_file::read_bounded;
#[doc(hidden)]
pub use foundation::child_group::ChildGroup;
pub use foundation::clock::{Clock, SystemClock};

pub use foundation::id::{BackupId, BackupName, SetName};
pub use foundation::identity::ApplicationIdentity;
#[doc(hidden)]
pub use foundation::owner_lock;
#[doc(hidden)]
pub use foundation::private_files;
#[doc(hidden)]
pub use foundation::published_file::publish_new_file;
#[doc(hidden)]
pub use foundation::similar_path::similar_path;
pub use koan::{Backup, EntityBackup, Koan, KoanBuilder, Restore};
pub use koan_backup_entity::{Error, ErrorKind, Result, canonical, schema, serde, value};
pub use provider::{ConflictMode, RestoreLevel};
pub use storage::Storage;

#[doc(hidden)]
pub use koan_backup_entity::__private;

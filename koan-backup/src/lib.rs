//! Declarative, verified, provider-neutral backup of a Rust application's entities.
//!
//! Attributes on structs declare how they are backed up, the application reports at boot what is covered and
//! what is not, and one line of code backs everything up into an archive that `unzip`, `jq` and `sha256sum` can
//! read.
//!
//! ```no_run
//! use koan_backup::prelude::*;
//! use serde::{Deserialize, Serialize};
//!
//! koan_backup::entity_backup_scope!(mode = All);
//!
//! #[derive(Serialize, Deserialize, Entity)]
//! struct User {
//!     id: i64,
//!     email: String,
//! }
//!
//! # async fn run() -> Result<(), Error> {
//! let koan = Koan::builder()
//!     .provider(Sqlite::open("shop.db")?)
//!     .storage(Storage::local(".koan/backups")?)
//!     .build()
//!     .await?;
//! let backup = koan.backup("nightly").tag("nightly").await?;
//! let verified = koan.verify(backup.id()).await?.require_valid()?;
//! let restored = koan.restore("nightly").replace_existing().await?;
//! # Ok(())
//! # }
//! ```
//!
//! The library needs a Tokio runtime with timers, and for PostgreSQL, buckets and keys from commands also with IO.
//! `#[tokio::main]` and `Builder::enable_all` provide both. Without them, operations return an error. Only in a program with
//! `panic = "abort"`, such a runtime ends the program, because Tokio reports what is missing by a panic.
//!
//! # Map
//! | where | what |
//! |---|---|
//! | the root, and [`prelude`] | what most applications use: [`Koan`], [`Storage`], the providers, the macros |
//! | [`builders`] | the return types of the methods of [`Koan`]: the options of each operation |
//! | [`report`] | the results of operations |
//! | [`catalog`], [`retention`], [`maintenance`] | existing backups, which of them stay, and what runs in the background |
//! | [`streams`] | single backups of event streams: their handles, builders and reports |
//! | [`storage`], [`encryption`] | options of storage profiles; recipients and keys |
//! | [`archive`], [`archive_format`] | the documents in an archive; the format byte by byte |
//! | [`provider`], [`entity`], [`schema`], [`value`] | for authors of providers: the port, types and values |
//! | [`event_store`] | event streams: the declaration of event types, and the port to event stores |
//! | [`vector_store`] | for authors of vector stores: the port, and the records of embeddings in archives |
//! | `generate` (with the feature) | entities of an existing database |
//! | `metrics`, `notify` (with these features) | metrics for Prometheus; webhooks, pings and e-mail about backups |
//! | `http`, with the feature `http` | the HTTP API as a router for axum; its guide is `guides::http` |
//! | [`mod@serde`] | other serialized forms of fields, such as base64 |
//! | `cli`, with the feature `cli` | the command line, for the binary of an application; its guide is `guides::command_line` |
//! | [`guides`] | [best practices](guides::best_practices), [configuration](guides::configuration), [directory layout](guides::directory_layout), [encryption](guides::encryption), [providers](guides::providers), [restoring](guides::restoring), [retention](guides::retention), [storage](guides::storage), [types of columns and fields](guides::types) |
//!
//! | macro | what |
//! |---|---|
//! | [`#[derive(Entity)]`](derive@Entity) | makes a type an entity, with `#[entity(…)]` and `#[entity_backup(…)]` |
//! | [`#[derive(EventStream)]`](derive@EventStream) | declares the type of the events of an aggregate, with `#[event_stream(…)]` and `#[entity_backup(…)]` |
//! | [`entity_backup_scope!`] | the default policy of a crate |
//! | [`register!`] | an entity whose type cannot have the derive |
//! | [`link!`] | links a crate that declares entities |
#![cfg_attr(feature = "document-features", doc = "\n# Features")]
#![cfg_attr(feature = "document-features", doc = document_features::document_features!())]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[doc = include_str!("../docs/archive-format.md")]
pub mod archive_format {}
/// Guides. Their examples are tests.
#[cfg(feature = "sqlite")]
pub mod guides {
    /// [`command-line.md`]: crate::guides
    /// [`configuration.md`]: crate::guides::configuration
    /// [`retention.md`]: crate::guides::retention
    ///
    #[doc = include_str!("../docs/best-practices.md")]
    pub mod best_practices {}
    #[cfg(feature = "cli")]
    #[doc = include_str!("../docs/command-line.md")]
    pub mod command_line {}
    /// [`retention.md`]: crate::guides::retention
    /// [`storage.md`]: crate::guides::storage
    ///
    #[doc = include_str!("../docs/configuration.md")]
    pub mod configuration {}
    #[doc = include_str!("../docs/directory-layout.md")]
    pub mod directory_layout {}
    #[doc = include_str!("../docs/encryption.md")]
    pub mod encryption {}
    // The first definition of a link takes effect. In rustdoc, the other guides are modules; in the repository,
    // the pages themselves define the links to the files.
    /// [`providers.md`]: crate::guides::providers
    /// [`retention.md`]: crate::guides::retention
    ///
    /// [`types.md`]: crate::guides::types
    ///
    #[cfg(feature = "generate")]
    #[doc = include_str!("../docs/generate.md")]
    pub mod generate {}
    #[cfg(feature = "metrics")]
    #[doc = include_str!("../docs/metrics.md")]
    pub mod metrics {}
    #[cfg(feature = "notify")]
    #[doc = include_str!("../docs/notifications.md")]
    pub mod notifications {}
    #[cfg(feature = "http")]
    #[doc = include_str!("../docs/http.md")]
    pub mod http {}
    #[doc = include_str!("../docs/restoring.md")]
    pub mod restoring {}
    #[doc = include_str!("../docs/retention.md")]
    pub mod retention {}
    /// [`types.md`]: crate::guides::types
    ///
    #[doc = include_str!("../docs/providers.md")]
    pub mod providers {}
    #[doc = include_str!("../docs/storage.md")]
    pub mod storage {}
    #[doc = include_str!("../docs/types.md")]
    pub mod types {}
}
/// The command line, for the binary of an application. The guide `guides::command_line` documents
/// it.
#[cfg(feature = "cli")]
pub mod cli {
    pub use koan_backup_cli::{BackupCommand, archives_main, main, run_with};
}
pub mod prelude;
#[cfg(feature = "testing")]
pub mod testing;

/// Makes the examples of the README documentation tests.
#[cfg(all(doctest, feature = "sqlite"))]
#[doc = include_str!("../../README.md")]
struct Readme;

#[cfg(feature = "config")]
pub use koan_backup_config as config;
pub use koan_backup_core::event_store::EventStream;
pub use koan_backup_core::{
    ApplicationIdentity, ArchiveEncryption, Backup, BackupId, BackupName, BackupRef, Clock, Compression,
    ConflictMode, Entity, EntityBackup, Error, ErrorKind, Event, Identities, Inventory, KeySource, Keys,
    Koan, KoanBuilder, Listener, Recipients, Restore, RestoreLevel, Result, Retention, SetName, Storage,
    SystemClock, archive, builders, catalog, encryption, entity, event_store, maintenance, provider, report,
    retention, schema, serde, storage, streams, value, vector_store,
};
pub use koan_backup_derive::{Entity, EventStream, entity_backup_scope, register};
pub use koan_backup_entity::link;
#[cfg(feature = "event-files")]
pub use koan_backup_event_files::{EventFiles, ExpectedVersion};
#[cfg(feature = "generate")]
#[doc(inline)]
pub use koan_backup_generate as generate;
#[cfg(feature = "http")]
pub use koan_backup_http as http;
#[cfg(feature = "json")]
pub use koan_backup_json::JsonFiles;
#[cfg(feature = "memory")]
pub use koan_backup_memory::{Memory, MemoryEvents, MemoryVectors};
#[cfg(feature = "metrics")]
#[doc(inline)]
pub use koan_backup_metrics as metrics;
#[cfg(feature = "notify")]
#[doc(inline)]
pub use koan_backup_notify as notify;
#[cfg(feature = "postgres")]
pub use koan_backup_postgres::{CqrsEs, EventTables, SnapshotTable};
#[cfg(feature = "postgres")]
pub use koan_backup_postgres::{Postgres, PostgresOptions};
pub use koan_backup_repository::{Repositories, Repository, RepositoryError, RestoreOutcome, RestoreRequest};
#[cfg(all(feature = "sqlite", not(feature = "postgres")))]
pub use koan_backup_sqlite::{CqrsEs, EventTables, SnapshotTable};
#[cfg(feature = "sqlite")]
pub use koan_backup_sqlite::{Sqlite, SqliteOptions};
pub use tokio_util::sync::CancellationToken;

#[doc(hidden)]
pub use koan_backup_core::__private;

//! The port to databases. Adapters implement it; the rest of the crate accesses databases only through it.

#[cfg(feature = "conformance")]
pub mod conformance;
pub mod event_store;
pub mod keyed;
pub mod vector_store;

mod batch;
mod database_schema;
mod description;
mod diagnosis;
mod fast_rows;
mod finding;
mod observed;
mod restore;
mod session;
mod sink;
pub(crate) mod snapshot_entry;
mod table_name;

use std::fmt;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

pub use crate::foundation::blocking::blocking;
pub use crate::foundation::consistency::Consistency;
pub use crate::foundation::lines::Chunk;
pub use crate::foundation::own_thread::on_own_thread;
pub use crate::foundation::runtime::require_io;
pub use batch::{EncodedRecords, RecordBatch, RecordEncoder, RecordLocator};
pub use database_schema::{
    ColumnDescription, ColumnFieldType, DatabaseSchema, EnumDescription, TableDescription,
};
pub use description::{EntityCoverage, ForeignKey, ProviderDescription};
pub use diagnosis::{ProviderDiagnosis, ProviderFinding};
use event_store::{EventReader, EventStoreCapabilities};
pub use finding::{Finding, Severity};
pub use restore::{ConflictMode, RestoreLevel, RestoreTarget, SessionIntent, SessionOptions, WriteCounts};
pub use session::{
    CommitReport, RestoreSession, SuspendedKind, SuspendedObject, TargetTracker, TargetWriter,
};
pub use sink::{Flow, NOT_KEPT_ELSEWHERE, ReadSummary, RecordSink};
pub(crate) use sink::{SinkOptions, record_channel};
pub use table_name::{folded, is_near};

use crate::entity::EntityCodec;
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::foundation::id::SetName;
use crate::foundation::value::Value;
use crate::storage::machine_state::MachineState;

/// A database that stores entities.
///
/// Implementers must not do blocking work on the async threads. Every future may be dropped at any time: the
/// work that it started then stops or is rolled back.
#[async_trait]
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a provider",
    label = "not a provider",
    note = "did you forget `?` after `Sqlite::open(…)` or `Postgres::connect(…)`? A provider is given by value"
)]
pub trait Provider: fmt::Debug + Send + Sync + 'static {
    /// Returns the kind of database, for example `sqlite`, `postgres` or `json`.
    fn kind(&self) -> &'static str;

    /// Returns the identity of the database, without credentials: host, port and name of the database, or a
    /// path. It is recorded in backups and compared by restores; a difference is reported and never refused.
    /// Returns `None` if the database has no identity that can be compared.
    fn source(&self) -> Option<String> {
        None
    }

    /// Returns the name of the database, as people know it, for example `shop`. Returns `None` if the database
    /// has no name of its own.
    fn database(&self) -> Option<String> {
        None
    }

    /// Returns the capabilities of this provider. The conformance suite tests each of them.
    fn capabilities(&self) -> Capabilities;

    /// Returns what the event store of this provider can contain. Returns `None` if the provider has no event store. If it
    /// has one, [`Snapshot::events`] and [`RestoreSession::events`] return its reader and its writer.
    fn event_store(&self) -> Option<EventStoreCapabilities> {
        None
    }

    /// Compares the location of the database with its record in the state directory of this machine, and
    /// records the location. This method is called when a context is built, before any other method.
    /// Implement it if a missing location, for example a directory, does not lead to an error by itself.
    ///
    /// # Errors
    /// The location was recorded earlier, and is now missing or empty.
    async fn attach(&self, state: &MachineState) -> Result<()> {
        let _ = state;
        Ok(())
    }

    /// Describes the content of the database, and how it maps to `entities`, which are all entities of this
    /// provider.
    ///
    /// # Errors
    /// The database cannot be read.
    async fn describe(&self, entities: &[EntityCodec]) -> Result<ProviderDescription>;

    /// Examines the database for [`Koan::diagnose`](crate::Koan::diagnose): whether backups can read it, and whether
    /// restores could write it. `entities` are all covered entities of this provider. `state` is the state directory
    /// of this machine. The database may not have been [attached](Self::attach) to it.
    ///
    /// The implementation must write nothing, and must not create a database that does not exist. The default
    /// implementation calls [`describe`](Self::describe).
    ///
    /// # Errors
    /// The database cannot be read.
    async fn diagnose(&self, entities: &[EntityCodec], state: &MachineState) -> Result<ProviderDiagnosis> {
        let _ = state;
        self.describe(entities).await.map(ProviderDiagnosis::new)
    }

    /// Describes the tables of the database for tools that create entities, with a type of field for each column
    /// that reads every value that the column contains. The implementation may read all rows.
    ///
    /// # Errors
    /// The database cannot be read, or the provider has no tables.
    async fn database_schema(&self) -> Result<DatabaseSchema> {
        Err(Error::new(
            ErrorKind::Unsupported,
            format!(
                "a provider of kind `{}` has no tables from which entities can be derived; use a database with a \
                 schema, such as SQLite or PostgreSQL",
                self.kind()
            ),
        ))
    }

    /// Opens a consistent snapshot of the database, which does not change while it is read.
    ///
    /// # Errors
    /// The database cannot be read.
    async fn snapshot(&self) -> Result<Box<dyn Snapshot>>;

    /// Returns the findings about a restore of `targets` into the current database. Writes nothing.
    ///
    /// # Errors
    /// The database cannot be read.
    async fn assess(&self, targets: &[RestoreTarget], options: &SessionOptions) -> Result<Vec<Finding>>;

    /// Returns the findings that would make a restore of `targets` into this database fail, for a backup that
    /// was just made. Writes nothing.
    ///
    /// The implementation must be cheap, and must not check the write privileges of the role, because another
    /// role may restore. The default implementation calls [`assess`](Self::assess) with the options of a dry
    /// run.
    ///
    /// # Errors
    /// The database cannot be read.
    async fn assess_backup(&self, targets: &[RestoreTarget]) -> Result<Vec<Finding>> {
        let options = SessionOptions { intent: SessionIntent::Compare, ..SessionOptions::default() };
        self.assess(targets, &options).await
    }

    /// Begins one restore. If [`Capabilities::atomic_restore`] is set, none of its changes is visible before
    /// [`RestoreSession::commit`], and dropping the session rolls it back.
    ///
    /// # Errors
    /// The database cannot be written.
    async fn begin_restore(&self, options: &SessionOptions) -> Result<Box<dyn RestoreSession>>;
}

/// The capabilities of a provider.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Capabilities {
    /// Whether records are written in batches.
    pub bulk_upsert: bool,
    /// Whether records can be deleted, for `replace_existing` and for clearing a set.
    pub bulk_delete: bool,
    /// Whether a restore is committed completely or not at all.
    pub atomic_restore: bool,
    /// Whether all entities are read at the same point in time.
    pub snapshot_reads: bool,
    /// Whether records of an entity can belong to named sets.
    pub sets: bool,
    /// Whether records are read in the order of their keys: numbers by value, text by its bytes, composite
    /// keys by their first field, then by the next.
    pub ordered_reads: bool,
    /// Whether restore level `fast` is faster than `safe`: indexes are dropped and put back.
    pub restore_optimisation: bool,
}

/// One consistent point in time of a database.
#[async_trait]
pub trait Snapshot: fmt::Debug + Send + Sync {
    /// Returns the guarantee that this snapshot reached.
    fn consistency(&self) -> Consistency;

    /// Returns the reader of the event store, at the point in time of this snapshot. Returns `None` if the provider has no
    /// [event store](Provider::event_store).
    fn events(&self) -> Option<&dyn EventReader> {
        None
    }

    /// Returns how many entities can be read at the same time. A provider that reads on one connection
    /// returns 1; a read then starts only after the previous read has ended.
    fn concurrent_reads(&self) -> usize {
        1
    }

    /// Returns the sets of an entity that contain records or can contain records: [`SetName::root`] first,
    /// then the other sets in sorted order.
    ///
    /// # Errors
    /// The entity is not in this database. The error contains the name of the entity, the name for which the
    /// database was searched, and the remedy.
    async fn sets(&self, entity: &EntityCodec) -> Result<Vec<SetName>>;

    /// Reads all records of a set into `sink`, ordered by key if [`Capabilities::ordered_reads`] is set. The
    /// implementation must end with [`RecordSink::finish`] or [`RecordSink::finish_blocking`], and return the
    /// summary of that call.
    ///
    /// # Errors
    /// The database fails, a record cannot be converted, or the sink was cancelled. A read that ends early
    /// must return an error.
    async fn read(&self, request: ReadRequest, sink: RecordSink) -> Result<ReadSummary>;

    /// Returns the number of records in a set.
    ///
    /// # Errors
    /// The entity is not in this database, or the database fails.
    async fn count(&self, entity: &EntityCodec, set: &SetName) -> Result<u64>;
}

/// A request to read records from a snapshot.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ReadRequest {
    /// The entity.
    pub entity: EntityCodec,
    /// The set.
    pub set: SetName,
    /// The values of the key fields, if only the record with this key is read.
    pub key: Option<Vec<Value<'static>>>,
}

impl ReadRequest {
    /// Returns a request for all records of a set.
    pub fn all(entity: EntityCodec, set: SetName) -> Self {
        Self { entity, set, key: None }
    }

    /// Returns a request for the record with one key.
    pub fn one(entity: EntityCodec, set: SetName, key: Vec<Value<'static>>) -> Self {
        Self { entity, set, key: Some(key) }
    }
}

//! The port to databases. Adapters implement it; the rest of the engine knows nothing else about a database.

#[cfg(feature = "conformance")]
pub mod conformance;
pub mod keyed;

mod batch;
mod description;
mod fast_rows;
mod finding;
mod observed;
mod restore;
mod session;
mod sink;

use std::fmt;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

pub use crate::foundation::blocking::blocking;
pub use crate::foundation::consistency::Consistency;
pub use crate::foundation::lines::Chunk;
pub use crate::foundation::own_thread::on_own_thread;
pub use batch::{EncodedRecords, RecordBatch, RecordEncoder, RecordLocator};
pub use description::{EntityCoverage, ForeignKey, ProviderDescription};
pub use finding::{Finding, Severity};
pub use restore::{ConflictMode, RestoreLevel, RestoreTarget, SessionIntent, SessionOptions, WriteCounts};
pub use session::{
    CommitReport, RestoreSession, SuspendedKind, SuspendedObject, TargetTracker, TargetWriter,
};
pub use sink::{Flow, NOT_KEPT_ELSEWHERE, ReadSummary, RecordSink};
pub(crate) use sink::{SinkOptions, record_channel};

use crate::entity::EntityCodec;
use crate::foundation::error::Result;
use crate::foundation::id::SetName;
use crate::foundation::value::Value;
use crate::storage::machine_state::MachineState;

/// A database that holds entities.
///
/// Implementers keep blocking work off the async threads. Every future may be dropped at any time: the work
/// that it started then stops or is rolled back.
#[async_trait]
pub trait Provider: fmt::Debug + Send + Sync + 'static {
    /// Returns the kind of database, for example `sqlite`, `postgres` or `json`.
    fn kind(&self) -> &'static str;

    /// Returns which database this is, without credentials: host, port and name of the database, or a path.
    /// It is recorded in backups and compared by restores; a difference is reported and never refused.
    /// Returns `None` if there is nothing to compare.
    fn source(&self) -> Option<String> {
        None
    }

    /// Returns the capabilities of this provider. The conformance suite tests each of them.
    fn capabilities(&self) -> Capabilities;

    /// Compares the location of the database with what the state directory of this machine has recorded, and
    /// records it. Called when a context is built, before anything else. Implement it if the location can be
    /// missing without an error, such as a directory.
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

    /// Opens a consistent snapshot of the database, which does not change while it is read.
    ///
    /// # Errors
    /// The database cannot be read.
    async fn snapshot(&self) -> Result<Box<dyn Snapshot>>;

    /// Returns what would go wrong if `targets` were restored now. Writes nothing.
    ///
    /// # Errors
    /// The database cannot be read.
    async fn assess(&self, targets: &[RestoreTarget], options: &SessionOptions) -> Result<Vec<Finding>>;

    /// Returns what would make a restore of `targets` into this database fail, for a backup that was just
    /// made. Writes nothing.
    ///
    /// It must be cheap, and must not check the write privileges of the role, because another role may
    /// restore. By default it is the [`assess`](Self::assess) of a dry run.
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
    /// Records are written in batches.
    pub bulk_upsert: bool,
    /// Records can be deleted, for `replace_existing` and for clearing a set.
    pub bulk_delete: bool,
    /// A restore is committed completely or not at all.
    pub atomic_restore: bool,
    /// All entities are read at the same point in time.
    pub snapshot_reads: bool,
    /// Records of an entity can belong to named sets.
    pub sets: bool,
    /// Records are read in the order of their keys: numbers by value, text by its bytes, the fields of a
    /// composite key one after the other.
    pub ordered_reads: bool,
    /// Restore level `fast` is faster than `safe`: indexes are dropped and put back.
    pub restore_optimisation: bool,
}

/// One consistent point in time of a database.
#[async_trait]
pub trait Snapshot: fmt::Debug + Send + Sync {
    /// Returns the guarantee that this snapshot reached.
    fn consistency(&self) -> Consistency;

    /// Returns how many entities can be read at once. A provider that reads on one connection returns 1, and
    /// is then never asked for the next entity before it has finished the previous one.
    fn concurrent_reads(&self) -> usize {
        1
    }

    /// Returns the sets of an entity that hold records or could hold some: [`SetName::root`] first, the
    /// others sorted.
    ///
    /// # Errors
    /// The entity is not in this database. The error names it, what was looked for, and the remedy.
    async fn sets(&self, entity: &EntityCodec) -> Result<Vec<SetName>>;

    /// Reads all records of a set into `sink`, ordered by key if [`Capabilities::ordered_reads`] is set. Ends
    /// with [`RecordSink::finish`] or its blocking form, and returns the summary of that call.
    ///
    /// # Errors
    /// The database fails, a record cannot be converted, or the sink was cancelled. A read that ends early
    /// must return an error.
    async fn read(&self, request: ReadRequest, sink: RecordSink) -> Result<ReadSummary>;

    /// Returns how many records a set holds.
    ///
    /// # Errors
    /// The entity is not in this database, or the database fails.
    async fn count(&self, entity: &EntityCodec, set: &SetName) -> Result<u64>;
}

/// What a snapshot is asked to read.
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

//! The port to databases. Adapters implement it; the pipelines know nothing else of a database.

mod description;
mod encoder;
mod observed;
mod plain_rows;
mod restore;
mod sink;

use std::fmt;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

pub use description::{EntityCoverage, ForeignKey, ProviderDescription};
pub use encoder::{EncodedRecords, RecordEncoder};
pub use restore::{
    ConflictMode, Finding, RestoreLevel, RestoreSession, RestoreTarget, SessionIntent, SessionOptions,
    Severity, WriteCounts,
};
pub use sink::{Flow, NOT_KEPT_ELSEWHERE, ReadSummary, RecordSink};
pub(crate) use sink::{SinkOptions, record_channel};

use crate::consistency::Consistency;
use crate::entity::EntityCodec;
use crate::error::Result;
use crate::id::SetName;
use crate::machine_state::MachineState;
use crate::value::Value;

/// A database that holds entities.
///
/// Implementers keep blocking work off the async threads, and every future may be dropped at any time: what it began
/// then stops or is rolled back.
#[async_trait]
pub trait Provider: fmt::Debug + Send + Sync + 'static {
    /// What sort of database this is: `sqlite`, `postgres`, `json`.
    fn kind(&self) -> &'static str;

    /// Which database this is, without credentials: host, port and name of the database, or a path. It is recorded in backups and
    /// compared by restores; a difference is reported and never refused. None if there is nothing to compare.
    fn source(&self) -> Option<String> {
        None
    }

    /// What this provider can do. What is claimed is tried by tests.
    fn capabilities(&self) -> Capabilities;

    /// Compares the place of the database with what this machine remembers of it, and remembers it. Called when a context is built,
    /// before anything else. A provider whose place can be missing without an error, such as a directory, implements it.
    ///
    /// # Errors
    /// The machine knows the place, and it is gone or empty.
    async fn attach(&self, state: &MachineState) -> Result<()> {
        let _ = state;
        Ok(())
    }

    /// What the database holds, and how that maps to `entities`: all those that live in this provider.
    ///
    /// # Errors
    /// The database cannot be read.
    async fn describe(&self, entities: &[EntityCodec]) -> Result<ProviderDescription>;

    /// Opens one view of the database that does not change while it is read.
    ///
    /// # Errors
    /// The database cannot be read.
    async fn snapshot(&self) -> Result<Box<dyn Snapshot>>;

    /// What would go wrong if `targets` were restored now. Writes nothing.
    ///
    /// # Errors
    /// The database cannot be read.
    async fn assess(&self, targets: &[RestoreTarget], options: &SessionOptions) -> Result<Vec<Finding>>;

    /// Returns what would make a restore of `targets` into this database fail, for a backup that was made just now. Writes nothing.
    ///
    /// It must be cheap, and must not look at what the role may write, because another role may restore. By default it is
    /// [`assess`](Self::assess) of a dry run.
    ///
    /// # Errors
    /// The database cannot be read.
    async fn assess_backup(&self, targets: &[RestoreTarget]) -> Result<Vec<Finding>> {
        let options = SessionOptions { intent: SessionIntent::Compare, ..SessionOptions::default() };
        self.assess(targets, &options).await
    }

    /// Begins one restore. Where [`Capabilities::atomic_restore`] is claimed, nothing of it shows before
    /// [`RestoreSession::commit`], and dropping the session undoes it.
    ///
    /// # Errors
    /// The database cannot be written.
    async fn begin_restore(&self, options: &SessionOptions) -> Result<Box<dyn RestoreSession>>;
}

/// What a provider can do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Capabilities {
    /// Records are written many at a time.
    pub bulk_upsert: bool,
    /// Records can be removed: `replace_existing`, and clearing a set.
    pub bulk_delete: bool,
    /// A restore is all or nothing.
    pub atomic_restore: bool,
    /// All entities are read at one point in time.
    pub snapshot_reads: bool,
    /// Records of an entity can be in named sets.
    pub sets: bool,
    /// Records are read in the order of their keys: numbers by value, text by its bytes, the parts of a key one after the
    /// other.
    pub ordered_reads: bool,
    /// Level `fast` of a restore is faster than level `safe`: indexes are dropped and put back.
    pub restore_optimisation: bool,
}

/// One unchanging view of a database.
#[async_trait]
pub trait Snapshot: fmt::Debug + Send + Sync {
    /// What this view promises.
    fn consistency(&self) -> Consistency;

    /// How many entities can be read at once. A provider that reads on one connection says 1, and is then never asked
    /// for the next entity before it has finished the one before.
    fn concurrent_reads(&self) -> usize {
        1
    }

    /// The sets of an entity that hold records or could, [`SetName::root`] first, the others sorted.
    ///
    /// # Errors
    /// The entity is not in this database: the error names it, what was looked for, and the remedy.
    async fn sets(&self, entity: &EntityCodec) -> Result<Vec<SetName>>;

    /// Reads all the records of a set into `sink`, ordered by key where [`Capabilities::ordered_reads`] is claimed, and
    /// ends with [`RecordSink::finish`] or its blocking form, whose summary it returns.
    ///
    /// # Errors
    /// The database fails, a record does not decode, or the sink was cancelled. A short read is never a success.
    async fn read(&self, request: ReadRequest, sink: RecordSink) -> Result<ReadSummary>;

    /// How many records a set holds.
    ///
    /// # Errors
    /// The entity is not in this database, or the database fails.
    async fn count(&self, entity: &EntityCodec, set: &SetName) -> Result<u64>;
}

/// What to read.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ReadRequest {
    /// The entity.
    pub entity: EntityCodec,
    /// The set.
    pub set: SetName,
    /// Only the record of this key, as the values of the key fields.
    pub key: Option<Vec<Value<'static>>>,
}

impl ReadRequest {
    /// All the records of a set.
    pub fn all(entity: EntityCodec, set: SetName) -> Self {
        Self { entity, set, key: None }
    }

    /// The record of one key.
    pub fn one(entity: EntityCodec, set: SetName, key: Vec<Value<'static>>) -> Self {
        Self { entity, set, key: Some(key) }
    }
}

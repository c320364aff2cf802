//! A restore into a database in memory.

use std::sync::Arc;

use async_trait::async_trait;
use koan_backup_core::provider::keyed::{Decision, Decisions, RecordKey};
use koan_backup_core::{
    Result, SetName,
    provider::{
        CommitReport, RecordBatch, RestoreSession, RestoreTarget, SessionIntent, SessionOptions,
        TargetTracker, TargetWriter, WriteCounts,
    },
};
use tokio::sync::OwnedMutexGuard;

use crate::database::{Memory, Table, Tables};

/// A restore. It changes a copy of the tables, which replaces them at the commit.
#[derive(Debug)]
pub(super) struct MemorySession {
    database: Memory,
    /// The lock that prevents other sessions from writing.
    _write_guard: OwnedMutexGuard<()>,
    options: SessionOptions,
    staged: Tables,
    targets: TargetTracker,
}

impl MemorySession {
    pub(super) fn new(database: Memory, write_guard: OwnedMutexGuard<()>, options: SessionOptions) -> Self {
        let staged = Tables::clone(&database.current());
        Self { database, _write_guard: write_guard, options, staged, targets: TargetTracker::default() }
    }
}

#[async_trait]
impl RestoreSession for MemorySession {
    async fn begin<'s>(&'s mut self, target: RestoreTarget) -> Result<Box<dyn TargetWriter + 's>> {
        self.targets.begin()?;
        let table_key = (target.entity.name().to_owned(), target.set.clone());
        let before = self.staged.get(&table_key).map(Arc::clone).unwrap_or_default();
        let after = if self.options.replace_existing { Arc::default() } else { Arc::clone(&before) };
        let decisions = Decisions::new(&target, self.options.clone());
        Ok(Box::new(MemoryWriter { session: self, target, table_key, before, after, decisions }))
    }

    async fn commit(self: Box<Self>) -> Result<CommitReport> {
        self.targets.require_finished()?;
        *self.database.lock() = Arc::new(self.staged);
        Ok(CommitReport::default())
    }

    async fn rollback(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}

/// The writer of one target. It writes to a copy of the table, which replaces the staged table when the
/// target is finished.
#[derive(Debug)]
struct MemoryWriter<'s> {
    session: &'s mut MemorySession,
    target: RestoreTarget,
    table_key: (String, SetName),
    before: Arc<Table>,
    after: Arc<Table>,
    decisions: Decisions,
}

#[async_trait]
impl TargetWriter for MemoryWriter<'_> {
    async fn write(&mut self, batch: RecordBatch) -> Result<()> {
        for record in batch.into_records()? {
            let key = RecordKey::of(&record, self.target.entity.schema());
            let existing = self.before.get(&key).map(|known| *known == record);
            let is_written = match self.decisions.decide(key.clone(), &record, existing)? {
                Decision::Write => true,
                Decision::Unchanged => self.session.options.replace_existing,
                Decision::Leave => false,
            };
            if is_written {
                Arc::make_mut(&mut self.after).insert(key, record);
            }
        }
        Ok(())
    }

    async fn finish(self: Box<Self>) -> Result<WriteCounts> {
        let Self { session, table_key, before, after, decisions, .. } = *self;
        let removed = before.keys().filter(|key| !decisions.is_decided(key)).count();
        let counts = decisions.finish(removed)?;
        if session.options.intent == SessionIntent::Apply {
            session.staged.insert(table_key, after);
        }
        session.targets.finish();
        Ok(counts)
    }
}

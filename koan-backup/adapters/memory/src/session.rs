//! One restore into memory.

use std::sync::Arc;

use async_trait::async_trait;
use koan_backup_core::{
    Result,
    entity::Record,
    provider::{RestoreSession, RestoreTarget, SessionIntent, SessionOptions, WriteCounts},
};
use tokio::sync::OwnedMutexGuard;

use crate::provider::{Memory, Table, Tables};
use koan_backup_core::provider::keyed::{Decision, Decisions, RecordKey, out_of_turn};

/// One restore: it changes a copy, which takes the place of what is there at the commit.
#[derive(Debug)]
pub(super) struct MemorySession {
    database: Memory,
    _turn: OwnedMutexGuard<()>,
    options: SessionOptions,
    staged: Tables,
    current: Option<Target>,
}

#[derive(Debug)]
struct Target {
    target: RestoreTarget,
    before: Arc<Table>,
    decisions: Decisions,
}

impl MemorySession {
    pub(super) fn new(database: Memory, turn: OwnedMutexGuard<()>, options: SessionOptions) -> Self {
        let staged = Tables::clone(&database.now());
        Self { database, _turn: turn, options, staged, current: None }
    }
}

#[async_trait]
impl RestoreSession for MemorySession {
    async fn begin(&mut self, target: RestoreTarget) -> Result<()> {
        let place = (target.entity.name().to_owned(), target.set.clone());
        let before = self.staged.get(&place).map(Arc::clone).unwrap_or_default();
        if self.options.intent == SessionIntent::Apply {
            let after = if self.options.replace_existing { Arc::default() } else { Arc::clone(&before) };
            self.staged.insert(place, after);
        }
        let decisions = Decisions::new(target.entity.clone(), self.options.clone());
        self.current = Some(Target { target, before, decisions });
        Ok(())
    }

    async fn write(&mut self, records: Vec<Record>) -> Result<()> {
        let Target { target, before, decisions } = self.current.as_mut().ok_or_else(out_of_turn)?;
        let place = (target.entity.name().to_owned(), target.set.clone());
        for record in records {
            let key = RecordKey::of(&record, target.entity.schema());
            let existing = before.get(&key).map(|known| *known == record);
            let is_written = match decisions.decide(key.clone(), &record, existing)? {
                Decision::Write => true,
                Decision::Unchanged => self.options.replace_existing,
                Decision::Leave => false,
            };
            if is_written {
                Arc::make_mut(self.staged.entry(place.clone()).or_default()).insert(key, record);
            }
        }
        Ok(())
    }

    async fn end(&mut self) -> Result<WriteCounts> {
        let Target { before, decisions, .. } = self.current.take().ok_or_else(out_of_turn)?;
        let gone = before.keys().filter(|key| !decisions.has_seen(key)).count();
        Ok(decisions.end(gone))
    }

    async fn commit(self: Box<Self>) -> Result<()> {
        *self.database.lock() = Arc::new(self.staged);
        Ok(())
    }

    async fn rollback(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}

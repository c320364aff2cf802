//! One restore into repositories. There is no transaction: what is written stays.

use std::sync::Arc;

use async_trait::async_trait;
use koan_backup_core::{
    Error, ErrorKind, Result,
    entity::{EntityCodec, Projection, Record},
    provider::{RestoreSession, RestoreTarget, SessionIntent, SessionOptions, WriteCounts},
};

use super::Repositories;
use super::erased::{ErasedRepository, Others, Present, Written, hash};
use koan_backup_core::provider::keyed::{Decision, Decisions, RecordKey, out_of_turn};

/// One restore into repositories.
#[derive(Debug)]
pub(super) struct RepositorySession {
    repositories: Repositories,
    options: SessionOptions,
    current: Option<Target>,
    /// Entities of which something was written.
    written: Vec<&'static str>,
}

struct Target {
    codec: EntityCodec,
    fields: Projection,
    repository: Arc<dyn ErasedRepository>,
    present: Present,
    decisions: Decisions,
    keys: Keys,
    /// The records that were written.
    written: Written,
}

/// By what keys are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Keys {
    Unknown,
    ByValue,
    /// By what the repository says.
    Own,
}

impl RepositorySession {
    pub(super) fn new(repositories: Repositories, options: SessionOptions) -> Self {
        Self { repositories, options, current: None, written: Vec::new() }
    }

    fn note(&mut self, entity: &'static str) {
        if !self.written.contains(&entity) {
            self.written.push(entity);
        }
    }
}

#[async_trait]
impl RestoreSession for RepositorySession {
    async fn begin(&mut self, target: RestoreTarget) -> Result<()> {
        let codec = target.entity;
        if !target.set.is_root() {
            let text =
                format!("the repository of `{}` has no sets, and `{}` is one", codec.name(), target.set);
            return Err(Error::new(ErrorKind::Unsupported, text));
        }
        let repository = Arc::clone(self.repositories.find(&codec)?);
        let present = repository.present(&codec).await?;
        let decisions = Decisions::new(codec.clone(), self.options.clone());
        let fields = Projection::of(codec.schema());
        self.current = Some(Target {
            codec,
            fields,
            repository,
            present,
            decisions,
            keys: Keys::Unknown,
            written: Written::new(),
        });
        Ok(())
    }

    async fn write(&mut self, records: Vec<Record>) -> Result<()> {
        let Target { codec, fields, repository, present, decisions, keys, written: remembered } =
            self.current.as_mut().ok_or_else(out_of_turn)?;
        let mut written = Vec::with_capacity(records.len());
        for record in records {
            // Asking takes a record of its type, so the first one tells for all.
            let own = match keys {
                Keys::ByValue => None,
                Keys::Unknown | Keys::Own => repository.own_key(&record, codec, fields)?,
            };
            *keys = if own.is_some() { Keys::Own } else { Keys::ByValue };
            let key = own.unwrap_or_else(|| RecordKey::of(&record, codec.schema()));
            let existing = match present.get(&key) {
                Some(known) => Some(*known == hash(&record, codec, fields)?),
                None => None,
            };
            if decisions.decide(key, &record, existing)? == Decision::Write {
                written.push(record);
            }
        }
        if written.is_empty() {
            return Ok(());
        }
        let (name, ended) = (codec.name(), repository.upsert(written, codec, remembered).await);
        // One that failed may have been written in part.
        self.note(name);
        ended
    }

    async fn end(&mut self) -> Result<WriteCounts> {
        let Target { codec, repository, present, decisions, written, .. } =
            self.current.take().ok_or_else(out_of_turn)?;
        let mut gone = present.keys().filter(|key| !decisions.has_seen(key)).count();
        let deletes = self.options.replace_existing && gone > 0;
        if self.options.intent == SessionIntent::Apply && (deletes || !written.is_empty()) {
            if deletes {
                self.note(codec.name());
            }
            let others = if deletes { Others::Go } else { Others::Stay };
            let removed = repository.settle(&present, &decisions, &written, &codec, others).await?;
            gone = if deletes { removed } else { gone };
        }
        Ok(decisions.end(gone))
    }

    async fn commit(self: Box<Self>) -> Result<()> {
        Ok(())
    }

    async fn rollback(self: Box<Self>) -> Result<()> {
        if self.written.is_empty() {
            return Ok(());
        }
        let text =
            format!("there is no transaction, and records of {} were written", self.written.join(", "));
        Err(Error::new(ErrorKind::Provider, text))
    }
}

impl std::fmt::Debug for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Target").field("entity", &self.codec.name()).finish_non_exhaustive()
    }
}

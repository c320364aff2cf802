//! A restore into repositories. There is no transaction: written records remain if the restore fails.

use std::sync::Arc;

use async_trait::async_trait;
use koan_backup_core::{
    Error, ErrorKind, Result,
    entity::{EntityCodec, Projection},
    provider::{
        CommitReport, RecordBatch, RestoreSession, RestoreTarget, SessionIntent, SessionOptions,
        TargetTracker, TargetWriter, WriteCounts,
    },
};

use super::Repositories;
use super::erased::{ErasedRepository, ExistingRecords, OtherRecords, Written, hash};
use crate::hooks::PreparedRepositories;
use crate::restore_request::{RestoreOutcome, RestoreRequest};
use koan_backup_core::provider::keyed::{Decision, Decisions, RecordKey};

/// A restore into repositories.
#[derive(Debug)]
pub(super) struct RepositorySession {
    repositories: Repositories,
    options: SessionOptions,
    targets: TargetTracker,
    prepared: PreparedRepositories,
    /// The entities whose records were written or deleted.
    changed: Vec<&'static str>,
}

impl RepositorySession {
    pub(super) fn new(repositories: Repositories, options: SessionOptions) -> Result<Self> {
        let (targets, prepared) = (TargetTracker::default(), PreparedRepositories::new()?);
        Ok(Self { repositories, options, targets, prepared, changed: Vec::new() })
    }

    fn mark_changed(&mut self, entity: &'static str) {
        if !self.changed.contains(&entity) {
            self.changed.push(entity);
        }
    }
}

#[async_trait]
impl RestoreSession for RepositorySession {
    async fn begin<'s>(&'s mut self, target: RestoreTarget) -> Result<Box<dyn TargetWriter + 's>> {
        self.targets.begin()?;
        let codec = &target.entity;
        if !target.set.is_root() {
            let text = format!(
                "cannot restore set `{}` of `{}`: a repository supports only the default set; restore into \
                     the default set",
                target.set,
                codec.name()
            );
            return Err(Error::new(ErrorKind::Unsupported, text));
        }
        let repository = Arc::clone(self.repositories.find(codec)?);
        if self.options.intent == SessionIntent::Apply {
            let request = RestoreRequest::new(&target, &self.options);
            self.prepared.prepare(&repository, &request).await?;
        }
        let existing = repository.existing(codec).await?;
        Ok(Box::new(RepositoryWriter {
            fields: Projection::of(codec.schema()),
            decisions: Decisions::new(&target, self.options.clone()),
            session: self,
            codec: target.entity,
            repository,
            existing,
            comparison: KeyComparison::Unknown,
            written: Written::new(),
        }))
    }

    async fn commit(mut self: Box<Self>) -> Result<CommitReport> {
        self.targets.require_finished()?;
        let finished = self.prepared.finish(RestoreOutcome::Completed).await;
        finished.map(|()| CommitReport::default()).map_err(|error| match self.changed.as_slice() {
            [] => error,
            changed => error.context(format!(
                "all records of {} were written and remain, because there is no transaction",
                changed.join(", ")
            )),
        })
    }

    async fn rollback(mut self: Box<Self>) -> Result<()> {
        let finished = self.prepared.finish(RestoreOutcome::Failed).await;
        if self.changed.is_empty() {
            return finished;
        }
        let text = format!(
            "repositories have no transaction: records of {} were written and remain; restore again after the \
                 cause is resolved",
            self.changed.join(", ")
        );
        let text = match finished {
            Ok(()) => text,
            Err(error) => format!("{text}; {}", error.chain()),
        };
        Err(Error::new(ErrorKind::Provider, text))
    }
}

/// The writer of one repository.
struct RepositoryWriter<'s> {
    session: &'s mut RepositorySession,
    codec: EntityCodec,
    fields: Projection,
    repository: Arc<dyn ErasedRepository>,
    existing: ExistingRecords,
    decisions: Decisions,
    comparison: KeyComparison,
    /// The keys and value hashes of the written records.
    written: Written,
}

/// How keys are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum KeyComparison {
    /// The repository has not been called yet.
    Unknown,
    /// Keys are compared by their values.
    ByValue,
    /// Keys are compared by the text that `comparable_key` of the repository returns.
    ByRepository,
}

#[async_trait]
impl TargetWriter for RepositoryWriter<'_> {
    async fn write(&mut self, batch: RecordBatch) -> Result<()> {
        let Self { codec, fields, repository, existing, decisions, comparison, .. } = self;
        let records = batch.into_records()?;
        let mut written = Vec::with_capacity(records.len());
        for record in records {
            // `comparable_key` needs a decoded record. A repository returns a key either for all records or
            // for none, so it is not called again if it returned `None` for the first record.
            let comparable_key = match comparison {
                KeyComparison::ByValue => None,
                KeyComparison::Unknown | KeyComparison::ByRepository => {
                    repository.comparable_key(&record, codec, fields)?
                }
            };
            *comparison = match comparable_key.is_some() {
                true => KeyComparison::ByRepository,
                false => KeyComparison::ByValue,
            };
            let key = comparable_key.unwrap_or_else(|| RecordKey::of(&record, codec.schema()));
            let is_equal = match existing.get(&key) {
                Some(existing) => Some(*existing == hash(&record, codec, fields)?),
                None => None,
            };
            if decisions.decide(key, &record, is_equal)? == Decision::Write {
                written.push(record);
            }
        }
        if written.is_empty() {
            return Ok(());
        }
        // A call that fails or is dropped may have written some of the records.
        self.session.mark_changed(codec.name());
        repository.upsert(written, codec, &mut self.written).await
    }

    async fn finish(self: Box<Self>) -> Result<WriteCounts> {
        let Self { session, codec, repository, existing, decisions, written, .. } = *self;
        let mut not_in_archive = existing.keys().filter(|key| !decisions.is_decided(key)).count();
        let deletes = session.options.replace_existing && not_in_archive > 0;
        if session.options.intent == SessionIntent::Apply && (deletes || !written.is_empty()) {
            if deletes {
                session.mark_changed(codec.name());
            }
            let others = if deletes { OtherRecords::Delete } else { OtherRecords::Keep };
            let deleted =
                repository.check_and_delete(&existing, &decisions, &written, &codec, others).await?;
            not_in_archive = if deletes { deleted } else { not_in_archive };
        }
        let counts = decisions.finish(not_in_archive)?;
        session.targets.finish();
        Ok(counts)
    }
}

impl std::fmt::Debug for RepositoryWriter<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RepositoryWriter").field("entity", &self.codec.name()).finish_non_exhaustive()
    }
}

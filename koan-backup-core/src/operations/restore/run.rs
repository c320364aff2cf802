//! Runs a restore: verifies the archive first, writes with one session per provider, and commits everything
//! or nothing where the databases allow it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::BoxFuture;

use super::balance::require_balance;
use super::end::RestoreEnd;
use super::options::{RestoreOptions, Verification};
use super::plan::{PlannedRestore, RestorePlan, plan};
use super::provider_leases::ProviderLeases;
use super::records::{EntryWriter, LineReading};
use super::report::{EntityRestore, RestoreReport};
use super::streams::StreamDecisions;
use super::viability::{archive_of, findings, require_viable};
use crate::catalog::{BackupRef, StoredBackup};
use crate::encryption::Identities;
use crate::environment::Environment;
use crate::environment::event::{Event, Listener};
use crate::environment::read_lease::{self, ReadPurpose};
use crate::foundation::cancellation::until_cancelled;
use crate::foundation::error::{Error, Result};
use crate::operations::operation::{Operation, OperationResult};
use crate::operations::verify::{self, EntityVerification, Selected, VerifyOptions, VerifyReport};
use crate::provider::event_store::MaskedSession;
use crate::provider::{CommitReport, RestoreSession, SessionIntent, SuspendedObject, WriteCounts};

/// Finds a backup and restores it, both within the time limit. If the future is dropped or the operation is
/// cancelled, what was written is rolled back.
pub(crate) async fn run<'a>(
    environment: &Environment,
    wanted: &BackupRef,
    found: BoxFuture<'_, Result<(StoredBackup<'a>, Arc<Identities>)>>,
    options: &RestoreOptions,
) -> Result<RestoreReport> {
    use tracing::field::{Empty, display};
    let span = tracing::info_span!(target: "koan::backup", "restore", id = Empty, name = Empty);
    let operation = Operation::new(environment, span, &options.cancel, options.timeout);
    let limited = RestoreOptions { cancel: operation.cancel(), ..options.clone() };
    let end = RestoreEnd::new(operation.listener(&options.listener), wanted, options.intent);
    let work = async {
        let (backup, identities) = until_cancelled(&limited.cancel, found).await?;
        end.identify(&backup.manifest);
        operation.span().record("id", display(backup.manifest.id));
        operation.span().record("name", display(&backup.manifest.name));
        if operation.is_logged() {
            tracing::info!(target: "koan::backup", intent = ?options.intent, "restore started");
        }
        Box::pin(run_with_lease(environment, &backup, &identities, &limited, &operation, &end)).await
    };
    let log = |outcome: OperationResult<'_, RestoreReport>| match outcome {
        OperationResult::Completed(report) => {
            tracing::info!(target: "koan::backup", records = report.record_count(), "restore completed");
        }
        OperationResult::Failed(error) => {
            tracing::warn!(target: "koan::backup", error = %error.chain(), "restore failed");
        }
    };
    let outcome = operation.run(Box::pin(work), log).await;
    end.announce(outcome.as_ref());
    outcome
}

async fn run_with_lease(
    environment: &Environment,
    backup: &StoredBackup<'_>,
    identities: &Arc<Identities>,
    options: &RestoreOptions,
    operation: &Operation<'_>,
    end: &RestoreEnd,
) -> Result<RestoreReport> {
    options.validate()?;
    let lease = match options.intent {
        SessionIntent::Apply => {
            read_lease::acquire(environment, backup, ReadPurpose::Restore, &options.cancel).await?
        }
        SessionIntent::Compare => None,
    };
    let result = run_under_lease(environment, backup, identities, options, operation, end).await;
    if let Some(lease) = lease {
        lease.release().await;
    }
    result
}

async fn run_under_lease(
    environment: &Environment,
    backup: &StoredBackup<'_>,
    identities: &Arc<Identities>,
    options: &RestoreOptions,
    operation: &Operation<'_>,
    end: &RestoreEnd,
) -> Result<RestoreReport> {
    let started = Instant::now();
    let listener = end.listener();
    listener.emit(|| Event::RestoreStarted {
        id: backup.manifest.id,
        name: backup.manifest.name.clone(),
        series: backup.manifest.series_name(),
        intent: options.intent,
    });
    // The sessions outlive the work, so that they can be rolled back after it was cancelled.
    let (mut leases, mut sessions) = (ProviderLeases::default(), Sessions::new());
    let work = write(environment, backup, identities, options, listener, &mut leases, &mut sessions);
    let written = match until_cancelled(&options.cancel, Box::pin(work)).await {
        Ok(report) => leases.confirm().await.map(|()| report),
        Err(error) => Err(error),
    };
    // From here on nothing is cancelled: a restore that was committed must not be reported as cancelled.
    let result = match written {
        Ok(_) if options.cancel.is_cancelled() => Err(roll_back(sessions, Error::cancelled()).await),
        Ok(report) => commit(sessions, options.intent).await.map(|suspended| RestoreReport {
            suspended,
            duration_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
            ..report
        }),
        Err(error) => Err(roll_back(sessions, error).await),
    };
    if result.is_ok() {
        end.commit();
    }
    leases.release().await;
    let result = result.map_err(|error| operation.explain(error));
    end.announce(result.as_ref());
    result
}

/// The maximum time that a rollback waits for a provider.
const ROLLBACK_TIMEOUT: Duration = Duration::from_secs(30);

/// Open sessions by the names of their providers.
pub(crate) type Sessions = Vec<(String, Box<dyn RestoreSession>)>;

/// Writes all records, without committing the sessions.
async fn write(
    environment: &Environment,
    backup: &StoredBackup<'_>,
    identities: &Arc<Identities>,
    options: &RestoreOptions,
    listener: &Listener,
    leases: &mut ProviderLeases,
    sessions: &mut Sessions,
) -> Result<RestoreReport> {
    let archive = archive_of(&backup.manifest)?;
    let open = backup.open_archive(archive, identities).await?;
    let (reader, documents) = (open.reader(), open.documents());
    let plan = plan(environment, &backup.manifest, &documents.providers, options)?;
    plan.values().flatten().try_for_each(|entry| documents.require_decrypted(&entry.entity))?;
    // Changes of a type are reported for each field, before records are refused because of them.
    let mut findings = findings(environment, backup, &plan, documents, options).await?;
    require_viable(&findings)?;
    if options.intent == SessionIntent::Apply {
        findings.extend(leases.acquire(environment, plan.keys(), backup.manifest.id, &options.cancel).await?);
    }
    listener.emit(|| Event::RestorePrepared {
        id: backup.manifest.id,
        entries: plan.values().map(Vec::len).sum(),
        records: plan.values().flatten().map(|entry| entry.entity.item_count).sum(),
    });
    let entries = EntryWriter { reader, documents, options, listener };
    let write = write_verified(environment, backup, identities, &plan, entries, sessions);
    let (verification, entities) = leases.hold_during(&options.cancel, write).await?;
    let report = RestoreReport {
        id: backup.manifest.id,
        dry_run: options.intent == SessionIntent::Compare,
        entities,
        findings,
        verification,
        // The suspended objects are known only after the commit.
        suspended: Vec::new(),
        duration_ms: 0,
    };
    Ok(report)
}

/// Verifies the planned entries, and writes their records.
async fn write_verified(
    environment: &Environment,
    backup: &StoredBackup<'_>,
    identities: &Arc<Identities>,
    plan: &RestorePlan,
    entries: EntryWriter<'_>,
    sessions: &mut Sessions,
) -> Result<(Option<VerifyReport>, Vec<EntityRestore>)> {
    let verification = match entries.options.verification {
        Verification::BeforeCommit => None,
        Verification::Complete => {
            let files = plan.values().flatten().map(|entry| entry.file.clone()).collect();
            let selected = Selected::entries(&backup.manifest, files);
            let listener = entries.listener.clone();
            let options = VerifyOptions { listener, selected, ..VerifyOptions::default() };
            let report = verify::run(environment, backup, &options, identities).await?;
            Some(if backup.manifest.status.is_complete() {
                report.require_valid()?
            } else {
                report.require_intact()?
            })
        }
    };
    let run = ProviderRun { environment, entries, verified: verification.as_ref() };
    let entities = run.write_all(plan, sessions).await?;
    Ok((verification, entities))
}

/// Writes the planned entries to their providers.
struct ProviderRun<'a> {
    environment: &'a Environment,
    entries: EntryWriter<'a>,
    /// The verification of the archive, if it was verified.
    verified: Option<&'a VerifyReport>,
}

impl ProviderRun<'_> {
    /// Returns how the lines of an entry are read.
    fn reading(&self, entry: &PlannedRestore) -> LineReading {
        let verified = self.verified.iter().flat_map(|report| &report.entities);
        let is_same_entry = |entity: &&EntityVerification| {
            entity.entity == entry.entity.entity && entity.set == entry.entity.set
        };
        match verified.filter(is_same_entry).any(|entity| entity.round_trips) {
            true => LineReading::Extract,
            false => LineReading::Decode,
        }
    }

    /// Writes all entries, with one session per provider.
    async fn write_all(&self, plan: &RestorePlan, sessions: &mut Sessions) -> Result<Vec<EntityRestore>> {
        let mut restored = Vec::new();
        for (name, entries) in plan {
            let provider = self.environment.provider(name)?;
            let session = provider.begin_restore(&self.entries.options.session()).await?;
            let session = match hidden_object(entries) {
                None => session,
                Some(object) => Box::new(MaskedSession::new(session, object)),
            };
            sessions.push((name.clone(), session));
            if let Some((_, session)) = sessions.last_mut() {
                restored.extend(self.write_provider(name, entries, session.as_mut()).await?);
            }
        }
        Ok(restored)
    }

    async fn write_provider(
        &self,
        name: &str,
        entries: &[PlannedRestore],
        session: &mut dyn RestoreSession,
    ) -> Result<Vec<EntityRestore>> {
        let mut restored = Vec::with_capacity(entries.len());
        let mut streams = StreamDecisions::default();
        for entry in entries {
            self.entries.listener.emit(|| Event::EntityStarted {
                entity: entry.codec.name().to_owned(),
                set: entry.target_set.clone(),
                expected: Some(entry.entity.item_count),
            });
            let counts = self
                .write_entry(name, entry, entries, session, &mut streams)
                .await
                .inspect_err(|error| self.emit_failed(entry, error))?;
            self.entries.listener.emit(|| Event::EntityCompleted {
                entity: entry.codec.name().to_owned(),
                set: entry.target_set.clone(),
                records: entry.entity.item_count,
                bytes: entry.entity.size_bytes,
            });
            restored.push(EntityRestore {
                entity: entry.codec.name().to_owned(),
                set: entry.target_set.clone(),
                provider: name.to_owned(),
                records: entry.entity.item_count,
                counts,
            });
        }
        Ok(restored)
    }

    /// Writes the entry of one entity and set.
    async fn write_entry(
        &self,
        provider: &str,
        entry: &PlannedRestore,
        planned: &[PlannedRestore],
        session: &mut dyn RestoreSession,
        streams: &mut StreamDecisions,
    ) -> Result<WriteCounts> {
        let mut writer = match entry.codec.descriptor().stream_part() {
            None => session.begin(entry.target()).await?,
            Some(part) => {
                let options = self.entries.options.session();
                let store = self.environment.provider(provider)?.event_store().unwrap_or_default();
                streams.begin(session, part, entry, planned, store, &options).await?
            }
        };
        self.entries.listener.emit(|| Event::EntityPrepared {
            entity: entry.codec.name().to_owned(),
            set: entry.target_set.clone(),
        });
        self.entries.write(entry, self.reading(entry), writer.as_mut()).await?;
        let counts = writer.finish().await?;
        require_balance(entry.codec.name(), provider, entry.entity.item_count, &counts)?;
        Ok(counts)
    }

    fn emit_failed(&self, entry: &PlannedRestore, error: &Error) {
        self.entries.listener.emit(|| Event::EntityFailed {
            entity: entry.codec.name().to_owned(),
            set: entry.target_set.clone(),
            error: error.chain(),
        });
    }
}

/// Returns the object name of encrypted event streams, if the entries of a provider are event streams only.
fn hidden_object(entries: &[PlannedRestore]) -> Option<&'static str> {
    let are_streams = entries.iter().all(|entry| entry.codec.descriptor().stream_part().is_some());
    let hidden = entries.iter().find(|entry| !entry.codec.shows_keys())?;
    hidden.codec.descriptor().stream_object().filter(|_| are_streams)
}

/// Commits every session, or ends the dry run. Returns the objects that the commits put back.
async fn commit(sessions: Sessions, intent: SessionIntent) -> Result<Vec<SuspendedObject>> {
    let mut committed: Vec<String> = Vec::new();
    let mut suspended = Vec::new();
    let mut sessions = sessions.into_iter();
    while let Some((name, mut session)) = sessions.next() {
        let result = match intent {
            SessionIntent::Apply => session.commit().await,
            SessionIntent::Compare => match session.check_constraints().await {
                Ok(()) => session.rollback().await.map(|()| CommitReport::default()),
                Err(error) => {
                    let all = std::iter::once((name, session)).chain(sessions);
                    return Err(roll_back(all.collect(), error).await);
                }
            },
        };
        match result {
            Ok(report) => {
                let objects = report.suspended.into_iter();
                suspended.extend(objects.map(|object| SuspendedObject { provider: name.clone(), ..object }));
            }
            Err(error) => {
                let error = roll_back(sessions.collect(), error).await;
                let is_partial = intent == SessionIntent::Apply && !committed.is_empty();
                return Err(if is_partial { partial_commit_error(&name, &committed, error) } else { error });
            }
        }
        committed.push(name);
    }
    Ok(suspended)
}

/// Rolls back every session. The returned error lists the providers that could not confirm the rollback.
pub(crate) async fn roll_back(sessions: Sessions, error: Error) -> Error {
    let mut unconfirmed = Vec::new();
    for (name, session) in sessions {
        let problem = match tokio::time::timeout(ROLLBACK_TIMEOUT, session.rollback()).await {
            Ok(Ok(())) => continue,
            Ok(Err(failed)) => failed.chain(),
            Err(_) => "it did not respond in time".to_owned(),
        };
        unconfirmed.push(format!("the rollback of provider `{name}` is not confirmed: {problem}"));
    }
    if unconfirmed.is_empty() {
        error
    } else {
        error.context(unconfirmed.join("; ")).with_remaining_changes()
    }
}

fn partial_commit_error(failed: &str, committed: &[String], error: Error) -> Error {
    let committed = crate::foundation::names::names(committed.iter());
    let text = format!(
        "the restore is partial: {committed} committed, but provider `{failed}` failed to commit; remove the cause \
         and restore again"
    );
    error.context(text).with_remaining_changes()
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;

    use super::*;
    use crate::foundation::error::ErrorKind;

    use crate::provider::{RestoreTarget, TargetWriter};

    /// A session whose commit and rollback succeed or fail.
    #[derive(Debug)]
    struct EndingSession {
        succeeds: bool,
    }

    impl EndingSession {
        fn end(&self) -> Result<()> {
            if self.succeeds {
                Ok(())
            } else {
                Err(Error::new(ErrorKind::Provider, "the connection is lost"))
            }
        }
    }

    #[async_trait]
    impl RestoreSession for EndingSession {
        async fn begin<'s>(&'s mut self, _: RestoreTarget) -> Result<Box<dyn TargetWriter + 's>> {
            Err(Error::new(ErrorKind::Internal, "the session has no targets"))
        }

        async fn commit(self: Box<Self>) -> Result<CommitReport> {
            self.end().map(|()| CommitReport::default())
        }

        async fn rollback(self: Box<Self>) -> Result<()> {
            self.end()
        }
    }

    #[tokio::test]
    async fn an_error_contains_whether_changes_remain() {
        for succeeds in [true, false] {
            let session: Box<dyn RestoreSession> = Box::new(EndingSession { succeeds });
            let error = roll_back(vec![("a".to_owned(), session)], Error::cancelled()).await;
            assert_eq!((error.kind(), error.has_remaining_changes()), (ErrorKind::Cancelled, !succeeds));
        }
        assert!(partial_commit_error("b", &["a".to_owned()], Error::cancelled()).has_remaining_changes());
    }

    #[tokio::test]
    async fn only_a_restore_reports_that_an_earlier_provider_was_committed() {
        for (intent, is_partial) in [(SessionIntent::Apply, true), (SessionIntent::Compare, false)] {
            let session = |name: &str, succeeds| -> (String, Box<dyn RestoreSession>) {
                (name.to_owned(), Box::new(EndingSession { succeeds }))
            };
            let error = commit(vec![session("a", true), session("b", false)], intent).await;
            let error = error.expect_err("the second session fails").chain();
            assert!(error.contains("the connection is lost"), "{error}");
            assert_eq!(
                error.contains("`a` committed, but provider `b` failed to commit"),
                is_partial,
                "{error}"
            );
        }
    }
}

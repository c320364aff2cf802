//! Runs a backup: opens one snapshot for each provider, writes the archive, and publishes the manifest.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::attempt::{Attempt, Failures, Snapshots};
use super::end::BackupEnd;
use super::header::Header;
use super::loss_warnings::{EarlierBackups, EarlierTreeBackups};
use super::options::BackupOptions;
use super::plan::{PlannedEntity, PlannedEntry, plan};
use super::publish::{Contents, manifest, publish};
use super::report::BackupReport;
use super::verification::verify_published;
use crate::archive::{BackupStatus, Compressor, Manifest, archive_path, discard_unpublished};
use crate::environment::event::{Event, Listener};
use crate::environment::lease::{Lease, LeasedWork, Subject};
use crate::environment::{Environment, require_recipients};
use crate::foundation::cancellation::until_cancelled;
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::foundation::id::{BackupName, SetName};
use crate::foundation::names::names;
use crate::operations::operation::{Operation, OperationResult};
use crate::provider::snapshot_entry;
use crate::storage::{CLEANUP_TIMEOUT, Storage};

/// The earlier backups with which a new backup is compared.
#[derive(Debug)]
pub(crate) enum Comparison {
    /// Those of the storage profile into which the backup is written.
    Profile,
    /// Those of a directory tree.
    Tree(EarlierTreeBackups),
}

/// Runs a backup.
///
/// # Cancel safety
/// Dropping the future or cancelling stops the backup, and nothing is published.
pub(crate) async fn run(
    environment: &Environment,
    name: &BackupName,
    options: &BackupOptions,
    comparison: Comparison,
) -> Result<BackupReport> {
    let span = tracing::info_span!(target: "koan::backup", "backup", %name, id = tracing::field::Empty);
    let operation = Operation::new(environment, span, &options.cancel, options.timeout);
    let limited = BackupOptions { cancel: operation.cancel(), ..options.clone() };
    let end = BackupEnd::new(operation.listener(&options.listener), name, options);
    let log = |outcome: OperationResult<'_, BackupReport>| match outcome {
        OperationResult::Completed(report) => tracing::info!(
            target: "koan::backup",
            status = ?report.status(),
            records = report.item_count(),
            "backup completed"
        ),
        OperationResult::Failed(error) => {
            tracing::warn!(target: "koan::backup", error = %error.chain(), "backup failed");
        }
    };
    let work = async {
        if operation.is_logged() {
            tracing::info!(target: "koan::backup", "backup started");
        }
        Box::pin(run_within_time_limit(environment, &limited, comparison, &operation, &end)).await
    };
    let outcome = operation.run(Box::pin(work), log).await;
    end.announce(&outcome);
    outcome
}

async fn run_within_time_limit(
    environment: &Environment,
    options: &BackupOptions,
    comparison: Comparison,
    operation: &Operation<'_>,
    end: &BackupEnd,
) -> Result<BackupReport> {
    options.validate()?;
    let storage = environment.storage(options.profile.as_deref())?;
    let mut planned = plan(environment, &options.selection)?;
    let policies = planned.iter().map(|entity| (entity.codec.name(), entity.policy));
    require_recipients(environment.recipients.as_ref(), policies)?;
    if environment.archive_recipients(storage)?.is_some() {
        // Keys of records are content. They must not appear in the error text of a manifest that is not
        // encrypted.
        planned.iter_mut().for_each(|entity| entity.codec = entity.codec.clone().with_hidden_keys());
    }
    let subject = Subject::of_backup(end.name(), &environment.identity);
    let lease = Lease::acquire(environment, storage, subject, LeasedWork::default(), &options.cancel).await?;
    let run = LeasedRun { environment, storage, planned: &planned, options, end };
    let outcome = Box::pin(run_under_lease(run, comparison, &lease, operation)).await;
    lease.release().await;
    outcome
}

/// What a backup needs while the lease of its name is held.
struct LeasedRun<'a> {
    environment: &'a Environment,
    storage: &'a Storage,
    planned: &'a [PlannedEntity],
    options: &'a BackupOptions,
    end: &'a BackupEnd,
}

/// Runs a backup while the lease of its name is held, so that only one backup with this name runs at a time.
async fn run_under_lease(
    run: LeasedRun<'_>,
    comparison: Comparison,
    lease: &Lease,
    operation: &Operation<'_>,
) -> Result<BackupReport> {
    let LeasedRun { environment, storage, planned, options, end } = run;
    let (name, listener) = (end.name(), end.listener());
    let header = until_cancelled(&options.cancel, Header::new(environment, storage, name)).await?;
    let archive = archive_path(name, header.created_at, &header.id, storage.encryption());
    operation.span().record("id", tracing::field::display(header.id));
    end.identify(header.id);
    let leased_options = BackupOptions { cancel: lease.stop_token(), ..options.clone() };
    let profile = environment.profile_name(options.profile.as_deref());
    let written = async {
        let work = LeasedWork { backup: Some(header.id), archive: Some(archive.to_string()) };
        until_cancelled(&options.cancel, lease.set_work(work)).await?;
        // The earlier backups are read before a snapshot is opened, because reading many manifests takes
        // time.
        let series = options.series_of(name);
        let earlier = match comparison {
            Comparison::Profile => {
                let earlier = Box::pin(EarlierBackups::read(environment, profile, storage, &series));
                until_cancelled(&leased_options.cancel, async { Ok(earlier.await) }).await?
            }
            Comparison::Tree(tree) => EarlierBackups::of_tree(environment, &series, tree),
        };
        write(environment, storage, planned, &header, &leased_options, listener, &earlier).await
    };
    let outcome = match written.await {
        Ok(manifest) => finish(storage, manifest, options, lease).await,
        Err(error) => Err(lease.explain(error, &options.cancel)),
    };
    let outcome = outcome.map_err(|error| operation.explain(error));
    match &outcome {
        Ok(report) => end.publish(report.manifest()),
        Err(error) if error.kind() == ErrorKind::Cancelled => {}
        Err(error) => record_failure(environment, storage, &header, options, error).await,
    }
    let outcome = match outcome {
        Ok(report) if options.verify_after => {
            verify_published(environment, storage, report, options, listener).await
        }
        outcome => outcome,
    };
    end.announce(&outcome);
    outcome
}

/// Confirms the lease, and then publishes the backup.
async fn finish(
    storage: &Storage,
    manifest: Manifest,
    options: &BackupOptions,
    lease: &Lease,
) -> Result<BackupReport> {
    let error = match until_cancelled(&options.cancel, lease.confirm()).await {
        Ok(_) if options.cancel.is_cancelled() => Error::cancelled(),
        // From here on cancellation has no effect: a published backup must not be reported as cancelled.
        Ok(held) => {
            let published = publish(storage, &manifest, held.time_left(), &options.cancel).await;
            return published.map(|()| BackupReport::new(manifest));
        }
        Err(error) => error,
    };
    if let Some(archive) = &manifest.archive {
        discard_unpublished(storage, manifest.id, &archive.file.as_str().into()).await;
    }
    Err(error)
}

/// Writes the complete archive and returns its manifest, which is not published yet.
async fn write(
    environment: &Environment,
    storage: &Storage,
    planned: &[PlannedEntity],
    header: &Header<'_>,
    options: &BackupOptions,
    listener: &Listener,
    earlier: &EarlierBackups,
) -> Result<Manifest> {
    let prepared = async {
        let snapshots = snapshots(environment, planned).await?;
        let (entries, failures) = planned_entries(environment, planned, &snapshots, options).await?;
        Ok((snapshots, entries, failures))
    };
    let (snapshots, entries, mut failures) = until_cancelled(&options.cancel, prepared).await?;
    listener.emit(|| Event::BackupStarted {
        id: header.id,
        name: header.name.clone(),
        series: options.series_of(header.name),
        entries: entries.len(),
        records: entries.iter().map(|entry| entry.expected).sum(),
    });
    loop {
        let previous_failure_count = failures.len();
        let compressor = Arc::new(Compressor::new(options.compression));
        let (entries, snapshots) = (&entries, &snapshots);
        let attempt = Attempt {
            environment,
            storage,
            header,
            options,
            listener,
            entries,
            snapshots,
            earlier,
            compressor,
        };
        match attempt.write(&mut failures).await {
            Ok(manifest) => return Ok(manifest),
            // An entity failed after some of its records were in the archive. The archive is rewritten
            // without this entity, from the same snapshots, so that no archive contains an incomplete entity.
            Err(error)
                if options.continue_on_error
                    && failures.len() > previous_failure_count
                    && error.kind() != ErrorKind::Cancelled => {}
            Err(error) => return Err(error),
        }
    }
}

/// Opens one snapshot of every provider that the plan reads from.
async fn snapshots(environment: &Environment, planned: &[PlannedEntity]) -> Result<Snapshots> {
    let mut snapshots = Snapshots::new();
    for entity in planned {
        if !snapshots.contains_key(&entity.provider) {
            let snapshot = environment.provider(&entity.provider)?.snapshot().await?;
            snapshots.insert(entity.provider.clone(), snapshot);
        }
    }
    Ok(snapshots)
}

/// Returns an entry for each set of each entity. With `continue_on_error`, an entity whose sets cannot be
/// listed is added to the failures.
async fn planned_entries(
    environment: &Environment,
    planned: &[PlannedEntity],
    snapshots: &Snapshots,
    options: &BackupOptions,
) -> Result<(Vec<PlannedEntry>, Failures)> {
    // Counting costs a query for each entity, so the records are counted only if the application has set a
    // listener.
    let is_counted = environment.has_listener(&options.listener);
    let (mut entries, mut failures) = (Vec::<PlannedEntry>::new(), Failures::new());
    for entity in planned {
        let Some(snapshot) = snapshots.get(&entity.provider) else { continue };
        let sets = match snapshot_entry::sets(snapshot.as_ref(), &entity.codec).await {
            Ok(sets) => sets,
            Err(error) if options.continue_on_error => {
                failures.insert(entries.len(), error);
                entries.push(PlannedEntry { entity: entity.clone(), set: SetName::root(), expected: None });
                continue;
            }
            Err(error) => return Err(error),
        };
        let previous_count = entries.len();
        for set in sets.into_iter().filter(|set| options.selection.selects_set(set)) {
            // The records are counted before any read begins, because a provider may serve only one
            // read at a time.
            let expected = match is_counted {
                true => snapshot_entry::count(snapshot.as_ref(), &entity.codec, &set).await.ok(),
                false => None,
            };
            entries.push(PlannedEntry { entity: entity.clone(), set, expected });
        }
        if entries.len() == previous_count && options.selection.is_explicit() {
            return Err(set_not_found(
                &format!("`{}` has none of the selected sets", entity.codec.name()),
                options,
            ));
        }
    }
    let unmatched = options.selection.sets.iter().find(|set| !entries.iter().any(|entry| &&entry.set == set));
    match unmatched {
        Some(set) => Err(set_not_found(&format!("no entity has the selected set `{set}`"), options)),
        None => Ok((entries, failures)),
    }
}

fn set_not_found(problem: &str, options: &BackupOptions) -> Error {
    let selected = names(options.selection.sets.iter().map(SetName::as_str));
    Error::new(
        ErrorKind::NotFound,
        format!("{problem}, so nothing was backed up; the selected sets are {selected}"),
    )
}

/// Publishes a manifest with the status failed. If it cannot be published, the error is only logged, because
/// without a manifest the backup does not exist.
async fn record_failure(
    environment: &Environment,
    storage: &Storage,
    header: &Header<'_>,
    options: &BackupOptions,
    error: &Error,
) {
    // The description, tags and metadata may have made the manifest too large.
    let without_labels =
        BackupOptions { metadata: BTreeMap::new(), tags: Vec::new(), description: None, ..options.clone() };
    let options = if error.kind() == ErrorKind::Unsupported { &without_labels } else { options };
    let failed = Manifest {
        status: BackupStatus::Failed,
        error: Some(error.chain()),
        ..manifest(
            environment,
            storage,
            header,
            options,
            &Contents::new(header),
            header.now(&environment.clock),
        )
    };
    if let Err(error) = publish(storage, &failed, CLEANUP_TIMEOUT, &CancellationToken::new()).await {
        tracing::warn!(
            target: "koan::backup", error = %error.chain(),
            "the failure of a backup could not be recorded"
        );
    }
}

//! Runs a backup: one snapshot a provider, entities in order through all cores into one archive, then the manifest.

use super::attempt::{Attempt, Failures, Snapshots};
use super::options::BackupOptions;
use super::plan::{PlannedEntity, PlannedPart, plan};
use super::publish::{Contents, Header, manifest, publish};
use super::report::BackupReport;
use crate::archive::{BackupStatus, Manifest};
use crate::clock::new_backup_id;
use crate::environment::Environment;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Event, Listener};
use crate::id::{BackupName, SetName};
use crate::storage::Storage;

/// Backs up. Dropping the future or cancelling stops the work, and nothing is published.
pub(crate) async fn run(
    environment: &Environment,
    name: &BackupName,
    options: &BackupOptions,
) -> Result<BackupReport> {
    options.validate()?;
    let storage = environment.storage(options.profile.as_deref())?;
    let planned = plan(environment, &options.selection)?;
    refuse_unencrypted(&planned)?;
    let created_at = environment.clock.now();
    let header = Header { id: new_backup_id(&environment.clock), name, created_at };
    let listener = listener(environment, options);
    let work = back_up(environment, storage, &planned, &header, options, &listener);
    let ended = tokio::select! {
        biased;
        () = options.cancel.cancelled() => Err(Error::cancelled()),
        ended = work => ended,
    };
    let status = match &ended {
        Ok(report) => report.status(),
        Err(error) if error.kind() == ErrorKind::Cancelled => BackupStatus::Cancelled,
        Err(error) => {
            record_failure(environment, storage, &header, options, error).await;
            BackupStatus::Failed
        }
    };
    listener.tell(|| Event::BackupFinished { id: header.id, status });
    ended
}

/// An entity whose records must be encrypted is never written in clear.
fn refuse_unencrypted(planned: &[PlannedEntity]) -> Result<()> {
    match planned.iter().find(|entity| entity.policy.encrypt) {
        None => Ok(()),
        Some(entity) => Err(Error::new(
            ErrorKind::Encryption,
            format!(
                "`{}` must be encrypted and this version cannot encrypt; nothing was read",
                entity.codec.name()
            ),
        )),
    }
}

fn listener(environment: &Environment, options: &BackupOptions) -> Listener {
    if options.listener.is_listening() { options.listener.clone() } else { environment.listener.clone() }
}

async fn back_up(
    environment: &Environment,
    storage: &Storage,
    planned: &[PlannedEntity],
    header: &Header<'_>,
    options: &BackupOptions,
    listener: &Listener,
) -> Result<BackupReport> {
    let mut snapshots = Snapshots::new();
    for entity in planned {
        if !snapshots.contains_key(&entity.provider) {
            let snapshot = environment.provider(&entity.provider)?.snapshot().await?;
            snapshots.insert(entity.provider.clone(), snapshot);
        }
    }
    let (parts, mut failures) = parts(planned, &snapshots, options).await?;
    listener.tell(|| Event::BackupStarted { id: header.id, name: header.name.clone(), parts: parts.len() });
    loop {
        let known = failures.len();
        let attempt =
            Attempt { environment, storage, header, options, listener, parts: &parts, snapshots: &snapshots };
        match attempt.write(&mut failures).await {
            Ok(manifest) => {
                publish(storage, &manifest).await?;
                return Ok(BackupReport::new(manifest));
            }
            // An entity failed after some of its records were in the archive: it is written anew without that entity,
            // from the same snapshots, so that no archive holds a part of an entity.
            Err(_) if options.continue_on_error && failures.len() > known => {}
            Err(error) => return Err(error),
        }
    }
}

/// The sets of every entity; with `continue_on_error`, entities whose sets are not known are failures.
async fn parts(
    planned: &[PlannedEntity],
    snapshots: &Snapshots,
    options: &BackupOptions,
) -> Result<(Vec<PlannedPart>, Failures)> {
    let (mut parts, mut failures) = (Vec::new(), Failures::new());
    for entity in planned {
        let Some(snapshot) = snapshots.get(&entity.provider) else { continue };
        match snapshot.sets(&entity.codec).await {
            Ok(sets) => {
                let selected = sets.into_iter().filter(|set| options.selection.selects_set(set));
                parts.extend(selected.map(|set| PlannedPart { entity: entity.clone(), set }));
            }
            Err(error) if options.continue_on_error => {
                failures.insert(parts.len(), error);
                parts.push(PlannedPart { entity: entity.clone(), set: SetName::root() });
            }
            Err(error) => return Err(error),
        }
    }
    if parts.is_empty() {
        return Err(Error::new(ErrorKind::NotFound, "nothing to back up: no entity has a set of that name"));
    }
    Ok((parts, failures))
}

/// Leaves a manifest that says that the backup failed. That it could not be left changes nothing: without a manifest the
/// backup does not exist.
async fn record_failure(
    environment: &Environment,
    storage: &Storage,
    header: &Header<'_>,
    options: &BackupOptions,
    error: &Error,
) {
    let failed = Manifest {
        status: BackupStatus::Failed,
        error: Some(error.chain()),
        ..manifest(environment, header, options, &Contents::default(), environment.clock.now())
    };
    if let Err(error) = publish(storage, &failed).await {
        tracing::warn!(target: "koan::backup", error = %error.chain(), "the failure of a backup was not recorded");
    }
}

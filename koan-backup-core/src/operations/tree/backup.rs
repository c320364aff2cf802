//! Backs up into a tree: makes a backup in a staging storage, and converts it.

use std::path::PathBuf;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::report::DirectoryBackupReport;
use super::root::LockedRoot;
use super::staging::{Staging, TreeClock, staging_environment};
use super::writer::{ReadBack, TreeSource, write_staged};
use crate::archive::{Compression, Manifest};
use crate::catalog;
use crate::encryption::EphemeralKey;
use crate::environment::Environment;
use crate::environment::event::{Event, Listener, OperationLog};
use crate::foundation::blocking::blocking;
use crate::foundation::cancellation::until_cancelled;
use crate::foundation::clock::Clock;
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::foundation::id::BackupName;
use crate::operations::backup::{self, BackupEnd, BackupOptions};
use crate::operations::operation::{Operation, OperationResult};
use crate::storage::Storage;

/// Backs up into the tree in `root`.
///
/// # Cancel safety
/// Dropping the future or cancelling stops the backup. Nothing is registered then, and what was written is removed.
pub(crate) async fn run(
    environment: &Environment,
    name: &BackupName,
    options: &BackupOptions,
    root: PathBuf,
) -> Result<DirectoryBackupReport> {
    let span = tracing::info_span!(target: "koan::backup", "backup_to_directory", %name);
    let operation = Operation::new(environment, span, &options.cancel, options.timeout);
    let staged_options = BackupOptions {
        cancel: operation.cancel(),
        timeout: None,
        profile: None,
        compression: Compression::deflate(1)?,
        verify_after: false,
        ..options.clone()
    };
    let end = Arc::new(BackupEnd::new(environment.listener(&options.listener), name, options));
    let read_back = if options.verify_after { ReadBack::Verified } else { ReadBack::Omitted };
    let log = |outcome: OperationResult<'_, DirectoryBackupReport>| match outcome {
        OperationResult::Completed(report) => tracing::info!(
            target: "koan::backup", id = %report.id, records = report.item_count(),
            "backup into a directory tree completed"
        ),
        OperationResult::Failed(error) => tracing::warn!(
            target: "koan::backup", error = %error.chain(), "backup into a directory tree failed"
        ),
    };
    let work = async {
        if operation.is_logged() {
            tracing::info!(target: "koan::backup", "backup into a directory tree started");
        }
        run_within_time_limit(environment, staged_options, root, read_back, &end).await
    };
    let outcome = operation.run(Box::pin(work), log).await;
    match &outcome {
        Ok(report) => end.complete(report.status),
        Err(error) => end.fail(error),
    }
    outcome
}

async fn run_within_time_limit(
    environment: &Environment,
    options: BackupOptions,
    root: PathBuf,
    read_back: ReadBack,
    end: &Arc<BackupEnd>,
) -> Result<DirectoryBackupReport> {
    environment.require_outside_storage(&root).await?;
    let clock: Arc<dyn Clock> = Arc::clone(&environment.clock);
    let opened = blocking("opens the directory tree", move || {
        let root = Arc::new(LockedRoot::open(&root)?);
        let newest = root.registry()?.backups.iter().map(|backup| backup.created_at).max();
        let staging = Staging::within(root.path(), &clock)?;
        Ok::<_, Error>((root, newest, staging))
    });
    let (root, newest, staging) = until_cancelled(&options.cancel, async { opened.await? }).await?;
    let written = back_up(environment, &options, &root, newest, &staging, read_back, end).await;
    staging.remove().await;
    written
}

async fn back_up(
    environment: &Environment,
    options: &BackupOptions,
    root: &Arc<LockedRoot>,
    newest: Option<Timestamp>,
    staging: &Staging,
    read_back: ReadBack,
    end: &Arc<BackupEnd>,
) -> Result<DirectoryBackupReport> {
    let storage = Storage::local(staging.path()?)?;
    let later = |newest: Timestamp| newest.checked_add(SignedDuration::from_millis(1)).ok();
    let clock = TreeClock {
        clock: Arc::clone(&environment.clock),
        earliest: newest.and_then(later).unwrap_or(Timestamp::MIN),
    };
    let key = EphemeralKey::generate()?;
    let staged = staging_environment(environment, storage, key, Arc::new(clock), OperationLog::Off);
    let staged = Environment { listener: Listener::default(), observers: Vec::new(), ..staged };
    let options = BackupOptions { listener: without_end(end), ..options.clone() };
    let made = backup::run(&staged, end.name(), &options).await?;
    let id = made.id();
    let cancel = &options.cancel;
    let converted = async {
        let stored = until_cancelled(cancel, catalog::find_id(staged.storage(None)?, id)).await?;
        let archive = stored
            .manifest
            .archive
            .as_ref()
            .ok_or_else(|| Error::new(ErrorKind::Internal, "the staged backup has no archive"))?;
        let identities = Arc::new(staged.identities().await?);
        let open = until_cancelled(cancel, stored.open_archive(archive, &identities)).await?;
        let recipients = environment.recipients.as_ref();
        let source = TreeSource { open: &open, manifest: &stored.manifest, recipients, read_back };
        write_staged(root, staging, source, cancel).await
    };
    let converted = converted.await?;
    end.publish(&Manifest { archive: None, ..made.manifest().clone() });
    Ok(converted)
}

/// Returns a listener that does not receive the end of the staged backup, because the backup exists only after its
/// conversion.
fn without_end(end: &Arc<BackupEnd>) -> Listener {
    if !end.listener().is_listening() {
        return Listener::default();
    }
    let end = Arc::clone(end);
    Listener::new(move |event| match event {
        Event::BackupFinished { id, .. } => id.iter().for_each(|id| end.identify(*id)),
        event => end.listener().emit(|| event.clone()),
    })
}

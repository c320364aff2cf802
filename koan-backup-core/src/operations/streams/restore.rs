//! Restores a single backup, or a clone of it. The complete file is verified before the first write, and its hash is
//! compared again before the commit.

mod document;
mod existing;
mod ids;
mod lease;
mod options;
mod report;
mod target;
mod turns;

pub(crate) use options::{RestoredPart, StreamRestoreOptions};
pub use report::{StreamRestoreOutcome, StreamRestoreReport};

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use self::existing::ExistingAggregate;
use self::ids::IdRewrite;
use self::target::{RestoredParts, StreamTarget};
use super::end::StreamEnd;
use super::read::{identities_for, locate, open_content};
use super::stream_type::StreamType;
use crate::archive::stream_file::{StreamFile, StreamFileItem, damaged};
use crate::catalog::stream_backups::{StoredStreamBackup, StreamBackupRef};
use crate::encryption::Identities;
use crate::environment::Environment;
use crate::foundation::cancellation::until_cancelled;
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::operations::restore::{ProviderLeases, Verification, roll_back};
use crate::provider::event_store::{MaskedWriter, StoreErrors};
use crate::provider::{ConflictMode, RestoreSession, SessionOptions};

/// Restores a single backup.
///
/// # Errors
/// The backup is damaged, the aggregate exists already, the store cannot contain a part of the backup, or a store
/// fails. Nothing was written then.
pub(crate) async fn run(
    environment: &Environment,
    backup: &StreamBackupRef,
    options: &StreamRestoreOptions,
) -> Result<StreamRestoreReport> {
    let restored = restore_one(environment, backup, options).await;
    options.turns.release().await;
    restored
}

/// Restores one of the single backups of an operation, and announces its end. The operation releases the leases of the
/// providers.
///
/// # Errors
/// As for [`run`].
pub(super) async fn restore_one(
    environment: &Environment,
    backup: &StreamBackupRef,
    options: &StreamRestoreOptions,
) -> Result<StreamRestoreReport> {
    let mut end = StreamEnd::of_restore(environment, backup.id(), options.object.as_deref());
    let restored = locate_and_restore(environment, backup, options, &mut end).await;
    end.announce(&restored);
    restored
}

async fn locate_and_restore(
    environment: &Environment,
    backup: &StreamBackupRef,
    options: &StreamRestoreOptions,
    end: &mut StreamEnd,
) -> Result<StreamRestoreReport> {
    let cancel = &options.cancel;
    let stored = until_cancelled(cancel, locate(environment, options.profile.as_deref(), backup)).await?;
    let id = stored.meta.backup_id;
    end.identify(&stored.meta.object_name);
    let lease = lease::acquire(environment, &stored, cancel).await?;
    let restored = restore(environment, &stored, options).await;
    // The restore is committed, also if the future is dropped while the lease is released.
    end.announce(&restored);
    if let Some(lease) = lease {
        lease.release().await;
    }
    match &restored {
        Ok(report) => tracing::info!(
            target: "koan::backup", backup = %id, object = report.object, events = report.events,
            outcome = ?report.outcome, description = options.description.as_deref().unwrap_or_default(),
            "a single backup of an event stream was restored"
        ),
        // An error of the store may contain ids, which are content of an encrypted backup.
        Err(error) if stored.meta.encryption.is_some() => tracing::warn!(
            target: "koan::backup", backup = %id, kind = ?error.kind(),
            description = options.description.as_deref().unwrap_or_default(),
            "a single backup of an event stream was not restored"
        ),
        Err(error) => tracing::warn!(
            target: "koan::backup", backup = %id, error = %error.chain(),
            description = options.description.as_deref().unwrap_or_default(),
            "a single backup of an event stream was not restored"
        ),
    }
    restored.map_err(|error| match error.kind() {
        ErrorKind::Cancelled => error,
        _ => error.context(format!("single backup {id} was not restored")),
    })
}

async fn restore(
    environment: &Environment,
    stored: &StoredStreamBackup<'_>,
    options: &StreamRestoreOptions,
) -> Result<StreamRestoreReport> {
    let cancel = &options.cancel;
    let of = StreamType::find(environment, &stored.meta.object_name)?;
    if let Some(object) = &options.object
        && object != of.object
    {
        let text = format!("the backup is of an aggregate `{}`, and not of `{object}`", of.object);
        let help = format!("restore it with `koan.streams(\"{}\")`", of.object);
        return Err(Error::new(ErrorKind::Configuration, text).with_help(help));
    }
    let identities = until_cancelled(cancel, identities_for(environment, stored)).await?;
    let file = until_cancelled(cancel, open_content(stored, &identities)).await?;
    let source_id = source_id(stored, &identities).await?;
    let ids = match &options.clone_as {
        None => IdRewrite::unchanged(&source_id),
        Some(target) if *target == source_id => {
            let text = "a clone needs another object id than its source";
            return Err(Error::new(ErrorKind::Configuration, text).with_help("use `.restore(…)`"));
        }
        Some(target) => IdRewrite::clone_as(&source_id, target),
    };
    let parts = RestoredParts::plan(stored, &of, options)?;
    if options.verification == Verification::Complete {
        file.verify(of.codec, cancel).await?;
    }
    let turn = options.turns.of(of.provider_name);
    let mut turn = until_cancelled(cancel, async { Ok(turn.lock().await) }).await?;
    let leases = match &mut *turn {
        Some(leases) => leases,
        none => {
            let (mut leases, provider) = (ProviderLeases::default(), of.provider_name.to_owned());
            // A warning about a storage that cannot be used is in the log.
            leases.acquire(environment, [&provider].into_iter(), stored.meta.backup_id, cancel).await?;
            none.insert(leases)
        }
    };
    let session = until_cancelled(cancel, of.provider.begin_restore(&SessionOptions::default())).await?;
    let mut restore = StreamRestore { of: &of, file: &file, source_id: &source_id, ids, parts, options };
    restore.run(session, stored, leases, cancel).await
}

/// Returns the object id of the backup.
async fn source_id(stored: &StoredStreamBackup<'_>, identities: &Arc<Identities>) -> Result<String> {
    match stored.handle(identities).await?.object_id {
        Some(id) => Ok(id),
        // The content could be decrypted, so its description must be as well.
        None => Err(Error::new(ErrorKind::Corrupt, "the description of the backup cannot be decrypted")),
    }
}

struct StreamRestore<'r> {
    of: &'r StreamType<'r>,
    file: &'r StreamFile,
    source_id: &'r str,
    ids: IdRewrite,
    parts: RestoredParts,
    options: &'r StreamRestoreOptions,
}

impl StreamRestore<'_> {
    /// Writes the backup in a session, and commits it.
    async fn run(
        &mut self,
        mut session: Box<dyn RestoreSession>,
        stored: &StoredStreamBackup<'_>,
        leases: &ProviderLeases,
        cancel: &CancellationToken,
    ) -> Result<StreamRestoreReport> {
        let write = Box::pin(until_cancelled(cancel, self.write(session.as_mut(), stored)));
        let written = leases.hold_during(cancel, write).await;
        let provider = self.of.provider_name.to_owned();
        let confirmed = match written {
            Ok(report) => leases.confirm().await.map(|()| report),
            Err(error) => Err(error),
        };
        match confirmed {
            Ok(report) if report.outcome == StreamRestoreOutcome::Kept => {
                session.rollback().await?;
                Ok(report)
            }
            // A commit is not cancelled.
            Ok(report) => {
                let errors = StoreErrors::of(self.of.codec);
                session.commit().await.map_err(|error| errors.mask(self.of.object, error)).map(|_| report)
            }
            Err(error) => Err(roll_back(vec![(provider, session)], error).await),
        }
    }

    async fn write(
        &mut self,
        session: &mut dyn RestoreSession,
        stored: &StoredStreamBackup<'_>,
    ) -> Result<StreamRestoreReport> {
        let writer = session.events().ok_or_else(|| {
            let text = format!("the provider `{}` has no writer of its event store", self.of.provider_name);
            Error::new(ErrorKind::Provider, text).with_help("report this error to the author of the provider")
        })?;
        let writer = &mut MaskedWriter::new(writer, StoreErrors::of(self.of.codec));
        let mut report = StreamRestoreReport::new(stored, self.of.object, self.ids.object_id(), self.options);
        let existing = ExistingAggregate::read(writer, self.of.object, self.ids.object_id()).await?;
        if existing.exists() {
            match self.options.conflict {
                ConflictMode::Overwrite => {}
                ConflictMode::Keep => {
                    report.outcome = StreamRestoreOutcome::Kept;
                    return Ok(report);
                }
                ConflictMode::Fail => return Err(self.conflict()),
            }
            report.outcome = StreamRestoreOutcome::Replaced;
        }
        let mut items = self.file.items(self.of.codec, &self.options.cancel)?;
        let mut target = StreamTarget::new(writer, self.of, &mut self.ids, self.parts, existing);
        while let Some(item) = items.next().await {
            if let StreamFileItem::Header(header) = &item
                && header.object_id != self.source_id
            {
                let text = "its content belongs to another aggregate than its `.meta` says";
                return Err(damaged(stored.meta.backup_id, Error::new(ErrorKind::Corrupt, text)));
            }
            target.write(item).await?;
        }
        // This compares the hash of everything that was read.
        items.finish().await?;
        target.finish(&mut report).await?;
        Ok(report)
    }

    fn conflict(&self) -> Error {
        let text = format!("{} already exists", self.of.text(self.ids.object_id()));
        Error::new(ErrorKind::Conflict, text).with_help(
            "replace it with `.on_conflict(ConflictMode::Overwrite)`, which removes the events that came later, keep it \
             with `ConflictMode::Keep`, or restore a clone with `.restore_as(…)`",
        )
    }
}

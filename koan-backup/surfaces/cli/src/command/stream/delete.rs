//! `stream delete`: deletes a single backup.

use clap::Args;
use koan_backup_core::streams::{RemovedStreamBackup, StreamBackupRef};
use koan_backup_core::{ErrorKind, Result};

use super::reference::{Reference, aggregate, called};
use crate::amounts::size;
use crate::exit::Exit;
use crate::failure::Outcome;
use crate::output::OutputArgs;
use crate::prompt::ConfirmArgs;
use crate::session::Session;

/// Why a backup that exists cannot be described.
const UNREADABLE: [ErrorKind; 3] = [ErrorKind::Encryption, ErrorKind::Corrupt, ErrorKind::Incompatible];

/// The flags of `stream delete`.
#[derive(Args, Clone, Debug)]
pub(crate) struct StreamDeleteArgs {
    /// The single backup: an id, or its last eight digits
    #[arg(value_name = "BACKUP", value_parser = Reference::parse)]
    backup: Reference,
    /// The storage profile of the backup
    #[arg(long, value_name = "PROFILE")]
    pub(crate) profile: Option<String>,
    #[command(flatten)]
    confirm: ConfirmArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

impl StreamDeleteArgs {
    pub(crate) async fn run(&self, session: &Session<'_>) -> Outcome<Exit> {
        let profile = self.profile.as_deref();
        let place = session.profile(profile);
        let backup: StreamBackupRef = match (self.backup.select(session, profile).await, &self.backup) {
            (Ok(handle), _) => {
                let (backup, size) = (called(session, &handle), size(handle.size_bytes));
                let consequence = format!("deletes the single backup of {backup}, {size}, from {place}");
                self.confirm.confirm(session, &consequence).await?;
                handle.into()
            }
            // Neither a source of keys that fails nor a damaged description prevents the deletion.
            (Err(failure), Reference::Id(id)) if UNREADABLE.iter().any(|kind| failure.is(*kind)) => {
                let consequence = format!("deletes the single backup {id} from {place}");
                self.confirm.confirm(session, &consequence).await?;
                (*id).into()
            }
            (Err(failure), Reference::Id(id)) if failure.is(ErrorKind::NotFound) => {
                // A deletion that was interrupted is finished. It was confirmed when it began.
                match delete(session, (*id).into(), profile).await {
                    Err(error) if error.kind() == ErrorKind::NotFound => return Err(failure),
                    removed => {
                        print(session, &removed?);
                        return Ok(Exit::Done);
                    }
                }
            }
            (Err(failure), _) => return Err(failure),
        };
        print(session, &delete(session, backup, profile).await?);
        Ok(Exit::Done)
    }
}

/// Deletes the backup. This is not cancelled: the backup exists completely or not at all.
async fn delete(
    session: &Session<'_>,
    backup: StreamBackupRef,
    profile: Option<&str>,
) -> Result<RemovedStreamBackup> {
    let mut delete = session.koan.delete_stream_backup(backup);
    if let Some(profile) = profile {
        delete = delete.from_profile(profile);
    }
    delete.await
}

fn print(session: &Session<'_>, removed: &RemovedStreamBackup) {
    if session.output.is_json() {
        session.output.message("summary", removed);
        return;
    }
    let aggregate = match &removed.object_id {
        // The description is damaged, or was removed by an earlier deletion.
        None if !removed.encrypted => removed.object.clone(),
        id => aggregate(&removed.object, id.as_deref()),
    };
    let (id, size) = (removed.id.short(), size(removed.freed_bytes));
    session.output.line(format!("Deleted the single backup of {aggregate} {id}, {size}."));
}

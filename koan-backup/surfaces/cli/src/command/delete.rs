//! `delete`: deletes one backup.

use clap::Args;
use koan_backup_core::report::RemovedBackup;

use crate::amounts::size;
use crate::exit::Exit;
use crate::failure::Outcome;
use crate::output::OutputArgs;
use crate::prompt::ConfirmArgs;
use crate::reference::{Wanted, called};
use crate::session::Session;

/// The flags of `delete`.
#[derive(Args, Clone, Debug)]
pub struct DeleteArgs {
    /// The backup: an id, its last eight digits, a name, or `latest`
    #[arg(value_name = "BACKUP")]
    backup: String,
    /// The storage profile of the backup
    #[arg(long, value_name = "PROFILE")]
    pub(crate) profile: Option<String>,
    /// Delete it even if it is the last valid backup of one of its entities
    #[arg(long)]
    even_if_last: bool,
    #[command(flatten)]
    confirm: ConfirmArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

impl DeleteArgs {
    pub(crate) async fn run(&self, session: &Session<'_>) -> Outcome<Exit> {
        let (output, profile) = (&session.output, self.profile.as_deref());
        let wanted = Wanted { reference: &self.backup, profile, ..Wanted::default() };
        let manifest = wanted.select(session).await?;
        let bytes = manifest.archive.as_ref().map_or(0, |archive| archive.size_bytes);
        let (backup, place) = (called(session, &manifest), session.profile(profile));
        let consequence = format!("deletes {backup}, {}, from {place}", size(bytes));
        self.confirm.confirm(session, &consequence).await?;
        let mut delete = session.koan.delete(manifest.id);
        if let Some(profile) = profile {
            delete = delete.from_profile(profile);
        }
        if self.even_if_last {
            delete = delete.even_if_last();
        }
        // A removal is not cancelled: the backup exists completely or not at all.
        let removed: RemovedBackup = delete.await?;
        match output.is_json() {
            true => output.message("summary", &removed),
            false => {
                output.line(format!("Deleted {backup}, {}.", size(removed.freed_bytes)));
            }
        }
        Ok(Exit::Done)
    }
}

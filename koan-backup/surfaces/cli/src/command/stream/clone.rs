//! `stream clone`: restores a single backup with another object id.

use clap::Args;

use super::outcome::Counts;
use super::reference::{Reference, aggregate, called};
use super::restore::print_restore;
use super::restore_flags::{StreamRestoreFlags, apply};
use crate::exit::Exit;
use crate::failure::Outcome;
use crate::output::OutputArgs;
use crate::session::Session;

/// The flags of `stream clone`.
#[derive(Args, Clone, Debug)]
pub(crate) struct StreamCloneArgs {
    /// The single backup: an id, or its last eight digits
    #[arg(value_name = "BACKUP", value_parser = Reference::parse)]
    backup: Reference,
    /// The object id of the clone
    #[arg(value_name = "NEW_ID")]
    new_id: String,
    #[command(flatten)]
    flags: StreamRestoreFlags,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

impl StreamCloneArgs {
    /// Returns the storage profile of the backup, if it is selected.
    pub(crate) fn profile(&self) -> Option<&String> {
        self.flags.profile.as_ref()
    }

    pub(crate) async fn run(&self, session: &Session<'_>) -> Outcome<Exit> {
        let backup = self.backup.select(session, self.flags.profile.as_deref()).await?;
        let clone = aggregate(&backup.object, Some(&self.new_id));
        let (id, created_at) = (backup.id.short(), session.moment(backup.created_at));
        let replaced = format!("{clone} by a clone of the backup {id} ({created_at})");
        self.flags.ask(session, &[(&backup.object, replaced)]).await?;
        session.output.note(format!("Restoring {} as {clone}", called(session, &backup)));
        let restore = session.koan.streams(&backup.object)?.restore_as(&backup, &self.new_id);
        let report = apply!(&self.flags, restore).cancel_on(session.cancel()).await?;
        print_restore(session, &report);
        if session.output.is_json() {
            session.output.message("summary", Counts::of_restores(&[report]));
        }
        Ok(Exit::Done)
    }
}

//! `pin` and `unpin`: the protection of a backup from deletion.

use clap::Args;
use serde::Serialize;

use crate::exit::Exit;
use crate::failure::Outcome;
use crate::output::OutputArgs;
use crate::reference::{Wanted, called};
use crate::session::Session;

/// The flags of `pin`.
#[derive(Args, Clone, Debug)]
pub struct PinArgs {
    /// The backup: an id, its last eight digits, a name, or `latest`
    #[arg(value_name = "BACKUP")]
    pub(crate) backup: String,
    /// Why the backup must be kept
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// The storage profile of the backup
    #[arg(long, value_name = "PROFILE")]
    pub(crate) profile: Option<String>,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// The flags of `unpin`.
#[derive(Args, Clone, Debug)]
pub struct UnpinArgs {
    /// The backup: an id, its last eight digits, a name, or `latest`
    #[arg(value_name = "BACKUP")]
    pub(crate) backup: String,
    /// The storage profile of the backup
    #[arg(long, value_name = "PROFILE")]
    pub(crate) profile: Option<String>,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// The result in JSON.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Summary {
    id: String,
    pinned: bool,
    changed: bool,
}

impl PinArgs {
    pub(crate) async fn run(&self, session: &Session<'_>) -> Outcome<Exit> {
        let (output, profile) = (&session.output, self.profile.as_deref());
        let wanted = Wanted { reference: &self.backup, profile, ..Wanted::default() };
        let manifest = wanted.select(session).await?;
        session.koan.pin(manifest.id, profile, &self.reason).await?;
        let backup = called(session, &manifest);
        match output.is_json() {
            true => {
                output
                    .message("summary", Summary { id: manifest.id.to_string(), pinned: true, changed: true });
            }
            false => output.line(format!("Pinned {backup}: {}", self.reason)),
        }
        Ok(Exit::Done)
    }
}

impl UnpinArgs {
    pub(crate) async fn run(&self, session: &Session<'_>) -> Outcome<Exit> {
        let (output, profile) = (&session.output, self.profile.as_deref());
        let wanted = Wanted { reference: &self.backup, profile, ..Wanted::default() };
        let manifest = wanted.select(session).await?;
        let changed = session.koan.unpin(manifest.id, profile).await?;
        let backup = called(session, &manifest);
        match output.is_json() {
            true => {
                output.message("summary", Summary { id: manifest.id.to_string(), pinned: false, changed });
            }
            false if changed => output.line(format!("Unpinned {backup}")),
            false => output.line(format!("{backup} was not pinned")),
        }
        Ok(Exit::Done)
    }
}

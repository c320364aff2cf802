//! `acknowledge`: accepts that a backup has fewer records than the one before.

use clap::Args;
use koan_backup_core::catalog::SizeDrop;
use serde::Serialize;

use crate::amounts::count;
use crate::exit::Exit;
use crate::failure::Outcome;
use crate::output::OutputArgs;
use crate::reference::{Wanted, called};
use crate::session::Session;

/// The flags of `acknowledge`.
#[derive(Args, Clone, Debug)]
pub struct AcknowledgeArgs {
    /// The backup: an id, its last eight digits, a name, or `latest`
    #[arg(value_name = "BACKUP")]
    backup: String,
    /// Why the records are not needed
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// The storage profile of the backup
    #[arg(long, value_name = "PROFILE")]
    pub(crate) profile: Option<String>,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// The result in JSON.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Summary<'a> {
    id: String,
    losses: &'a [SizeDrop],
}

impl AcknowledgeArgs {
    pub(crate) async fn run(&self, session: &Session<'_>) -> Outcome<Exit> {
        let (output, profile) = (&session.output, self.profile.as_deref());
        let wanted = Wanted { reference: &self.backup, profile, ..Wanted::default() };
        let manifest = wanted.select(session).await?;
        let losses = session.koan.catalog().acknowledge(manifest.id, &self.reason).await?;
        if output.is_json() {
            output.message("summary", Summary { id: manifest.id.to_string(), losses: &losses });
            return Ok(Exit::Done);
        }
        output.line(format!("Acknowledged the losses of {}", called(session, &manifest)));
        for loss in &losses {
            output.line(format!("  {}: {} → {} records", loss.entity, count(loss.before), count(loss.after)));
        }
        Ok(Exit::Done)
    }
}

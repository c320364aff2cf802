//! `acknowledge`: accepts that a backup has fewer records than the one before.

use std::path::PathBuf;

use clap::Args;
use koan_backup_core::BackupId;
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
    /// The directory tree of the backup, which is given by its complete id
    #[arg(long, value_name = "ROOT", conflicts_with = "profile")]
    directory: Option<PathBuf>,
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
        let profile = self.profile.as_deref();
        if let Some(root) = &self.directory {
            let id = self.backup.parse::<BackupId>()?;
            let losses = session.koan.acknowledge_in_directory(root, id, &self.reason).await?;
            print(session, id, &id.to_string(), &losses);
            return Ok(Exit::Done);
        }
        let wanted = Wanted { reference: &self.backup, profile, ..Wanted::default() };
        let manifest = wanted.select(session).await?;
        let losses = session.koan.catalog().acknowledge(manifest.id, &self.reason).await?;
        print(session, manifest.id, &called(session, &manifest), &losses);
        Ok(Exit::Done)
    }
}

fn print(session: &Session<'_>, id: BackupId, backup: &str, losses: &[SizeDrop]) {
    let output = &session.output;
    if output.is_json() {
        return output.message("summary", Summary { id: id.to_string(), losses });
    }
    output.line(format!("Acknowledged the losses of {backup}"));
    for loss in losses {
        output.line(format!("  {}: {} → {} records", loss.entity, count(loss.before), count(loss.after)));
    }
}

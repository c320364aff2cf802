//! `recover`: lists complete archives again whose manifests are missing.

use clap::Args;
use koan_backup_core::report::{ArchiveRecovery, RecoveryOutcome};

use crate::amounts::count_of;
use crate::exit::Exit;
use crate::failure::Outcome;
use crate::output::OutputArgs;
use crate::session::Session;

/// The flags of `recover`.
#[derive(Args, Clone, Debug)]
pub struct RecoverArgs {
    /// Only this storage profile (repeatable)
    #[arg(long = "profile", value_name = "PROFILE")]
    pub(crate) profiles: Vec<String>,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

impl RecoverArgs {
    pub(crate) async fn run(&self, session: &Session<'_>) -> Outcome<Exit> {
        let output = &session.output;
        let recover = session.koan.catalog().recover().profiles(&self.profiles).cancel_on(session.cancel());
        let report = recover.await?;
        if output.is_json() {
            output.message("summary", &report);
        } else {
            report.archives.iter().for_each(|archive| output.line(line(archive)));
            let recovered = u64::try_from(report.recovered().count()).unwrap_or(u64::MAX);
            output.line(format!("{} recovered", count_of(recovered, "archive")));
        }
        let _ = report.require_all()?;
        Ok(Exit::Done)
    }
}

fn line(archive: &ArchiveRecovery) -> String {
    let outcome = match &archive.outcome {
        RecoveryOutcome::Recovered => "recovered".to_owned(),
        RecoveryOutcome::ToBeRemoved { .. } => "skipped: maintenance removes it".to_owned(),
        RecoveryOutcome::Superseded { by } => format!("skipped: {by} is listed and valid"),
        RecoveryOutcome::Incomplete => "skipped: truncated".to_owned(),
        RecoveryOutcome::Damaged { problem } => format!("damaged: {problem}"),
        RecoveryOutcome::NeedsKey { key_ids } => format!("needs a key: {}", key_ids.join(" or ")),
        RecoveryOutcome::InUse => "skipped: another process writes it".to_owned(),
        RecoveryOutcome::Failed { problem } => format!("failed: {problem}"),
        _ => "skipped".to_owned(),
    };
    format!("{} in {}: {outcome}", archive.archive, archive.profile)
}

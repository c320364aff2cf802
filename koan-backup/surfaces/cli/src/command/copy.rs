//! `copy`: copies a backup into another storage profile.

use clap::Args;

use crate::amounts::size;
use crate::arguments;
use crate::exit::Exit;
use crate::failure::Outcome;
use crate::output::OutputArgs;
use crate::progress::Progress;
use crate::reference::{Accepted, Wanted, called};
use crate::session::Session;

/// The flags of `copy`.
#[derive(Args, Clone, Debug)]
pub struct CopyArgs {
    /// The backup: an id, its last eight digits, a name, or `latest`
    #[arg(value_name = "BACKUP")]
    pub(crate) backup: String,
    /// The storage profile that receives the copy
    #[arg(long, value_name = "PROFILE")]
    pub(crate) to: String,
    /// The storage profile of the backup
    #[arg(long, value_name = "PROFILE")]
    pub(crate) profile: Option<String>,
    /// Look a name up among the backups of another application, such as shop/staging
    #[arg(long, value_name = "NAME/ENVIRONMENT", value_parser = arguments::application)]
    pub(crate) from_application: Option<(String, String)>,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

impl CopyArgs {
    pub(crate) async fn run(&self, session: &Session<'_>) -> Outcome<Exit> {
        let output = &session.output;
        let wanted = Wanted {
            reference: &self.backup,
            profile: self.profile.as_deref(),
            application: self.from_application.as_ref(),
            accepted: Accepted::Completed,
            ..Wanted::default()
        };
        let manifest = wanted.select(session).await?;
        let (backup, target) = (called(session, &manifest), session.profile(Some(&self.to)));
        output.note(format!("Copying {backup} to {target}"));
        let mut copy = session.koan.copy(manifest.id).to_profile(&self.to).cancel_on(session.cancel());
        if let Some(profile) = &self.profile {
            copy = copy.from_profile(profile);
        }
        let progress = Progress::new(output);
        let report = copy.on_event(progress.listener()).await;
        progress.finish();
        let report = report?;
        if output.is_json() {
            output.message("summary", &report);
            return Ok(Exit::Done);
        }
        output.line(match report.already_existed {
            true => format!("{backup} is already in {target}"),
            false => {
                format!("copied {backup} to {target} and verified it, {}", size(report.archive.size_bytes))
            }
        });
        report.warnings.iter().for_each(|warning| output.warning(warning));
        Ok(Exit::Done)
    }
}

//! `stream verify`: whether single backups can be restored.

use clap::Args;
use koan_backup_core::streams::{StreamBackupHandle, StreamVerification, UnreadableStreamBackup};
use serde::Serialize;

use super::reference::{Reference, Unfound, called, searched_profile};
use crate::amounts::count_of;
use crate::exit::Exit;
use crate::failure::Outcome;
use crate::output::OutputArgs;
use crate::session::Session;

/// The flags of `stream verify`.
#[derive(Args, Clone, Debug)]
pub(crate) struct StreamVerifyArgs {
    /// The single backups: ids, or their last eight digits
    #[arg(
        value_name = "BACKUP", required_unless_present = "all", conflicts_with = "all",
        value_parser = Reference::parse
    )]
    backups: Vec<Reference>,
    /// Verify every single backup of the storage profile
    #[arg(long)]
    all: bool,
    /// The storage profile of the backups
    #[arg(long, value_name = "PROFILE")]
    pub(crate) profile: Option<String>,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// The result in JSON.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Summary {
    backups: u64,
    valid: u64,
    incomplete: u64,
    damaged: u64,
    failed: u64,
}

/// What a command is to verify.
#[derive(Debug, Default)]
struct Selected<'r> {
    backups: Vec<StreamBackupHandle>,
    /// The references whose backups were not found.
    unfound: Vec<Unfound<'r>>,
    /// The files of `--all` that cannot be read.
    unreadable: Vec<UnreadableStreamBackup>,
}

/// One verified backup in JSON.
#[derive(Serialize)]
struct Verified<'a> {
    valid: bool,
    #[serde(flatten)]
    report: &'a StreamVerification,
}

impl StreamVerifyArgs {
    pub(crate) async fn run(&self, session: &Session<'_>) -> Outcome<Exit> {
        let output = &session.output;
        let (mut summary, mut exit) = (Summary::default(), Exit::Done);
        let selected = session.until_interrupted(self.selected(session)).await?;
        let is_one = self.backups.len() == 1;
        for Unfound { reference, failure } in &selected.unfound {
            summary.backups += 1;
            summary.failed += 1;
            output.warning(&format!("single backup {reference} could not be verified"));
            failure.report(output);
            exit = exit.or_more_important(failure.exit());
        }
        for backup in selected.backups {
            summary.backups += 1;
            let ended = match self.verify(session, &backup).await {
                Ok(ended) => {
                    match ended {
                        Exit::Done => summary.valid += 1,
                        Exit::Key => summary.incomplete += 1,
                        _ => summary.damaged += 1,
                    }
                    ended
                }
                Err(failure) if is_one || failure.exit() == Exit::Interrupted => return Err(failure),
                // The other backups are verified as well.
                Err(failure) => {
                    summary.failed += 1;
                    output.warning(&format!("{} could not be verified", called(session, &backup)));
                    failure.report(output);
                    failure.exit()
                }
            };
            exit = exit.or_more_important(ended);
        }
        for file in &selected.unreadable {
            let (path, profile, problem) = (&file.path, &file.profile, &file.problem);
            output.warning(&format!("`{path}` in profile `{profile}` is damaged: {problem}"));
            summary.backups += 1;
            summary.damaged += 1;
            exit = exit.or_more_important(Exit::Failed);
        }
        if output.is_json() {
            output.message("summary", summary);
        } else if !is_one {
            let Summary { backups, damaged, incomplete, failed, .. } = summary;
            let failed =
                if failed == 0 { String::new() } else { format!(", {failed} could not be verified") };
            output.line(format!(
                "{}, {damaged} damaged, {incomplete} not verified completely{failed}",
                count_of(backups, "single backup"),
            ));
        }
        Ok(exit)
    }

    /// Returns the backups that are to be verified.
    async fn selected(&self, session: &Session<'_>) -> Outcome<Selected<'_>> {
        let profile = self.profile.as_deref();
        if self.all {
            let searched = searched_profile(session, profile);
            let page = session.koan.stream_backups().from_all_applications().profiles(&searched).await?;
            let (backups, unreadable) = (page.backups, page.unreadable);
            return Ok(Selected { backups, unreadable, ..Selected::default() });
        }
        let mut selected = Selected::default();
        for reference in &self.backups {
            match reference.select(session, profile).await {
                Ok(backup) => selected.backups.push(backup),
                Err(failure) if self.backups.len() == 1 || failure.exit() == Exit::Interrupted => {
                    return Err(failure);
                }
                // The other backups are verified as well.
                Err(failure) => selected.unfound.push(Unfound { reference, failure }),
            }
        }
        Ok(selected)
    }

    async fn verify(&self, session: &Session<'_>, backup: &StreamBackupHandle) -> Outcome<Exit> {
        let output = &session.output;
        let report = session.koan.verify_stream_backup(backup).cancel_on(session.cancel()).await?;
        let ended = match (&report.problem, report.events) {
            (Some(_), _) => Exit::Failed,
            (None, None) => Exit::Key,
            (None, Some(_)) => Exit::Done,
        };
        if output.is_json() {
            output.message("verification", Verified { valid: report.is_valid(), report: &report });
            return Ok(ended);
        }
        let backup = called(session, backup);
        match (&report.problem, report.events) {
            (Some(problem), _) => output.line(format!("damaged {backup}: {problem}")),
            (None, Some(events)) => {
                output.line(format!("valid {backup}: {} checked", count_of(events, "event")))
            }
            (None, None) => output.line(format!("not verified completely {backup}")),
        }
        report.note.iter().for_each(|note| output.warning(note));
        Ok(ended)
    }
}

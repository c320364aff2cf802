//! `verify`: whether backups can be restored.

mod streams;

use clap::Args;
use koan_backup_core::BackupId;
use koan_backup_core::archive::Manifest;
use koan_backup_core::catalog::UnreadableManifest;
use koan_backup_core::report::VerifyReport;
use serde::Serialize;

use self::streams::StreamSummary;
use crate::amounts::{count_of, length};
use crate::arguments;
use crate::exit::Exit;
use crate::failure::Outcome;
use crate::output::OutputArgs;
use crate::progress::Progress;
use crate::reference::{Wanted, called};
use crate::session::Session;

/// The flags of `verify`.
#[derive(Args, Clone, Debug)]
pub struct VerifyArgs {
    /// The backup: an id, its last eight digits, a name, or `latest`
    #[arg(value_name = "BACKUP", required_unless_present = "all", conflicts_with = "all")]
    pub(crate) backup: Option<String>,
    /// Verify every backup of the storage profile, also the single backups of event streams
    #[arg(long)]
    all: bool,
    /// Verify only a share of each entity, such as 10%
    #[arg(long, value_name = "PERCENT", value_parser = arguments::percent)]
    sample: Option<u8>,
    /// Verify only this entity (repeatable)
    #[arg(long = "entity", value_name = "ENTITY")]
    entities: Vec<String>,
    /// The storage profile of the backup
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
    /// The single backups of event streams, if all backups are verified.
    #[serde(skip_serializing_if = "Option::is_none")]
    stream_backups: Option<StreamSummary>,
}

/// One verified backup in JSON.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Verified<'a> {
    name: &'a str,
    valid: bool,
    #[serde(flatten)]
    report: &'a VerifyReport,
}

impl VerifyArgs {
    pub(crate) async fn run(&self, session: &Session<'_>) -> Outcome<Exit> {
        let mut summary = Summary::default();
        let mut exit = Exit::Done;
        for manifest in self.backups(session).await? {
            summary.backups += 1;
            let ended = match self.verify(session, &manifest).await {
                Ok(ended) => {
                    match ended {
                        Exit::Done => summary.valid += 1,
                        Exit::Key => summary.incomplete += 1,
                        _ => summary.damaged += 1,
                    }
                    ended
                }
                // The other backups are verified as well.
                Err(failure) if self.all && failure.exit() != Exit::Interrupted => {
                    summary.failed += 1;
                    session.output.warning(&format!("{} could not be verified", called(session, &manifest)));
                    failure.report(&session.output);
                    failure.exit()
                }
                Err(failure) => return Err(failure),
            };
            exit = exit.or_more_important(ended);
        }
        if self.all {
            for manifest in self.unreadable(session).await? {
                let (id, problem) = (manifest.id, &manifest.problem);
                session.output.warning(&format!(
                    "backup {id} is damaged, because its manifest cannot be read: {problem}; `recover` publishes \
                     a damaged manifest again"
                ));
                summary.backups += 1;
                summary.damaged += 1;
                exit = exit.or_more_important(Exit::Failed);
            }
            let (counts, ended) = streams::verify(session, self.profile.as_deref(), &self.entities).await?;
            summary.stream_backups = Some(counts);
            exit = exit.or_more_important(ended);
        }
        if session.output.is_json() {
            session.output.message("summary", summary);
        } else if self.all {
            let Summary { backups, damaged, incomplete, failed, stream_backups, .. } = summary;
            let failed =
                if failed == 0 { String::new() } else { format!(", {failed} could not be verified") };
            session.output.line(format!(
                "{}, {damaged} damaged, {incomplete} not verified completely{failed}",
                count_of(backups, "backup"),
            ));
            let streams = stream_backups.and_then(|counts| counts.line());
            streams.iter().for_each(|line| session.output.line(line));
        }
        Ok(exit)
    }

    /// Returns the backups that are to be verified, newest first.
    async fn backups(&self, session: &Session<'_>) -> Outcome<Vec<Manifest>> {
        let profile = self.profile.as_deref();
        let Some(reference) = &self.backup else {
            return Ok(session.koan.backups_in(profile).await?);
        };
        let wanted = Wanted { reference, profile, ..Wanted::default() };
        Ok(vec![wanted.select(session).await?])
    }

    /// Returns the manifests of the storage profile that cannot be read.
    async fn unreadable(&self, session: &Session<'_>) -> Outcome<Vec<UnreadableManifest>> {
        let default = session.koan.capabilities().profiles.into_iter().next().map(|first| first.name);
        let searched = self.profile.clone().or(default).unwrap_or_default();
        let unreadable = session.koan.catalog().unreadable().await?.into_iter();
        Ok(unreadable.filter(|(profile, _)| *profile == searched).map(|(_, manifest)| manifest).collect())
    }

    async fn verify(&self, session: &Session<'_>, manifest: &Manifest) -> Outcome<Exit> {
        let output = &session.output;
        output.note(format!("Verifying {}", called(session, manifest)));
        let id: BackupId = manifest.id;
        let progress = Progress::new(output);
        let mut verify = session.koan.verify(id).cancel_on(session.cancel()).on_event(progress.listener());
        if let Some(percent) = self.sample {
            verify = verify.sample_percent(percent);
        }
        if let Some(profile) = &self.profile {
            verify = verify.from_profile(profile);
        }
        if !self.entities.is_empty() {
            verify = verify.entities(&self.entities);
        }
        let report = verify.await;
        progress.finish();
        let report = report?;
        if output.is_json() {
            let name = manifest.name.as_str();
            output.message("verification", Verified { name, valid: report.is_valid(), report: &report });
        } else {
            print(session, manifest, &report);
        }
        Ok(match (report.is_valid(), report.undecrypted.is_empty()) {
            (false, _) => Exit::Failed,
            (true, false) => Exit::Key,
            (true, true) => Exit::Done,
        })
    }
}

fn print(session: &Session<'_>, manifest: &Manifest, report: &VerifyReport) {
    let (output, issues) = (&session.output, report.issues());
    let (name, id) = (&manifest.name, manifest.id.short());
    let records = report.entities.iter().map(|entity| entity.records_checked).sum();
    let sampled = if report.sampled { ", a sample" } else { "" };
    let checked = format!(
        "{}, {} checked{sampled}",
        count_of(length(&report.entities), "entity"),
        count_of(records, "record")
    );
    if !issues.is_empty() {
        output.line(format!("damaged {name} {id}: {}; {checked}", count_of(length(issues), "fault")));
        issues.iter().for_each(|issue| output.line(format!("  {issue}")));
    } else if report.undecrypted.is_empty() {
        output.line(format!("valid {name} {id}: {checked}"));
    } else {
        output.line(format!("not verified completely {name} {id}: {checked}"));
    }
    report.notes.iter().for_each(|note| output.warning(note));
}

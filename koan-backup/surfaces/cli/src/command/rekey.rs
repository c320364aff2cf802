//! `rekey`: rewrites backups for the current recipients.

use clap::Args;
use koan_backup_core::report::{RekeyReport, RekeySummary};
use koan_backup_core::streams::StreamRekeySummary;
use serde::Serialize;

use crate::amounts::{count, count_of, length};
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::output::{Output, OutputArgs};
use crate::progress::Progress;
use crate::reference::{Accepted, Wanted, called};
use crate::session::Session;

/// The flags of `rekey`.
#[derive(Args, Clone, Debug)]
pub struct RekeyArgs {
    /// The backup: an id, its last eight digits, a name, or `latest`
    #[arg(value_name = "BACKUP", required_unless_present = "all", conflicts_with = "all")]
    backup: Option<String>,
    /// Rewrite every backup of this application in the storage profile
    #[arg(long)]
    all: bool,
    /// With --all: also backups of older versions that record no environment
    #[arg(long, requires = "all")]
    include_unidentified: bool,
    /// The storage profile
    #[arg(long, value_name = "PROFILE")]
    pub(crate) profile: Option<String>,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// The result of `--all` in JSON.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Summary {
    rekeyed: u64,
    unchanged: u64,
    failed: u64,
    cancelled: u64,
    unreadable: u64,
    unidentified: u64,
    other_applications: u64,
    /// The single backups of event streams.
    streams: StreamSummary,
}

/// The result of `--all` for single backups of event streams.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct StreamSummary {
    rekeyed: u64,
    unchanged: usize,
    failed: u64,
    cancelled: u64,
    unreadable: u64,
    other_applications: usize,
}

impl RekeyArgs {
    pub(crate) async fn run(&self, session: &Session<'_>) -> Outcome<Exit> {
        match &self.backup {
            Some(backup) => self.one(session, backup).await,
            None => self.all(session).await,
        }
    }

    async fn one(&self, session: &Session<'_>, backup: &str) -> Outcome<Exit> {
        let (profile, accepted) = (self.profile.as_deref(), Accepted::WithArchive);
        let wanted = Wanted { reference: backup, profile, accepted, ..Wanted::default() };
        let manifest = wanted.select(session).await?;
        session.output.note(format!("Rewriting {}", called(session, &manifest)));
        let mut rekey = session.koan.rekey(manifest.id).cancel_on(session.cancel());
        if let Some(profile) = profile {
            rekey = rekey.from_profile(profile);
        }
        let progress = Progress::new(&session.output);
        let report = rekey.on_event(progress.listener()).await;
        progress.finish();
        let report = report?;
        print(session, &report);
        let _ = report.require_replaced()?;
        Ok(Exit::Done)
    }

    async fn all(&self, session: &Session<'_>) -> Outcome<Exit> {
        let output = &session.output;
        let mut rekey = session.koan.rekey_all().cancel_on(session.cancel());
        if let Some(profile) = &self.profile {
            rekey = rekey.in_profile(profile);
        }
        if self.include_unidentified {
            rekey = rekey.include_unidentified();
        }
        let progress = Progress::new(output);
        let summary = rekey.on_event(progress.listener()).await;
        progress.finish();
        let summary = summary?;
        summary.rekeyed.iter().for_each(|report| print(session, report));
        let RekeySummary { rekeyed, unchanged, failed, cancelled, streams, .. } = &summary;
        let counts = Summary {
            rekeyed: length(rekeyed),
            unchanged: length(unchanged),
            failed: length(failed),
            cancelled: length(cancelled),
            unreadable: length(&summary.unreadable),
            unidentified: length(&summary.unidentified),
            other_applications: length(&summary.other_applications),
            streams: StreamSummary {
                rekeyed: length(&streams.rekeyed),
                unchanged: streams.unchanged,
                failed: length(&streams.failed),
                cancelled: length(&streams.cancelled),
                unreadable: length(&streams.unreadable),
                other_applications: streams.other_applications,
            },
        };
        match output.is_json() {
            true => output.message("summary", counts),
            false => output.line(format!(
                "{} rewritten, {} without encrypted content, {} failed",
                count_of(counts.rekeyed, "backup"),
                counts.unchanged,
                counts.failed
            )),
        }
        print_streams(output, streams);
        for (id, error) in &failed[failed.len().min(1)..] {
            output.warning(&format!("backup {id} was not rewritten: {}", error.chain()));
        }
        let help = "--include-unidentified rewrites backups that record no environment";
        let unidentified = !summary.unidentified_encrypted.is_empty();
        match summary.require_all() {
            Ok(_) => Ok(Exit::Done),
            Err(error) if unidentified => Err(Failure::from(error).with_help(help)),
            Err(error) => Err(error.into()),
        }
    }
}

/// Prints what was done with the single backups of event streams.
fn print_streams(output: &Output, streams: &StreamRekeySummary) {
    let rewritten = length(&streams.rekeyed);
    let number = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
    let others: Vec<_> = [
        (number(streams.unchanged), "without encrypted content"),
        (length(&streams.failed), "failed"),
        (length(&streams.cancelled), "not begun"),
        (length(&streams.unreadable), "not readable"),
        (number(streams.other_applications), "of other applications"),
    ]
    .into_iter()
    .filter(|(count, _)| *count > 0)
    .map(|(number, what)| format!(", {} {what}", count(number)))
    .collect();
    if !output.is_json() && (rewritten > 0 || !others.is_empty()) {
        output.line(format!("{} rewritten{}", count_of(rewritten, "single backup"), others.concat()));
    }
    streams.rekeyed.iter().flat_map(|report| &report.warnings).for_each(|warning| output.warning(warning));
    for (id, error) in &streams.failed {
        output.warning(&format!("single backup {id} was not rewritten: {}", error.chain()));
    }
    for file in &streams.unreadable {
        output.warning(&format!("`{}` in profile `{}`: {}", file.path, file.profile, file.problem));
    }
}

fn print(session: &Session<'_>, report: &RekeyReport) {
    let output = &session.output;
    if output.is_json() {
        output.message("rekeyed", report);
        return;
    }
    output.line(match report.scope {
        None => format!("{}: nothing in it is encrypted, so it is unchanged", report.id.short()),
        Some(_) => format!("{}: rewritten for {}", report.id.short(), report.key_ids.join(", ")),
    });
    report.warnings.iter().for_each(|warning| output.warning(warning));
}

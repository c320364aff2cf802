//! `stream cleanup`: removes the single backups that have expired.

use clap::Args;
use koan_backup_core::streams::{StreamCleanupReport, StreamKeepReason};

use super::reference::{aggregate, called};
use crate::amounts::{count_of, length, size};
use crate::exit::Exit;
use crate::failure::Outcome;
use crate::output::OutputArgs;
use crate::prompt::ConfirmArgs;
use crate::session::Session;

/// The flags of `stream cleanup`.
#[derive(Args, Clone, Debug)]
pub(crate) struct StreamCleanupArgs {
    /// Remove expired backups even if they are the only backups of streams that exist
    #[arg(long)]
    including_last: bool,
    #[command(flatten)]
    confirm: ConfirmArgs,
    /// Only this storage profile (repeatable)
    #[arg(long = "profile", value_name = "PROFILE")]
    pub(crate) profiles: Vec<String>,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

impl StreamCleanupArgs {
    pub(crate) async fn run(&self, session: &Session<'_>) -> Outcome<Exit> {
        let cleanup = session.koan.cleanup_expired_stream_backups().profiles(&self.profiles);
        let mut cleanup = cleanup.cancel_on(session.cancel());
        if self.including_last {
            let place = match self.profiles.as_slice() {
                [] => "all storage profiles".to_owned(),
                profiles => profiles.join(", "),
            };
            let consequence = format!(
                "removes the expired single backups from {place}, also the only backups of streams that exist"
            );
            self.confirm.confirm(session, &consequence).await?;
            cleanup = cleanup.including_last();
        }
        let report = cleanup.await?;
        match session.output.is_json() {
            true => session.output.message("summary", &report),
            false => print(session, &report),
        }
        Ok(if report.is_complete() { Exit::Done } else { Exit::Attention })
    }
}

fn print(session: &Session<'_>, report: &StreamCleanupReport) {
    let output = &session.output;
    for removed in &report.removed {
        let aggregate = aggregate(&removed.object, removed.object_id.as_deref());
        output.line(format!("removed {aggregate} {}, {}", removed.id.short(), size(removed.freed_bytes)));
    }
    for kept in &report.kept {
        let reason = match kept.reason {
            StreamKeepReason::LastOfExistingStream => {
                "it is the only backup of a stream that exists (--including-last removes it)"
            }
            StreamKeepReason::WithoutKey => "no key decrypts its object id",
            StreamKeepReason::UnknownStream => {
                "it is the only backup of its stream, and it is not known whether the stream exists \
                 (--including-last removes it)"
            }
            _ => "it is still needed",
        };
        output.line(format!("kept {}: {reason}", called(session, &kept.backup)));
    }
    for failed in &report.failed {
        output.line(format!("  problem: single backup {} was not removed: {}", failed.id, failed.error));
    }
    for unfinished in &report.unfinished {
        let (record, profile) = (&unfinished.record, &unfinished.profile);
        output.line(format!(
            "  problem: the removal of `{record}` in profile {profile} was not finished: {}",
            unfinished.error
        ));
    }
    for file in &report.unreadable {
        output.line(format!("  problem: `{}` in profile {}: {}", file.path, file.profile, file.problem));
    }
    let bytes = report.removed.iter().fold(0_u64, |sum, removed| sum.saturating_add(removed.freed_bytes));
    let removed = count_of(length(&report.removed), "expired single backup");
    output.line(format!("{removed} removed, {}", size(bytes)));
}

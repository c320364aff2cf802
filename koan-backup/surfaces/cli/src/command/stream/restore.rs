//! `stream restore`: restores single backups into the event stores.

use clap::Args;
use koan_backup_core::streams::{StreamBackupHandle, StreamRestoreOutcome, StreamRestoreReport};

use super::outcome::{Counts, Failed};
use super::reference::{Reference, Unfound, aggregate, called};
use super::restore_flags::{StreamRestoreFlags, apply};
use crate::amounts::{count_of, length};
use crate::exit::Exit;
use crate::failure::Outcome;
use crate::output::OutputArgs;
use crate::progress::StreamsProgress;
use crate::session::Session;

/// The flags of `stream restore`.
#[derive(Args, Clone, Debug)]
pub(crate) struct StreamRestoreArgs {
    /// The single backups: ids, or their last eight digits
    #[arg(value_name = "BACKUP", required = true, value_parser = Reference::parse)]
    backups: Vec<Reference>,
    #[command(flatten)]
    flags: StreamRestoreFlags,
    /// Restore at most this number of backups at the same time, by default 4
    #[arg(long, value_name = "BACKUPS")]
    concurrency: Option<usize>,
    /// Continue with the other backups when one fails
    #[arg(long)]
    continue_on_error: bool,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

impl StreamRestoreArgs {
    /// Returns the storage profile of the backups, if it is selected.
    pub(crate) fn profile(&self) -> Option<&String> {
        self.flags.profile.as_ref()
    }

    pub(crate) async fn run(&self, session: &Session<'_>) -> Outcome<Exit> {
        let (mut backups, mut unfound) = (Vec::with_capacity(self.backups.len()), Vec::new());
        let is_one = self.backups.len() == 1;
        for reference in &self.backups {
            match reference.select(session, self.flags.profile.as_deref()).await {
                Ok(backup) => backups.push(backup),
                Err(failure) if is_one || !self.continue_on_error || failure.exit() == Exit::Interrupted => {
                    return Err(failure);
                }
                Err(failure) => unfound.push(Unfound { reference, failure }),
            }
        }
        let subjects: Vec<_> = backups.iter().map(|backup| replaced(session, backup)).collect();
        self.flags.ask(session, &subjects).await?;
        if let [backup] = backups.as_slice()
            && is_one
        {
            session.output.note(format!("Restoring {}", called(session, backup)));
            let restore = session.koan.streams(&backup.object)?.restore(backup);
            let report = apply!(&self.flags, restore).cancel_on(session.cancel()).await?;
            print_restore(session, &report);
            if session.output.is_json() {
                session.output.message("summary", Counts::of_restores(&[report]));
            }
            return Ok(Exit::Done);
        }
        session.output.note(format!("Restoring {}", count_of(length(&backups), "single backup")));
        let progress = StreamsProgress::new(&session.output);
        let restores = apply!(&self.flags, session.koan.restore_streams(&backups));
        let mut restores = restores.cancel_on(session.cancel()).on_progress(progress.aggregates());
        if let Some(backups) = self.concurrency {
            restores = restores.max_concurrency(backups);
        }
        if self.continue_on_error {
            restores = restores.continue_on_error();
        }
        let report = restores.await;
        progress.finish();
        let report = report?;
        report.restored.iter().for_each(|restored| print_restore(session, restored));
        let counts = Counts {
            total: report.total + unfound.len(),
            failed: report.failed() + unfound.len(),
            not_started: report.not_started(),
            ..Counts::of_restores(&report.restored)
        };
        let failures = unfound.iter().map(Failed::from).chain(report.failures().iter().map(Failed::from));
        Ok(counts.report(session, &failures.collect::<Vec<_>>(), "restored"))
    }
}

/// Returns the object name of a backup, and the text that says what replaces its aggregate.
fn replaced<'b>(session: &Session<'_>, backup: &'b StreamBackupHandle) -> (&'b str, String) {
    let aggregate = aggregate(&backup.object, backup.object_id.as_deref());
    let (id, created_at) = (backup.id.short(), session.moment(backup.created_at));
    (backup.object.as_str(), format!("{aggregate} by the backup {id} ({created_at})"))
}

/// Prints what was restored.
pub(super) fn print_restore(session: &Session<'_>, report: &StreamRestoreReport) {
    let output = &session.output;
    if output.is_json() {
        output.message("restored", report);
        return;
    }
    let aggregate = aggregate(&report.object, Some(&report.object_id));
    let verb = match report.outcome {
        StreamRestoreOutcome::Kept => {
            output.line(format!("kept {aggregate}: it exists and was not changed"));
            return;
        }
        StreamRestoreOutcome::Replaced => "replaced",
        _ => "restored",
    };
    let mut facts = vec![count_of(report.events, "event")];
    if report.document {
        facts.push("the document".to_owned());
    }
    if report.snapshots > 0 {
        facts.push(count_of(report.snapshots, "snapshot"));
    }
    if report.terminated_streams > 0 {
        facts.push(count_of(report.terminated_streams, "terminated stream"));
    }
    output.line(format!("{verb} {aggregate}: {}", facts.join(", ")));
    if report.kept_terminated_streams > 0 {
        let kept = count_of(report.kept_terminated_streams, "terminated stream");
        output.line(format!("  kept {kept}, because the backup does not include terminated streams"));
    }
}

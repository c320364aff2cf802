//! `stream backup`: single backups of aggregates.

use std::time::Duration;

use clap::Args;
use koan_backup_core::streams::{BulkBackupReport, StreamBackupHandle};

use super::outcome::{Counts, Failed};
use super::reference::called;
use crate::amounts::{count_of, size};
use crate::arguments;
use crate::exit::Exit;
use crate::failure::Outcome;
use crate::output::OutputArgs;
use crate::progress::StreamsProgress;
use crate::session::Session;

/// The flags of `stream backup`.
#[derive(Args, Clone, Debug)]
pub(crate) struct StreamBackupArgs {
    /// The object name of the event streams, such as order
    object: String,
    /// The object ids of the aggregates
    #[arg(value_name = "ID", required_unless_present = "all", conflicts_with = "all")]
    ids: Vec<String>,
    /// Back up every aggregate with this object name
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    content: ContentArgs,
    /// Read at most this number of aggregates at the same time, by default 4
    #[arg(long, value_name = "AGGREGATES")]
    concurrency: Option<usize>,
    /// Continue with the other aggregates when one fails
    #[arg(long)]
    continue_on_error: bool,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// The flags about the content and the place of the backups.
#[derive(Args, Clone, Debug)]
struct ContentArgs {
    /// Include the snapshots, and fail if the event store has none
    #[arg(long)]
    snapshots: bool,
    /// Include the terminated streams, and fail if the event store has none
    #[arg(long)]
    terminated: bool,
    /// Include everything that the event store has
    #[arg(long)]
    full: bool,
    /// Omit the document
    #[arg(long, conflicts_with = "full")]
    no_document: bool,
    /// Do not compress the backup
    #[arg(long)]
    no_compression: bool,
    /// Write the backup to this storage profile
    #[arg(long, value_name = "PROFILE")]
    profile: Option<String>,
    /// Store the content below this folder of the storage profile, such as eu
    #[arg(long, value_name = "FOLDER")]
    folder: Option<String>,
    /// Allow `stream cleanup` to remove the backup after this time, such as 30d
    #[arg(long, value_name = "TIME", value_parser = arguments::duration)]
    expires_after: Option<Duration>,
    /// Describe the backup for people
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// Add metadata (repeatable)
    #[arg(long = "metadata", value_name = "KEY=VALUE", value_parser = arguments::metadata)]
    metadata: Vec<(String, String)>,
    /// Add a tag, by which `stream list` can find the backup (repeatable)
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<String>,
}

/// Applies the flags about the content to the builder of one or of several backups.
macro_rules! apply {
    ($content:expr, $backup:expr) => {{
        let (content, mut backup) = ($content, $backup);
        if content.full {
            backup = backup.full();
        }
        if content.snapshots {
            backup = backup.include_snapshots();
        }
        if content.terminated {
            backup = backup.include_terminated();
        }
        if content.no_document {
            backup = backup.without_document();
        }
        if content.no_compression {
            backup = backup.without_compression();
        }
        if let Some(profile) = &content.profile {
            backup = backup.to_profile(profile);
        }
        if let Some(folder) = &content.folder {
            backup = backup.folder(folder);
        }
        if let Some(time) = content.expires_after {
            backup = backup.expires_after(time);
        }
        if let Some(description) = &content.description {
            backup = backup.description(description);
        }
        for (key, value) in &content.metadata {
            backup = backup.metadata(key, value);
        }
        for tag in &content.tags {
            backup = backup.tag(tag);
        }
        backup
    }};
}

impl StreamBackupArgs {
    pub(crate) async fn run(&self, session: &Session<'_>) -> Outcome<Exit> {
        let streams = session.koan.streams(&self.object)?;
        let subject = match self.ids.as_slice() {
            [] => format!("every {}", self.object),
            [id] => format!("{} {id}", self.object),
            ids => count_of(crate::amounts::length(ids), "aggregate"),
        };
        let place = session.profile(self.content.profile.as_deref());
        session.output.note(format!("Backing up {subject} to {place}"));
        let progress = StreamsProgress::new(&session.output);
        let [id] = self.ids.as_slice() else {
            let backups = match self.all {
                true => streams.backup_all(),
                false => streams.backup_many(&self.ids),
            };
            let backups = apply!(&self.content, backups);
            let mut backups = backups.cancel_on(session.cancel()).on_progress(progress.aggregates());
            if let Some(aggregates) = self.concurrency {
                backups = backups.max_concurrency(aggregates);
            }
            if self.continue_on_error {
                backups = backups.continue_on_error();
            }
            let report = backups.await;
            progress.finish();
            return Ok(print(session, &report?));
        };
        let backup = apply!(&self.content, streams.backup(id));
        let handle = backup.cancel_on(session.cancel()).on_progress(progress.events()).await;
        progress.finish();
        let handle = handle?;
        print_backup(session, &handle);
        if session.output.is_json() {
            session.output.message("summary", Counts::ONE);
        }
        Ok(Exit::Done)
    }
}

fn print(session: &Session<'_>, report: &BulkBackupReport) -> Exit {
    report.handles.iter().for_each(|handle| print_backup(session, handle));
    let counts = Counts {
        total: report.total,
        succeeded: report.succeeded(),
        kept: None,
        failed: report.failed(),
        not_started: report.not_started(),
    };
    let failures: Vec<_> = report.failures().iter().map(Failed::from).collect();
    counts.report(session, &failures, "backed up")
}

fn print_backup(session: &Session<'_>, handle: &StreamBackupHandle) {
    let output = &session.output;
    if output.is_json() {
        output.message("backup", handle);
        return;
    }
    let mut facts = vec![count_of(handle.event_count, "event")];
    if handle.includes.document {
        facts.push("the document".to_owned());
    }
    if handle.includes.snapshots {
        facts.push(count_of(handle.snapshot_count, "snapshot"));
    }
    if handle.includes.terminated {
        facts.push(count_of(handle.terminated_stream_count, "terminated stream"));
    }
    let backup = called(session, handle);
    output.line(format!("completed {backup}: {}, {}", facts.join(", "), size(handle.size_bytes)));
}

//! `backup`: makes a backup.

use std::time::Duration;

use clap::Args;
use koan_backup_core::Compression;
use koan_backup_core::report::BackupReport;
use serde::Serialize;

use crate::amounts::{count_of, length, millis, size};
use crate::arguments;
use crate::contents::entity_count;
use crate::exit::Exit;
use crate::failure::Outcome;
use crate::output::OutputArgs;
use crate::progress::Progress;
use crate::selection::{SelectionArgs, select};
use crate::session::Session;
use crate::user;

/// The flags of `backup`.
#[derive(Args, Clone, Debug)]
pub struct BackupArgs {
    /// The name of the backup, by default the configured one or `default`
    name: Option<String>,
    #[command(flatten)]
    selection: SelectionArgs,
    /// Add a tag, by which `list` can find the backup (repeatable)
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<String>,
    /// Describe the backup for people
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// Record why the backup is made
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Add metadata to the manifest (repeatable)
    #[arg(long = "meta", value_name = "KEY=VALUE", value_parser = arguments::metadata)]
    metadata: Vec<(String, String)>,
    /// Write the backup to this storage profile
    #[arg(long, value_name = "PROFILE")]
    profile: Option<String>,
    /// Compress with deflate[:1-9], zstd[:1-22] or none
    #[arg(long, value_name = "METHOD", value_parser = arguments::compression)]
    compression: Option<Compression>,
    /// Check for cancellation and report progress after this number of rows
    #[arg(long, value_name = "ROWS")]
    batch_size: Option<usize>,
    /// Read at most this number of entities at the same time
    #[arg(long, value_name = "ENTITIES")]
    concurrency: Option<usize>,
    /// Stop if the backup takes longer, such as 30m
    #[arg(long, value_name = "TIME", value_parser = arguments::duration)]
    timeout: Option<Duration>,
    /// Put the backup into this series, by default its name without a date
    #[arg(long, value_name = "NAME")]
    series: Option<String>,
    /// Omit the schema snapshots of entities
    #[arg(long)]
    no_schema: bool,
    /// Read the backup back and verify it
    #[arg(long)]
    verify_after: bool,
    /// Continue with the other entities when an entity fails
    #[arg(long)]
    continue_on_error: bool,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// The result in JSON.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Summary<'a> {
    id: String,
    name: &'a str,
    series: String,
    profile: String,
    status: koan_backup_core::archive::BackupStatus,
    entities: u64,
    records: u64,
    bytes: u64,
    archive_bytes: u64,
    duration_ms: u64,
    verified_at: Option<String>,
    warnings: Vec<String>,
}

impl BackupArgs {
    pub(crate) async fn run(&self, session: &Session<'_>) -> Outcome<Exit> {
        session.refuse_fixed([
            self.name.as_ref().map(|_| ("the name", "backup.name")),
            self.compression.map(|_| ("--compression", "backup.compression")),
            self.batch_size.map(|_| ("--batch-size", "backup.batch_size")),
            self.concurrency.map(|_| ("--concurrency", "backup.max_concurrency")),
            self.timeout.map(|_| ("--timeout", "backup.timeout")),
            self.verify_after.then_some(("--verify-after", "backup.verify_after")),
        ])?;
        let output = &session.output;
        let name = self.name.as_deref().unwrap_or(session.koan.default_backup_name().as_str());
        output.note(format!("Backing up {name} to {}", session.profile(self.profile(session))));
        let progress = Progress::new(output);
        let backup = session.koan.backup(name).cancel_on(session.cancel()).on_event(progress.listener());
        let mut backup = select!(backup, self.selection).tags(&self.tags).triggered_by(user::command_line());
        for (key, value) in &self.metadata {
            backup = backup.metadata(key, value);
        }
        if let Some(description) = &self.description {
            backup = backup.description(description);
        }
        if let Some(reason) = &self.reason {
            backup = backup.reason(reason);
        }
        if let Some(profile) = &self.profile {
            backup = backup.to_profile(profile);
        }
        if let Some(series) = &self.series {
            backup = backup.series(series);
        }
        if let Some(compression) = self.compression {
            backup = backup.compression(compression);
        }
        if let Some(rows) = self.batch_size {
            backup = backup.batch_size(rows);
        }
        if let Some(entities) = self.concurrency {
            backup = backup.max_concurrency(entities);
        }
        if let Some(limit) = self.timeout {
            backup = backup.timeout(limit);
        }
        if self.no_schema {
            backup = backup.without_schemas();
        }
        if self.verify_after {
            backup = backup.verify_after();
        }
        if self.continue_on_error {
            backup = backup.continue_on_error();
        }
        let report = backup.await;
        progress.finish();
        let report = report?;
        self.print(session, &report);
        Ok(if report.is_complete() { Exit::Done } else { Exit::Attention })
    }

    /// Returns the storage profile that a flag or the context sets, or `None` for the default profile.
    fn profile<'a>(&'a self, session: &'a Session<'_>) -> Option<&'a str> {
        self.profile.as_deref().or(session.koan.backup_defaults().profile.as_deref())
    }

    fn print(&self, session: &Session<'_>, report: &BackupReport) {
        let (output, manifest) = (&session.output, report.manifest());
        let archive_bytes = manifest.archive.as_ref().map_or(0, |archive| archive.size_bytes);
        let bytes = manifest.verification.total_size_bytes;
        let warnings: Vec<_> = report.warnings().iter().cloned().chain(session.coverage_gaps()).collect();
        if output.is_json() {
            let default = || session.koan.capabilities().profiles.into_iter().next();
            let profile = self.profile(session).map(str::to_owned);
            let profile = profile.or_else(|| Some(default()?.name)).unwrap_or_default();
            output.message(
                "summary",
                Summary {
                    id: report.id().to_string(),
                    name: manifest.name.as_str(),
                    series: report.series().to_string(),
                    profile,
                    status: report.status(),
                    entities: entity_count(manifest),
                    records: report.item_count(),
                    bytes,
                    archive_bytes,
                    duration_ms: manifest.duration_ms,
                    verified_at: report.verified_at().map(|at| at.to_string()),
                    warnings,
                },
            );
            return;
        }
        let outcome = if report.is_complete() { "completed" } else { "incomplete" };
        let (name, id) = (&manifest.name, report.id().short());
        output.line(format!("{outcome} {name} {id} in {}", millis(manifest.duration_ms)));
        output.line(format!(
            "  {}, {}, {} of JSON in {}",
            count_of(entity_count(manifest), "entity"),
            count_of(report.item_count(), "record"),
            size(bytes),
            size(archive_bytes)
        ));
        let verified = match report.verification() {
            Some(verification) if verification.undecrypted.is_empty() => "read back and verified".to_owned(),
            Some(_) => "read back; encrypted content was verified by its hashes".to_owned(),
            None => "not read back yet (--verify-after)".to_owned(),
        };
        let counted = match length(&warnings) {
            0 => String::new(),
            count => format!("; {}", count_of(count, "warning")),
        };
        output.line(format!("  every record decodes as its type; {verified}{counted}"));
        for entity in &manifest.entities {
            if let Some(error) = &entity.error {
                output.labelled("error", &format!("{} is not in the backup: {error}", entity.entity));
            }
        }
        warnings.iter().for_each(|warning| output.warning(warning));
    }
}

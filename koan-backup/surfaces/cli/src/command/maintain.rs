//! `maintain`: one maintenance run, or repeated runs in the foreground.

use std::time::Duration;

use clap::Args;
use koan_backup_core::Error;
use koan_backup_core::maintenance::{DirectoryMaintenance, MaintenanceReport, ProfileMaintenance};

use crate::amounts::{count_of, duration, length, size};
use crate::arguments;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::output::OutputArgs;
use crate::retention_arguments::RetentionArgs;
use crate::session::Session;

/// The flags of `maintain`.
#[derive(Args, Clone, Debug)]
pub struct MaintainArgs {
    /// Run again after this time, such as 1h, until the process is interrupted
    #[arg(long, value_name = "TIME", value_parser = arguments::duration)]
    every: Option<Duration>,
    /// Only this storage profile (repeatable)
    #[arg(long = "profile", value_name = "PROFILE")]
    pub(crate) profiles: Vec<String>,
    /// Do not verify a backup
    #[arg(long)]
    no_verify: bool,
    /// Do not remove files of crashed processes
    #[arg(long)]
    no_cleanup: bool,
    #[command(flatten)]
    retention: RetentionArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

impl MaintainArgs {
    pub(crate) async fn run(&self, session: &Session<'_>) -> Outcome<Exit> {
        self.retention.refuse_fixed(session)?;
        session.refuse_fixed([
            self.every.map(|_| ("--every", "maintenance.every")),
            self.profiles.first().map(|_| ("--profile", "maintenance.profiles")),
            self.no_verify.then_some(("--no-verify", "maintenance.verify")),
            self.no_cleanup.then_some(("--no-cleanup", "maintenance.cleanup")),
        ])?;
        let Some(every) = self.every else {
            return Ok(self.once(session).await?);
        };
        if every.is_zero() {
            return Err(Failure::usage("the time between two runs is zero", "set a longer time, such as 1h"));
        }
        let cancel = session.cancel();
        loop {
            if let Err(error) = self.once(session).await {
                let failure = Failure::from(error);
                if cancel.is_cancelled() {
                    return Err(failure);
                }
                // The next run may succeed.
                failure.report(&session.output);
            }
            session.output.note(format!("the next run is in {}", duration(every)));
            tokio::select! {
                () = tokio::time::sleep(every) => {}
                () = cancel.cancelled() => return Err(Failure::interrupted()),
            }
        }
    }

    async fn once(&self, session: &Session<'_>) -> Result<Exit, Error> {
        let mut maintenance = session.koan.maintenance().profiles(&self.profiles).cancel_on(session.cancel());
        if let Some(policy) = self.retention.policy(session.koan.retention_policy()) {
            maintenance = maintenance.retention(policy);
        }
        if self.no_verify {
            maintenance = maintenance.without_verification();
        }
        if self.no_cleanup {
            maintenance = maintenance.without_cleanup();
        }
        let report: MaintenanceReport = maintenance.await?;
        match session.output.is_json() {
            true => session.output.message("summary", &report),
            false => {
                report.profiles.iter().for_each(|profile| print(session, profile));
                report.directories.iter().for_each(|directory| print_directory(session, directory));
            }
        }
        Ok(exit_of(&report))
    }
}

/// Returns how a run ends. What needs attention is more important than what another process prevented.
fn exit_of(report: &MaintenanceReport) -> Exit {
    if !report.is_clean() {
        Exit::Attention
    } else if report.is_busy() {
        Exit::Busy
    } else {
        Exit::Done
    }
}

fn print(session: &Session<'_>, profile: &ProfileMaintenance) {
    let output = &session.output;
    let mut facts = Vec::new();
    if let Some(pruned) = &profile.pruned {
        let removed = count_of(length(&pruned.removed), "backup");
        facts.push(format!("deleted {removed}, {}", size(pruned.freed_bytes())));
    }
    if let Some(id) = &profile.verified {
        facts.push(format!("verified {}", id.short()));
    }
    if !profile.removed_files.is_empty() {
        let files = count_of(length(&profile.removed_files), "file");
        facts.push(format!("removed {files} of crashed processes, {}", size(profile.freed_bytes)));
    }
    if !profile.aborted_uploads.is_empty() {
        facts.push(format!("aborted {}", count_of(length(&profile.aborted_uploads), "upload")));
    }
    let streams = &profile.stream_backups;
    if let Some(expired) = streams.expired.as_ref().filter(|expired| !expired.removed.is_empty()) {
        facts.push(format!("deleted {}", count_of(length(&expired.removed), "expired single backup")));
    }
    if streams.verified > 0 {
        facts.push(format!("verified {}", count_of(streams.verified, "single backup")));
    }
    let done = if facts.is_empty() { "nothing to do".to_owned() } else { facts.join("; ") };
    output.line(format!("{}: {done}", profile.profile));
    if let (Some(id), Some(damage)) = (&profile.verified, &profile.damage) {
        output.line(format!("  problem: backup {id} is damaged: {damage}"));
    }
    for (id, damage) in profile.pruned.iter().flat_map(|pruned| &pruned.damaged) {
        output.line(format!("  problem: backup {id} is damaged: {damage}"));
    }
    for archive in &profile.unlisted {
        output.line(format!("  problem: archive {} is unlisted; `recover` lists it again", archive.archive));
    }
    for damaged in &streams.damaged {
        output.line(format!("  problem: single backup {} is damaged: {}", damaged.id, damaged.problem));
    }
    for content in &streams.unlisted {
        output.line(format!("  problem: {} is unlisted: no `.meta` refers to it", content.path));
    }
    for meta in &streams.unreadable {
        output.line(format!("  problem: {} cannot be read: {}", meta.path, meta.problem));
    }
    for manifest in &profile.unreadable {
        output.line(format!("  problem: manifest {} cannot be read: {}", manifest.path, manifest.problem));
    }
    profile.failures.iter().for_each(|failure| output.line(format!("  problem: {failure}")));
    profile.skipped.iter().for_each(|skipped| output.line(format!("  skipped: {skipped}")));
}

fn print_directory(session: &Session<'_>, directory: &DirectoryMaintenance) {
    let output = &session.output;
    let done = match &directory.pruned {
        Some(pruned) if pruned.removed.is_empty() => "nothing to do".to_owned(),
        Some(pruned) => {
            let removed = count_of(length(&pruned.removed), "backup");
            format!("deleted {removed}, {}", size(pruned.freed_bytes()))
        }
        None => "nothing was deleted".to_owned(),
    };
    output.line(format!("{}: {done}", directory.root));
    if let Some(pruned) = &directory.pruned {
        for (id, damage) in &pruned.damaged {
            output.line(format!("  problem: backup {id} is damaged: {damage}"));
        }
        for file in &pruned.foreign_files {
            output.line(format!("  kept: {file} was not written by koan-backup"));
        }
    }
    directory.failure.iter().for_each(|failure| output.line(format!("  problem: {failure}")));
    directory.skipped.iter().for_each(|skipped| output.line(format!("  skipped: {skipped}")));
}

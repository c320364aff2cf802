//! `forget`: which backups a retention policy keeps, and the deletion of the others.

use std::path::{Path, PathBuf};

use clap::Args;
use koan_backup_core::Retention;
use koan_backup_core::report::PruneReport;
use koan_backup_core::retention::RetentionPlan;

use crate::amounts::{count, count_of, length, size};
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::output::OutputArgs;
use crate::prompt::ConfirmArgs;
use crate::retention_arguments::RetentionArgs;
use crate::session::Session;
use crate::table::{Align, Table};

/// The flags of `forget`.
#[derive(Args, Clone, Debug)]
pub struct ForgetArgs {
    #[command(flatten)]
    retention: RetentionArgs,
    /// The storage profile
    #[arg(long, value_name = "PROFILE")]
    pub(crate) profile: Option<String>,
    /// The root of a directory tree, instead of a storage profile
    #[arg(long, value_name = "ROOT", conflicts_with = "profile")]
    directory: Option<PathBuf>,
    /// Delete the backups that the plan does not keep
    #[arg(long)]
    apply: bool,
    #[command(flatten)]
    confirm: ConfirmArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

impl ForgetArgs {
    pub(crate) async fn run(&self, session: &Session<'_>) -> Outcome<Exit> {
        match &self.directory {
            None => self.retention.refuse_fixed(session)?,
            Some(_) => self.retention.refuse_fixed_directories(session)?,
        }
        let output = &session.output;
        let configured = match &self.directory {
            None => session.koan.retention_policy(),
            Some(root) => configured_policy(session, root),
        };
        let Some(policy) = self.retention.policy(configured) else {
            return Err(Failure::usage(
                "neither a flag nor the context says which backups are kept",
                "for example: forget --keep-daily 7 --keep-weekly 4",
            ));
        };
        let mut retention = session.koan.retention(policy).cancel_on(session.cancel());
        if let Some(profile) = &self.profile {
            retention = retention.in_profile(profile);
        }
        if let Some(root) = &self.directory {
            retention = retention.in_directory(root);
        }
        let plan = retention.plan().await?;
        match output.is_json() {
            true => output.message("plan", &plan),
            false => print(session, &plan),
        }
        let removed = u64::try_from(plan.removals().count()).unwrap_or(u64::MAX);
        let (backups, freed) = (count_of(removed, "backup"), size(plan.freed_bytes()));
        if !self.apply {
            if !output.is_json() {
                output.line(match removed {
                    0 => "Every backup is kept.".to_owned(),
                    _ => format!("Would delete {backups}, {freed}. Run with --apply to delete."),
                });
            }
            return Ok(Exit::Done);
        }
        if removed > 0 {
            let consequence = format!("deletes {backups}, {freed}");
            self.confirm.confirm(session, &consequence).await?;
        }
        let report = retention.apply(&plan).await?;
        match output.is_json() {
            true => output.message("summary", &report),
            false => applied(session, &report),
        }
        Ok(if report.damaged.is_empty() { Exit::Done } else { Exit::Attention })
    }
}

/// Returns the configured policy of a directory tree, whose path may be written in another way.
fn configured_policy<'s>(session: &'s Session<'_>, root: &Path) -> Option<&'s Retention> {
    let canonical = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let wanted = canonical(root);
    let mut configured = session.koan.directory_retention_policies();
    configured.find(|(known, _)| canonical(known) == wanted).map(|(_, policy)| policy)
}

fn print(session: &Session<'_>, plan: &RetentionPlan) {
    let output = &session.output;
    let mut table = Table::new([
        ("ID", Align::Fixed),
        ("NAME", Align::Text),
        ("CREATED", Align::Fixed),
        ("SIZE", Align::Number),
        ("DECISION", Align::Fixed),
        ("REASON", Align::Text),
    ])
    .optional(&["SIZE", "NAME"]);
    for decision in &plan.decisions {
        let reasons: Vec<_> = decision.kept.iter().map(ToString::to_string).collect();
        let (action, reason) = match &decision.removed {
            Some(reason) => ("delete", reason.to_string()),
            None => ("keep", reasons.join("; ")),
        };
        table.row([
            decision.id.short(),
            decision.name.to_string(),
            session.moment(decision.created_at),
            size(decision.size_bytes),
            action.to_owned(),
            reason,
        ]);
    }
    table.lines(output.width()).iter().for_each(|line| output.line(line));
    plan.idle_rules.iter().for_each(|rule| output.warning(&format!("rule `{rule}` keeps no backup")));
    let not_considered = [
        (plan.other_applications, "other applications"),
        (plan.unidentified, "older versions that record no environment (--include-unidentified)"),
    ];
    for (number, whose) in not_considered.into_iter().filter(|(number, _)| *number > 0) {
        let number = count(u64::try_from(number).unwrap_or(u64::MAX));
        output.note(format!("backups of {whose}, which are not considered: {number}"));
    }
}

fn applied(session: &Session<'_>, report: &PruneReport) {
    let output = &session.output;
    let removed = count_of(length(&report.removed), "backup");
    output.line(format!("Deleted {removed}, {}.", size(report.freed_bytes())));
    for (id, damage) in &report.damaged {
        output.warning(&format!("backup {id} is damaged: {damage}"));
    }
    for file in &report.foreign_files {
        output.warning(&format!("`{file}` was not written by koan-backup and is kept"));
    }
}

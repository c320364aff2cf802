//! The flags of a restore.

use std::time::Duration;

use clap::{Args, ValueEnum};
use koan_backup_core::builders::RestoreBuilder;
use koan_backup_core::{ConflictMode, RestoreLevel};

use crate::arguments;
use crate::failure::{Failure, Outcome};
use crate::selection::SelectionArgs;

/// The flags of a restore, without those about output and questions.
#[derive(Args, Clone, Debug)]
pub(super) struct RestoreFlags {
    /// With `latest`: only backups with this name
    #[arg(long, value_name = "NAME")]
    pub(super) name: Option<String>,
    /// The storage profile of the backup
    #[arg(long, value_name = "PROFILE")]
    pub(super) profile: Option<String>,
    /// Look a name up among the backups of another application, such as shop/staging
    #[arg(long, value_name = "NAME/ENVIRONMENT", value_parser = arguments::application)]
    pub(super) from_application: Option<(String, String)>,
    #[command(flatten)]
    pub(super) selection: SelectionArgs,
    /// Write the records to this set
    #[arg(long, value_name = "SET")]
    to_set: Option<String>,
    /// Delete existing records that are not in the backup
    #[arg(long)]
    pub(super) replace_existing: bool,
    /// What happens to a record whose key exists, by default as configured or `overwrite`
    #[arg(long, value_name = "MODE", value_enum)]
    on_conflict: Option<Conflict>,
    /// Which objects of the database may be suspended, by default as configured or `fast`
    #[arg(long, value_name = "LEVEL", value_enum)]
    level: Option<Level>,
    /// Compare every record and write nothing
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Only check whether the restore would succeed
    #[arg(long, conflicts_with = "dry_run")]
    pub(super) viability: bool,
    /// Create missing tables
    #[arg(long)]
    create_missing: bool,
    /// Accept that fields are lost which the type does not have
    #[arg(long)]
    allow_field_loss: bool,
    /// Restore the completed entities of a backup in which others failed
    #[arg(long)]
    pub(super) allow_partial: bool,
    /// Write batches of this number of records
    #[arg(long, value_name = "RECORDS")]
    batch_size: Option<usize>,
    /// Decode at most this number of blocks at the same time
    #[arg(long, value_name = "BLOCKS")]
    concurrency: Option<usize>,
    /// Roll back if the restore takes longer, such as 30m
    #[arg(long, value_name = "TIME", value_parser = arguments::duration)]
    timeout: Option<Duration>,
    /// Do not suspend constraints
    #[arg(long)]
    keep_constraints: bool,
    /// Do not suspend indexes
    #[arg(long)]
    keep_indexes: bool,
    /// Do not use the faster methods for empty tables
    #[arg(long)]
    without_bulk_mode: bool,
    /// Verify each entry only before the commit, not the archive before the first write
    #[arg(long)]
    no_verify: bool,
}

/// What happens to a record whose key exists.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Conflict {
    Overwrite,
    Keep,
    Fail,
}

/// Which objects of the database may be suspended.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Level {
    Fast,
    Balanced,
    Safe,
}

impl RestoreFlags {
    /// Returns each flag that is set and that has a setting, with the key of the setting.
    pub(super) fn settings(&self) -> [Option<(&'static str, &'static str)>; 5] {
        [
            self.on_conflict.map(|_| ("--on-conflict", "restore.on_conflict")),
            self.level.map(|_| ("--level", "restore.level")),
            self.batch_size.map(|_| ("--batch-size", "restore.batch_size")),
            self.concurrency.map(|_| ("--concurrency", "restore.max_concurrency")),
            self.timeout.map(|_| ("--timeout", "restore.timeout")),
        ]
    }

    /// Refuses to keep existing records, or to fail because of them, if they are replaced.
    pub(super) fn refuse_contradiction(&self, replaces_by_default: bool) -> Outcome<()> {
        let mode = match self.on_conflict {
            Some(Conflict::Keep) => "keep",
            Some(Conflict::Fail) => "fail",
            Some(Conflict::Overwrite) | None => return Ok(()),
        };
        let (cause, remedy) = match (self.replace_existing, replaces_by_default) {
            (true, _) => ("--replace-existing", "omit one of the two flags"),
            (false, true) => ("the setting restore.replace_existing", "omit the flag, or change the setting"),
            (false, false) => return Ok(()),
        };
        let text = format!("--on-conflict {mode} contradicts {cause}, which replaces existing records");
        Err(Failure::usage(text, remedy))
    }

    /// Applies the flags to a restore, except those of the selection.
    pub(super) fn apply(&self, mut restore: RestoreBuilder) -> RestoreBuilder {
        if let Some(conflict) = self.on_conflict {
            restore = restore.on_conflict(conflict.mode());
        }
        if let Some(level) = self.level {
            restore = restore.level(level.level());
        }
        if let Some(profile) = &self.profile {
            restore = restore.from_profile(profile);
        }
        if let Some((application, environment)) = &self.from_application {
            restore = restore.from_application(application, environment);
        }
        if let Some(set) = &self.to_set {
            restore = restore.to_set(set);
        }
        if let Some(records) = self.batch_size {
            restore = restore.batch_size(records);
        }
        if let Some(blocks) = self.concurrency {
            restore = restore.max_concurrency(blocks);
        }
        if let Some(limit) = self.timeout {
            restore = restore.timeout(limit);
        }
        type Setting = fn(RestoreBuilder) -> RestoreBuilder;
        let settings: [(bool, Setting); 9] = [
            (self.replace_existing, RestoreBuilder::replace_existing),
            (self.dry_run, RestoreBuilder::dry_run),
            (self.create_missing, RestoreBuilder::create_missing),
            (self.allow_field_loss, RestoreBuilder::allow_field_loss),
            (self.allow_partial, RestoreBuilder::allow_partial),
            (self.keep_constraints, RestoreBuilder::keep_constraints),
            (self.keep_indexes, RestoreBuilder::keep_indexes),
            (self.without_bulk_mode, RestoreBuilder::without_bulk_mode),
            (self.no_verify, RestoreBuilder::without_verification),
        ];
        let selected = settings.into_iter().filter(|(is_set, _)| *is_set);
        selected.fold(restore, |restore, (_, setting)| setting(restore))
    }
}

impl Conflict {
    fn mode(self) -> ConflictMode {
        match self {
            Self::Overwrite => ConflictMode::Overwrite,
            Self::Keep => ConflictMode::Keep,
            Self::Fail => ConflictMode::Fail,
        }
    }
}

impl Level {
    fn level(self) -> RestoreLevel {
        match self {
            Self::Fast => RestoreLevel::Fast,
            Self::Balanced => RestoreLevel::Balanced,
            Self::Safe => RestoreLevel::Safe,
        }
    }
}

//! The flags of `stream restore` and `stream clone`, and their question.

use std::collections::BTreeMap;

use clap::{Args, ValueEnum};
use koan_backup_core::ConflictMode;
use koan_backup_core::report::ProviderCapabilities;

use crate::failure::Outcome;
use crate::prompt::ConfirmArgs;
use crate::session::Session;

/// The flags of the restore of single backups.
#[derive(Args, Clone, Debug)]
pub(super) struct StreamRestoreFlags {
    /// What happens if the aggregate exists: `overwrite` removes the events that came after the backup
    #[arg(long, value_name = "MODE", value_enum, default_value = "fail")]
    on_conflict: Conflict,
    /// Do not read the complete backup before the first write; its hash is compared before the commit
    #[arg(long)]
    pub(super) no_verify: bool,
    /// Do not restore the document
    #[arg(long)]
    pub(super) no_document: bool,
    /// Do not restore the snapshots
    #[arg(long)]
    pub(super) no_snapshots: bool,
    /// Describe the restore, for its report and the log
    #[arg(long, value_name = "TEXT")]
    pub(super) description: Option<String>,
    /// The storage profile of the backups
    #[arg(long, value_name = "PROFILE")]
    pub(super) profile: Option<String>,
    #[command(flatten)]
    confirm: ConfirmArgs,
}

/// What happens if the aggregate exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Conflict {
    Fail,
    Overwrite,
    Keep,
}

/// Applies the flags to the builder of one or of several restores.
macro_rules! apply {
    ($flags:expr, $restore:expr) => {{
        let (flags, restore) = ($flags, $restore);
        let mut restore = restore.on_conflict(flags.conflict());
        if flags.no_verify {
            restore = restore.without_verification();
        }
        if flags.no_document {
            restore = restore.without_document();
        }
        if flags.no_snapshots {
            restore = restore.without_snapshots();
        }
        if let Some(description) = &flags.description {
            restore = restore.description(description);
        }
        restore
    }};
}
pub(super) use apply;

impl StreamRestoreFlags {
    /// Returns what happens if the aggregate exists.
    pub(super) fn conflict(&self) -> ConflictMode {
        match self.on_conflict {
            Conflict::Fail => ConflictMode::Fail,
            Conflict::Overwrite => ConflictMode::Overwrite,
            Conflict::Keep => ConflictMode::Keep,
        }
    }

    /// Asks before aggregates are overwritten: the name of each database must be typed. `aggregates` contains the
    /// object name of each aggregate, and the text that describes it.
    ///
    /// # Errors
    /// Another name was typed, there is no terminal, or the command was interrupted.
    pub(super) async fn ask(&self, session: &Session<'_>, aggregates: &[(&str, String)]) -> Outcome<()> {
        if self.on_conflict != Conflict::Overwrite {
            return Ok(());
        }
        let capabilities = session.koan.capabilities();
        let mut by_provider: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (object, text) in aggregates {
            let streams = capabilities.event_streams.get(*object);
            let provider = streams.map_or("", |streams| streams.provider.as_str());
            by_provider.entry(provider).or_default().push(text);
        }
        for (name, texts) in by_provider {
            // The restore refuses an object name that no event type declares.
            let Some(provider) = capabilities.providers.iter().find(|provider| provider.name == name) else {
                continue;
            };
            let (noun, name) = target(provider);
            let consequence = format!(
                "replaces {} in {noun} {name}, and removes events there that came after the backup",
                texts.join(", ")
            );
            self.confirm.confirm_by_name(session, &consequence, (noun, name)).await?;
        }
        Ok(())
    }
}

fn target(provider: &ProviderCapabilities) -> (&'static str, &str) {
    let noun = if provider.database.is_some() { "database" } else { "provider" };
    (noun, provider.target_name())
}

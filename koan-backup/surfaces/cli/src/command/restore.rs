//! `restore`: restores a backup into the databases.

mod flags;
mod result;

use clap::Args;
use koan_backup_core::archive::Manifest;
use koan_backup_core::builders::RestoreBuilder;
use koan_backup_core::report::{EntityRestore, ProviderCapabilities};

use crate::amounts::count_of;
use crate::exit::Exit;
use crate::failure::Outcome;
use crate::output::OutputArgs;
use crate::progress::Progress;
use crate::prompt::ConfirmArgs;
use crate::reference::{Accepted, Wanted, called};
use crate::selection::select;
use crate::session::{Session, described};
use flags::RestoreFlags;

/// The flags of `restore`.
#[derive(Args, Clone, Debug)]
pub struct RestoreArgs {
    /// The backup: an id, its last eight digits, a name, or `latest`
    #[arg(value_name = "BACKUP")]
    backup: String,
    #[command(flatten)]
    flags: RestoreFlags,
    #[command(flatten)]
    confirm: ConfirmArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

impl RestoreArgs {
    /// Returns the storage profile of the backup, if it is selected.
    pub(crate) fn profile(&self) -> Option<&String> {
        self.flags.profile.as_ref()
    }

    pub(crate) async fn run(&self, session: &Session<'_>) -> Outcome<Exit> {
        let (output, flags) = (&session.output, &self.flags);
        session.refuse_fixed(flags.settings())?;
        let defaults = session.koan.restore_defaults();
        flags.refuse_contradiction(defaults.replace_existing)?;
        let allows_partial = flags.allow_partial || defaults.allow_partial;
        let wanted = Wanted {
            reference: &self.backup,
            name: flags.name.as_deref(),
            profile: flags.profile.as_deref().or(defaults.profile.as_deref()),
            application: flags.from_application.as_ref(),
            selection: Some(&flags.selection),
            accepted: if allows_partial { Accepted::WithArchive } else { Accepted::Completed },
        };
        let manifest = wanted.select(session).await?;
        let targets = self.targets(session, &manifest);
        let into = targets.iter().map(described).collect::<Vec<_>>().join(", ");
        let backup = called(session, &manifest);
        if flags.viability {
            let report = self.builder(session, &manifest).viability().await?;
            result::viability(session, &format!("{backup} into {into}"), &report);
            return Ok(if report.is_viable() { Exit::Done } else { Exit::Attention });
        }
        if !flags.dry_run {
            self.ask(session, (&manifest, &backup), &targets).await?;
        }
        let verb = if flags.dry_run { "Comparing" } else { "Restoring" };
        output.note(format!("{verb} {backup} into {into}"));
        let progress = Progress::new(output);
        let report = self.builder(session, &manifest).on_event(progress.listener()).await;
        progress.finish();
        result::print(session, &manifest, &into, &report?);
        Ok(Exit::Done)
    }

    /// Asks before the databases are written. If records can be deleted, the name of each database must be
    /// typed.
    async fn ask(
        &self,
        session: &Session<'_>,
        (manifest, backup): (&Manifest, &str),
        targets: &[ProviderCapabilities],
    ) -> Outcome<()> {
        if !self.flags.replace_existing && !session.koan.restore_defaults().replace_existing {
            let into = targets.iter().map(described).collect::<Vec<_>>().join(", ");
            let consequence = format!("writes the records of {backup} into {into}");
            return self.confirm.confirm(session, &consequence).await;
        }
        let deleted = self.deleted(session, manifest).await?;
        for target in targets {
            let (noun, name) = match &target.database {
                Some(database) => ("database", database.as_str()),
                None => ("provider", target.name.as_str()),
            };
            let target_name = format!("{noun} {name}");
            let consequence = match &deleted {
                None => format!("deletes the records in {target_name} that are not in the backup {backup}"),
                Some(deleted) => counted(deleted, target, &target_name, backup),
            };
            self.confirm.confirm_by_name(session, &consequence, (noun, name)).await?;
        }
        Ok(())
    }

    /// Returns the entities of which the restore deletes records, or `None` if no question will be asked. To count them,
    /// the backup is compared with the databases, which writes nothing.
    async fn deleted(
        &self,
        session: &Session<'_>,
        manifest: &Manifest,
    ) -> Outcome<Option<Vec<EntityRestore>>> {
        if !self.confirm.asks() {
            return Ok(None);
        }
        let output = &session.output;
        output.note("Comparing the backup with the databases, to count the records that would be deleted");
        let mut compare = self.builder(session, manifest).dry_run();
        let progress = (!output.is_json()).then(|| Progress::new(output));
        if let Some(progress) = &progress {
            compare = compare.on_event(progress.listener());
        }
        let compared = compare.await;
        progress.iter().for_each(Progress::finish);
        Ok(Some(compared?.entities.into_iter().filter(|entity| entity.counts.deleted > 0).collect()))
    }

    /// Returns the providers into which the backup is restored. If an entity was renamed, so that its provider
    /// is not known here, all providers are returned.
    fn targets(&self, session: &Session<'_>, manifest: &Manifest) -> Vec<ProviderCapabilities> {
        let (capabilities, selection) = (session.koan.capabilities(), &self.flags.selection);
        let contained = manifest.entities.iter().map(|entity| entity.entity.as_str());
        let selected = contained.filter(|name| {
            (selection.entities.is_empty() || selection.entities.iter().any(|entity| entity == name))
                && !selection.exclude.iter().any(|entity| entity == name)
        });
        let is_contained = |name: &String| manifest.entities.iter().any(|entity| entity.entity == *name);
        let used = match selection.entities.iter().all(is_contained) {
            true => capabilities.providers_of(selected),
            false => capabilities.providers_of([]),
        };
        let is_listed = |list: &[String], provider: &ProviderCapabilities| {
            list.iter().any(|filter| *filter == provider.name || *filter == provider.kind)
        };
        let providers = used.into_iter().filter(|provider| {
            (selection.providers.is_empty() || is_listed(&selection.providers, provider))
                && !is_listed(&selection.exclude_providers, provider)
        });
        providers.cloned().collect()
    }

    fn builder(&self, session: &Session<'_>, manifest: &Manifest) -> RestoreBuilder {
        let flags = &self.flags;
        let restore = session.koan.restore(manifest.id).cancel_on(session.cancel());
        flags.apply(select!(restore, flags.selection))
    }
}

/// Returns what a restore deletes in one database: `deletes 1 204 records of Order in database shop, …`.
fn counted(
    deleted: &[EntityRestore],
    target: &ProviderCapabilities,
    target_name: &str,
    backup: &str,
) -> String {
    let counts = deleted.iter().filter(|entity| entity.provider == target.name);
    let counts: Vec<_> = counts
        .map(|entity| format!("{} of {}", count_of(entity.counts.deleted, "record"), entity.entity))
        .collect();
    match counts.is_empty() {
        true => {
            format!("replaces the records in {target_name} by those of the backup {backup}, and deletes none")
        }
        false => {
            format!(
                "deletes {} in {target_name} that the backup {backup} does not contain",
                counts.join(", ")
            )
        }
    }
}

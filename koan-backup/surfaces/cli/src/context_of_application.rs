//! The context of an application that its configuration describes.

use koan_backup_config::{Configuration, ConfigurationSources};
use koan_backup_core::provider::blocking;
use koan_backup_core::{Error, ErrorKind, Koan, KoanBuilder, Storage};

use crate::command::BackupCommand;
use crate::failure::Outcome;
use crate::interrupt::Interrupt;
use crate::used_profiles::UsedProfiles;

/// Builds the context of an application from its configuration. Only `backup`, `stream backup` and `serve`, and
/// `copy` for its target, create storage profiles. `observe` adds listeners.
///
/// # Errors
/// The configuration has a problem, a storage profile does not exist, or the command was interrupted.
pub(crate) async fn open(
    configuration: &Configuration,
    command: &BackupCommand,
    interrupt: &Interrupt,
    observe: impl Fn(KoanBuilder) -> KoanBuilder,
) -> Outcome<Koan> {
    let Some(used) = used_profiles(command) else {
        let builder = applied(configuration, command).await?;
        return build(observe(builder), interrupt).await;
    };
    let opened = {
        let configuration = configuration.clone();
        blocking("opens storage", move || configuration.storages())
    };
    let storages = opened.await??;
    let declared: Vec<_> = storages.iter().map(|(name, _)| name.clone()).collect();
    let created = match command {
        BackupCommand::Archive(command) => command.created_profile(),
        _ => None,
    };
    let builder = observe(used.restrict(applied(configuration, command).await?, &declared));
    let existing: Vec<_> =
        used.of(&declared).into_iter().filter(|name| Some(*name) != created).cloned().collect();
    // The profile that is read is opened first, so that a target is not created if the source does not exist.
    let builder = existing.first().into_iter().fold(builder, KoanBuilder::default_storage);
    let built = build(builder.existing_storage(existing), interrupt).await;
    let default = storages.first().filter(|_| matches!(command, BackupCommand::Inventory(_)));
    match (built, default) {
        // The coverage does not depend on backups, so it is also shown before the first backup.
        (Err(failure), Some((name, storage)))
            if failure.is(ErrorKind::NotFound) && storage.similar_profile().is_none() =>
        {
            let builder = used.restrict(applied(configuration, command).await?, &declared);
            let builder = builder.without_storage(name).named_storage(name, Storage::memory());
            build(builder, interrupt).await
        }
        (built, _) => built,
    }
}

/// Returns the storage profiles that a command uses, or `None` if it may create all of them.
fn used_profiles(command: &BackupCommand) -> Option<UsedProfiles> {
    match command {
        BackupCommand::Backup(_) => None,
        #[cfg(feature = "http")]
        BackupCommand::Serve(_) => None,
        BackupCommand::Inventory(_) => Some(UsedProfiles::one(None)),
        BackupCommand::Restore(arguments) => Some(UsedProfiles::one(arguments.profile())),
        BackupCommand::Stream(arguments) => arguments.profiles(),
        BackupCommand::Maintain(arguments) => Some(UsedProfiles::several(&arguments.profiles)),
        BackupCommand::Archive(command) => Some(command.profiles()),
    }
}

/// Loads a configuration on a thread for work that blocks.
pub(crate) async fn load(sources: ConfigurationSources) -> Outcome<Configuration> {
    Ok(blocking("reads the configuration", move || sources.load()).await??)
}

/// Returns a builder with everything that is configured. Secrets are read and databases are opened on a thread for work
/// that blocks. Only a server has background tasks.
async fn applied(configuration: &Configuration, command: &BackupCommand) -> Outcome<KoanBuilder> {
    let configuration = configuration.clone();
    let applied = blocking("opens what is configured", move || configuration.apply(Koan::builder()));
    let builder = applied.await??;
    Ok(if command.is_server() { builder } else { builder.without_background_tasks() })
}

/// Builds a context until the command is interrupted.
pub(crate) async fn build(builder: KoanBuilder, interrupt: &Interrupt) -> Outcome<Koan> {
    let cancel = interrupt.token();
    tokio::select! {
        biased;
        () = cancel.cancelled() => Err(Error::cancelled().into()),
        built = Box::pin(builder.build()) => Ok(built?),
    }
}

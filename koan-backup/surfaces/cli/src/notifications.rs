//! The notifications of a program whose only command line is that of this crate.

use koan_backup_config::Configuration;
use koan_backup_core::provider::blocking;
use koan_backup_core::{Error, Koan, KoanBuilder};
use koan_backup_notify::Notifier;

use crate::command::{ArchiveCommand, BackupCommand};
use crate::failure::Outcome;
use crate::output::Output;

/// The notifier of a command. A command that makes and verifies no backup has none.
pub(crate) struct Notifications {
    notifier: Option<Notifier>,
    /// The name of the backup that the command makes.
    backup: Option<String>,
    /// Whether the command makes backups.
    makes_backups: bool,
}

impl Notifications {
    /// Starts the notifier of a command, if something is configured. A target that is not valid is a warning, because
    /// it must not prevent a backup. Secrets are read on a thread for work that blocks.
    ///
    /// # Errors
    /// The runtime is shutting down.
    pub(crate) async fn start(
        command: &BackupCommand,
        configuration: &Configuration,
        output: &Output,
    ) -> Outcome<Self> {
        let backup = match command {
            BackupCommand::Backup(backup) => Some(backup.name(configuration.default_backup_name())),
            _ => None,
        };
        let makes_backups = backup.is_some() || command.is_server();
        let is_notified = command.is_server()
            || matches!(
                command,
                BackupCommand::Backup(_)
                    | BackupCommand::Maintain(_)
                    | BackupCommand::Archive(ArchiveCommand::Verify(_))
            );
        if !is_notified {
            return Ok(Self { notifier: None, backup, makes_backups });
        }
        let configuration = configuration.clone();
        let started =
            blocking("reads the settings of notifications", move || Notifier::configured(&configuration));
        let failed = |error: Error| output.warning(&format!("no notification is sent: {}", error.chain()));
        let notifier = started.await?.map_err(failed).ok();
        Ok(Self { notifier: notifier.filter(Notifier::has_targets), backup, makes_backups })
    }

    /// Adds the listener of the notifier to a builder.
    pub(crate) fn observe(&self, builder: KoanBuilder) -> KoanBuilder {
        match &self.notifier {
            Some(notifier) => builder.observe(notifier.listener()),
            None => builder,
        }
    }

    /// Reads how the last backups ended, so that a success after a failure is a recovery. A problem is a warning.
    pub(crate) async fn attach(&self, koan: &Koan, output: &Output) {
        if let (Some(notifier), true) = (&self.notifier, self.makes_backups)
            && let Err(error) = notifier.attach(koan).await
        {
            output.warning(&format!("a recovery will not be notified: {}", error.chain()));
        }
    }

    /// Notifies that a backup failed, because the context could not be built.
    pub(crate) fn failed(&self, error: &Error) {
        if let (Some(notifier), Some(name)) = (&self.notifier, &self.backup) {
            notifier.backup_failed(name, error);
        }
    }

    /// Delivers what waits. What could not be delivered is a warning.
    pub(crate) async fn finish(&self, output: &Output) {
        let Some(notifier) = &self.notifier else { return };
        for warning in notifier.shutdown().await.warnings() {
            output.warning(&warning);
        }
    }
}

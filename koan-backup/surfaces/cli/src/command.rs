//! The commands: one module for each, with its flags and its function.

mod acknowledge;
mod backup;
mod completions;
mod copy;
mod delete;
mod diff;
mod doctor;
mod forget;
mod health;
mod inventory;
mod list;
mod ls;
mod maintain;
mod man;
mod pin;
mod recover;
mod rekey;
mod restore;
mod show;
mod stats;
mod verify;

use std::process::ExitCode;

use clap::{Command, Subcommand};
use koan_backup_config::ConfigurationSources;
use koan_backup_core::{Error, Koan, KoanBuilder};

use crate::exit::Exit;
use crate::failure::Outcome;
use crate::output::{Output, OutputArgs};
use crate::session::Session;

/// The commands of koan-backup, which an application mounts into its own clap command.
///
/// The guide of the command line documents each command, the messages of `--json`, and the exit codes.
#[derive(Clone, Debug, Subcommand)]
#[command(about = "Backups of this application", long_about = None)]
#[non_exhaustive]
pub enum BackupCommand {
    /// Show which entities, tables and columns backups cover
    Inventory(inventory::InventoryArgs),
    /// Make a backup
    Backup(Box<backup::BackupArgs>),
    /// List backups
    #[command(visible_alias = "snapshots")]
    List(Box<list::ListArgs>),
    /// Show what is known about a backup
    Show(show::ShowArgs),
    /// List the entries of a backup
    Ls(ls::LsArgs),
    /// Verify that a backup can be restored
    #[command(visible_alias = "check")]
    Verify(verify::VerifyArgs),
    /// Restore a backup into the databases
    Restore(Box<restore::RestoreArgs>),
    /// Compare two backups
    Diff(diff::DiffArgs),
    /// Show counts and sizes of the backups
    Stats(stats::StatsArgs),
    /// Show what needs attention
    Health(health::HealthArgs),
    /// Show which backups a retention policy keeps, and delete the others
    #[command(visible_alias = "prune")]
    Forget(Box<forget::ForgetArgs>),
    /// Delete one backup
    Delete(delete::DeleteArgs),
    /// Protect a backup from deletion
    Pin(pin::PinArgs),
    /// Remove the protection of a backup
    Unpin(pin::UnpinArgs),
    /// Accept that a backup has fewer records than the one before
    Acknowledge(acknowledge::AcknowledgeArgs),
    /// Copy a backup into another storage profile
    Copy(copy::CopyArgs),
    /// Rewrite backups for the current recipients
    Rekey(rekey::RekeyArgs),
    /// List complete archives again whose manifests are missing
    Recover(recover::RecoverArgs),
    /// Run maintenance once, or repeatedly
    Maintain(Box<maintain::MaintainArgs>),
    /// Check everything that a backup or a restore needs
    Doctor(doctor::DoctorArgs),
    /// Print the completions of a shell
    Completions(completions::CompletionsArgs),
    /// Print the manual page
    Man(man::ManArgs),
}

impl BackupCommand {
    /// Runs the command, writes its result to standard output, and returns the exit code of the process.
    ///
    /// The runtime must have its drivers enabled, as `#[tokio::main]` and `Builder::enable_all` do, because the
    /// command waits for signals: Ctrl-C or SIGTERM stops the work and undoes what was begun; the second one
    /// ends the process at once. Afterwards this process ignores these signals, so it should end.
    ///
    /// The background tasks of the context are stopped first, because the command is the only work of the process.
    ///
    /// `completions` and `man` describe a program that has only these commands. A program that mounts them
    /// calls [`run_in`](Self::run_in).
    pub async fn run(self, koan: &Koan) -> ExitCode {
        let application = application();
        self.run_in(koan, &application).await
    }

    /// Runs the command as [`run`](Self::run) does; `completions` and `man` describe `application`, which is
    /// the complete clap command of the program.
    pub async fn run_in(self, koan: &Koan, application: &Command) -> ExitCode {
        if let Some(exit) = self.run_without_context(application) {
            return exit;
        }
        koan.stop_background().await;
        let output = self.output();
        let result = Box::pin(self.execute(koan, output.clone())).await;
        ended(result, &output)
    }

    /// Runs a command that needs no context: `completions` or `man`. Returns `None` for the other commands.
    pub fn run_without_context(&self, application: &Command) -> Option<ExitCode> {
        let output = self.output();
        let result = match self {
            Self::Completions(arguments) => arguments.run(application, &output),
            Self::Man(arguments) => arguments.run(application, &output),
            _ => return None,
        };
        Some(ended(result, &output))
    }

    /// Runs `doctor` with a configuration from which possibly no context can be built, and returns the exit code of the
    /// process. `builder` contains the defaults of the application. Returns `None` for the other commands, which need
    /// a context.
    ///
    /// ```no_run
    /// use std::process::ExitCode;
    ///
    /// use koan_backup::Koan;
    /// use koan_backup::cli::BackupCommand;
    /// use koan_backup::config::BuilderConfig as _;
    ///
    /// async fn run(command: BackupCommand) -> koan_backup::Result<ExitCode> {
    ///     if let Some(exit) = command.run_doctor("koan.toml", Koan::builder()).await {
    ///         return Ok(exit);
    ///     }
    ///     let koan = Koan::builder().without_background_tasks().config("koan.toml")?.build().await?;
    ///     Ok(command.run(&koan).await)
    /// }
    /// ```
    pub async fn run_doctor(
        &self,
        sources: impl Into<ConfigurationSources>,
        builder: KoanBuilder,
    ) -> Option<ExitCode> {
        let Self::Doctor(arguments) = self else { return None };
        let output = self.output();
        let result = Box::pin(arguments.run_with_configuration(sources.into(), builder, &output)).await;
        Some(ended(result, &output))
    }

    /// Runs `doctor` for an application whose context cannot be built. Returns `None` for the other commands.
    pub(crate) async fn run_without_working_context(&self, error: &Error) -> Option<ExitCode> {
        let Self::Doctor(arguments) = self else { return None };
        let output = self.output();
        let result = arguments.run_without_context(error, &output).await;
        Some(ended(result, &output))
    }

    /// Returns the output that the flags of the command select.
    pub(crate) fn output(&self) -> Output {
        Output::new(match self {
            Self::Inventory(arguments) => arguments.output,
            Self::Backup(arguments) => arguments.output,
            Self::List(arguments) => arguments.output,
            Self::Show(arguments) => arguments.output,
            Self::Ls(arguments) => arguments.output,
            Self::Verify(arguments) => arguments.output,
            Self::Restore(arguments) => arguments.output,
            Self::Diff(arguments) => arguments.output,
            Self::Stats(arguments) => arguments.output,
            Self::Health(arguments) => arguments.output,
            Self::Forget(arguments) => arguments.output,
            Self::Delete(arguments) => arguments.output,
            Self::Pin(arguments) => arguments.output,
            Self::Unpin(arguments) => arguments.output,
            Self::Acknowledge(arguments) => arguments.output,
            Self::Copy(arguments) => arguments.output,
            Self::Rekey(arguments) => arguments.output,
            Self::Recover(arguments) => arguments.output,
            Self::Maintain(arguments) => arguments.output,
            Self::Doctor(arguments) => arguments.output,
            Self::Completions(_) | Self::Man(_) => OutputArgs::default(),
        })
    }

    async fn execute(self, koan: &Koan, output: Output) -> Outcome<Exit> {
        let session = Session::begin(koan, output)?;
        let session = &session;
        match self {
            Self::Inventory(arguments) => Ok(arguments.run(session)),
            Self::Backup(arguments) => arguments.run(session).await,
            Self::List(arguments) => session.until_interrupted(arguments.run(session)).await,
            Self::Show(arguments) => session.until_interrupted(arguments.run(session)).await,
            Self::Ls(arguments) => session.until_interrupted(arguments.run(session)).await,
            Self::Verify(arguments) => session.until_interrupted(arguments.run(session)).await,
            Self::Restore(arguments) => arguments.run(session).await,
            Self::Diff(arguments) => session.until_interrupted(arguments.run(session)).await,
            Self::Stats(arguments) => session.until_interrupted(arguments.run(session)).await,
            Self::Health(arguments) => session.until_interrupted(arguments.run(session)).await,
            Self::Forget(arguments) => arguments.run(session).await,
            Self::Delete(arguments) => arguments.run(session).await,
            Self::Pin(arguments) => session.until_interrupted(arguments.run(session)).await,
            Self::Unpin(arguments) => session.until_interrupted(arguments.run(session)).await,
            Self::Acknowledge(arguments) => session.until_interrupted(arguments.run(session)).await,
            Self::Copy(arguments) => arguments.run(session).await,
            Self::Rekey(arguments) => arguments.run(session).await,
            Self::Recover(arguments) => arguments.run(session).await,
            Self::Maintain(arguments) => arguments.run(session).await,
            Self::Doctor(arguments) => arguments.run(session).await,
            Self::Completions(_) | Self::Man(_) => Ok(Exit::Done),
        }
    }
}

/// Returns the clap command of a program that has only the commands of this crate.
pub(crate) fn application() -> Command {
    let program = std::env::args_os().next().map(std::path::PathBuf::from);
    let name = program.as_deref().and_then(|path| path.file_stem()).and_then(|name| name.to_str());
    let command = Command::new(name.unwrap_or("backup").to_owned())
        .subcommand_required(true)
        .arg_required_else_help(true);
    BackupCommand::augment_subcommands(command)
}

/// Reports the end of a command, and returns its exit code.
fn ended(result: Outcome<Exit>, output: &Output) -> ExitCode {
    let exit = match result {
        Ok(exit) => exit,
        Err(failure) => {
            failure.report(output);
            failure.exit()
        }
    };
    match (exit, output.finish()) {
        (Exit::Done, Err(error)) => {
            let failure = crate::failure::Failure::from(error);
            failure.report(output);
            failure.exit().into()
        }
        (exit, _) => exit.into(),
    }
}

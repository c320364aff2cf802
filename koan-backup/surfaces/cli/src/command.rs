//! The commands: one module for each, with its flags and its function.

mod acknowledge;
mod archive;
mod backup;
mod cat;
mod choice;
mod completions;
mod config;
mod copy;
mod delete;
mod diff;
mod doctor;
mod extract;
mod forget;
mod generate;
mod health;
mod init;
mod inventory;
mod keygen;
mod list;
mod ls;
mod maintain;
mod man;
mod pin;
mod recover;
mod rekey;
mod restore;
#[cfg(feature = "http")]
mod serve;
mod show;
mod stats;
mod stream;
#[cfg(feature = "http")]
mod token;
mod verify;

use std::process::ExitCode;

use clap::{Command, Subcommand};
use koan_backup_config::ConfigurationSources;
use koan_backup_core::{Error, Koan, KoanBuilder};

pub(crate) use self::archive::ArchiveCommand;
pub(crate) use self::choice::Choice;
pub(crate) use self::generate::GenerateArgs;
pub(crate) use self::stream::StoredStreamArgs;
use crate::configuration_file::ConfigurationArgs;
use crate::exit::Exit;
use crate::failure::Outcome;
use crate::interrupt::Interrupt;
use crate::output::Output;
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
    /// Restore a backup into the databases
    Restore(Box<restore::RestoreArgs>),
    /// Back up, restore and clone single event streams, and manage these backups
    Stream(stream::StreamArgs),
    /// Run maintenance once, or repeatedly
    Maintain(Box<maintain::MaintainArgs>),
    /// Serve the HTTP API until the process is interrupted
    #[cfg(feature = "http")]
    Serve(Box<serve::ServeArgs>),
    /// A command that needs no entities.
    #[command(flatten)]
    Archive(ArchiveCommand),
}

impl BackupCommand {
    /// Runs the command, writes its result to standard output, and returns the exit code of the process.
    ///
    /// The runtime must have its drivers enabled, as `#[tokio::main]` and `Builder::enable_all` do, because the
    /// command waits for signals: Ctrl-C or SIGTERM stops the work and undoes what was begun; the second one
    /// ends the process at once. Afterwards this process ignores these signals, so it should end.
    ///
    /// The background tasks of the context are stopped first, because the command is the only work of the process;
    /// those of `serve` are stopped at its end.
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
        if !self.is_server() {
            koan.stop_background().await;
        }
        let output = self.output();
        let result = match Session::begin(koan, output.clone()) {
            Ok(session) => Box::pin(self.execute(&session)).await,
            Err(failure) => Err(failure),
        };
        ended(result, &output)
    }

    /// Returns whether the command is a server, during which the background tasks of the context run.
    pub(crate) fn is_server(&self) -> bool {
        #[cfg(feature = "http")]
        return matches!(self, Self::Serve(_));
        #[cfg(not(feature = "http"))]
        false
    }

    /// Runs a command that needs no context: `completions`, `man`, `config`, `init`, `keygen` or `token`. Returns
    /// `None` for the other commands. `config show` and `config check` are refused, because this crate does not know
    /// the sources of the configuration; an application that has a configuration calls [`run_config`](Self::run_config)
    /// before.
    pub fn run_without_context(&self, application: &Command) -> Option<ExitCode> {
        self.run_with_configuration(application, None)
    }

    /// Runs `config show` and `config check` with the sources of the configuration of the application. Returns `None`
    /// for the other commands.
    pub fn run_config(&self, sources: impl Into<ConfigurationSources>) -> Option<ExitCode> {
        match self {
            Self::Archive(ArchiveCommand::Config(arguments)) => {
                let output = self.output();
                Some(ended(arguments.run_with(|| Ok(Some(sources.into())), &output), &output))
            }
            _ => None,
        }
    }

    /// Runs a command that needs no context, with the flags about the configuration, if the program has them.
    pub(crate) fn run_with_configuration(
        &self,
        application: &Command,
        configuration: Option<&ConfigurationArgs>,
    ) -> Option<ExitCode> {
        match self {
            Self::Archive(command) => command.run_without_context(application, configuration),
            _ => None,
        }
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
        let Self::Archive(ArchiveCommand::Doctor(arguments)) = self else { return None };
        let output = self.output();
        let result = match Interrupt::begin(&output) {
            Ok(interrupt) => {
                let cancel = interrupt.token();
                Box::pin(arguments.run_with_configuration(sources.into(), builder, cancel, &output)).await
            }
            Err(error) => Err(error.into()),
        };
        Some(ended(result, &output))
    }

    /// Runs `doctor` for an application whose context cannot be built. Returns `None` for the other commands.
    pub(crate) async fn run_without_working_context(&self, error: &Error) -> Option<ExitCode> {
        let Self::Archive(ArchiveCommand::Doctor(arguments)) = self else { return None };
        let output = self.output();
        let result = arguments.run_without_context(error, &output).await;
        Some(ended(result, &output))
    }

    /// Returns the output that the flags of the command select.
    pub(crate) fn output(&self) -> Output {
        Output::new(match self {
            Self::Inventory(arguments) => arguments.output,
            Self::Backup(arguments) => arguments.output,
            Self::Restore(arguments) => arguments.output,
            Self::Stream(arguments) => arguments.output(),
            Self::Maintain(arguments) => arguments.output,
            #[cfg(feature = "http")]
            Self::Serve(arguments) => arguments.output,
            Self::Archive(command) => return command.output(),
        })
    }

    /// Runs a command in a session.
    pub(crate) async fn execute(self, session: &Session<'_>) -> Outcome<Exit> {
        match self {
            Self::Inventory(arguments) => session.until_interrupted(arguments.run(session)).await,
            Self::Backup(arguments) => arguments.run(session).await,
            Self::Restore(arguments) => arguments.run(session).await,
            Self::Stream(arguments) => Box::pin(arguments.run(session)).await,
            Self::Maintain(arguments) => arguments.run(session).await,
            #[cfg(feature = "http")]
            Self::Serve(arguments) => {
                Box::pin(arguments.run(session, &crate::server::ServerDefaults::default())).await
            }
            Self::Archive(command) => Box::pin(command.execute(session)).await,
        }
    }
}

/// Returns the clap command of a program that has only the commands of this crate.
pub(crate) fn application() -> Command {
    BackupCommand::augment_subcommands(program("backup"))
}

/// Returns a clap command without subcommands, which has the name of this program.
pub(crate) fn program(default_name: &str) -> Command {
    let program = std::env::args_os().next().map(std::path::PathBuf::from);
    let name = program.as_deref().and_then(|path| path.file_stem()).and_then(|name| name.to_str());
    Command::new(name.unwrap_or(default_name).to_owned())
        .subcommand_required(true)
        .arg_required_else_help(true)
}

/// Reports the end of a command, and returns its exit code.
pub(crate) fn ended(result: Outcome<Exit>, output: &Output) -> ExitCode {
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

#[cfg(test)]
mod tests {
    use clap::{Arg, Command, Subcommand as _};

    use super::BackupCommand;
    use crate::flag_text::FLAGS;

    #[test]
    fn every_flag_that_replaces_a_method_exists() {
        let commands = BackupCommand::augment_subcommands(Command::new(""));
        fn flags(command: &Command) -> Vec<String> {
            let own = command.get_opts().filter_map(Arg::get_long).map(str::to_owned);
            own.chain(command.get_subcommands().flat_map(flags)).collect()
        }
        let flags = flags(&commands);
        for flag in FLAGS {
            assert!(flags.iter().any(|known| known == flag), "no command has the flag --{flag}");
        }
    }
}

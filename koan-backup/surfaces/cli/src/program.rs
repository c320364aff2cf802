//! A program that is only the command line.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::error::ErrorKind as ClapErrorKind;
use clap::{Args as _, Command, FromArgMatches as _};
use koan_backup_config::Configuration;
use koan_backup_core::{Error, ErrorKind, Koan, Result};

use crate::command::{self, BackupCommand};
use crate::configuration_file::ConfigurationArgs;
use crate::exit::Exit;
use crate::failure::Failure;
#[cfg(feature = "notify")]
use crate::notifications::Notifications;
use crate::output::{Output, OutputArgs};

/// Runs the command in the arguments of the process. Providers and storage come from the configuration: the file
/// `koan.toml` in the current directory or the file of `--config`, variables such as `KOAN__BACKUP__BATCH_SIZE`, and
/// `--setting`. Entities are those that are linked into the program. It is the body of `main` in a program that has only
/// this command line:
///
/// ```no_run
/// koan_backup::link!(shop_models); // the crate with the entities
/// # mod shop_models {}
///
/// fn main() -> std::process::ExitCode {
///     koan_backup::cli::main()
/// }
/// ```
///
/// The configuration is not read for `completions`, `man`, `init` and `keygen`, nor if the arguments are not valid.
pub fn main() -> ExitCode {
    let application = ConfigurationArgs::augment_args(command::application());
    let (command, configuration) = match parse(&application) {
        Ok(matches) => {
            match (BackupCommand::from_arg_matches(&matches), ConfigurationArgs::from_arg_matches(&matches)) {
                (Ok(command), Ok(configuration)) => (command, configuration),
                (Err(error), _) | (_, Err(error)) => return usage(&error),
            }
        }
        Err(exit) => return exit,
    };
    if let Some(exit) = command.run_with_configuration(&application, Some(&configuration)) {
        return exit;
    }
    let output = command.output();
    let sources = match configuration.require_sources() {
        Ok(sources) => sources,
        Err(failure) => return failed(&failure, &output),
    };
    in_runtime(&output, async || {
        if let Some(exit) = command.run_doctor(sources.clone(), Koan::builder()).await {
            return exit;
        }
        match sources.load() {
            Ok(configuration) => Box::pin(run(command, &configuration, &application, &output)).await,
            Err(error) => failed(&error.into(), &output),
        }
    })
}

/// Runs a command with the context of a configuration.
async fn run(
    command: BackupCommand,
    configuration: &Configuration,
    application: &Command,
    output: &Output,
) -> ExitCode {
    #[cfg(feature = "notify")]
    let notifications = Notifications::start(&command, configuration, output);
    let built = async {
        let builder = configuration.apply(Koan::builder())?.without_background_tasks();
        #[cfg(feature = "notify")]
        let builder = notifications.observe(builder);
        builder.build().await
    };
    let exit = match built.await {
        Ok(koan) => {
            #[cfg(feature = "notify")]
            notifications.attach(&koan, output).await;
            command.run_in(&koan, application).await
        }
        Err(error) => {
            #[cfg(feature = "notify")]
            notifications.failed(&error);
            failed(&error.into(), output)
        }
    };
    #[cfg(feature = "notify")]
    notifications.finish(output).await;
    exit
}

/// Runs the command in the arguments of the process, in a runtime of its own, with the context that `build`
/// returns. It is the body of `main` in a program that builds its context itself:
///
/// ```no_run
/// use koan_backup::{Koan, Memory, Storage};
///
/// fn main() -> std::process::ExitCode {
///     koan_backup::cli::run_with(async || {
///         // `Sqlite::open("shop.db")?`, `Postgres::connect("postgres://…")?`, …
///         Koan::builder().provider(Memory::new()).storage(Storage::local(".koan/backups")?).build().await
///     })
/// }
/// ```
///
/// The context is not built for `completions`, `man`, `config`, `init` and `keygen`, nor if the arguments are not
/// valid.
pub fn run_with(build: impl AsyncFnOnce() -> Result<Koan>) -> ExitCode {
    let application = command::application();
    let command = match parse(&application) {
        Ok(matches) => match BackupCommand::from_arg_matches(&matches) {
            Ok(command) => command,
            Err(error) => return usage(&error),
        },
        Err(exit) => return exit,
    };
    if let Some(exit) = command.run_without_context(&application) {
        return exit;
    }
    let output = command.output();
    in_runtime(&output, async || match Box::pin(build()).await {
        Ok(koan) => command.run_in(&koan, &application).await,
        Err(error) => match command.run_without_working_context(&error).await {
            Some(exit) => exit,
            None => failed(&error.into(), &output),
        },
    })
}

/// Parses the arguments of the process. If they are not valid or ask for help, it prints the reason or the help, and
/// returns the exit code.
pub(crate) fn parse(application: &Command) -> Result<clap::ArgMatches, ExitCode> {
    application.clone().try_get_matches_from(std::env::args_os()).map_err(|error| usage(&error))
}

/// Runs the work of a program in a runtime of its own.
pub(crate) fn in_runtime(output: &Output, work: impl AsyncFnOnce() -> ExitCode) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(source) => {
            let error = Error::with_source(ErrorKind::Internal, "no thread can be started", source);
            return failed(&error.into(), output);
        }
    };
    let exit = runtime.block_on(work());
    // What is still running has no effect any more, for example a read that does not end after an interruption.
    runtime.shutdown_background();
    exit
}

/// Reports the error of a program, and returns its exit code.
pub(crate) fn failed(failure: &Failure, output: &Output) -> ExitCode {
    failure.report(output);
    failure.exit().into()
}

/// Reports that the arguments are not valid, or prints the help that they ask for.
pub(crate) fn usage(error: &clap::Error) -> ExitCode {
    let is_help = matches!(error.kind(), ClapErrorKind::DisplayHelp | ClapErrorKind::DisplayVersion);
    let arguments: Vec<OsString> = std::env::args_os().collect();
    if !is_help && arguments.iter().any(|argument| argument == "--json") {
        let text = error.render().to_string();
        let text = text.trim().strip_prefix("error: ").unwrap_or(text.trim()).to_owned();
        let failure = Failure::usage(text, "--help shows the commands and their flags");
        return failed(&failure, &Output::new(OutputArgs::for_programs()));
    }
    // A closed pipe is not an error, as everywhere in this crate.
    drop(error.print());
    if is_help { Exit::Done.into() } else { Exit::Usage.into() }
}

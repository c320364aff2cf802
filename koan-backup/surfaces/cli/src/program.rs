//! A program that is only the command line.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::error::ErrorKind as ClapErrorKind;
use clap::{Args as _, Command, FromArgMatches as _};
use koan_backup_config::ConfigurationSources;
use koan_backup_core::{Koan, KoanBuilder, Result};

use crate::command::{self, ArchiveCommand, BackupCommand, ended};
use crate::configuration_file::ConfigurationArgs;
use crate::context_of_application;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::flag_text;
use crate::interrupt::Interrupt;
#[cfg(feature = "notify")]
use crate::notifications::Notifications;
use crate::output::{Output, OutputArgs};
use crate::runtime::blocked_on;
#[cfg(feature = "http")]
use crate::server::ServerDefaults;
use crate::session::Session;

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
/// The configuration is not read for `completions`, `man`, `init`, `keygen` and `token`, nor if the arguments are not
/// valid.
pub fn main() -> ExitCode {
    flag_text::begin(flag_text::Program::Configured);
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
    in_runtime(&output, async || ended(run(command, sources, &output).await, &output))
}

/// Runs a command with the context of a configuration.
async fn run(command: BackupCommand, sources: ConfigurationSources, output: &Output) -> Outcome<Exit> {
    let interrupt = Interrupt::begin(output)?;
    if let BackupCommand::Archive(ArchiveCommand::Doctor(doctor)) = &command {
        return doctor.run_with_configuration(sources, Koan::builder(), interrupt.token(), output).await;
    }
    let configuration = context_of_application::load(sources.cancel_on(interrupt.token())).await?;
    #[cfg(feature = "notify")]
    let notifications = Notifications::start(&command, &configuration, output).await?;
    #[cfg(feature = "http")]
    let defaults = match command.is_server() {
        true => ServerDefaults::configured(&configuration)?,
        false => ServerDefaults::default(),
    };
    let observe = |builder: KoanBuilder| {
        #[cfg(feature = "http")]
        let builder = defaults.observe(builder);
        #[cfg(feature = "notify")]
        let builder = notifications.observe(builder);
        builder
    };
    let opened = context_of_application::open(&configuration, &command, &interrupt, observe);
    let ended = match Box::pin(opened).await {
        Ok(koan) => {
            #[cfg(feature = "notify")]
            notifications.attach(&koan, output).await;
            #[cfg(all(feature = "http", feature = "metrics"))]
            defaults.attach(&koan).await;
            let session = Session::with_interrupt(&koan, output.clone(), interrupt);
            match command {
                #[cfg(feature = "http")]
                BackupCommand::Serve(arguments) => Box::pin(arguments.run(&session, &defaults)).await,
                command => Box::pin(command.execute(&session)).await,
            }
        }
        Err(failure) => {
            #[cfg(feature = "notify")]
            notifications.failed(failure.error());
            Err(failure)
        }
    };
    #[cfg(feature = "notify")]
    notifications.finish(output).await;
    ended
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
/// The context is not built for `completions`, `man`, `config`, `init`, `keygen` and `token`, nor if the arguments are
/// not valid.
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
    match blocked_on(work) {
        Ok(exit) => exit,
        Err(failure) => failed(&failure, output),
    }
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

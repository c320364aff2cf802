//! A program that is only the command line.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::FromArgMatches as _;
use clap::error::ErrorKind as ClapErrorKind;
use koan_backup_core::{Error, ErrorKind, Koan, Result};

use crate::command::{BackupCommand, application};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Output, OutputArgs};

/// Runs the command in the arguments of the process, in a runtime of its own, with the context that `build`
/// returns. It is the body of `main` in a program without another command line:
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
/// The context is not built for `completions` and `man`, nor if the arguments are not valid.
pub fn run_with(build: impl AsyncFnOnce() -> Result<Koan>) -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let application = application();
    let parsed = application.clone().try_get_matches_from(&arguments);
    let command = match parsed.and_then(|matches| BackupCommand::from_arg_matches(&matches)) {
        Ok(command) => command,
        Err(error) => return usage(&error, &arguments),
    };
    if let Some(exit) = command.run_without_context(&application) {
        return exit;
    }
    let output = command.output();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(source) => {
            let error = Error::with_source(ErrorKind::Internal, "no thread can be started", source);
            return failed(&error.into(), &output);
        }
    };
    let exit = runtime.block_on(async {
        match Box::pin(build()).await {
            Ok(koan) => command.run_in(&koan, &application).await,
            Err(error) => match command.run_without_working_context(&error).await {
                Some(exit) => exit,
                None => failed(&error.into(), &output),
            },
        }
    });
    // What is still running has no effect any more, for example a read that does not end after an interruption.
    runtime.shutdown_background();
    exit
}

fn failed(failure: &Failure, output: &Output) -> ExitCode {
    failure.report(output);
    failure.exit().into()
}

/// Reports that the arguments are not valid, or prints the help that they ask for.
fn usage(error: &clap::Error, arguments: &[OsString]) -> ExitCode {
    let is_help = matches!(error.kind(), ClapErrorKind::DisplayHelp | ClapErrorKind::DisplayVersion);
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

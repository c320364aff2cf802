//! `config`: the configuration, its problems, and its schema.

use clap::{Args, Subcommand};
use koan_backup_config::{ConfigurationSources, EffectiveValue, Problem};
use koan_backup_core::provider::blocking;
use koan_backup_core::{Error, ErrorKind};

use crate::amounts::{count_of, length};
use crate::configuration_file::{ConfigurationArgs, nothing_configured};
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::interrupt::Interrupt;
use crate::output::{Output, OutputArgs};
use crate::runtime::in_own_runtime;
use crate::table::{Align, Table};

/// The arguments of `config`.
#[derive(Args, Clone, Debug)]
#[command(arg_required_else_help = true, subcommand_required = true)]
pub struct ConfigArgs {
    #[command(subcommand)]
    command: ConfigCommand,
}

#[derive(Clone, Debug, Subcommand)]
enum ConfigCommand {
    /// Show the effective values
    Show(ShowArgs),
    /// Report every problem of the configuration
    Check(CheckArgs),
    /// Print the JSON Schema of the configuration, for editors
    Schema,
}

/// The flags of `config show`.
#[derive(Args, Clone, Debug)]
struct ShowArgs {
    /// Show where each value comes from, and the values that it replaced
    #[arg(long)]
    origin: bool,
    #[command(flatten)]
    output: OutputArgs,
}

/// The flags of `config check`.
#[derive(Args, Clone, Debug)]
struct CheckArgs {
    #[command(flatten)]
    output: OutputArgs,
}

impl ConfigArgs {
    /// Returns the flags about output.
    pub(crate) fn output(&self) -> OutputArgs {
        match &self.command {
            ConfigCommand::Show(arguments) => arguments.output,
            ConfigCommand::Check(arguments) => arguments.output,
            ConfigCommand::Schema => OutputArgs::default(),
        }
    }

    /// Runs the command with the configuration of the flags, if the program has them.
    pub(crate) fn run(&self, configuration: Option<&ConfigurationArgs>, output: &Output) -> Outcome<Exit> {
        let sources = || match configuration {
            Some(configuration) => configuration.sources(),
            None => Err(Failure::usage(
                "this program does not show where its configuration comes from",
                "the program passes its sources to `BackupCommand::run_config`",
            )),
        };
        self.run_with(sources, output)
    }

    /// Runs the command with sources; `None` if nothing is configured.
    pub(crate) fn run_with(
        &self,
        sources: impl FnOnce() -> Outcome<Option<ConfigurationSources>>,
        output: &Output,
    ) -> Outcome<Exit> {
        match &self.command {
            ConfigCommand::Show(arguments) => arguments.run(sources()?.unwrap_or_default(), output),
            ConfigCommand::Check(_) => check(sources()?.ok_or_else(nothing_configured)?, output),
            ConfigCommand::Schema => {
                output.bytes(koan_backup_config::schema().as_bytes());
                Ok(Exit::Done)
            }
        }
    }
}

impl ShowArgs {
    fn run(&self, sources: ConfigurationSources, output: &Output) -> Outcome<Exit> {
        let configuration = sources.load()?;
        let values = configuration.effective();
        if output.is_json() {
            output.json(&values);
            return Ok(Exit::Done);
        }
        let mut columns = vec![("KEY", Align::Fixed), ("VALUE", Align::Text)];
        columns.extend(self.origin.then_some(("ORIGIN", Align::Text)));
        let mut table = Table::new(columns);
        for value in values {
            let mut row = vec![value.key.clone(), value.value.clone()];
            row.extend(self.origin.then(|| origin(value)));
            table.row(row);
        }
        table.lines(output.width()).iter().for_each(|line| output.line(line));
        Ok(Exit::Done)
    }
}

/// Returns the origin of a value, and the values that it replaced.
fn origin(value: &EffectiveValue) -> String {
    let replaced = value.replaced.iter().map(|replaced| format!("{} ({})", replaced.value, replaced.origin));
    let replaced: Vec<_> = replaced.collect();
    match replaced.is_empty() {
        true => value.origin.to_string(),
        false => format!("{}, replaces {}", value.origin, replaced.join(", ")),
    }
}

/// Finds the problems of a configuration until the command is interrupted.
fn check(sources: ConfigurationSources, output: &Output) -> Outcome<Exit> {
    let problems = in_own_runtime(async || {
        let interrupt = Interrupt::begin(output)?;
        let sources = sources.cancel_on(interrupt.token());
        let problems = blocking("checks the configuration", move || sources.check()).await?;
        if interrupt.token().is_cancelled() { Err(Failure::interrupted()) } else { Ok(problems) }
    })?;
    if output.is_json() {
        output.json(&problems);
        return Ok(if problems.is_empty() { Exit::Done } else { Exit::Usage });
    }
    match problems.as_slice() {
        [] => {
            output.line("no problems");
            Ok(Exit::Done)
        }
        problems => Err(refused(problems, output)),
    }
}

/// Writes each problem with its place, and returns the error of the command.
fn refused(problems: &[Problem], output: &Output) -> Failure {
    for problem in problems {
        let place = problem.origin.iter().map(|origin| format!("{origin}: ")).collect::<String>();
        output.line(format!("{place}{}", problem.message));
        problem.remedy.iter().for_each(|remedy| output.line(format!("  help: {remedy}")));
    }
    let text = format!("the configuration has {}", count_of(length(problems), "problem"));
    Failure::from(Error::new(ErrorKind::Configuration, text))
}

//! The program `koan-backup`, which needs no application.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, FromArgMatches as _, Subcommand};
use koan_backup_config::{Configuration, open_storage};
use koan_backup_core::{Keys, Koan, KoanBuilder};

use crate::arguments;
use crate::command::Choice;
use crate::command::{ArchiveCommand, GenerateArgs, ended, program};
use crate::configuration_file::ConfigurationArgs;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::output::Output;
use crate::program::{failed, in_runtime, parse, usage};
use crate::session::Session;

/// The commands of the program.
#[derive(Clone, Debug, Subcommand)]
enum StandaloneCommand {
    /// Print a Rust module with an entity for each table of a database
    Generate(GenerateArgs),
    /// A command that needs no entities.
    #[command(flatten)]
    Archive(ArchiveCommand),
}

/// The flags of the program, which every command has.
#[derive(Args, Clone, Debug)]
struct StandaloneArgs {
    #[command(flatten)]
    configuration: ConfigurationArgs,
    /// The application and its environment, such as shop/staging
    #[arg(
        long, global = true, value_name = "NAME/ENVIRONMENT", value_parser = arguments::application,
        help_heading = "Configuration"
    )]
    application: Option<(String, String)>,
    /// The storage of the backups, a directory or a URL, instead of the configured profiles
    #[arg(long, global = true, value_name = "URL", help_heading = "Configuration")]
    storage: Option<String>,
    /// A file with private keys that decrypt backups (repeatable)
    #[arg(long = "identity", global = true, value_name = "FILE", help_heading = "Configuration")]
    identities: Vec<PathBuf>,
}

/// Runs the command in the arguments of the process, with the backups of any application: the body of `main` in the
/// program `koan-backup`.
///
/// The program contains no entities. Its storage comes from the configuration or `--storage`. Its application comes from
/// the configuration or `--application`, or is the only one that has backups there.
pub fn archives_main() -> ExitCode {
    let application =
        StandaloneArgs::augment_args(StandaloneCommand::augment_subcommands(program("koan-backup")))
            .version(env!("CARGO_PKG_VERSION"))
            .about("Backups of applications that use koan-backup");
    let (command, arguments) = match parse(&application) {
        Ok(matches) => {
            match (StandaloneCommand::from_arg_matches(&matches), StandaloneArgs::from_arg_matches(&matches))
            {
                (Ok(command), Ok(arguments)) => (command, arguments),
                (Err(error), _) | (_, Err(error)) => return usage(&error),
            }
        }
        Err(exit) => return exit,
    };
    match command {
        StandaloneCommand::Generate(generate) => {
            let output = Output::new(generate.output);
            in_runtime(&output, async || ended(generate.run(&output).await, &output))
        }
        StandaloneCommand::Archive(command) => {
            if let Some(exit) = command.run_without_context(&application, &arguments.configuration) {
                return exit;
            }
            let output = command.output();
            if let (ArchiveCommand::Doctor(doctor), None) = (&command, &arguments.storage)
                && let Ok(Some(sources)) = arguments.configuration.sources()
            {
                let builder = arguments.with_flags(Koan::builder());
                return in_runtime(&output, async || {
                    ended(doctor.run_with_configuration(sources, builder, &output).await, &output)
                });
            }
            in_runtime(&output, async || match Box::pin(arguments.open(command.choice())).await {
                Ok(koan) => ended(run(command, &koan, &output).await, &output),
                Err(failure) => failed(&failure, &output),
            })
        }
    }
}

async fn run(command: ArchiveCommand, koan: &Koan, output: &Output) -> Outcome<Exit> {
    let session = Session::begin(koan, output.clone())?;
    Box::pin(command.execute(&session)).await
}

/// The name of an application and its environment.
type Identity = (String, String);

impl StandaloneArgs {
    /// Builds the context of a command.
    ///
    /// # Errors
    /// No storage is configured, the configuration has a problem, a storage profile does not exist, or the command
    /// chooses among backups of several applications.
    async fn open(&self, choice: Choice) -> Outcome<Koan> {
        let configuration = match self.configuration.sources()? {
            Some(sources) => Some(sources.load()?),
            None => None,
        };
        let configured = configuration.as_ref().and_then(Configuration::application);
        let koan = self.build(configuration.as_ref(), None).await?;
        if self.application.is_some() || configured.is_some() {
            return Ok(koan);
        }
        let identities = identities(&koan).await?;
        let mut known = identities.iter();
        match (known.next(), known.next()) {
            (None, _) => Ok(koan),
            (Some(only), None) => self.build(configuration.as_ref(), Some(only)).await,
            (Some(_), Some(_)) if choice == Choice::Any => Ok(koan),
            (Some(first), Some(_)) => {
                let names: Vec<_> =
                    identities.iter().map(|(name, environment)| format!("{name}/{environment}")).collect();
                Err(Failure::usage(
                    format!("the storage contains backups of several applications: {}", names.join(", ")),
                    format!("select one of them, for example --application {}/{}", first.0, first.1),
                ))
            }
        }
    }

    async fn build(
        &self,
        configuration: Option<&Configuration>,
        identity: Option<&Identity>,
    ) -> Outcome<Koan> {
        let mut builder = Koan::builder();
        if let Some(configuration) = configuration {
            builder = configuration.apply_without_providers(builder)?;
        }
        if let Some(url) = &self.storage {
            for (name, _) in configuration.map(Configuration::storages).transpose()?.into_iter().flatten() {
                builder = builder.without_storage(&name);
            }
            builder = builder.storage(open_storage(url)?).default_storage("local");
        }
        builder = self.with_flags(builder);
        if let Some((name, environment)) = identity {
            builder = builder.application(name).environment(environment);
        }
        Ok(builder.without_background_tasks().build().await?)
    }

    /// Adds the application and the keys of the flags to a builder, whose context has no entities.
    fn with_flags(&self, builder: KoanBuilder) -> KoanBuilder {
        let mut builder = builder.without_entities();
        if let Some((name, environment)) = &self.application {
            builder = builder.application(name).environment(environment);
        }
        self.identities.iter().fold(builder, |builder, path| builder.keys(Keys::file(path)))
    }
}

/// Returns the applications that have backups in the storage profiles.
async fn identities(koan: &Koan) -> Outcome<BTreeSet<Identity>> {
    let entries = koan.catalog().all().await?;
    let identities = entries.iter().filter_map(|entry| {
        let producer = &entry.manifest().producer;
        Some((producer.application.clone()?, producer.environment.clone()?))
    });
    Ok(identities.collect())
}

//! The program `koan-backup`, which needs no application.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, FromArgMatches as _, Subcommand};
use koan_backup_config::{Configuration, ConfigurationSources, open_storage};
use koan_backup_core::{ApplicationIdentity, Error, ErrorKind, Keys, Koan, KoanBuilder};

use crate::arguments;
use crate::command::{ArchiveCommand, Choice, GenerateArgs, UsedProfiles, ended, program};
use crate::configuration_file::ConfigurationArgs;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::output::Output;
use crate::program::{in_runtime, parse, usage};
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
            let configuration = Some(&arguments.configuration);
            if let Some(exit) = command.run_without_context(&application, configuration) {
                return exit;
            }
            let output = command.output();
            in_runtime(&output, async || ended(arguments.run(command, &output).await, &output))
        }
    }
}

/// The name of an application and its environment.
type Identity = (String, String);

impl StandaloneArgs {
    async fn run(&self, command: ArchiveCommand, output: &Output) -> Outcome<Exit> {
        if let Some(path) = self.identities.iter().find(|path| !path.exists()) {
            let text = format!("the key file `{}` does not exist", path.display());
            return Err(Error::new(ErrorKind::Encryption, text)
                .with_help("correct the path of --identity")
                .into());
        }
        let sources = self.sources()?;
        if let (ArchiveCommand::Doctor(doctor), None, Some(sources)) = (&command, &self.storage, &sources) {
            let builder = self.with_keys(Koan::builder().without_entities());
            let identity = self.identity_for_doctor(&command, sources).await?;
            let sources = identity.into_iter().fold(sources.clone(), |sources, identity| {
                sources
                    .default_value("application", identity.application())
                    .default_value("environment", identity.environment())
            });
            return doctor.run_with_configuration(sources, builder, output).await;
        }
        let koan = Box::pin(self.open(&command, sources.as_ref())).await?;
        let session = Session::begin(&koan, output.clone())?;
        Box::pin(command.execute(&session)).await
    }

    /// Returns the application that `doctor` examines, or `None` if it is not known because something cannot be opened,
    /// which is a finding of the diagnosis.
    ///
    /// # Errors
    /// The storage contains backups of several applications.
    async fn identity_for_doctor(
        &self,
        command: &ArchiveCommand,
        sources: &ConfigurationSources,
    ) -> Outcome<Option<ApplicationIdentity>> {
        let Ok(configuration) = sources.clone().load() else { return Ok(None) };
        let Ok(koan) = self.build(Some(&configuration), &command.profiles(), None).await else {
            return Ok(None);
        };
        match self.identified(koan, Some(&configuration), command).await {
            Ok(koan) => Ok(Some(koan.identity().clone())),
            Err(failure) if failure.exit() == Exit::Usage => Err(failure),
            Err(_) => Ok(None),
        }
    }

    /// Returns the sources of the configuration, with the application of the flag, or `None` if nothing is configured.
    fn sources(&self) -> Outcome<Option<ConfigurationSources>> {
        let Some(sources) = self.configuration.sources()? else { return Ok(None) };
        Ok(Some(self.application.iter().fold(sources, |sources, (name, environment)| {
            sources.flag("application", name, "--application").flag(
                "environment",
                environment,
                "--application",
            )
        })))
    }

    /// Builds the context of a command.
    ///
    /// # Errors
    /// No storage is configured, the configuration has a problem, a storage profile does not exist, the command chooses
    /// among backups of several applications, or the selected application has no backup.
    async fn open(&self, command: &ArchiveCommand, sources: Option<&ConfigurationSources>) -> Outcome<Koan> {
        let configuration = sources.map(|sources| sources.clone().load()).transpose()?;
        let koan = self.build(configuration.as_ref(), &command.profiles(), None).await?;
        self.identified(koan, configuration.as_ref(), command).await
    }

    /// Returns a context for the application whose backups a command uses.
    ///
    /// # Errors
    /// The command chooses among backups of several applications, or the selected application has no backup.
    async fn identified(
        &self,
        koan: Koan,
        configuration: Option<&Configuration>,
        command: &ArchiveCommand,
    ) -> Outcome<Koan> {
        let configured = configuration.and_then(Configuration::application);
        let is_any = command.choice() == Choice::Any;
        let is_explicit = self.application.is_some() || configured.is_some();
        if is_explicit && is_any {
            return Ok(koan);
        }
        let Producers { known, unidentified } = producers(&koan).await?;
        let names = || {
            let names: Vec<_> =
                known.iter().map(|(name, environment)| format!("{name}/{environment}")).collect();
            names.join(", ")
        };
        let mut all = known.iter();
        match (all.next(), all.next()) {
            _ if is_explicit => {
                let identity = koan.identity();
                let own = (identity.application().to_owned(), identity.environment().to_owned());
                if known.is_empty() || unidentified || known.contains(&own) {
                    return Ok(koan);
                }
                let text = format!("there is no backup of {}/{} in the storage", own.0, own.1);
                let help = format!("--application selects another one: {}", names());
                Err(Error::new(ErrorKind::NotFound, text).with_help(help).into())
            }
            (None, _) => Ok(koan),
            (Some(only), None) => self.build(configuration, &command.profiles(), Some(only)).await,
            (Some(_), Some(_)) if is_any => Ok(koan),
            (Some(first), Some(_)) => Err(Failure::usage(
                format!("the storage contains backups of several applications: {}", names()),
                format!("select one of them, for example --application {}/{}", first.0, first.1),
            )),
        }
    }

    async fn build(
        &self,
        configuration: Option<&Configuration>,
        profiles: &UsedProfiles,
        identity: Option<&Identity>,
    ) -> Outcome<Koan> {
        let mut builder = Koan::builder();
        if let Some(configuration) = configuration {
            builder = configuration.apply_without_providers(builder)?;
            let declared: Vec<_> = configuration.storages()?.into_iter().map(|(name, _)| name).collect();
            let is_unused = |name: &&String| self.storage.is_some() || !is_used(profiles, &declared, name);
            for name in declared.iter().filter(is_unused) {
                builder = builder.without_storage(name);
            }
            let default = declared.iter().find(|name| !is_unused(name)).filter(|_| self.storage.is_none());
            builder = default.into_iter().fold(builder, KoanBuilder::default_storage);
        }
        if let Some(url) = &self.storage {
            builder = builder.storage(open_storage(url)?).default_storage("local");
        }
        for (name, environment) in self.application.iter().chain(identity) {
            builder = builder.application(name).environment(environment);
        }
        Ok(self.with_keys(builder.without_entities()).without_background_tasks().build().await?)
    }

    /// Adds the keys of the flags to a builder.
    fn with_keys(&self, builder: KoanBuilder) -> KoanBuilder {
        self.identities.iter().fold(builder, |builder, path| builder.keys(Keys::file(path)))
    }
}

/// Returns whether a command uses a storage profile. `declared` contains the profiles, the default profile first. If the
/// command names a profile that does not exist, all are used, so that the error lists them.
fn is_used(used: &UsedProfiles, declared: &[String], name: &String) -> bool {
    let contains =
        |names: &[String]| names.contains(name) || names.iter().any(|name| !declared.contains(name));
    match used {
        UsedProfiles::All => true,
        UsedProfiles::Named(names) => contains(names),
        UsedProfiles::DefaultAnd(names) => declared.first() == Some(name) || contains(names),
    }
}

/// The applications that have backups in the storage profiles.
struct Producers {
    known: BTreeSet<Identity>,
    /// Whether there are backups of older versions that record no environment.
    unidentified: bool,
}

/// Returns the applications that have backups in the storage profiles.
async fn producers(koan: &Koan) -> Outcome<Producers> {
    let mut producers = Producers { known: BTreeSet::new(), unidentified: false };
    for entry in koan.catalog().all().await? {
        let producer = &entry.manifest().producer;
        match (&producer.application, &producer.environment) {
            (Some(application), Some(environment)) => {
                producers.known.insert((application.clone(), environment.clone()));
            }
            _ => producers.unidentified = true,
        }
    }
    Ok(producers)
}

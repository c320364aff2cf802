//! The program `koan-backup`, which needs no application.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, FromArgMatches as _, Subcommand};
use koan_backup_config::{Configuration, ConfigurationSources, open_storage};
use koan_backup_core::archive::Producer;
use koan_backup_core::provider::blocking;
use koan_backup_core::{ApplicationIdentity, Error, ErrorKind, Keys, Koan, KoanBuilder};

use crate::arguments;
use crate::command::{ArchiveCommand, Choice, GenerateArgs, StoredStreamArgs, ended, program};
use crate::configuration_file::ConfigurationArgs;
use crate::context_of_application::{build, load};
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::flag_text;
use crate::interrupt::Interrupt;
use crate::output::Output;
use crate::program::{in_runtime, parse, usage};
use crate::session::Session;
use crate::used_profiles::UsedProfiles;

/// The commands of the program.
#[derive(Clone, Debug, Subcommand)]
enum StandaloneCommand {
    /// Print a Rust module with an entity for each table of a database
    Generate(GenerateArgs),
    /// A command that uses backups.
    #[command(flatten)]
    Backups(BackupsCommand),
}

/// The commands that use backups.
#[derive(Clone, Debug, Subcommand)]
enum BackupsCommand {
    /// List, verify and delete the backups of single event streams
    Stream(StoredStreamArgs),
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
    flag_text::begin(flag_text::Program::Archives);
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
        StandaloneCommand::Backups(command) => {
            let configuration = Some(&arguments.configuration);
            if let BackupsCommand::Archive(command) = &command
                && let Some(exit) = command.run_without_context(&application, configuration)
            {
                return exit;
            }
            let output = command.output();
            in_runtime(&output, async || ended(arguments.run(command, &output).await, &output))
        }
    }
}

impl BackupsCommand {
    /// Returns the output that the flags of the command select.
    fn output(&self) -> Output {
        match self {
            Self::Stream(arguments) => Output::new(arguments.output()),
            Self::Archive(command) => command.output(),
        }
    }

    /// Returns how the command selects backups.
    fn choice(&self) -> Choice {
        match self {
            Self::Stream(arguments) => arguments.choice(),
            Self::Archive(command) => command.choice(),
        }
    }

    /// Returns the storage profiles that the command uses.
    fn profiles(&self) -> UsedProfiles {
        match self {
            Self::Stream(arguments) => arguments.profiles(),
            Self::Archive(command) => command.profiles(),
        }
    }

    async fn execute(self, session: &Session<'_>) -> Outcome<Exit> {
        match self {
            Self::Stream(arguments) => arguments.run(session).await,
            Self::Archive(command) => command.execute(session).await,
        }
    }
}

/// The name of an application and its environment.
type Identity = (String, String);

impl StandaloneArgs {
    async fn run(&self, command: BackupsCommand, output: &Output) -> Outcome<Exit> {
        if let Some(path) = self.identities.iter().find(|path| !path.exists()) {
            let text = format!("the key file `{}` does not exist", path.display());
            return Err(Error::new(ErrorKind::Encryption, text)
                .with_help("correct the path of --identity")
                .into());
        }
        let sources = self.sources()?;
        let interrupt = Interrupt::begin(output)?;
        if let (BackupsCommand::Archive(ArchiveCommand::Doctor(doctor)), None, Some(sources)) =
            (&command, &self.storage, &sources)
        {
            let builder = self.with_keys(Koan::builder().without_entities());
            let found = self.identity_for_doctor(
                &command,
                sources.clone().command_timeout(doctor.timeout),
                &interrupt,
            );
            // The diagnosis reports a storage that does not respond.
            let identity = match tokio::time::timeout(doctor.timeout, found).await {
                Ok(found) => found?,
                Err(_) => None,
            };
            let sources = identity.into_iter().fold(sources.clone(), |sources, identity| {
                sources
                    .default_value("application", identity.application())
                    .default_value("environment", identity.environment())
            });
            return doctor.run_with_configuration(sources, builder, interrupt.token(), output).await;
        }
        let koan = Box::pin(self.open(&command, sources, &interrupt)).await?;
        let session = Session::with_interrupt(&koan, output.clone(), interrupt);
        Box::pin(command.execute(&session)).await
    }

    /// Returns the application that `doctor` examines, or `None` if it is not known because something cannot be opened,
    /// which is a finding of the diagnosis.
    ///
    /// # Errors
    /// The storage contains backups of several applications.
    async fn identity_for_doctor(
        &self,
        command: &BackupsCommand,
        sources: ConfigurationSources,
        interrupt: &Interrupt,
    ) -> Outcome<Option<ApplicationIdentity>> {
        let Ok(configuration) = load(sources.cancel_on(interrupt.token())).await else { return Ok(None) };
        let opening = Opening { configuration: Some(configuration), command, interrupt };
        let Ok(koan) = self.build(&opening, None).await else {
            return Ok(None);
        };
        match self.identified(koan, &opening).await {
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
    async fn open(
        &self,
        command: &BackupsCommand,
        sources: Option<ConfigurationSources>,
        interrupt: &Interrupt,
    ) -> Outcome<Koan> {
        let configuration = match sources {
            Some(sources) => Some(load(sources.cancel_on(interrupt.token())).await?),
            None => None,
        };
        let opening = Opening { configuration, command, interrupt };
        let koan = self.build(&opening, None).await?;
        self.identified(koan, &opening).await
    }

    /// Returns a context for the application whose backups a command uses.
    ///
    /// # Errors
    /// The command chooses among backups of several applications, or the selected application has no backup.
    async fn identified(&self, koan: Koan, opening: &Opening<'_>) -> Outcome<Koan> {
        let configured = opening.configuration.as_ref().and_then(Configuration::application);
        let is_any = opening.command.choice() == Choice::Any;
        let is_explicit = self.application.is_some() || configured.is_some();
        if is_explicit && is_any {
            return Ok(koan);
        }
        let Producers { known, unidentified } =
            opening.until_interrupted(producers(&koan, opening.command)).await?;
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
            (Some(only), None) => self.build(opening, Some(only)).await,
            (Some(_), Some(_)) if is_any => Ok(koan),
            (Some(first), Some(_)) => Err(Failure::usage(
                format!("the storage contains backups of several applications: {}", names()),
                format!("select one of them, for example --application {}/{}", first.0, first.1),
            )),
        }
    }

    /// Builds a context with the storage profiles that the command uses.
    async fn build(&self, opening: &Opening<'_>, identity: Option<&Identity>) -> Outcome<Koan> {
        let mut builder = Koan::builder();
        if let Some(configuration) = opening.configuration.clone() {
            let opened = blocking("opens what is configured", move || {
                Ok::<_, Error>((
                    configuration.apply_without_providers(Koan::builder())?,
                    configuration.storages()?,
                ))
            });
            let (applied, storages) = opened.await??;
            let declared: Vec<_> = storages.into_iter().map(|(name, _)| name).collect();
            builder = match self.storage {
                None => opening.command.profiles().restrict(applied, &declared),
                Some(_) => declared.iter().fold(applied, |builder, name| builder.without_storage(name)),
            };
        }
        if let Some(url) = &self.storage {
            builder = builder.storage(open_storage(url)?).default_storage("local");
        }
        for (name, environment) in self.application.iter().chain(identity) {
            builder = builder.application(name).environment(environment);
        }
        let builder = self.with_keys(builder.without_entities()).without_background_tasks();
        build(builder, opening.interrupt).await
    }

    /// Adds the keys of the flags to a builder.
    fn with_keys(&self, builder: KoanBuilder) -> KoanBuilder {
        self.identities.iter().fold(builder, |builder, path| builder.keys(Keys::file(path)))
    }
}

/// What a context is built from.
struct Opening<'a> {
    configuration: Option<Configuration>,
    command: &'a BackupsCommand,
    interrupt: &'a Interrupt,
}

impl Opening<'_> {
    /// Returns the result of work that has nothing to undo, which is dropped when the command is interrupted.
    async fn until_interrupted<T>(&self, work: impl Future<Output = Outcome<T>>) -> Outcome<T> {
        self.interrupt.until_interrupted(work).await
    }
}

/// The applications that have backups in the storage profiles.
struct Producers {
    known: BTreeSet<Identity>,
    /// Whether there are backups of older versions that record no environment.
    unidentified: bool,
}

/// Returns the applications that have backups of the kind that the command uses in the storage profiles.
async fn producers(koan: &Koan, command: &BackupsCommand) -> Outcome<Producers> {
    let mut producers = Producers { known: BTreeSet::new(), unidentified: false };
    let mut add = |producer: Producer| match (producer.application, producer.environment) {
        (Some(application), Some(environment)) => {
            producers.known.insert((application, environment));
        }
        _ => producers.unidentified = true,
    };
    match command {
        BackupsCommand::Stream(_) => {
            let backups = koan.stream_backups().from_all_applications().await?.backups;
            backups.into_iter().for_each(|backup| add(backup.producer));
        }
        BackupsCommand::Archive(_) => {
            let entries = koan.catalog().all().await?;
            entries.iter().for_each(|entry| add(entry.manifest().producer.clone()));
        }
    }
    Ok(producers)
}

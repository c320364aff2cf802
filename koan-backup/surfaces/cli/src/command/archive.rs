//! The commands that need no entities of an application.

use std::process::ExitCode;

use clap::{Command, Subcommand};
use koan_backup_core::BackupRef;

use super::choice::Choice;
#[cfg(feature = "http")]
use super::token;
use super::{
    acknowledge, cat, completions, config, copy, delete, diff, doctor, ended, extract, forget, health, init,
    keygen, list, ls, man, pin, recover, rekey, show, stats, verify,
};
use crate::configuration_file::ConfigurationArgs;
use crate::exit::Exit;
use crate::failure::Outcome;
use crate::output::{Output, OutputArgs};
use crate::session::Session;
use crate::used_profiles::UsedProfiles;

/// The commands that need no entities of an application.
#[derive(Clone, Debug, Subcommand)]
#[non_exhaustive]
pub enum ArchiveCommand {
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
    /// Print the records of an entity as JSON Lines
    Cat(cat::CatArgs),
    /// Write the content of a backup to files
    Extract(extract::ExtractArgs),
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
    /// Check everything that a backup or a restore needs
    Doctor(doctor::DoctorArgs),
    /// Show or check the configuration
    Config(config::ConfigArgs),
    /// Write a configuration file to start from
    Init(init::InitArgs),
    /// Generate a key pair for encryption
    Keygen(keygen::KeygenArgs),
    /// Generate a token for the HTTP API
    #[cfg(feature = "http")]
    Token(token::TokenArgs),
    /// Print the completions of a shell
    Completions(completions::CompletionsArgs),
    /// Print the manual page
    Man(man::ManArgs),
}

impl ArchiveCommand {
    /// Runs a command that needs no context. Returns `None` for the other commands.
    pub(crate) fn run_without_context(
        &self,
        application: &Command,
        configuration: Option<&ConfigurationArgs>,
    ) -> Option<ExitCode> {
        let output = self.output();
        let result = match self {
            Self::Config(arguments) => arguments.run(configuration, &output),
            Self::Init(arguments) => {
                arguments.run(configuration.unwrap_or(&ConfigurationArgs::default()), &output)
            }
            Self::Keygen(arguments) => arguments.run(&output),
            #[cfg(feature = "http")]
            Self::Token(arguments) => arguments.run(&output),
            Self::Completions(arguments) => arguments.run(application, &output),
            Self::Man(arguments) => arguments.run(application, &output),
            _ => return None,
        };
        Some(ended(result, &output))
    }

    /// Returns the output that the flags of the command select.
    pub(crate) fn output(&self) -> Output {
        Output::new(match self {
            Self::List(arguments) => arguments.output,
            Self::Show(arguments) => arguments.output,
            Self::Ls(arguments) => arguments.output,
            Self::Verify(arguments) => arguments.output,
            Self::Extract(arguments) => arguments.output,
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
            Self::Doctor(arguments) => arguments.output,
            Self::Config(arguments) => arguments.output(),
            Self::Init(arguments) => arguments.output,
            Self::Keygen(arguments) => arguments.output,
            #[cfg(feature = "http")]
            Self::Token(arguments) => arguments.output,
            Self::Cat(_) | Self::Completions(_) | Self::Man(_) => OutputArgs::default(),
        })
    }

    pub(crate) async fn execute(self, session: &Session<'_>) -> Outcome<Exit> {
        match self {
            Self::List(arguments) => session.until_interrupted(arguments.run(session)).await,
            Self::Show(arguments) => session.until_interrupted(arguments.run(session)).await,
            Self::Ls(arguments) => session.until_interrupted(arguments.run(session)).await,
            Self::Verify(arguments) => session.until_interrupted(arguments.run(session)).await,
            Self::Cat(arguments) => session.until_interrupted(arguments.run(session)).await,
            Self::Extract(arguments) => arguments.run(session).await,
            Self::Diff(arguments) => session.until_interrupted(arguments.run(session)).await,
            Self::Stats(arguments) => session.until_interrupted(arguments.run(session)).await,
            Self::Health(arguments) => Box::pin(session.until_interrupted(arguments.run(session))).await,
            Self::Forget(arguments) => arguments.run(session).await,
            Self::Delete(arguments) => arguments.run(session).await,
            Self::Pin(arguments) => session.until_interrupted(arguments.run(session)).await,
            Self::Unpin(arguments) => session.until_interrupted(arguments.run(session)).await,
            Self::Acknowledge(arguments) => session.until_interrupted(arguments.run(session)).await,
            Self::Copy(arguments) => arguments.run(session).await,
            Self::Rekey(arguments) => arguments.run(session).await,
            Self::Recover(arguments) => arguments.run(session).await,
            Self::Doctor(arguments) => arguments.run(session).await,
            // They were run without a context.
            Self::Config(_) | Self::Init(_) | Self::Keygen(_) | Self::Completions(_) | Self::Man(_) => {
                Ok(Exit::Done)
            }
            #[cfg(feature = "http")]
            Self::Token(_) => Ok(Exit::Done),
        }
    }

    /// Returns how the command selects backups.
    pub(crate) fn choice(&self) -> Choice {
        let by = |references: &[&str]| match references.iter().all(|reference| is_id(reference)) {
            true => Choice::Any,
            false => Choice::OfApplication,
        };
        match self {
            Self::Show(arguments) => by(&[&arguments.backup]),
            Self::Ls(arguments) => by(&[&arguments.backup]),
            Self::Verify(arguments) => {
                arguments.backup.as_deref().map_or(Choice::Any, |backup| by(&[backup]))
            }
            Self::Cat(arguments) => by(&[&arguments.backup]),
            Self::Extract(arguments) if arguments.from_application.is_some() => Choice::Any,
            Self::Extract(arguments) => by(&[&arguments.backup]),
            Self::Diff(arguments) => by(&[&arguments.before, &arguments.after]),
            Self::Pin(arguments) => by(&[&arguments.backup]),
            Self::Unpin(arguments) => by(&[&arguments.backup]),
            Self::Copy(arguments) if arguments.from_application.is_some() => Choice::Any,
            Self::Copy(arguments) => by(&[&arguments.backup]),
            Self::Stats(_)
            | Self::Health(_)
            | Self::Forget(_)
            | Self::Delete(_)
            | Self::Acknowledge(_)
            | Self::Rekey(_)
            | Self::Doctor(_) => Choice::OfApplication,
            Self::List(_)
            | Self::Recover(_)
            | Self::Config(_)
            | Self::Init(_)
            | Self::Keygen(_)
            | Self::Completions(_)
            | Self::Man(_) => Choice::Any,
            #[cfg(feature = "http")]
            Self::Token(_) => Choice::Any,
        }
    }

    /// Returns the storage profile that the command may create.
    pub(crate) fn created_profile(&self) -> Option<&String> {
        match self {
            Self::Copy(arguments) => Some(&arguments.to),
            _ => None,
        }
    }

    /// Returns the storage profiles that the command uses.
    pub(crate) fn profiles(&self) -> UsedProfiles {
        let one = |profile: &Option<String>| UsedProfiles::one(profile.as_ref());
        match self {
            Self::List(arguments) => UsedProfiles::several(&arguments.profiles),
            Self::Recover(arguments) => UsedProfiles::several(&arguments.profiles),
            Self::Show(arguments) => one(&arguments.profile),
            Self::Ls(arguments) => one(&arguments.profile),
            Self::Verify(arguments) => one(&arguments.profile),
            Self::Cat(arguments) => one(&arguments.profile),
            Self::Extract(arguments) => one(&arguments.profile),
            Self::Diff(arguments) => one(&arguments.profile),
            Self::Forget(arguments) => one(&arguments.profile),
            Self::Delete(arguments) => one(&arguments.profile),
            Self::Pin(arguments) => one(&arguments.profile),
            Self::Unpin(arguments) => one(&arguments.profile),
            Self::Acknowledge(arguments) => one(&arguments.profile),
            Self::Rekey(arguments) => one(&arguments.profile),
            Self::Copy(arguments) => match &arguments.profile {
                None => UsedProfiles::DefaultAnd(vec![arguments.to.clone()]),
                Some(profile) => UsedProfiles::Named(vec![profile.clone(), arguments.to.clone()]),
            },
            Self::Stats(_)
            | Self::Health(_)
            | Self::Doctor(_)
            | Self::Config(_)
            | Self::Init(_)
            | Self::Keygen(_)
            | Self::Completions(_)
            | Self::Man(_) => UsedProfiles::All,
            #[cfg(feature = "http")]
            Self::Token(_) => UsedProfiles::All,
        }
    }
}

/// Returns whether a reference selects a backup of any application.
fn is_id(reference: &str) -> bool {
    matches!(BackupRef::from(reference), BackupRef::Id(_) | BackupRef::Short(_))
}

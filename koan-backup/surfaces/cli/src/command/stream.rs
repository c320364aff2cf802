//! `stream`: single backups of event streams.

mod backup;
mod cleanup;
mod clone;
mod delete;
mod list;
mod outcome;
pub(in crate::command) mod reference;
mod restore;
mod restore_flags;
mod verify;

use clap::{Args, Subcommand};

use super::choice::Choice;
use crate::exit::Exit;
use crate::failure::Outcome;
use crate::output::OutputArgs;
use crate::session::Session;
use crate::used_profiles::UsedProfiles;

/// The arguments of `stream`.
#[derive(Args, Clone, Debug)]
#[command(arg_required_else_help = true, subcommand_required = true)]
pub struct StreamArgs {
    #[command(subcommand)]
    command: StreamCommand,
}

#[derive(Clone, Debug, Subcommand)]
enum StreamCommand {
    /// Back up aggregates, each for itself
    Backup(Box<backup::StreamBackupArgs>),
    /// Restore single backups into the event stores
    Restore(Box<restore::StreamRestoreArgs>),
    /// Restore a single backup with another object id
    Clone(Box<clone::StreamCloneArgs>),
    /// A command that needs no event types.
    #[command(flatten)]
    Stored(StoredStreamCommand),
}

/// The arguments of `stream` in a program without event types.
#[derive(Args, Clone, Debug)]
#[command(arg_required_else_help = true, subcommand_required = true)]
pub(crate) struct StoredStreamArgs {
    #[command(subcommand)]
    command: StoredStreamCommand,
}

/// The commands about existing single backups, which need no event types.
#[derive(Clone, Debug, Subcommand)]
enum StoredStreamCommand {
    /// List single backups
    List(Box<list::StreamListArgs>),
    /// Verify that single backups can be restored
    Verify(verify::StreamVerifyArgs),
    /// Delete a single backup
    Delete(delete::StreamDeleteArgs),
    /// Remove the single backups that have expired
    Cleanup(cleanup::StreamCleanupArgs),
}

impl StreamArgs {
    /// Returns the flags about output.
    pub(crate) fn output(&self) -> OutputArgs {
        match &self.command {
            StreamCommand::Backup(arguments) => arguments.output,
            StreamCommand::Restore(arguments) => arguments.output,
            StreamCommand::Clone(arguments) => arguments.output,
            StreamCommand::Stored(command) => command.output(),
        }
    }

    /// Returns the storage profiles that the command uses, or `None` if it may create all of them.
    pub(crate) fn profiles(&self) -> Option<UsedProfiles> {
        match &self.command {
            StreamCommand::Backup(_) => None,
            StreamCommand::Restore(arguments) => Some(UsedProfiles::one(arguments.profile())),
            StreamCommand::Clone(arguments) => Some(UsedProfiles::one(arguments.profile())),
            StreamCommand::Stored(command) => Some(command.profiles()),
        }
    }

    pub(crate) async fn run(&self, session: &Session<'_>) -> Outcome<Exit> {
        match &self.command {
            StreamCommand::Backup(arguments) => arguments.run(session).await,
            StreamCommand::Restore(arguments) => arguments.run(session).await,
            StreamCommand::Clone(arguments) => arguments.run(session).await,
            StreamCommand::Stored(command) => command.run(session).await,
        }
    }
}

impl StoredStreamArgs {
    /// Returns the flags about output.
    pub(crate) fn output(&self) -> OutputArgs {
        self.command.output()
    }

    /// Returns the storage profiles that the command uses.
    pub(crate) fn profiles(&self) -> UsedProfiles {
        self.command.profiles()
    }

    /// Returns how the command selects backups.
    pub(crate) fn choice(&self) -> Choice {
        match &self.command {
            StoredStreamCommand::List(_) | StoredStreamCommand::Verify(_) => Choice::Any,
            StoredStreamCommand::Delete(_) | StoredStreamCommand::Cleanup(_) => Choice::OfApplication,
        }
    }

    pub(crate) async fn run(&self, session: &Session<'_>) -> Outcome<Exit> {
        self.command.run(session).await
    }
}

impl StoredStreamCommand {
    fn output(&self) -> OutputArgs {
        match self {
            Self::List(arguments) => arguments.output,
            Self::Verify(arguments) => arguments.output,
            Self::Delete(arguments) => arguments.output,
            Self::Cleanup(arguments) => arguments.output,
        }
    }

    fn profiles(&self) -> UsedProfiles {
        match self {
            Self::List(arguments) => UsedProfiles::several(&arguments.profiles),
            Self::Verify(arguments) => UsedProfiles::one(arguments.profile.as_ref()),
            Self::Delete(arguments) => UsedProfiles::one(arguments.profile.as_ref()),
            Self::Cleanup(arguments) => UsedProfiles::several(&arguments.profiles),
        }
    }

    async fn run(&self, session: &Session<'_>) -> Outcome<Exit> {
        match self {
            Self::List(arguments) => session.until_interrupted(arguments.run(session)).await,
            Self::Verify(arguments) => arguments.run(session).await,
            Self::Delete(arguments) => arguments.run(session).await,
            Self::Cleanup(arguments) => arguments.run(session).await,
        }
    }
}

//! The command line of koan-backup, for the binary of an application.
//!
//! An application with a clap command mounts [`BackupCommand`], and an application without one calls
//! [`run_with`]. [The guide](https://docs.rs/koan-backup) of the crate `koan-backup` documents the commands,
//! the messages of `--json`, and the exit codes.
//!
//! ```no_run
//! use koan_backup::Koan;
//! use koan_backup::cli::BackupCommand;
//!
//! #[derive(clap::Parser)]
//! struct Shop {
//!     #[command(subcommand)]
//!     command: BackupCommand,
//! }
//!
//! # async fn start(koan: Koan) -> std::process::ExitCode {
//! let shop = <Shop as clap::Parser>::parse();
//! shop.command.run(&koan).await
//! # }
//! ```
#![cfg_attr(docsrs, feature(doc_cfg))]

mod amounts;
mod arguments;
mod command;
mod configuration_file;
mod contents;
mod context_of_application;
mod exit;
mod failure;
mod flag_text;
mod interrupt;
#[cfg(feature = "notify")]
mod notifications;
mod output;
mod program;
mod progress;
mod prompt;
mod reference;
mod retention_arguments;
mod runtime;
mod selection;
#[cfg(feature = "http")]
mod server;
mod session;
mod standalone;
mod table;
mod terminal_mode;
mod times;
mod used_profiles;
mod user;

pub use command::BackupCommand;
pub use program::{main, run_with};
pub use standalone::archives_main;

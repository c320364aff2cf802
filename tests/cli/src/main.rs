//! A shop with a command of its own, which mounts the commands of koan-backup. The tests run it.

mod entities;
mod gate;
mod shifted_clock;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::{CommandFactory, Parser, Subcommand};
use koan_backup::builders::{BackupOptions, RestoreOptions};
use koan_backup::catalog::Expectations;
use koan_backup::cli::BackupCommand;
use koan_backup::config::ConfigurationSources;
use koan_backup::prelude::*;
use koan_backup::{BackupName, ConflictMode, KoanBuilder, Retention};
use rusqlite::Connection;

use crate::shifted_clock::ShiftedClock;

/// The shop
#[derive(Debug, Parser)]
#[command(name = "shop", version)]
struct Shop {
    #[command(subcommand)]
    command: ShopCommand,
}

#[derive(Debug, Subcommand)]
enum ShopCommand {
    /// Create the tables and fill them
    Seed {
        /// The number of users and of orders
        count: i64,
    },
    /// Execute SQL in the database of the shop
    Sql {
        /// The statement
        statement: String,
    },
    #[command(flatten)]
    Backup(BackupCommand),
}

/// Returns the path in an environment variable that the tests set.
fn path(variable: &str) -> PathBuf {
    std::env::var_os(variable).unwrap_or_else(|| panic!("{variable} is not set")).into()
}

fn main() -> ExitCode {
    // A program without a command of its own is one line.
    if std::env::var_os("SHOP_ONLY_BACKUP").is_some() {
        return koan_backup::cli::run_with(open);
    }
    if std::env::var_os("SHOP_FROM_CONFIGURATION").is_some() {
        return koan_backup::cli::main();
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime starts");
    match Shop::parse().command {
        ShopCommand::Seed { count } => sql(&entities::seed(count)),
        ShopCommand::Sql { statement } => sql(&statement),
        ShopCommand::Backup(command) => runtime.block_on(async {
            if let Some(path) = std::env::var_os("SHOP_CONFIGURATION")
                && let Some(exit) = command.run_doctor(PathBuf::from(path), builder()).await
            {
                return exit;
            }
            let koan = open().await.expect("the context of the shop is valid");
            let background = std::env::var_os("SHOP_BACKGROUND");
            if background.as_ref().is_some_and(|mode| mode == "disabled") {
                require_no_background_task().await;
            }
            let exit = command.run_in(&koan, &Shop::command()).await;
            if background.is_some() {
                require_no_background_task().await;
            }
            exit
        }),
    }
}

fn sql(statements: &str) -> ExitCode {
    let database = Connection::open(path("SHOP_DATABASE")).expect("the database opens");
    database.execute_batch(statements).expect("the statements succeed");
    ExitCode::SUCCESS
}

/// Waits until no task of the runtime runs. This never happens while a background task runs, so the process is
/// ended with an exit code of its own then.
async fn require_no_background_task() {
    let metrics = tokio::runtime::Handle::current().metrics();
    let started = Instant::now();
    while metrics.num_alive_tasks() > 0 {
        if started.elapsed() > Duration::from_secs(300) {
            std::process::exit(99);
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Returns a builder without providers and storage, for a shop with a configuration file.
fn builder() -> KoanBuilder {
    let builder = Koan::builder().application("shop").environment("test").without_background_tasks();
    match std::env::var("SHOP_CLOCK_SHIFT").ok() {
        Some(seconds) => builder.clock(ShiftedClock::parse(&seconds)),
        None => builder,
    }
}

async fn open() -> Result<Koan, Error> {
    if let Some(path) = std::env::var_os("SHOP_CONFIGURATION") {
        return builder().config(PathBuf::from(path))?.build().await;
    }
    let root = path("SHOP_STORAGE");
    let mut builder = Koan::builder()
        .application("shop")
        .environment("test")
        .provider(Sqlite::open(path("SHOP_DATABASE"))?)
        .storage(Storage::local(root.join("local"))?)
        .named_storage("dr", Storage::local(root.join("dr"))?)
        .state_directory(root.join("state"))
        .lease_time(Duration::from_secs(60));
    if let Some(recipient) = std::env::var("SHOP_RECIPIENT").ok().filter(|recipient| !recipient.is_empty()) {
        builder = builder.encrypt_to(Recipients::keys([recipient])?);
    }
    if let Some(key) = std::env::var("SHOP_KEY").ok().filter(|key| !key.is_empty()) {
        builder = builder.keys(Keys::text(key));
    }
    if std::env::var_os("SHOP_CONFIGURED").is_some() {
        builder = configured(builder)?;
    }
    if let Ok(fixed) = std::env::var("SHOP_FIXED") {
        let settings = fixed.split(' ').filter_map(|setting| setting.split_once('='));
        let sources = ConfigurationSources::new();
        builder =
            builder.config(settings.fold(sources, |sources, (key, value)| sources.fixed(key, value)))?;
    }
    if let Some(mode) = std::env::var_os("SHOP_BACKGROUND") {
        builder = if mode == "disabled" { builder.without_background_tasks() } else { builder };
        builder = builder.background_discovery(Duration::from_secs(3600));
    }
    builder.build().await
}

/// Sets defaults for the operations.
fn configured(builder: KoanBuilder) -> Result<KoanBuilder, Error> {
    let mut backups = BackupOptions::default();
    backups.profile = Some("dr".to_owned());
    let mut restores = RestoreOptions::default();
    restores.profile = Some("dr".to_owned());
    restores.conflict = ConflictMode::Fail;
    restores.replace_existing = std::env::var_os("SHOP_REPLACE_EXISTING").is_some();
    let expected = Expectations::new().backup_every("weekly", Duration::from_secs(3600));
    Ok(builder
        .default_backup_name(BackupName::new("configured")?)
        .backup_defaults(backups)
        .restore_defaults(restores)
        .expectations(expected)
        .retention_policy(Retention::new().keep_last(1)))
}

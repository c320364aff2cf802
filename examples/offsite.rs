//! A backup in two places: in a directory, and as a verified copy elsewhere, from which it is restored.
//!
//! ```sh
//! cargo run --example offsite
//! AWS_ACCESS_KEY_ID=… AWS_SECRET_ACCESS_KEY=… AWS_REGION=… \
//!     cargo run --example offsite --features s3 -- s3://bucket/prefix
//! ```
#![expect(clippy::print_stdout, reason = "an example talks to whoever runs it")]

use std::path::Path;

use koan_backup::prelude::*;
use koan_backup::report::{BackupReport, CopyReport, RestoreReport};
use serde::{Deserialize, Serialize};

entity_backup_scope!(mode = All);

#[derive(Debug, Serialize, Deserialize, Entity)]
pub(crate) struct Customer {
    id: i64,
    name: String,
}

/// What was made.
pub(crate) struct Outcome {
    pub(crate) backup: BackupReport,
    pub(crate) copy: CopyReport,
    pub(crate) again: CopyReport,
    pub(crate) restored: RestoreReport,
}

/// Backs a shop up into `folder`, copies the backup to `elsewhere`, loses the folder, and restores.
pub(crate) async fn run(folder: &Path, elsewhere: &str) -> Result<Outcome, Error> {
    let backups = folder.join("backups");
    let koan = Koan::builder()
        .provider("main", Sqlite::open(folder.join("shop.db"))?)
        .storage("local", Storage::local(&backups)?)
        .storage("offsite", Storage::url(elsewhere)?.bandwidth_limit(20_000_000)?)
        .build()
        .await?;
    let backup = koan.backup("nightly").await?;
    let copy = koan.copy("nightly").to_profile("offsite").await?;
    // It is there already: nothing is sent.
    let again = koan.copy("nightly").to_profile("offsite").await?;

    koan.data::<Customer>().clear().await?;
    let _ = std::fs::remove_dir_all(&backups);
    let restored = koan.restore("nightly").from_profile("offsite").await?;
    Ok(Outcome { backup, copy, again, restored })
}

/// Makes a shop to back up.
pub(crate) fn shop(folder: &Path) -> rusqlite::Result<()> {
    rusqlite::Connection::open(folder.join("shop.db"))?.execute_batch(
        "CREATE TABLE customer (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
         INSERT INTO customer VALUES (1, 'Ada'), (2, 'Björk'), (3, 'Chloé');",
    )
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    shop(folder.path())?;
    let beside = format!("file://{}/elsewhere", folder.path().display());
    let elsewhere = std::env::args().nth(1).unwrap_or(beside);
    let outcome = run(folder.path(), &elsewhere).await?;
    println!("backed up {} records as {}", outcome.backup.item_count(), outcome.backup.id());
    println!("copied {} bytes to {elsewhere}, read back and verified", outcome.copy.archive.size_bytes);
    println!("copied again: {}", if outcome.again.already_existed { "it was there" } else { "sent twice" });
    println!("the directory is gone; restored {} records from the copy", outcome.restored.record_count());
    Ok(())
}

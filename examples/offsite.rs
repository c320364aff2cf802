//! Stores a backup in a directory, copies it to a second storage profile, and restores it from the copy.
//!
//! ```sh
//! cargo run --example offsite
//! AWS_ACCESS_KEY_ID=… AWS_SECRET_ACCESS_KEY=… AWS_REGION=… \
//!     cargo run --example offsite --features s3 -- s3://bucket/prefix
//! ```
#![expect(clippy::print_stdout, reason = "an example prints its results")]

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

/// The results of the example.
pub(crate) struct Outcome {
    pub(crate) backup: BackupReport,
    pub(crate) copy: CopyReport,
    pub(crate) second_copy: CopyReport,
    pub(crate) restored: RestoreReport,
}

/// Backs up a shop into `folder`, copies the backup to the URL `target`, removes the first backup, and
/// restores from the copy.
pub(crate) async fn run(folder: &Path, target: &str) -> Result<Outcome, Error> {
    let backups = folder.join("backups");
    let koan = Koan::builder()
        .provider(Sqlite::open(folder.join("shop.db"))?)
        .storage(Storage::local(&backups)?)
        .named_storage("offsite", Storage::url(target)?.bandwidth_limit(20_000_000)?)
        .build()
        .await?;
    let backup = koan.backup("nightly").await?;
    let copy = koan.copy("nightly").to_profile("offsite").await?;
    // The copy exists already, so nothing is sent.
    let second_copy = koan.copy("nightly").to_profile("offsite").await?;

    koan.data::<Customer>().clear().await?;
    let _ = std::fs::remove_dir_all(&backups);
    let restored = koan.restore("nightly").from_profile("offsite").await?;
    Ok(Outcome { backup, copy, second_copy, restored })
}

/// Creates the database of the shop.
pub(crate) fn create_shop(folder: &Path) -> rusqlite::Result<()> {
    rusqlite::Connection::open(folder.join("shop.db"))?.execute_batch(
        "CREATE TABLE customer (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
         INSERT INTO customer VALUES (1, 'Ada'), (2, 'Björk'), (3, 'Chloé');",
    )
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    create_shop(folder.path())?;
    let default_target = format!("file://{}/offsite", folder.path().display());
    let target = std::env::args().nth(1).unwrap_or(default_target);
    let outcome = run(folder.path(), &target).await?;
    println!("backed up {} records as {}", outcome.backup.item_count(), outcome.backup.id());
    println!("copied {} bytes to {target}, read back and verified", outcome.copy.archive.size_bytes);
    println!(
        "second copy: {}",
        if outcome.second_copy.already_existed {
            "the copy existed already"
        } else {
            "the archive was sent again"
        }
    );
    println!("removed the first backup; restored {} records from the copy", outcome.restored.record_count());
    Ok(())
}

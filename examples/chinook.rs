//! Backs up, verifies, damages and restores the published database Chinook, and compares it row by row.
//!
//! ```sh
//! cargo run --example chinook
//! ```
//!
//! The example works on a copy of `Chinook_Sqlite.sqlite`. The environment variable `KOAN_TEST_DATA` contains
//! the folder of this file; the default is `../shared/data`, relative to the project.
#![expect(clippy::print_stdout, reason = "an example prints its results")]

use std::error::Error;
use std::path::{Path, PathBuf};

use koan_backup::prelude::*;
use koan_backup::{
    Inventory,
    report::{BackupReport, VerifyReport},
};
// This crate declares the entities. The import links it, although the example uses none of its items. An
// application can use `koan_backup::link!` instead.
use koan_backup_examples as _;
use rusqlite::Connection;

/// The results of the example, which its test checks.
#[allow(dead_code, reason = "only the test reads all fields")]
pub(crate) struct Outcome {
    pub(crate) inventory: Inventory,
    pub(crate) backup: BackupReport,
    pub(crate) verified: VerifyReport,
    pub(crate) archive: PathBuf,
    pub(crate) tables: Vec<Comparison>,
}

/// A comparison of a table with the same table in the published database.
pub(crate) struct Comparison {
    pub(crate) table: String,
    /// The number of rows in the published database.
    pub(crate) rows: i64,
    /// The number of rows that were missing or different before the restore.
    pub(crate) destroyed: i64,
    /// The number of rows that are in only one of the two databases after the restore.
    pub(crate) differing: i64,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt().without_time().with_ansi(false).init();
    let folder = tempfile::tempdir()?;
    let outcome = run(&pristine()?, folder.path()).await?;
    println!("\n{:<14} {:>6} {:>10} {:>10}", "table", "rows", "destroyed", "differing");
    for Comparison { table, rows, destroyed, differing } in &outcome.tables {
        println!("{table:<14} {rows:>6} {destroyed:>10} {differing:>10}");
    }
    Ok(())
}

/// Returns the path of the published database.
pub(crate) fn pristine() -> Result<PathBuf, Box<dyn Error>> {
    let folder = std::env::var_os("KOAN_TEST_DATA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data"), PathBuf::from);
    let database = folder.join("Chinook_Sqlite.sqlite");
    if database.is_file() {
        return Ok(database);
    }
    Err(format!(
        "{} does not exist; download Chinook_Sqlite.sqlite (lerocha/chinook-database 1.4.5) and set KOAN_TEST_DATA to \
         its folder",
        database.display()
    )
    .into())
}

/// Runs the example in a folder, with a copy of the published database.
pub(crate) async fn run(pristine: &Path, folder: &Path) -> Result<Outcome, Box<dyn Error>> {
    let database = folder.join("chinook.db");
    std::fs::write(&database, std::fs::read(pristine)?)?;
    let koan = Koan::builder()
        .application("chinook")
        .provider(Sqlite::open(&database)?)
        .storage(Storage::local(folder.join("backups"))?)
        .deny_uncovered()
        .build()
        .await?;

    let backup = koan.backup("chinook").await?;
    let verified = koan.verify(backup.id()).await?.require_valid()?;
    println!("Backed up and verified {} records.", backup.item_count());

    destroy(&database)?;
    let destroyed = compare(&database, pristine)?;
    let restored = koan.restore(backup.id()).replace_existing().await?;
    println!("Destroyed the database, and restored {} records.", restored.record_count());

    let restored = compare(&database, pristine)?;
    let tables = destroyed
        .into_iter()
        .zip(restored)
        .map(|(before, after)| Comparison { destroyed: before.differing, ..after })
        .collect();
    let file = backup.manifest().archive.as_ref().ok_or("the backup has no archive")?.file.clone();
    let archive = folder.join("backups").join(file);
    Ok(Outcome { inventory: Inventory::clone(&koan.inventory()), backup, verified, archive, tables })
}

/// Deletes, changes and inserts rows, so that every table is damaged.
fn destroy(database: &Path) -> Result<(), Box<dyn Error>> {
    Connection::open(database)?.execute_batch(
        "PRAGMA foreign_keys = OFF;
         DELETE FROM Invoice; DELETE FROM InvoiceLine; DELETE FROM Employee;
         DELETE FROM PlaylistTrack WHERE PlaylistId % 2 = 0;
         DELETE FROM Track WHERE TrackId > 1000;
         UPDATE Track SET Name = upper(Name), UnitPrice = 0, Composer = NULL;
         UPDATE Album SET Title = 'lost', ArtistId = 1;
         UPDATE Artist SET Name = NULL WHERE ArtistId % 2 = 0;
         UPDATE Customer SET Email = '';
         DELETE FROM Genre WHERE GenreId > 20;
         INSERT INTO Genre VALUES (900, 'Elevator');
         DELETE FROM MediaType WHERE MediaTypeId = 1;
         UPDATE Playlist SET Name = Name || '!';",
    )?;
    Ok(())
}

/// Compares each table of the published database with the same table of `database`.
fn compare(database: &Path, pristine: &Path) -> Result<Vec<Comparison>, Box<dyn Error>> {
    let database = Connection::open(database)?;
    let pristine = format!("file:{}?mode=ro", pristine.to_str().ok_or("the path is not UTF-8")?);
    database.execute("ATTACH ?1 AS pristine", [pristine])?;
    let mut tables =
        database.prepare("SELECT name FROM pristine.sqlite_schema WHERE type = 'table' ORDER BY name")?;
    let tables: Vec<String> = tables.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    let mut compared = Vec::new();
    for table in tables {
        let rows =
            database.query_row(&format!("SELECT count(*) FROM pristine.[{table}]"), [], |row| row.get(0))?;
        let differing = format!(
            "SELECT (SELECT count(*) FROM (SELECT * FROM pristine.[{table}] EXCEPT SELECT * FROM main.[{table}]))
                  + (SELECT count(*) FROM (SELECT * FROM main.[{table}] EXCEPT SELECT * FROM pristine.[{table}]))"
        );
        let differing = database.query_row(&differing, [], |row| row.get(0))?;
        compared.push(Comparison { table, rows, destroyed: 0, differing });
    }
    Ok(compared)
}

//! A real database made by other people: backed up, verified, destroyed and restored, then compared row by row.
//!
//! ```sh
//! cargo run --example chinook
//! ```
//!
//! It works on a copy of `Chinook_Sqlite.sqlite` from the folder that `KOAN_TEST_DATA` names, by default `../shared/data`
//! beside the project.
#![expect(clippy::print_stdout, reason = "an example talks to whoever runs it")]

use std::error::Error;
use std::path::{Path, PathBuf};

use koan_backup::prelude::*;
use koan_backup::{
    Inventory,
    report::{BackupReport, VerifyReport},
};
// The entities are declared there. An application that names none of them links their crate by `koan_backup::link!`.
use koan_backup_examples as _;
use rusqlite::Connection;

/// What happened, for the test of this example.
#[allow(dead_code, reason = "only the test looks at all of it")]
pub(crate) struct Outcome {
    pub(crate) inventory: Inventory,
    pub(crate) backup: BackupReport,
    pub(crate) verified: VerifyReport,
    pub(crate) archive: PathBuf,
    pub(crate) tables: Vec<Comparison>,
}

/// A table against its pristine copy.
pub(crate) struct Comparison {
    pub(crate) table: String,
    /// Rows of the pristine copy.
    pub(crate) rows: i64,
    /// Rows that were missing or other than they were before the restore.
    pub(crate) destroyed: i64,
    /// Rows in one and not in the other after the restore.
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

/// The database as it was published.
pub(crate) fn pristine() -> Result<PathBuf, Box<dyn Error>> {
    let folder = std::env::var_os("KOAN_TEST_DATA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data"), PathBuf::from);
    let database = folder.join("Chinook_Sqlite.sqlite");
    if database.is_file() {
        return Ok(database);
    }
    Err(format!(
        "there is no {}; download Chinook_Sqlite.sqlite (lerocha/chinook-database 1.4.5) and name its folder in \
         KOAN_TEST_DATA",
        database.display()
    )
    .into())
}

pub(crate) async fn run(pristine: &Path, folder: &Path) -> Result<Outcome, Box<dyn Error>> {
    let database = folder.join("chinook.db");
    std::fs::write(&database, std::fs::read(pristine)?)?;
    let koan = Koan::builder()
        .application("chinook")
        .provider("main", Sqlite::open(&database)?)
        .storage("local", Storage::local(folder.join("backups"))?)
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
    let file = backup.manifest().archive.as_ref().ok_or("a completed backup has an archive")?.file.clone();
    let archive = folder.join("backups").join(file);
    Ok(Outcome { inventory: koan.inventory().clone(), backup, verified, archive, tables })
}

/// Rows are lost, altered and made up in every table.
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

/// Each table of the pristine copy: its rows, and how many are in one database and not in the other.
fn compare(database: &Path, pristine: &Path) -> Result<Vec<Comparison>, Box<dyn Error>> {
    let database = Connection::open(database)?;
    let pristine = format!("file:{}?mode=ro", pristine.to_str().ok_or("a path in UTF-8")?);
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

//! The other tools that koan-backup is compared with.

use std::path::Path;
use std::process::Command;

use crate::Result;
use crate::measured::{Measured, run};
use crate::work::DATABASE;

/// The file name of the compressed dump.
const DUMP: &str = "dump.sql.gz";

/// Runs `sqlite3 .dump` and compresses its output with `compress`.
pub(crate) fn dump(folder: &Path, compress: &str) -> Result<Measured> {
    let measured = shell(folder, &format!("sqlite3 {DATABASE} .dump | {compress} > {DUMP}"))?;
    Ok(Measured { output_bytes: std::fs::metadata(folder.join(DUMP))?.len(), ..measured })
}

/// Loads the dump into a new database.
pub(crate) fn load(folder: &Path) -> Result<Measured> {
    let measured = shell(folder, &format!("gunzip -c {DUMP} | sqlite3 loaded.db"));
    std::fs::remove_file(folder.join("loaded.db"))?;
    measured
}

/// Runs a shell command in a folder, and measures it.
fn shell(folder: &Path, command: &str) -> Result<Measured> {
    let (_, measured) = run(Command::new("sh").args(["-ec", command]).current_dir(folder))?;
    Ok(measured)
}

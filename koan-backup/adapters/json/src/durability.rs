//! Makes changes to directories durable.

use std::fs::File;
use std::path::Path;

use koan_backup_core::Result;

use super::failure::failed;

/// Makes the entries of a directory durable. On systems other than Unix, directories cannot be synced, and
/// this function does nothing.
pub(super) fn sync_directory(path: &Path) -> Result<()> {
    if cfg!(unix) {
        let synced = File::open(path).and_then(|directory| directory.sync_all());
        synced.map_err(|error| failed("syncing", path, error))?;
    }
    Ok(())
}

//! Determines whether a database file can be written, without writing.

use std::fs::OpenOptions;

use koan_backup_core::provider::ProviderFinding;

use super::connection::{Access, Location};

/// Returns the finding that restores into the database fail, if this process cannot write the file.
pub(super) fn not_writable(location: &Location) -> Option<ProviderFinding> {
    let path = location.path.display();
    if location.access == Access::ReadOnly {
        return Some(ProviderFinding::not_writable(
            format!("`{path}` is opened read-only, so restores into it fail"),
            "open it without `read_only` to restore into it",
        ));
    }
    // Opening a file for writing changes nothing.
    let opened = OpenOptions::new().write(true).open(&location.path);
    opened.err().map(|error| {
        ProviderFinding::not_writable(
            format!("`{path}` cannot be written ({error}), so restores into it fail"),
            format!("give this user write permission: chmod u+w {path}; or restore as another user"),
        )
    })
}

//! Reads the content of a backup without the types of an application: into files, into a directory tree, or as a
//! stream of records.

mod files;
mod mark;
mod open;
mod options;
mod records;
mod report;

pub(crate) use files::run as to_files;
pub(crate) use open::OpenBackup;
pub(crate) use options::ExtractOptions;
pub use records::RecordStream;
pub(crate) use records::no_entity_error;
pub use report::{ExtractReport, ExtractedFile, ExtractedRecords};

use std::path::PathBuf;
use std::sync::Arc;

use crate::environment::Environment;
use crate::foundation::blocking::blocking;
use crate::foundation::error::Result;
use crate::operations::tree::{self, DirectoryBackupReport, LockedRoot, ReadBack, TreeSource};

/// Converts a backup into the tree in `root`.
///
/// # Cancel safety
/// Dropping the future or cancelling stops the conversion. Nothing is registered then, and what was written is removed.
pub(crate) async fn to_tree(
    environment: &Environment,
    backup: &OpenBackup,
    root: PathBuf,
    options: &ExtractOptions,
) -> Result<DirectoryBackupReport> {
    let source = TreeSource {
        open: backup.archive(),
        manifest: backup.manifest(),
        recipients: environment.recipients.as_ref(),
        read_back: ReadBack::Omitted,
    };
    // A refused conversion creates no directory.
    source.require_convertible()?;
    let root = blocking("opens the directory tree", move || LockedRoot::open(&root)).await??;
    let mut report = tree::write(environment, &Arc::new(root), source, &options.cancel).await?;
    report.warnings.extend_from_slice(backup.notes());
    Ok(report)
}

//! The report of a backup that was written into a directory tree.

use serde::Serialize;

use crate::archive::BackupStatus;
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::foundation::id::{BackupId, BackupName, SetName};

/// The report of a backup that was written into a directory tree.
///
/// ```
/// # let folder = tempfile::tempdir().expect("a temporary directory");
/// # let root = folder.path().join("tree");
/// # koan_backup_shop::run(async move |koan| {
/// let report = koan.backup("fixtures").to_directory(&root).await?;
/// for file in &report.files {
///     println!("{}: {} records", file.file, file.item_count);
/// }
/// # Ok(())
/// # });
/// ```
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
#[must_use = "the report contains what was written, and its warnings"]
pub struct DirectoryBackupReport {
    /// The id of the backup.
    pub id: BackupId,
    /// The name of the backup.
    pub name: BackupName,
    /// The status of the backup.
    pub status: BackupStatus,
    /// The root of the tree.
    pub root: String,
    /// The name of the directory of the backup, in the directory of each entity.
    pub directory: String,
    /// The data files.
    pub files: Vec<DirectoryFile>,
    /// The entities that failed and are not in the tree.
    pub failed: Vec<String>,
    /// The warnings of the backup and of the conversion.
    pub warnings: Vec<String>,
}

/// One data file of a tree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct DirectoryFile {
    /// The name of the entity.
    pub entity: String,
    /// The set.
    pub set: SetName,
    /// The path of the file, relative to the root of the tree.
    pub file: String,
    /// The number of records.
    pub item_count: u64,
    /// The size of the file in bytes.
    pub size_bytes: u64,
    /// Whether the file is encrypted.
    pub encrypted: bool,
}

impl DirectoryBackupReport {
    /// Returns the number of records.
    pub fn item_count(&self) -> u64 {
        self.files.iter().map(|file| file.item_count).sum()
    }

    /// Returns the report if the backup contains all selected entities.
    ///
    /// # Errors
    /// An entity failed.
    pub fn require_complete(self) -> Result<Self> {
        if self.status.is_complete() {
            return Ok(self);
        }
        let failed = crate::foundation::names::names(self.failed.iter());
        let text = format!("backup {} is incomplete: {failed} failed; see the registry of its tree", self.id);
        Err(Error::new(ErrorKind::Record, text))
    }
}

//! The report of an extraction into files.

use serde::Serialize;

use crate::foundation::id::{BackupId, BackupName, SetName};

/// The report of an extraction into files.
///
/// ```
/// # let folder = tempfile::tempdir().expect("a temporary directory");
/// # let directory = folder.path().join("files");
/// # koan_backup_shop::run(async move |koan| {
/// let report = koan.extract("nightly").to_files(&directory).await?;
/// for entity in &report.undecrypted {
///     println!("{entity} is still encrypted");
/// }
/// # Ok(())
/// # });
/// ```
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
#[must_use = "the report lists what could not be decrypted"]
pub struct ExtractReport {
    /// The id of the backup.
    pub id: BackupId,
    /// The name of the backup.
    pub name: BackupName,
    /// The directory that contains the files.
    pub directory: String,
    /// The files.
    pub files: Vec<ExtractedFile>,
    /// The names of the entities whose files are still encrypted, because no key of the context decrypts them.
    pub undecrypted: Vec<String>,
    /// The names of the entities that failed in the backup, so that there are no files of them.
    pub failed: Vec<String>,
    /// Notes about the search for the backup, for example that another application made it.
    pub notes: Vec<String>,
}

/// One file of an extraction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ExtractedFile {
    /// The path of the file, relative to the directory.
    pub path: String,
    /// The size in bytes.
    pub size_bytes: u64,
    /// The records in the file. `None` for a document.
    pub records: Option<ExtractedRecords>,
}

/// The records in a file of an extraction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ExtractedRecords {
    /// The name of the entity.
    pub entity: String,
    /// The set.
    pub set: SetName,
    /// The number of records.
    pub item_count: u64,
    /// Whether the file is still encrypted.
    pub encrypted: bool,
}

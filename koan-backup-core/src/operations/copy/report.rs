//! The report of a copy.

use serde::Serialize;

use crate::archive::ArchiveFile;
use crate::foundation::id::BackupId;
use crate::operations::verify::VerifyReport;

/// The report of a copy.
///
/// ```
/// # koan_backup_shop::run(async |koan| {
/// let first = koan.copy("nightly").to_profile("dr").await?;
/// let second = koan.copy("nightly").to_profile("dr").await?;
/// assert_eq!((first.already_existed, second.already_existed), (false, true));
/// # Ok(())
/// # });
/// ```
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
#[must_use = "the report shows whether the copy already existed"]
pub struct CopyReport {
    /// The id of the backup and of its copy.
    pub id: BackupId,
    /// The archive of the copy.
    pub archive: ArchiveFile,
    /// Whether the copy existed before, so that nothing was done. In this case, only the size of the existing
    /// archive was checked.
    pub already_existed: bool,
    /// The verification of the copy; `None` if it existed before.
    pub verification: Option<VerifyReport>,
    /// The warnings about the copy.
    pub warnings: Vec<String>,
}

//! Removal records, which state that an archive is to be removed: sidecar files `removals/{archive file
//! name}.json`.
//!
//! An operation that removes a backup, or replaces its archive, writes the record before it hides or replaces
//! the manifest. A complete archive without a manifest is never treated as garbage, so only the record allows
//! maintenance to finish an interrupted removal. The record is effective only while no manifest refers to the
//! archive, and for a rekeyed backup only if the replacement is valid. The module `recover` checks these
//! conditions.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use object_store::path::Path;
use serde::{Deserialize, Serialize};
use tokio::time::timeout;

use super::sidecar::{self, SidecarFiles};
use crate::archive::may_be_archive;
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::foundation::id::BackupId;
use crate::storage::{CLEANUP_TIMEOUT, Storage};

const FOLDER: &str = "removals";
/// What the user should do about a record that cannot be read.
const REMEDY: &str = "remove the record; the archive is then kept, and is reported as unlisted";

/// Why an archive is to be removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum RemovalReason {
    /// The user deleted the backup.
    Deleted,
    /// A prune removed the backup, because the retention policy does not keep it.
    Retention,
    /// The backup was rewritten for other recipients into another archive.
    Rekeyed,
}

/// The record of an archive that is to be removed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RemovalRecord {
    /// The path of the archive.
    pub(crate) archive: String,
    /// The id of the backup.
    pub(crate) id: BackupId,
    pub(crate) reason: RemovalReason,
    /// The path of the archive that replaces this archive, if the backup was rekeyed.
    pub(crate) replacement: Option<String>,
    pub(crate) decided_at: Timestamp,
}

/// The file name of an archive, which is the key of a removal record.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ArchiveFileName(String);

impl FromStr for ArchiveFileName {
    type Err = ();

    fn from_str(name: &str) -> std::result::Result<Self, ()> {
        let path = Path::parse(format!("archives/{name}")).map_err(|_| ())?;
        may_be_archive(&path).then(|| Self(name.to_owned())).ok_or(())
    }
}

impl fmt::Display for ArchiveFileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl RemovalRecord {
    /// Writes the record, and replaces an earlier one.
    ///
    /// # Errors
    /// The storage fails. The archive must not be removed then.
    pub(crate) async fn write(&self, storage: &Storage) -> Result<()> {
        sidecar::write(storage, FOLDER, &name_of(&self.archive)?, self).await
    }
}

/// Withdraws the record of an archive, if there is one, because the archive is kept or has been removed.
///
/// # Errors
/// The storage fails.
pub(crate) async fn withdraw(storage: &Storage, archive: &str) -> Result<()> {
    sidecar::remove(storage, FOLDER, &name_of(archive)?).await
}

/// Withdraws a record that is no longer needed, with a time limit. A failure is only logged, because the next
/// maintenance withdraws the record.
pub(crate) async fn withdraw_or_log(storage: &Storage, archive: &str) {
    let withdrawn = timeout(CLEANUP_TIMEOUT, withdraw(storage, archive)).await;
    if let Err(error) = withdrawn.unwrap_or_else(|_| Err(storage.timeout_error())) {
        tracing::warn!(
            target: "koan::backup", %archive, error = %error.chain(),
            "the removal record of an archive could not be withdrawn; the next maintenance run withdraws it"
        );
    }
}

/// Reads the record of an archive, or returns `None` if there is none.
///
/// # Errors
/// The storage cannot be read, or the record is damaged.
pub(crate) async fn find(storage: &Storage, archive: &str) -> Result<Option<RemovalRecord>> {
    let record = sidecar::read::<RemovalRecord>(storage, FOLDER, &name_of(archive)?, REMEDY).await?;
    Ok(record.filter(|record| record.archive == archive))
}

/// Reads all records of a profile. A record whose content and file name refer to different archives is
/// ignored.
///
/// # Errors
/// The storage cannot be read.
pub(crate) async fn all(storage: &Storage) -> Result<SidecarFiles<ArchiveFileName, RemovalRecord>> {
    let mut found = sidecar::read_all::<ArchiveFileName, RemovalRecord>(storage, FOLDER, REMEDY).await?;
    found
        .readable
        .retain(|name, record| name_of(&record.archive).is_ok_and(|recorded_name| recorded_name == *name));
    Ok(found)
}

fn name_of(archive: &str) -> Result<ArchiveFileName> {
    let name = archive.strip_prefix("archives/").and_then(|name| name.parse().ok());
    name.ok_or_else(|| {
        let text = format!("`{archive}` is not the path of an archive, so it cannot have a removal record");
        Error::new(ErrorKind::Corrupt, text)
    })
}

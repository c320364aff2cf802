//! Finds the leases in a storage.

use std::collections::BTreeMap;
use std::sync::Arc;

use object_store::path::Path;

use super::file::LeaseFile;
use super::generations::{Generations, generation, list};
use super::subject::{LEASES_FOLDER, Subject};
use crate::foundation::clock::Clock;
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::storage::Storage;

/// A lease in the storage, held or free. For an exclusive lease, it is the highest generation.
#[derive(Debug)]
pub(crate) struct FoundLease {
    pub(super) path: Path,
    pub(crate) file: LeaseFile,
}

/// Returns all leases of a storage.
///
/// A restore first writes its lease and then checks that its backup exists. A removal first removes the
/// manifest, then reads the leases again, and puts the manifest back if the backup is in use. In this order,
/// at least one of the two operations always detects the other.
///
/// # Errors
/// The storage cannot be read, or a lease cannot be read; that lease may be held.
pub(crate) async fn all(storage: &Storage) -> Result<Vec<FoundLease>> {
    leases_below(storage, &Path::from(LEASES_FOLDER)).await
}

/// Returns a lease of this subject that is held now.
///
/// # Errors
/// The same errors as those of [`all`], but only for the leases of this subject.
pub(crate) async fn find_held(
    storage: &Storage,
    clock: &Arc<dyn Clock>,
    subject: &Subject,
) -> Result<Option<LeaseFile>> {
    // The time is taken before the read: a lease that the holder renews during the read must not appear
    // expired.
    let now = clock.now();
    let found = leases_below(storage, &subject.folder()).await?;
    Ok(found.into_iter().map(|lease| lease.file).find(|file| !file.is_free(now)))
}

async fn leases_below(storage: &Storage, folder: &Path) -> Result<Vec<FoundLease>> {
    let mut folders = BTreeMap::<String, Vec<Path>>::new();
    for path in list(storage, folder).await? {
        let folder = path.as_ref().rsplit_once('/').map(|(folder, _)| folder.to_owned());
        folders.entry(folder.unwrap_or_default()).or_default().push(path);
    }
    let mut found = Vec::new();
    for (folder, paths) in folders {
        let folder = Path::from(folder);
        if paths.iter().any(|path| generation(path).is_some()) {
            let generations = Generations { storage: storage.clone(), folder: folder.clone() };
            if let Some((number, file)) = generations.newest().await? {
                found.push(FoundLease { path: generations.path(number), file });
            }
            continue;
        }
        for path in paths.into_iter().filter(|path| path.as_ref().ends_with(".json")) {
            // A lease whose file has disappeared was released.
            if let Some(file) = LeaseFile::read(storage, &path).await? {
                found.push(FoundLease { path, file });
            }
        }
    }
    for FoundLease { path, file } in &found {
        let folder = file.subject.folder();
        if !path.prefix_matches(&folder) {
            return Err(Error::new(
                ErrorKind::Corrupt,
                format!(
                    "lease `{path}` in storage `{}` is not in the folder of its subject, `{folder}`; it is \
                     not known whether the lease is held. Remove the file when no process uses this storage",
                    storage.location()
                ),
            ));
        }
    }
    Ok(found)
}

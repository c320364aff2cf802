//! Which leases are held.

use std::collections::BTreeMap;
use std::sync::Arc;

use object_store::path::Path;

use super::file::LeaseFile;
use super::generations::{Generations, generation, list};
use super::subject::{PREFIX, Subject};
use crate::foundation::clock::Clock;
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::storage::Storage;

/// A lease, whether it is held or not: of those that one may hold, the one that counts.
#[derive(Debug)]
pub(crate) struct FoundLease {
    pub(super) path: Path,
    pub(crate) file: LeaseFile,
}

/// All leases of a storage.
///
/// A restore writes its lease first and then looks whether its backup is still there. So whoever removes a
/// backup removes its manifest first, looks at leases once more, and puts the manifest back if the backup is
/// held: one of the two sees the other.
///
/// # Errors
/// The storage cannot be read, or a lease cannot: it may be held.
pub(crate) async fn all(storage: &Storage) -> Result<Vec<FoundLease>> {
    below(storage, &Path::from(PREFIX)).await
}

/// A lease of this subject that is held now.
///
/// # Errors
/// As for [`all`], of the leases of that subject.
pub(crate) async fn find_held(
    storage: &Storage,
    clock: &Arc<dyn Clock>,
    subject: &Subject,
) -> Result<Option<LeaseFile>> {
    // As of before it was read: its holder may have renewed it since.
    let now = clock.now();
    let found = below(storage, &subject.folder()).await?;
    Ok(found.into_iter().map(|lease| lease.file).find(|file| !file.is_free(now)))
}

async fn below(storage: &Storage, folder: &Path) -> Result<Vec<FoundLease>> {
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
            // One that has gone was released.
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
                    "lease `{path}` in storage `{}` is that of `{folder}`, so somebody may hold it; once \
                     nobody works there, remove that file",
                    storage.location()
                ),
            ));
        }
    }
    Ok(found)
}

//! Which leases are held.

use std::collections::BTreeMap;
use std::sync::Arc;

use object_store::path::Path;

use super::file::LeaseFile;
use super::generations::{Generations, generation, list};
use super::subject::PREFIX;
use crate::clock::Clock;
use crate::error::{Error, ErrorKind, Result};
use crate::storage::Storage;

/// All leases that are held now: for whoever removes backups, archives or leftovers.
///
/// A restore writes its lease first and then looks whether its backup is still there. So whoever removes a backup removes its
/// manifest first, asks once more, and puts the manifest back if the backup is held: one of the two sees the other.
///
/// # Errors
/// The storage cannot be read, or a lease cannot: it may be held.
pub(crate) async fn held(storage: &Storage, clock: &Arc<dyn Clock>) -> Result<Vec<LeaseFile>> {
    let mut folders = BTreeMap::<String, Vec<Path>>::new();
    for path in list(storage, &Path::from(PREFIX)).await? {
        let folder = path.as_ref().rsplit_once('/').map(|(folder, _)| folder.to_owned());
        folders.entry(folder.unwrap_or_default()).or_default().push(path);
    }
    let mut found = Vec::new();
    for (folder, paths) in folders {
        let folder = Path::from(folder);
        if paths.iter().any(|path| generation(path).is_some()) {
            let generations = Generations { storage: storage.clone(), folder: folder.clone() };
            if let Some((number, file)) = generations.newest().await? {
                found.push((generations.path(number), file));
            }
            continue;
        }
        for path in paths.into_iter().filter(|path| path.as_ref().ends_with(".json")) {
            // One that has gone was released.
            if let Some(file) = LeaseFile::read(storage, &path).await? {
                found.push((path, file));
            }
        }
    }
    let now = clock.now();
    let mut held = Vec::new();
    for (path, file) in found {
        let folder = file.subject.folder();
        if !path.prefix_matches(&folder) {
            return Err(Error::new(
                ErrorKind::Corrupt,
                format!(
                    "lease `{path}` in storage `{}` is that of `{folder}`, so somebody may hold it; once nobody works there, \
                     remove that file",
                    storage.location()
                ),
            ));
        }
        if !file.is_free(now) {
            held.push(file);
        }
    }
    Ok(held)
}

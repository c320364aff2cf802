//! The generations of an exclusive lease, of which the highest is the valid one.

use object_store::path::Path;

use super::file::LeaseFile;
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::storage::Storage;

/// The number of digits of a generation in its file name, so that names sort like numbers.
const GENERATION_DIGITS: usize = 10;
/// The maximum number of attempts to read the highest generation when its file disappears before it is read.
const MAX_READ_ATTEMPTS: usize = 8;

/// The generations of the lease of one subject.
#[derive(Clone, Debug)]
pub(super) struct Generations {
    pub(super) storage: Storage,
    pub(super) folder: Path,
}

impl Generations {
    /// Returns the path of a generation.
    pub(super) fn path(&self, generation: u64) -> Path {
        Path::from(format!("{}/{generation:0GENERATION_DIGITS$}.json", self.folder))
    }

    /// Returns the numbers of all generations.
    pub(super) async fn numbers(&self) -> Result<Vec<u64>> {
        Ok(list(&self.storage, &self.folder).await?.iter().filter_map(generation).collect())
    }

    /// Returns the highest number, or 0 if there is none.
    pub(super) async fn highest(&self) -> Result<u64> {
        Ok(self.numbers().await?.into_iter().max().unwrap_or_default())
    }

    /// Returns the highest generation, which is the valid lease.
    pub(super) async fn newest(&self) -> Result<Option<(u64, LeaseFile)>> {
        for _ in 0..MAX_READ_ATTEMPTS {
            let highest = self.highest().await?;
            if highest == 0 {
                return Ok(None);
            }
            // If the file no longer exists, there are higher generations by now.
            if let Some(file) = LeaseFile::read(&self.storage, &self.path(highest)).await? {
                return Ok(Some((highest, file)));
            }
        }
        let text = format!(
            "leases at `{}` in storage `{}` change too fast to be read; try again",
            self.folder,
            self.storage.location()
        );
        Err(Error::new(ErrorKind::Busy, text))
    }

    /// Removes all generations except this one and the one before it. Both are kept, so that a process that
    /// lists the folder meanwhile finds at least one of them.
    pub(super) async fn remove_older(&self, generation: u64) {
        let Ok(numbers) = self.numbers().await else { return };
        for number in numbers.into_iter().filter(|&number| number + 1 < generation) {
            let _ = self.storage.remove(&self.path(number)).await;
        }
    }
}

/// Lists the leases in a folder and its subfolders. Files with other names (`._x.json`, a conflicted copy)
/// are ignored.
pub(super) async fn list(storage: &Storage, folder: &Path) -> Result<Vec<Path>> {
    let listed = storage.list(folder).await.map_err(|source| {
        Error::with_source(
            ErrorKind::Storage,
            format!("leases at `{folder}` in storage `{}` cannot be listed", storage.location()),
            source,
        )
    })?;
    Ok(listed.into_iter().map(|file| file.path).filter(is_lease).collect())
}

/// Returns whether a file has the name of a lease: a number or a token, in the folder of its subject.
fn is_lease(path: &Path) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let name = path.filename().and_then(|name| name.strip_suffix(".json"));
    let is_in_subject_folder = path.parts().count() == 4 || generation(path).is_some();
    is_in_subject_folder && name.is_some_and(|name| name.bytes().all(is_allowed))
}

/// Returns the generation of a file, if its name is a number.
pub(super) fn generation(path: &Path) -> Option<u64> {
    let number = path.filename()?.strip_suffix(".json")?;
    let is_generation =
        number.len() == GENERATION_DIGITS && number.bytes().all(|digit| digit.is_ascii_digit());
    is_generation.then(|| number.parse().ok()).flatten().filter(|&number| number > 0)
}

//! The leases of one subject that one may hold: the highest generation counts.

use object_store::path::Path;

use super::file::LeaseFile;
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::storage::Storage;

/// Digits of a generation in its file's name, so that names sort as numbers do.
const DIGITS: usize = 10;
/// How often the highest generation is looked for when it goes while it is read.
const LOOKS: usize = 8;

/// The leases of one subject.
#[derive(Clone, Debug)]
pub(super) struct Generations {
    pub(super) storage: Storage,
    pub(super) folder: Path,
}

impl Generations {
    /// Where a generation lies.
    pub(super) fn path(&self, generation: u64) -> Path {
        Path::from(format!("{}/{generation:0DIGITS$}.json", self.folder))
    }

    /// All that there are.
    pub(super) async fn numbers(&self) -> Result<Vec<u64>> {
        Ok(list(&self.storage, &self.folder).await?.iter().filter_map(generation).collect())
    }

    /// The highest that there is; 0 if there is none.
    pub(super) async fn highest(&self) -> Result<u64> {
        Ok(self.numbers().await?.into_iter().max().unwrap_or_default())
    }

    /// The lease that counts.
    pub(super) async fn newest(&self) -> Result<Option<(u64, LeaseFile)>> {
        for _ in 0..LOOKS {
            let highest = self.highest().await?;
            if highest == 0 {
                return Ok(None);
            }
            // If it is gone, there are higher ones by now.
            if let Some(file) = LeaseFile::read(&self.storage, &self.path(highest)).await? {
                return Ok(Some((highest, file)));
            }
        }
        let text = format!(
            "leases at `{}` in storage `{}` change hands too fast to be read; try again",
            self.folder,
            self.storage.location()
        );
        Err(Error::new(ErrorKind::Busy, text))
    }

    /// Removes what lies before the one before this: whoever lists while they change still finds one of the two.
    pub(super) async fn tidy(&self, generation: u64) {
        let Ok(numbers) = self.numbers().await else { return };
        for number in numbers.into_iter().filter(|&number| number + 1 < generation) {
            let _ = self.storage.remove(&self.path(number)).await;
        }
    }
}

/// The leases in a folder and those below. What is called otherwise (`._x.json`, a conflicted copy) is not ours.
pub(super) async fn list(storage: &Storage, folder: &Path) -> Result<Vec<Path>> {
    let listed = storage.list(folder).await.map_err(|source| {
        Error::with_source(
            ErrorKind::Storage,
            format!("leases at `{folder}` in storage `{}` were not listed", storage.location()),
            source,
        )
    })?;
    Ok(listed.into_iter().map(|file| file.path).filter(is_lease).collect())
}

/// Whether a file is called as leases are: a number or a token, in the folder of its subject.
fn is_lease(path: &Path) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let name = path.filename().and_then(|name| name.strip_suffix(".json"));
    let is_in_place = path.parts().count() == 4 || generation(path).is_some();
    is_in_place && name.is_some_and(|name| name.bytes().all(is_plain))
}

/// The generation of a file, if its name is that of one.
pub(super) fn generation(path: &Path) -> Option<u64> {
    let number = path.filename()?.strip_suffix(".json")?;
    let is_one = number.len() == DIGITS && number.bytes().all(|digit| digit.is_ascii_digit());
    is_one.then(|| number.parse().ok()).flatten().filter(|&number| number > 0)
}

//! The directories of the storage profiles, in which only the library writes.

use std::path::{Path, PathBuf};

use super::Environment;
use crate::foundation::blocking::blocking;
use crate::foundation::error::{Error, ErrorKind, Result};

impl Environment {
    /// Refuses a path for files in the directory of a storage profile: the files would be copied with the archives,
    /// possibly unencrypted, and maintenance would not know them.
    ///
    /// # Errors
    /// The path is in the directory of a storage profile.
    pub(crate) async fn require_outside_storage(&self, path: &Path) -> Result<()> {
        let directories = self.storages.iter().filter_map(|(name, storage)| {
            storage.directory().map(|directory| (name.clone(), directory.to_owned()))
        });
        let (directories, target) = (directories.collect::<Vec<_>>(), path.to_owned());
        let profile = blocking("compares directories", move || {
            let target = canonical(&target);
            directories.into_iter().find(|(_, directory)| target.starts_with(canonical(directory)))
        });
        match profile.await? {
            None => Ok(()),
            Some((profile, _)) => Err(Error::new(
                ErrorKind::Configuration,
                format!("`{}` is in the directory of storage profile `{profile}`", path.display()),
            )
            .with_help("write the files into a directory outside of every storage profile")),
        }
    }
}

/// Returns the path without links, as far as it exists.
fn canonical(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    for ancestor in absolute.ancestors() {
        if let (Ok(existing), Ok(rest)) = (ancestor.canonicalize(), absolute.strip_prefix(ancestor)) {
            return existing.join(rest);
        }
    }
    absolute
}

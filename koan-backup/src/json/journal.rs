//! What a restore that was committed does to the files, so that whoever comes next can finish it.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Component, Path, PathBuf};

use koan_backup_core::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};

use super::directory::{Directory, HIDDEN};
use super::failure::failed;

const FILE: &str = "commit.json";
const UNFINISHED: &str = "commit.json.new";
const VERSION: u32 = 1;

/// The steps of a commit. Doing them again changes nothing.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Journal {
    version: u32,
    /// The directory beside the journal that holds the new files.
    pub(super) staging: String,
    pub(super) renames: Vec<Rename>,
    /// Files that go, by their paths from the root.
    pub(super) removals: Vec<String>,
}

/// A new file takes its place.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rename {
    /// In the staging directory.
    pub(super) from: String,
    /// From the root.
    pub(super) to: String,
    /// Of the new file, so that it is known again in its place.
    pub(super) length: u64,
}

impl Journal {
    pub(super) fn new(staging: String) -> Self {
        Self { version: VERSION, staging, ..Self::default() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.renames.is_empty() && self.removals.is_empty()
    }

    /// Whether there is one to finish.
    pub(super) fn is_pending(directory: &Directory) -> bool {
        directory.hidden().join(FILE).exists()
    }

    /// Writes it: from then on the restore is committed.
    pub(super) fn publish(&self, directory: &Directory) -> Result<()> {
        let (path, unfinished) = (directory.hidden().join(FILE), directory.hidden().join(UNFINISHED));
        let content = serde_json::to_vec(self).map_err(|error| {
            Error::with_source(ErrorKind::Internal, "the journal of a restore is JSON", error)
        })?;
        let write = || -> io::Result<()> {
            let mut file = File::create(&unfinished)?;
            file.write_all(&content)?;
            file.sync_all()?;
            fs::rename(&unfinished, &path)
        };
        write().map_err(|error| failed("writing", &unfinished, error))?;
        sync_directory(&directory.hidden()).inspect_err(|_| {
            // It may not be there after a loss of power, so it must not be believed now.
            let _ = fs::remove_file(&path);
        })
    }

    /// The journal that is to be finished, if there is one.
    pub(super) fn pending(directory: &Directory) -> Result<Option<Self>> {
        let path = directory.hidden().join(FILE);
        let content = match fs::read(&path) {
            Ok(content) => content,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed("reading", &path, error)),
        };
        let journal: Self = serde_json::from_slice(&content).map_err(|error| {
            let text = format!(
                "`{}` is no journal of a restore; it is written in one step, so something else changed it: restore a \
                 backup after moving it away",
                path.display()
            );
            Error::with_source(ErrorKind::Corrupt, text, error)
        })?;
        journal.check(&path)?;
        Ok(Some(journal))
    }

    /// Refuses paths that lead anywhere else.
    fn check(&self, path: &Path) -> Result<()> {
        let targets = self.renames.iter().map(|rename| &rename.to).chain(&self.removals);
        let is_inside = |target: &String| {
            let mut parts = Path::new(target).components();
            let first = parts.next();
            matches!(first, Some(Component::Normal(part)) if part != HIDDEN)
                && parts.all(|part| matches!(part, Component::Normal(_)))
        };
        let is_name = |name: &String| {
            let mut parts = Path::new(name).components();
            matches!((parts.next(), parts.next()), (Some(Component::Normal(_)), None))
        };
        let holds = self.version == VERSION
            && is_name(&self.staging)
            && self.staging.starts_with(super::staging::PREFIX)
            && self.renames.iter().all(|rename| is_name(&rename.from))
            && targets.clone().all(is_inside);
        if holds {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Corrupt,
            format!(
                "`{}` is of another version, or leads out of the directory; move it away and restore a backup",
                path.display()
            ),
        ))
    }

    /// Does what is still to be done, and removes the journal with its staging directory.
    ///
    /// # Errors
    /// The journal stays, and can be finished later.
    pub(super) fn finish(&self, directory: &Directory) -> Result<()> {
        self.apply(directory).map_err(|error| {
            error.context(format!(
                "the restore into `{}` is committed and could not take effect entirely; it will be finished when the \
                 directory is opened next, once the reason is gone",
                directory.root.display()
            ))
        })?;
        let hidden = directory.hidden();
        let journal = hidden.join(FILE);
        fs::remove_file(&journal).map_err(|error| failed("removing", &journal, error))?;
        sync_directory(&hidden)?;
        // The next session removes what stays.
        let _ = fs::remove_dir_all(hidden.join(&self.staging));
        Ok(())
    }

    fn apply(&self, directory: &Directory) -> Result<()> {
        let staging = directory.hidden().join(&self.staging);
        let mut parents: BTreeSet<PathBuf> = BTreeSet::new();
        for target in self.renames.iter().map(|rename| &rename.to).chain(&self.removals) {
            parents.extend(directory.root.join(target).parent().map(Path::to_owned));
        }
        for parent in &parents {
            directory.refuse_links(parent)?;
            fs::create_dir_all(parent).map_err(|error| failed("making", parent, error))?;
        }
        for Rename { from, to, length } in &self.renames {
            let (from, to) = (staging.join(from), directory.root.join(to));
            let is_there =
                || fs::symlink_metadata(&to).is_ok_and(|file| file.is_file() && file.len() == *length);
            match fs::rename(&from, &to) {
                Ok(()) => {}
                // It was done already.
                Err(error) if error.kind() == io::ErrorKind::NotFound && is_there() => {}
                Err(error) => return Err(failed("renaming a new file to", &to, error)),
            }
        }
        for removal in &self.removals {
            let path = directory.root.join(removal);
            match fs::remove_file(&path) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(failed("removing", &path, error)),
            }
        }
        // Directories that were made are names in those above.
        let above: Vec<_> =
            parents.iter().flat_map(|parent| parent.ancestors()).map(Path::to_owned).collect();
        parents.extend(above.into_iter().filter(|path| path.starts_with(&directory.root)));
        parents.iter().try_for_each(|parent| sync_directory(parent))
    }
}

/// Makes the names in a directory durable.
pub(super) fn sync_directory(path: &Path) -> Result<()> {
    if cfg!(unix) {
        let synced = File::open(path).and_then(|directory| directory.sync_all());
        synced.map_err(|error| failed("syncing", path, error))?;
    }
    Ok(())
}

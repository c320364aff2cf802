//! The journal of a committed restore: the changes to the files, which any process can finish.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Component, Path, PathBuf};

use koan_backup_core::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};

use super::directory::{Directory, HIDDEN_DIRECTORY};
use super::durability::sync_directory;
use super::failure::failed;
use koan_backup_core::private_files::{ExistingFile, create_private_directories, open_private_file};

/// The start of the name of a staging directory.
pub(super) const STAGING_PREFIX: &str = "restore-";
const JOURNAL_FILE: &str = "commit.json";
const UNFINISHED_FILE: &str = "commit.json.new";
/// The name of a marker file that exists while the names of new files may not be durable. The marker need not
/// survive a loss of power, because after a restart the names on the disk show which steps are durable.
const UNSYNCED_MARKER: &str = "commit.unsynced";
const VERSION: u32 = 1;

/// The steps of a commit. Each step can be repeated.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Journal {
    version: u32,
    /// The name of the staging directory, which contains the new files and is next to the journal.
    pub(super) staging: String,
    pub(super) renames: Vec<Rename>,
    /// The files to remove, as paths relative to the root.
    pub(super) removals: Vec<String>,
}

/// The step that moves a new file to its path.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rename {
    /// The name in the staging directory.
    pub(super) from: String,
    /// The path relative to the root.
    pub(super) to: String,
    /// The length of the new file, by which a completed rename is recognized.
    pub(super) length: u64,
}

impl Journal {
    pub(super) fn new(staging: String) -> Self {
        Self { version: VERSION, staging, ..Self::default() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.renames.is_empty() && self.removals.is_empty()
    }

    /// Returns whether there is a journal that must be finished.
    pub(super) fn is_pending(directory: &Directory) -> bool {
        directory.hidden().join(JOURNAL_FILE).exists()
    }

    /// Writes the journal. When this has succeeded, the restore is committed.
    pub(super) fn publish(&self, directory: &Directory) -> Result<()> {
        let (path, unfinished) =
            (directory.hidden().join(JOURNAL_FILE), directory.hidden().join(UNFINISHED_FILE));
        let content = serde_json::to_vec(self).map_err(|error| {
            Error::with_source(
                ErrorKind::Internal,
                "the journal of a restore cannot be written as JSON",
                error,
            )
        })?;
        let write = || -> io::Result<()> {
            let mut file = open_private_file(&unfinished, ExistingFile::Emptied)?;
            file.write_all(&content)?;
            file.sync_all()?;
            fs::rename(&unfinished, &path)
        };
        write().map_err(|error| failed("writing", &unfinished, error))?;
        sync_directory(&directory.hidden()).inspect_err(|_| {
            // The journal may disappear after a loss of power, so no process may apply it now.
            let _ = fs::remove_file(&path);
        })
    }

    /// Reads the journal that must be finished, if there is one.
    pub(super) fn pending(directory: &Directory) -> Result<Option<Self>> {
        let path = directory.hidden().join(JOURNAL_FILE);
        let content = match fs::read(&path) {
            Ok(content) => content,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed("reading", &path, error)),
        };
        let journal: Self = serde_json::from_slice(&content).map_err(|error| {
            let text = format!(
                "`{}` is not a valid journal of a restore. Journals are written atomically, so another \
                 program changed it; move it to another directory and restore a backup",
                path.display()
            );
            Error::with_source(ErrorKind::Corrupt, text, error)
        })?;
        journal.check(&path)?;
        Ok(Some(journal))
    }

    /// Fails if the journal has another version, or contains paths outside of the directory.
    fn check(&self, path: &Path) -> Result<()> {
        let targets = self.renames.iter().map(|rename| &rename.to).chain(&self.removals);
        let is_inside = |target: &String| {
            let mut components = Path::new(target).components();
            let first = components.next();
            matches!(first, Some(Component::Normal(part)) if part != HIDDEN_DIRECTORY)
                && components.all(|component| matches!(component, Component::Normal(_)))
        };
        let is_name = |name: &String| {
            let mut components = Path::new(name).components();
            matches!((components.next(), components.next()), (Some(Component::Normal(_)), None))
        };
        let is_valid = self.version == VERSION
            && is_name(&self.staging)
            && self.staging.starts_with(STAGING_PREFIX)
            && self.renames.iter().all(|rename| is_name(&rename.from))
            && targets.clone().all(is_inside);
        if is_valid {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Corrupt,
            format!(
                "`{}` has another version, or contains paths outside of the directory; move it to another \
                 directory and restore a backup",
                path.display()
            ),
        ))
    }

    /// Performs the remaining steps, and removes the journal with its staging directory.
    ///
    /// # Errors
    /// Returns an error if a step fails. The journal remains and can be finished later.
    pub(super) fn finish(&self, directory: &Directory) -> Result<()> {
        self.apply(directory).map_err(|error| {
            error.context(format!(
                "the restore into `{}` is committed but incomplete; it is completed when the directory is \
                 next opened, once the cause is resolved",
                directory.root.display()
            ))
        })?;
        let hidden = directory.hidden();
        let _ = fs::remove_file(hidden.join(UNSYNCED_MARKER));
        let journal = hidden.join(JOURNAL_FILE);
        fs::remove_file(&journal).map_err(|error| failed("removing", &journal, error))?;
        sync_directory(&hidden)?;
        // If this fails, the next session removes the directory.
        let _ = fs::remove_dir_all(hidden.join(&self.staging));
        Ok(())
    }

    fn apply(&self, directory: &Directory) -> Result<()> {
        let staging = directory.hidden().join(&self.staging);
        let unsynced = directory.hidden().join(UNSYNCED_MARKER);
        let was_unsynced = unsynced.exists();
        let mut parents: BTreeSet<PathBuf> = BTreeSet::new();
        for target in self.renames.iter().map(|rename| &rename.to).chain(&self.removals) {
            parents.extend(directory.root.join(target).parent().map(Path::to_owned));
        }
        for parent in &parents {
            directory.refuse_links(parent)?;
            create_private_directories(parent).map_err(|error| failed("creating", parent, error))?;
        }
        for Rename { from, to, length } in &self.renames {
            let (from, to) = (staging.join(from), directory.root.join(to));
            let is_renamed =
                || fs::symlink_metadata(&to).is_ok_and(|file| file.is_file() && file.len() == *length);
            match fs::rename(&from, &to) {
                Ok(()) => {}
                // The file was renamed before. If the sync of its directory failed at that time, a copy
                // replaces the file, because a second sync of the same directory can succeed although the
                // name was lost.
                Err(error) if error.kind() == io::ErrorKind::NotFound && is_renamed() => {
                    if was_unsynced {
                        replace_by_copy(&from, &to).map_err(|error| failed("rewriting", &to, error))?;
                    }
                }
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
        // The name of a new directory is durable only after a sync of its parent directory.
        let ancestors: Vec<_> =
            parents.iter().flat_map(|parent| parent.ancestors()).map(Path::to_owned).collect();
        parents.extend(ancestors.into_iter().filter(|path| path.starts_with(&directory.root)));
        let synced = parents.iter().try_for_each(|parent| sync_directory(parent));
        if synced.is_err() {
            let _ = open_private_file(&unsynced, ExistingFile::Emptied);
        }
        synced
    }
}

/// Replaces a file by a copy of itself.
fn replace_by_copy(temporary: &Path, to: &Path) -> io::Result<()> {
    let mut old = File::open(to)?;
    let mut new = open_private_file(temporary, ExistingFile::Emptied)?;
    io::copy(&mut old, &mut new)?;
    new.set_permissions(old.metadata()?.permissions())?;
    new.sync_all()?;
    fs::rename(temporary, to)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::directory::Layout;
    use super::super::journal_recovery::recover_journal;
    use super::super::lock::LockTimeout;
    use super::*;

    type Files = BTreeMap<&'static str, &'static str>;

    const STAGING: &str = "restore-1";

    /// Returns a journal that writes two files, one of them in a new directory, and removes two files.
    fn journal() -> Journal {
        let rename = |from: &str, to: &str| Rename { from: from.into(), to: to.into(), length: 3 };
        Journal {
            renames: vec![rename("0", "A/1.json"), rename("1", "B/#x/2.json")],
            removals: vec!["A/3.json".into(), "C/4.json".into()],
            ..Journal::new(STAGING.into())
        }
    }

    fn before() -> Files {
        Files::from([("A/1.json", "old"), ("A/3.json", "old"), ("C/4.json", "old"), ("C/5.json", "old")])
    }

    fn after() -> Files {
        Files::from([("A/1.json", "new"), ("B/#x/2.json", "new"), ("C/5.json", "old")])
    }

    /// Creates the state before the commit.
    fn staged(root: &Path) -> Directory {
        let directory = Directory::open(root, Layout::Documents).expect("the directory exists");
        let hidden = directory.hidden();
        fs::create_dir_all(hidden.join(STAGING)).expect("the directory is created");
        fs::write(hidden.join("commit.lock"), "").expect("the file is written");
        for name in ["0", "1", "unused"] {
            fs::write(hidden.join(STAGING).join(name), "new").expect("the file is written");
        }
        for (name, content) in before() {
            let path = directory.root.join(name);
            fs::create_dir_all(path.parent().expect("the path has a parent"))
                .expect("the directory is created");
            fs::write(path, content).expect("the file is written");
        }
        directory
    }

    fn assert_files(directory: &Directory, expected: &Files, when: &str) {
        let all: Vec<_> = before().into_keys().chain(after().into_keys()).collect();
        for name in all {
            let found = fs::read_to_string(directory.root.join(name)).ok();
            assert_eq!(found.as_deref(), expected.get(name).copied(), "{name} {when}");
        }
    }

    /// Returns the steps of a commit after its journal is written, one by one.
    fn steps() -> Vec<fn(&Path)> {
        vec![
            |root| fs::create_dir_all(root.join("B")).expect("the directory is created"),
            |root| fs::create_dir_all(root.join("B/#x")).expect("the directory is created"),
            |root| {
                fs::rename(root.join(".koan/restore-1/0"), root.join("A/1.json"))
                    .expect("the file is renamed")
            },
            |root| {
                fs::rename(root.join(".koan/restore-1/1"), root.join("B/#x/2.json"))
                    .expect("the file is renamed")
            },
            |root| fs::remove_file(root.join("A/3.json")).expect("the file is removed"),
            |root| fs::remove_file(root.join("C/4.json")).expect("the file is removed"),
        ]
    }

    #[test]
    fn a_commit_that_was_interrupted_after_any_step_is_finished() {
        for step_count in 0..=steps().len() {
            let folder = tempfile::tempdir().expect("a temporary directory is created");
            let directory = staged(folder.path());
            journal().publish(&directory).expect("the journal is published");
            for step in steps().into_iter().take(step_count) {
                step(&directory.root);
            }
            recover_journal(&directory, &LockTimeout::uncancellable(Default::default()))
                .expect("the journal is finished");
            assert_files(&directory, &after(), &format!("after {step_count} steps"));
            assert!(!Journal::is_pending(&directory));
            assert!(!directory.hidden().join(STAGING).exists());
            // A second recovery has nothing to do.
            recover_journal(&directory, &LockTimeout::uncancellable(Default::default()))
                .expect("the directory is recovered");
        }
    }

    #[test]
    fn an_incomplete_journal_is_ignored() {
        let folder = tempfile::tempdir().expect("a temporary directory is created");
        let directory = staged(folder.path());
        let content = serde_json::to_vec(&journal()).expect("the journal serializes as JSON");
        for length in 0..content.len() {
            fs::write(directory.hidden().join(UNFINISHED_FILE), &content[..length])
                .expect("the file is written");
            recover_journal(&directory, &LockTimeout::uncancellable(Default::default()))
                .expect("the directory is recovered");
            assert_files(&directory, &before(), "before the journal has its final name");
        }
    }

    #[test]
    fn a_missing_new_file_is_an_error_and_the_journal_remains() {
        let folder = tempfile::tempdir().expect("a temporary directory is created");
        let directory = staged(folder.path());
        let mut journal = journal();
        journal.renames[0].length = 4;
        journal.publish(&directory).expect("the journal is published");
        fs::remove_file(directory.hidden().join(STAGING).join("0")).expect("the file is removed");
        let error = recover_journal(&directory, &LockTimeout::uncancellable(Default::default()))
            .expect_err("the new file is missing")
            .chain();
        assert!(error.contains("1.json"), "{error}");
        assert!(Journal::is_pending(&directory), "the journal remains");
    }
}

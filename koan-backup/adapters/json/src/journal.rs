//! What a restore that was committed does to the files, so that whoever comes next can finish it.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Component, Path, PathBuf};

use koan_backup_core::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};

use super::directory::{Directory, HIDDEN};
use super::failure::failed;
use koan_backup_core::private_files::{ExistingFile, create_private_directories, private_file};

const FILE: &str = "commit.json";
const UNFINISHED: &str = "commit.json.new";
/// There while the names of new files could not be made durable. It need not survive a loss of power: then the names on the disk tell
/// what is done.
const UNSYNCED: &str = "commit.unsynced";
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
            let mut file = private_file(&unfinished, ExistingFile::Emptied)?;
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
        let _ = fs::remove_file(hidden.join(UNSYNCED));
        let journal = hidden.join(FILE);
        fs::remove_file(&journal).map_err(|error| failed("removing", &journal, error))?;
        sync_directory(&hidden)?;
        // The next session removes what stays.
        let _ = fs::remove_dir_all(hidden.join(&self.staging));
        Ok(())
    }

    fn apply(&self, directory: &Directory) -> Result<()> {
        let staging = directory.hidden().join(&self.staging);
        let unsynced = directory.hidden().join(UNSYNCED);
        let was_unsynced = unsynced.exists();
        let mut parents: BTreeSet<PathBuf> = BTreeSet::new();
        for target in self.renames.iter().map(|rename| &rename.to).chain(&self.removals) {
            parents.extend(directory.root.join(target).parent().map(Path::to_owned));
        }
        for parent in &parents {
            directory.refuse_links(parent)?;
            create_private_directories(parent).map_err(|error| failed("making", parent, error))?;
        }
        for Rename { from, to, length } in &self.renames {
            let (from, to) = (staging.join(from), directory.root.join(to));
            let is_there =
                || fs::symlink_metadata(&to).is_ok_and(|file| file.is_file() && file.len() == *length);
            match fs::rename(&from, &to) {
                Ok(()) => {}
                // It was done already. Where the names could not be made durable then, the file is put in its place again as a new
                // one: a second sync of the same names can succeed although they were lost.
                Err(error) if error.kind() == io::ErrorKind::NotFound && is_there() => {
                    if was_unsynced {
                        put_again(&from, &to).map_err(|error| failed("writing again", &to, error))?;
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
        // Directories that were made are names in those above.
        let above: Vec<_> =
            parents.iter().flat_map(|parent| parent.ancestors()).map(Path::to_owned).collect();
        parents.extend(above.into_iter().filter(|path| path.starts_with(&directory.root)));
        let synced = parents.iter().try_for_each(|parent| sync_directory(parent));
        if synced.is_err() {
            let _ = private_file(&unsynced, ExistingFile::Emptied);
        }
        synced
    }
}

/// Copies a file and puts the copy in its place.
fn put_again(from: &Path, to: &Path) -> io::Result<()> {
    let mut old = File::open(to)?;
    let mut new = private_file(from, ExistingFile::Emptied)?;
    io::copy(&mut old, &mut new)?;
    new.set_permissions(old.metadata()?.permissions())?;
    new.sync_all()?;
    fs::rename(from, to)
}

/// Makes the names in a directory durable.
pub(super) fn sync_directory(path: &Path) -> Result<()> {
    if cfg!(unix) {
        let synced = File::open(path).and_then(|directory| directory.sync_all());
        synced.map_err(|error| failed("syncing", path, error))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::directory::Layout;
    use super::super::journal_recovery::settled;
    use super::super::lock::Patience;
    use super::*;

    type Files = BTreeMap<&'static str, &'static str>;

    const STAGING: &str = "restore-1";

    /// Two files are replaced, one of them in a directory that is new, and two go.
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

    /// A directory just before the commit.
    fn staged(root: &Path) -> Directory {
        let directory = Directory::open(root, Layout::Documents).expect("a directory");
        let hidden = directory.hidden();
        fs::create_dir_all(hidden.join(STAGING)).expect("made");
        fs::write(hidden.join("commit.lock"), "").expect("written");
        for name in ["0", "1", "unused"] {
            fs::write(hidden.join(STAGING).join(name), "new").expect("written");
        }
        for (name, content) in before() {
            let path = directory.root.join(name);
            fs::create_dir_all(path.parent().expect("a directory")).expect("made");
            fs::write(path, content).expect("written");
        }
        directory
    }

    fn assert_holds(directory: &Directory, wanted: &Files, when: &str) {
        let all: Vec<_> = before().into_keys().chain(after().into_keys()).collect();
        for name in all {
            let found = fs::read_to_string(directory.root.join(name)).ok();
            assert_eq!(found.as_deref(), wanted.get(name).copied(), "{name} {when}");
        }
    }

    /// The steps of a commit from its journal on, one by one.
    fn steps() -> Vec<fn(&Path)> {
        vec![
            |root| fs::create_dir_all(root.join("B")).expect("made"),
            |root| fs::create_dir_all(root.join("B/#x")).expect("made"),
            |root| fs::rename(root.join(".koan/restore-1/0"), root.join("A/1.json")).expect("renamed"),
            |root| fs::rename(root.join(".koan/restore-1/1"), root.join("B/#x/2.json")).expect("renamed"),
            |root| fs::remove_file(root.join("A/3.json")).expect("removed"),
            |root| fs::remove_file(root.join("C/4.json")).expect("removed"),
        ]
    }

    #[test]
    fn a_commit_that_was_cut_short_after_any_step_is_finished() {
        for done in 0..=steps().len() {
            let folder = tempfile::tempdir().expect("a directory");
            let directory = staged(folder.path());
            journal().publish(&directory).expect("published");
            for step in steps().into_iter().take(done) {
                step(&directory.root);
            }
            settled(&directory, &Patience::of(Default::default())).expect("finished");
            assert_holds(&directory, &after(), &format!("after {done} steps"));
            assert!(!Journal::is_pending(&directory));
            assert!(!directory.hidden().join(STAGING).exists());
            // Once more: there is nothing to do.
            settled(&directory, &Patience::of(Default::default())).expect("settled");
        }
    }

    #[test]
    fn a_journal_that_is_not_whole_does_not_count() {
        let folder = tempfile::tempdir().expect("a directory");
        let directory = staged(folder.path());
        let content = serde_json::to_vec(&journal()).expect("JSON");
        for length in 0..content.len() {
            fs::write(directory.hidden().join(UNFINISHED), &content[..length]).expect("written");
            settled(&directory, &Patience::of(Default::default())).expect("settled");
            assert_holds(&directory, &before(), "before the journal has its name");
        }
    }

    #[test]
    fn a_new_file_that_is_lost_is_not_taken_for_one_in_its_place() {
        let folder = tempfile::tempdir().expect("a directory");
        let directory = staged(folder.path());
        let mut journal = journal();
        journal.renames[0].length = 4;
        journal.publish(&directory).expect("published");
        fs::remove_file(directory.hidden().join(STAGING).join("0")).expect("removed");
        let error = settled(&directory, &Patience::of(Default::default())).expect_err("it is lost").chain();
        assert!(error.contains("1.json"), "{error}");
        assert!(Journal::is_pending(&directory), "and whoever comes next is told again");
    }
}

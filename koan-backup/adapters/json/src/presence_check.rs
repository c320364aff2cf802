//! Compares the directory of a database with what the machine state recorded about it.

use std::fs;
use std::path::Path;
use std::sync::atomic::Ordering;

use koan_backup_core::{
    Error, ErrorKind, Result,
    storage::{KnownLocation, MachineState},
};

use super::directory::Directory;
use super::presence::unusable;
use koan_backup_core::private_files::create_private_directories;
use koan_backup_core::similar_path;

/// The kind of these directories in the machine state.
const KIND: &str = "directory of JSON files";
/// The mark by which the machine state records that a directory was not empty.
const FILLED: &str = "filled";

/// What happens if the directory does not exist and the machine state has no record of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum IfMissing {
    /// It is created, unless a directory with a similar path contains files.
    CreateUnlessMisspelt,
    /// It is created.
    Create,
}

impl Directory {
    /// Compares the directory with the machine state, and creates an unknown directory that does not exist.
    ///
    /// # Errors
    /// Returns an error if a known directory no longer exists, if the path of an unknown one is probably
    /// misspelt, or if the directory cannot be created.
    pub(super) fn attach(&self, state: &MachineState, if_missing: IfMissing) -> Result<()> {
        let _ = self.presence.state.set(state.clone());
        if !self.root.exists() {
            if let Some(known) = self.known_location(state)? {
                return Err(self.missing_directory_error(Some(&known)));
            }
            if if_missing == IfMissing::CreateUnlessMisspelt {
                self.refuse_misspelt()?;
            }
            create_private_directories(&self.root).map_err(|source| unusable(&self.root, source))?;
        }
        self.is_empty()?;
        match self.known_location(state)? {
            Some(known) if self.is_missing_content(&known)? => {
                tracing::warn!(
                    target: "koan::backup",
                    error = %self.empty_directory_error(&known),
                    "a directory of JSON files is unexpectedly empty: it is not backed up, and can be restored into"
                );
            }
            Some(_) | None => self.remember(state)?,
        }
        Ok(())
    }

    /// Returns whether the directory exists. Creates and records nothing.
    ///
    /// # Errors
    /// Returns an error if a known directory is missing or empty, or if the path of an unknown one is probably
    /// misspelt.
    pub(super) fn is_created(&self, state: &MachineState, if_missing: IfMissing) -> Result<bool> {
        let known = self.known_location(state)?;
        if !self.root.exists() {
            if known.is_some() {
                return Err(self.missing_directory_error(known.as_ref()));
            }
            if if_missing == IfMissing::CreateUnlessMisspelt {
                self.refuse_misspelt()?;
            }
            return Ok(false);
        }
        match known {
            Some(known) if self.is_missing_content(&known)? => Err(self.empty_directory_error(&known)),
            _ => Ok(true),
        }
    }

    /// Fails if the directory no longer exists, or if it is empty but was not empty when it was last used.
    pub(super) fn require_content(&self) -> Result<()> {
        self.require_root()?;
        let Some(state) = self.presence.state.get() else { return Ok(()) };
        if self.presence.is_remembered.load(Ordering::Relaxed) && !self.is_empty()? {
            return Ok(());
        }
        match self.known_location(state)? {
            Some(known) if self.is_missing_content(&known)? => Err(self.empty_directory_error(&known)),
            Some(_) | None => self.remember(state),
        }
    }

    /// Fails if the directory no longer exists, because it must not be created again automatically. Without a
    /// context there is no machine state, and the directory is created.
    pub(super) fn require_root(&self) -> Result<()> {
        if self.root.is_dir() {
            return Ok(());
        }
        match self.presence.state.get() {
            Some(state) => Err(self.missing_directory_error(self.known_location(state)?.as_ref())),
            None => create_private_directories(&self.root).map_err(|source| unusable(&self.root, source)),
        }
    }

    fn known_location(&self, state: &MachineState) -> Result<Option<KnownLocation>> {
        state.known_location(KIND, &self.root.display().to_string())
    }

    fn is_missing_content(&self, known: &KnownLocation) -> Result<bool> {
        Ok(known.marks.iter().any(|mark| mark == FILLED) && self.is_empty()?)
    }

    /// Returns whether the directory is empty, including hidden files.
    fn is_empty(&self) -> Result<bool> {
        let mut listed = fs::read_dir(&self.root).map_err(|source| unusable(&self.root, source))?;
        Ok(listed.next().is_none())
    }

    /// Records the directory in the machine state. An error of the machine state is only logged, because it
    /// must not prevent a backup.
    fn remember(&self, state: &MachineState) -> Result<()> {
        let mark = (!self.is_empty()?).then_some(FILLED);
        match state.remember_location(KIND, &self.root.display().to_string(), mark) {
            Ok(()) => self.presence.is_remembered.store(mark.is_some(), Ordering::Relaxed),
            Err(error) => {
                tracing::warn!(
                    target: "koan::backup",
                    error = %error.chain(),
                    "a directory of JSON files could not be recorded in the machine state"
                );
            }
        }
        Ok(())
    }

    /// Refuses to create a directory if one with a similar path contains files.
    fn refuse_misspelt(&self) -> Result<()> {
        let Some(similar) = similar_path(&self.root, contains_files) else { return Ok(()) };
        Err(Error::new(
            ErrorKind::Configuration,
            format!("the directory of JSON files `{}` does not exist", self.root.display()),
        )
        .with_help(format!(
            "did you mean the existing directory `{}`? For a new database, set `.create_if_missing()` on the \
             provider",
            similar.display()
        )))
    }

    /// Returns the error for a directory that does not exist.
    fn missing_directory_error(&self, known: Option<&KnownLocation>) -> Error {
        let known = if known.is_some() { ", and this machine has used it before" } else { "" };
        Error::new(
            ErrorKind::Provider,
            format!("the directory of JSON files `{}` does not exist{known}", self.root.display()),
        )
        .with_help("mount its disk, or create the directory to restore into it")
    }

    /// Returns the error for a directory that is empty but was not empty before.
    fn empty_directory_error(&self, known: &KnownLocation) -> Error {
        Error::new(
            ErrorKind::Provider,
            format!(
                "the directory of JSON files `{}` is empty, but was not empty when this machine last used it",
                self.root.display()
            ),
        )
        .with_help(format!(
            "mount its disk, or restore a backup into it. If its content was removed on purpose, delete the \
             file `{}`, so that the empty directory is backed up",
            known.file.display()
        ))
    }
}

/// Returns whether a path is a directory that is not empty.
fn contains_files(path: &Path) -> bool {
    fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_some())
}

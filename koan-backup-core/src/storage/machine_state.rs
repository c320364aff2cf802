//! What this machine remembers of places that it has used: storage profiles, and directories of data.
//!
//! A place that is empty now and was not when it was used last is not a new place: its disk is not mounted, or somebody emptied it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::foundation::error::{Error, ErrorKind, Result};
use crate::foundation::private_files::{create_private_directories, create_private_file};

/// The version of the files that this version writes.
const FORMAT_VERSION: u32 = 1;
/// The most marks that are remembered of one place: disks that are used in turn.
const MAX_MARKS: usize = 64;

/// The directory in which this machine remembers the places that it has used.
///
/// Each place has a file of its own, which is replaced in one step, so processes need no lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MachineState {
    directory: PathBuf,
}

/// A place that this machine has used before.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KnownPlace {
    /// What sort of place it is, such as `storage profile`.
    pub kind: String,
    /// Where it is. Empty if the file that remembers it is damaged.
    pub location: String,
    /// The marks that it bore.
    pub marks: Vec<String>,
    /// The file that remembers it. Whoever emptied the place on purpose removes this file.
    pub file: PathBuf,
}

/// A place as it stands in its file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PlaceFile {
    format_version: u32,
    kind: String,
    location: String,
    #[serde(default)]
    marks: Vec<String>,
}

/// Whether this is a production machine: the environment variable `KOAN_ENV` is `production`.
pub(crate) fn is_production() -> bool {
    std::env::var_os("KOAN_ENV").is_some_and(|env| env == "production")
}

/// The directory of koan-backup on this machine: `.koan`, or `/var/koan` on a production machine.
pub(crate) fn default_directory() -> PathBuf {
    PathBuf::from(if is_production() { "/var/koan" } else { ".koan" })
}

impl MachineState {
    /// The state directory of an application: the one that it names with `state_directory`, or `.koan`, or `/var/koan` where the
    /// environment variable `KOAN_ENV` is `production`.
    ///
    /// # Errors
    /// The path cannot be made absolute.
    pub fn open(directory: impl AsRef<Path>) -> Result<Self> {
        Self::new(directory.as_ref())
    }

    /// All the places that are remembered, in no order.
    ///
    /// A place is never forgotten by itself: that it cannot be found is just what it is remembered for.
    ///
    /// # Errors
    /// The state directory cannot be read.
    pub fn places(&self) -> Result<Vec<KnownPlace>> {
        let unread = |source| {
            let text = format!("the state directory `{}` cannot be read", self.directory.display());
            Error::with_source(ErrorKind::Storage, text, source)
        };
        let entries = match fs::read_dir(&self.directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(unread)?,
        };
        let mut places = Vec::new();
        for entry in entries {
            let file = entry.map_err(unread)?.path();
            if file.extension().is_none_or(|extension| extension != "json") {
                continue;
            }
            let place = serde_json::from_slice::<PlaceFile>(&fs::read(&file).map_err(unread)?).ok();
            let (kind, location, marks) =
                place.map(|place| (place.kind, place.location, place.marks)).unwrap_or_default();
            places.push(KnownPlace { kind, location, marks, file });
        }
        Ok(places)
    }

    /// Forgets a place that was given up, moved or emptied on purpose, and says whether it was remembered. The next use of that
    /// location begins a new place.
    ///
    /// # Errors
    /// The state directory cannot be written.
    pub fn forget_place(&self, kind: &str, location: &str) -> Result<bool> {
        let file = self.file(kind, location);
        match fs::remove_file(&file) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(source) => {
                let text =
                    format!("`{}` cannot be removed, so `{location}` is not forgotten", file.display());
                Err(Error::with_source(ErrorKind::Storage, text, source))
            }
        }
    }

    pub(crate) fn new(directory: &Path) -> Result<Self> {
        let absolute = std::path::absolute(directory).map_err(|source| {
            Error::with_source(
                ErrorKind::Configuration,
                format!("the state directory `{}` cannot be used; name another", directory.display()),
                source,
            )
        })?;
        Ok(Self { directory: absolute.join("places") })
    }

    /// The place of a kind at a location, if this machine has used it before.
    ///
    /// # Errors
    /// The state directory cannot be read. What cannot be read is never taken for a place that is new.
    pub fn known_place(&self, kind: &str, location: &str) -> Result<Option<KnownPlace>> {
        let file = self.file(kind, location);
        match fs::read(&file) {
            Ok(content) => {
                // A file that is damaged tells that the place was used all the same.
                let marks = serde_json::from_slice::<PlaceFile>(&content).map(|place| place.marks);
                let (kind, location) = (kind.to_owned(), location.to_owned());
                Ok(Some(KnownPlace { kind, location, marks: marks.unwrap_or_default(), file }))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(Error::with_source(
                ErrorKind::Storage,
                format!(
                    "`{}`, which tells whether this machine has used `{location}` before, cannot be read; check the permissions of \
                     the state directory, or name another with `.state_directory(…)`",
                    file.display()
                ),
                source,
            )),
        }
    }

    /// Remembers a place and the mark that it bears, if it bears one.
    ///
    /// # Errors
    /// The state directory cannot be written.
    pub fn remember_place(&self, kind: &str, location: &str, mark: Option<&str>) -> Result<()> {
        let known = self.known_place(kind, location)?;
        let has_mark =
            |known: &KnownPlace| mark.is_none_or(|mark| known.marks.iter().any(|known| known == mark));
        if known.as_ref().is_some_and(has_mark) {
            return Ok(());
        }
        let mut marks = known.map(|known| known.marks).unwrap_or_default();
        marks.extend(mark.map(str::to_owned));
        marks.drain(..marks.len().saturating_sub(MAX_MARKS));
        let place = PlaceFile {
            format_version: FORMAT_VERSION,
            kind: kind.to_owned(),
            location: location.to_owned(),
            marks,
        };
        let file = self.file(kind, location);
        self.write(&file, &place).map_err(|source| {
            Error::with_source(
                ErrorKind::Configuration,
                format!(
                    "`{}` cannot be written, so this machine will not notice when `{location}` disappears; name a state directory \
                     that can be written with `.state_directory(…)`",
                    file.display()
                ),
                source,
            )
        })
    }

    fn write(&self, file: &Path, place: &PlaceFile) -> io::Result<()> {
        create_private_directories(&self.directory)?;
        let new = file.with_extension(format!("{}.new", Uuid::now_v7().simple()));
        let written = || -> io::Result<()> {
            let mut output = create_private_file(&new)?;
            serde_json::to_writer_pretty(&mut output, place)?;
            output.sync_all()?;
            fs::rename(&new, file)
        };
        written().inspect_err(|_| {
            let _ = fs::remove_file(&new);
        })
    }

    fn file(&self, kind: &str, location: &str) -> PathBuf {
        let hash = crate::foundation::digest::sha256(format!("{kind}\n{location}").as_bytes());
        let name: String = hash.chars().filter(char::is_ascii_hexdigit).take(40).collect();
        self.directory.join(format!("{name}.json"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_known_by_kind_and_location_once_it_was_remembered() {
        let folder = tempfile::tempdir().expect("a folder");
        let state = MachineState::new(&folder.path().join("a/b")).expect("a state");
        assert_eq!(state.known_place("storage", "x").expect("read"), None);
        state.remember_place("storage", "x", Some("1")).expect("written");
        state.remember_place("storage", "x", Some("1")).expect("written");
        state.remember_place("storage", "x", None).expect("written");
        state.remember_place("storage", "x", Some("2")).expect("written");
        let known = state.known_place("storage", "x").expect("read").expect("known");
        assert_eq!(known.marks, ["1", "2"]);
        assert_eq!(state.known_place("storage", "y").expect("read"), None);
        assert_eq!(state.known_place("json", "x").expect("read"), None);
        let mut places = state.places().expect("listed");
        assert_eq!(places.len(), 1);
        assert_eq!(places.remove(0), known);
        state.remember_place("json", "x", None).expect("written");
        assert!(state.forget_place("json", "x").expect("forgotten"));
        assert!(!state.forget_place("json", "x").expect("forgotten before"));
        assert_eq!(state.known_place("json", "x").expect("read"), None);
        assert!(state.known_place("storage", "x").expect("read").is_some(), "another kind is another place");
        fs::write(&known.file, "{").expect("written");
        assert!(state.known_place("storage", "x").expect("read").is_some(), "a damaged file is no new place");
    }

    #[test]
    fn many_threads_remember_places_at_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let state = MachineState::new(folder.path()).expect("a state");
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let state = &state;
                scope.spawn(move || {
                    for place in 0..20 {
                        let mark = thread.to_string();
                        state.remember_place("storage", &place.to_string(), Some(&mark)).expect("written");
                        assert!(state.known_place("storage", &place.to_string()).expect("read").is_some());
                    }
                });
            }
        });
        let left = fs::read_dir(folder.path().join("places")).expect("listed").count();
        assert_eq!(left, 20, "no temporary file stays");
    }
}

//! The state directory, in which this machine records the locations that it has used: storage profiles and
//! data directories.
//!
//! A recorded location that is empty is not treated as new: its disk is not mounted, or its content was
//! deleted.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::foundation::bounded_file::read_bounded;
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::foundation::private_files::{create_private_directories, create_private_file};

/// The format version of the files in the state directory that this library writes.
const FORMAT_VERSION: u32 = 1;
/// The maximum size of a file that records a location.
const MAX_LOCATION_FILE_BYTES: u64 = 64 << 10;
/// The maximum number of marks that are recorded for one location. A location has several marks if, for
/// example, disks are mounted there in rotation.
const MAX_MARKS: usize = 64;

/// The directory in which this machine records the locations that it has used.
///
/// Each location has a separate file, which is replaced atomically, so that processes need no lock.
///
/// ```
/// use koan_backup::storage::MachineState;
///
/// # fn main() -> koan_backup::Result<()> {
/// # let folder = tempfile::tempdir().expect("a temporary directory");
/// # std::env::set_current_dir(folder.path()).expect("the directory exists");
/// let machine = MachineState::open(".koan")?;
/// for known in machine.locations()? {
///     println!("{}: {}", known.kind, known.location);
/// }
/// // Before a directory that was emptied on purpose is used again:
/// machine.forget_location("storage profile", "/backups/old")?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MachineState {
    directory: PathBuf,
    recording: Recording,
}

/// Whether used locations are recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Recording {
    On,
    Off,
}

/// A location that this machine has used before.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KnownLocation {
    /// The kind of the location, for example `storage profile`.
    pub kind: String,
    /// The path or URL of the location. Empty if the file that records the location is damaged.
    pub location: String,
    /// The marks that were found at the location.
    pub marks: Vec<String>,
    /// The file that records the location. Remove the file after the location was emptied on purpose.
    pub file: PathBuf,
}

/// The content of the file that records a location.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct LocationFile {
    format_version: u32,
    kind: String,
    location: String,
    #[serde(default)]
    marks: Vec<String>,
}

/// Returns whether this is a production machine: the environment variable `KOAN_ENV` is `production`.
pub(crate) fn is_production() -> bool {
    std::env::var_os("KOAN_ENV").is_some_and(|env| env == "production")
}

/// Returns the default directory of koan-backup: `.koan`, or `/var/koan` on a production machine.
pub(crate) fn default_directory() -> PathBuf {
    PathBuf::from(if is_production() { "/var/koan" } else { ".koan" })
}

impl MachineState {
    /// Opens the state directory of an application. It is the directory that the application sets with
    /// `state_directory`, and by default `.koan`, or `/var/koan` if the environment variable `KOAN_ENV` is
    /// `production`.
    ///
    /// # Errors
    /// The path cannot be made absolute.
    pub fn open(directory: impl AsRef<Path>) -> Result<Self> {
        Self::new(directory.as_ref())
    }

    /// Returns the directory.
    pub(crate) fn directory(&self) -> &Path {
        // The records of locations are in a folder of their own.
        self.directory.parent().unwrap_or(&self.directory)
    }

    /// Returns all recorded locations, in any order.
    ///
    /// The record of a location is never removed automatically, because the disappearance of the location
    /// must be detected.
    ///
    /// # Errors
    /// The state directory cannot be read.
    pub fn locations(&self) -> Result<Vec<KnownLocation>> {
        let read_error = |source| {
            let text = format!("the state directory `{}` cannot be read", self.directory.display());
            Error::with_source(ErrorKind::Storage, text, source)
        };
        let entries = match fs::read_dir(&self.directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(read_error)?,
        };
        let mut locations = Vec::new();
        for entry in entries {
            let file = entry.map_err(read_error)?.path();
            if file.extension().is_none_or(|extension| extension != "json") {
                continue;
            }
            let bytes = read_bounded(&file, MAX_LOCATION_FILE_BYTES).map_err(read_error)?;
            let file_content = serde_json::from_slice::<LocationFile>(&bytes).ok();
            let (kind, location, marks) = file_content
                .map(|file_content| (file_content.kind, file_content.location, file_content.marks))
                .unwrap_or_default();
            locations.push(KnownLocation { kind, location, marks, file });
        }
        Ok(locations)
    }

    /// Removes the record of a location that was abandoned, moved or emptied on purpose. Returns whether
    /// there was a record. The next use of the location treats it as new.
    ///
    /// # Errors
    /// The state directory cannot be written.
    pub fn forget_location(&self, kind: &str, location: &str) -> Result<bool> {
        let file = self.record_path(kind, location);
        match fs::remove_file(&file) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(source) => {
                let text =
                    format!("`{}` cannot be removed, so `{location}` is still recorded", file.display());
                Err(Error::with_source(ErrorKind::Storage, text, source))
            }
        }
    }

    pub(crate) fn new(directory: &Path) -> Result<Self> {
        let absolute = std::path::absolute(directory).map_err(|source| {
            Error::with_source(
                ErrorKind::Configuration,
                format!(
                    "the state directory `{}` cannot be used; set another directory with \
                     `.state_directory(…)`",
                    directory.display()
                ),
                source,
            )
        })?;
        Ok(Self { directory: absolute.join("places"), recording: Recording::On })
    }

    /// Returns the state without the recording of new locations. Known locations are still compared.
    pub(crate) fn without_recording(mut self) -> Self {
        self.recording = Recording::Off;
        self
    }

    /// Returns the record of a location, or `None` if this machine has not used the location before.
    ///
    /// # Errors
    /// The state directory cannot be read. In this case, the location must not be treated as new.
    pub fn known_location(&self, kind: &str, location: &str) -> Result<Option<KnownLocation>> {
        let file = self.record_path(kind, location);
        match read_bounded(&file, MAX_LOCATION_FILE_BYTES) {
            Ok(content) => {
                // A damaged file still shows that the location was used.
                let marks =
                    serde_json::from_slice::<LocationFile>(&content).map(|file_content| file_content.marks);
                let (kind, location) = (kind.to_owned(), location.to_owned());
                Ok(Some(KnownLocation { kind, location, marks: marks.unwrap_or_default(), file }))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(Error::with_source(
                ErrorKind::Storage,
                format!(
                    "`{}`, which records whether this machine has used `{location}` before, cannot be read; \
                     check the permissions of the state directory, or set another directory with \
                     `.state_directory(…)`",
                    file.display()
                ),
                source,
            )),
        }
    }

    /// Records a location and its mark, if it has one.
    ///
    /// # Errors
    /// The state directory cannot be written.
    pub fn remember_location(&self, kind: &str, location: &str, mark: Option<&str>) -> Result<()> {
        let known = self.known_location(kind, location)?;
        let has_mark = |known: &KnownLocation| {
            mark.is_none_or(|mark| known.marks.iter().any(|recorded| recorded == mark))
        };
        if self.recording == Recording::Off || known.as_ref().is_some_and(has_mark) {
            return Ok(());
        }
        let mut marks = known.map(|known| known.marks).unwrap_or_default();
        marks.extend(mark.map(str::to_owned));
        marks.drain(..marks.len().saturating_sub(MAX_MARKS));
        let file_content = LocationFile {
            format_version: FORMAT_VERSION,
            kind: kind.to_owned(),
            location: location.to_owned(),
            marks,
        };
        let file = self.record_path(kind, location);
        self.write(&file, &file_content).map_err(|source| {
            Error::with_source(
                ErrorKind::Configuration,
                format!(
                    "`{}` cannot be written, so this machine could not detect that `{location}` has \
                     disappeared; set a writable state directory with `.state_directory(…)`",
                    file.display()
                ),
                source,
            )
        })
    }

    fn write(&self, file: &Path, content: &LocationFile) -> io::Result<()> {
        create_private_directories(&self.directory)?;
        let temporary = file.with_extension(format!("{}.new", Uuid::now_v7().simple()));
        let write_and_rename = || -> io::Result<()> {
            let mut output = create_private_file(&temporary)?;
            serde_json::to_writer_pretty(&mut output, content)?;
            output.sync_all()?;
            fs::rename(&temporary, file)
        };
        write_and_rename().inspect_err(|_| {
            let _ = fs::remove_file(&temporary);
        })
    }

    /// Returns the path of the file that records a location.
    fn record_path(&self, kind: &str, location: &str) -> PathBuf {
        let hash = crate::foundation::digest::sha256(format!("{kind}\n{location}").as_bytes());
        let name: String = hash.chars().filter(char::is_ascii_hexdigit).take(40).collect();
        self.directory.join(format!("{name}.json"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recorded_location_is_identified_by_its_kind_and_its_path() {
        let folder = tempfile::tempdir().expect("the folder is created");
        let state = MachineState::new(&folder.path().join("a/b")).expect("the state directory is opened");
        assert_eq!(state.known_location("storage", "x").expect("the read succeeds"), None);
        state.remember_location("storage", "x", Some("1")).expect("the write succeeds");
        state.remember_location("storage", "x", Some("1")).expect("the write succeeds");
        state.remember_location("storage", "x", None).expect("the write succeeds");
        state.remember_location("storage", "x", Some("2")).expect("the write succeeds");
        let known = state
            .known_location("storage", "x")
            .expect("the read succeeds")
            .expect("the location is recorded");
        assert_eq!(known.marks, ["1", "2"]);
        assert_eq!(state.known_location("storage", "y").expect("the read succeeds"), None);
        assert_eq!(state.known_location("json", "x").expect("the read succeeds"), None);
        let mut locations = state.locations().expect("the listing succeeds");
        assert_eq!(locations.len(), 1);
        assert_eq!(locations.remove(0), known);
        state.remember_location("json", "x", None).expect("the write succeeds");
        assert!(state.forget_location("json", "x").expect("the record is removed"));
        assert!(!state.forget_location("json", "x").expect("the record does not exist"));
        assert_eq!(state.known_location("json", "x").expect("the read succeeds"), None);
        assert!(
            state.known_location("storage", "x").expect("the read succeeds").is_some(),
            "locations of different kinds have separate records"
        );
        fs::write(&known.file, "{").expect("the write succeeds");
        assert!(
            state.known_location("storage", "x").expect("the read succeeds").is_some(),
            "a location whose file is damaged is not treated as new"
        );
    }

    #[test]
    fn threads_can_record_the_same_locations_concurrently() {
        let folder = tempfile::tempdir().expect("the folder is created");
        let state = MachineState::new(folder.path()).expect("the state directory is opened");
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let state = &state;
                scope.spawn(move || {
                    for number in 0..20 {
                        let (location, mark) = (number.to_string(), thread.to_string());
                        state
                            .remember_location("storage", &location, Some(&mark))
                            .expect("the write succeeds");
                        assert!(
                            state.known_location("storage", &location).expect("the read succeeds").is_some()
                        );
                    }
                });
            }
        });
        let files = fs::read_dir(folder.path().join("places")).expect("the listing succeeds").count();
        assert_eq!(files, 20, "each location has one file, and no temporary file remains");
    }
}

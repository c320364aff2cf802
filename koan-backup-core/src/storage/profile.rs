//! The profile mark: the file `koan-profile.json` of a storage profile. A profile that this machine has used
//! before and that has lost its mark is refused.

use std::path::PathBuf;

use jiff::Timestamp;
use object_store::path::Path;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::disk::MissingDirectory;
use super::profile_state::{NewProfile, ProfileRecord};
use super::{Storage, StorageKind};
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::foundation::similar_path::similar_path;
use crate::storage::machine_state::{KnownLocation, MachineState, is_production};

/// The file name of the profile mark.
const MARK_FILE: &str = "koan-profile.json";
/// The maximum size of a profile mark.
const MAX_MARK_BYTES: u64 = 64 << 10;
const FORMAT_VERSION: u32 = 1;
/// The kind of storage profiles in the state directory.
const STATE_KIND: &str = "storage profile";
/// Folders whose files show that a profile was used before marks were introduced.
const USED_FOLDERS: [&str; 2] = ["manifests", "archives"];

/// The content of a profile mark.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Mark {
    format_version: u32,
    id: Uuid,
    created_at: Timestamp,
}

impl ProfileRecord {
    /// Returns the record of the profile in the state directory, if this machine has used it before.
    pub(super) fn known_location(&self) -> Result<Option<KnownLocation>> {
        for location in &self.locations {
            if let Some(known) = self.state.known_location(STATE_KIND, location)? {
                return Ok(Some(known));
            }
        }
        Ok(None)
    }

    /// Records the profile in the state directory. An error is only logged, because it must not prevent a
    /// backup.
    fn remember(&self, mark: &Mark) {
        for location in &self.locations {
            if let Err(error) = self.state.remember_location(STATE_KIND, location, Some(&mark.id.to_string()))
            {
                tracing::warn!(
                    target: "koan::backup", error = %error.chain(),
                    "a storage profile could not be recorded in the state directory of this machine"
                );
                return;
            }
        }
    }
}

impl Storage {
    /// Compares the storage with its record in the state directory of this machine, and returns the storage.
    ///
    /// A directory is opened and tested immediately. A bucket is not contacted before it is used.
    /// `declared` contains the directories of all profiles of the context.
    ///
    /// # Errors
    /// - The machine has used the profile before, but the profile does not exist or has lost its mark.
    /// - The directory does not exist, and its path is probably misspelt.
    /// - The profile is new and must not be created.
    /// - The directory cannot be created or written, or its file system cannot make files durable.
    pub(crate) async fn with_state(mut self, state: &MachineState, declared: &[PathBuf]) -> Result<Self> {
        let locations = match &self.kind {
            StorageKind::Memory | StorageKind::Other => return Ok(self),
            StorageKind::Cloud { identity, .. } => vec![identity.clone()],
            StorageKind::Directory(disk) => directory_locations(disk.path(), disk.canonical_path()),
        };
        let profile = ProfileRecord { state: state.clone(), locations };
        if let StorageKind::Directory(disk) = self.kind.clone() {
            let known = profile.known_location()?;
            if !disk.path().exists() {
                if let Some(known) = known {
                    return Err(self.lost_error("does not exist", &known));
                }
                self.require_new_allowed()?;
                self.refuse_misspelt(disk.path(), declared)?;
            }
            let opened = disk.open(MissingDirectory::Created);
            opened.map_err(|source| self.unusable_directory_error(source))?;
            let locations = directory_locations(disk.path(), disk.canonical_path());
            self.profile = Some(ProfileRecord { locations, ..profile }.into());
            match self.require_profile().await {
                // The directory can be read, which is enough for a restore.
                Err(error) if is_read_only(&error) => {
                    tracing::warn!(
                        target: "koan::backup", storage = %self.location, error = %error.chain(),
                        "a storage directory is read-only: restores work, but backups fail"
                    );
                    return Ok(self);
                }
                marked => marked?,
            }
            match disk.probe().await.map_err(|source| self.unsafe_directory_error(source)) {
                Err(error) if is_read_only(&error) => {}
                probed => probed?,
            }
            return Ok(self);
        }
        self.profile = Some(profile.into());
        Ok(self)
    }

    /// Checks that the profile has its mark, or creates the mark of a new profile. This function must be
    /// called before the first file of the profile is written.
    ///
    /// # Errors
    /// The machine has used the profile before, but the profile has lost its mark; or the profile is new and
    /// must not be created; or the storage fails.
    pub(crate) async fn require_profile(&self) -> Result<()> {
        let Some(profile) = self.profile.clone() else { return Ok(()) };
        // The state directory is read before the mark: another process that creates the profile at the same
        // time writes the mark first and records the profile afterwards.
        let known = profile.known_location()?;
        if let Some(mark) = self.read_mark().await? {
            profile.remember(&mark);
            return Ok(());
        }
        if let Some(known) = known {
            return Err(self.lost_error("has lost its mark", &known));
        }
        if self.was_used().await? {
            tracing::warn!(
                target: "koan::backup", storage = %self.location, mark = MARK_FILE,
                "a mark is created for a storage profile of an older version"
            );
        } else {
            self.require_new_allowed()?;
            tracing::info!(
                target: "koan::backup", storage = %self.location, mark = MARK_FILE,
                "a new storage profile is created"
            );
        }
        let mark = Mark { format_version: FORMAT_VERSION, id: Uuid::now_v7(), created_at: Timestamp::now() };
        let created = self.create(&Path::from(MARK_FILE), crate::foundation::json::document(&mark)).await;
        // If the creation failed, another process may have created the mark first, or the response was lost.
        match (self.read_mark().await?, created) {
            (Some(mark), _) => profile.remember(&mark),
            (None, Err(error)) => return Err(error),
            (None, Ok(())) => {
                return Err(Error::new(
                    ErrorKind::Storage,
                    format!(
                        "`{MARK_FILE}` was written to storage `{}` but does not exist there; check whether \
                         the storage retains the files that are written to it",
                        self.location
                    ),
                ));
            }
        }
        Ok(())
    }

    /// Refuses the empty listing of a profile that this machine has used before and that has lost its mark.
    pub(super) async fn require_known_profile(&self, folder: &Path) -> object_store::Result<()> {
        let Some(profile) = self.profile.clone() else { return Ok(()) };
        if !USED_FOLDERS.contains(&folder.as_ref()) {
            return Ok(());
        }
        let checked = async {
            let Some(known) = profile.known_location()? else { return Ok(()) };
            match self.read_mark().await? {
                None => Err(self.lost_error("has lost its mark", &known)),
                Some(_) => Ok(()),
            }
        };
        let failed =
            |error: Error| object_store::Error::Generic { store: "storage profile", source: error.into() };
        checked.await.map_err(failed)
    }

    /// Reads the mark of the profile, if the profile has one.
    pub(super) async fn read_mark(&self) -> Result<Option<Mark>> {
        let Some(content) = self.read(&Path::from(MARK_FILE), MAX_MARK_BYTES).await? else { return Ok(None) };
        let mark = serde_json::from_slice(&content).map_err(|source| {
            Error::with_source(
                ErrorKind::Corrupt,
                format!(
                    "`{MARK_FILE}` in storage `{}` is not a profile mark; if the backups there are intact, \
                     remove this file and the record of the profile in the state directory of this machine",
                    self.location
                ),
                source,
            )
        })?;
        if let StorageKind::Directory(disk) = &self.kind {
            disk.remember_mark(MARK_FILE, content);
        }
        Ok(Some(mark))
    }

    /// Returns whether the storage contains files of an older version, which did not create a mark.
    pub(super) async fn was_used(&self) -> Result<bool> {
        for folder in USED_FOLDERS.map(Path::from) {
            let listed = self.list_once(&folder).await;
            if !listed.map_err(|source| self.failed(&folder, "listed in", source))?.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Returns an error if the creation of a new profile is not allowed.
    pub(super) fn require_new_allowed(&self) -> Result<()> {
        if self.new_profile == NewProfile::Refused {
            let help = match self.similar_profile() {
                Some(similar) => {
                    format!("did you mean the existing storage profile `{}`?", similar.display())
                }
                None => {
                    "check the path or URL; the first backup of an application creates its storage profile"
                        .to_owned()
                }
            };
            return Err(Error::new(
                ErrorKind::NotFound,
                format!("storage `{}` is not a storage profile: it contains no backups", self.location),
            )
            .with_help(help));
        }
        if self.new_profile == NewProfile::Allowed || !is_production() {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Configuration,
            format!(
                "storage `{}` is not a storage profile yet, and with KOAN_ENV=production no profile is \
                 created automatically",
                self.location
            ),
        )
        .with_help(
            "if it should contain backups, mount its disk or check its address; if it is new, set \
             `.create_if_missing()` on the storage",
        ))
    }

    /// Returns the existing storage profile of whose path the path of this directory is probably a misspelling. Returns
    /// `None` if this directory exists, or if the storage is no directory.
    pub fn similar_profile(&self) -> Option<PathBuf> {
        let missing = self.directory().filter(|path| !path.exists())?;
        similar_path(missing, |path| path.join(MARK_FILE).is_file())
    }

    /// Refuses to create a directory if a profile with a similar path exists that the context does not
    /// declare.
    pub(super) fn refuse_misspelt(&self, missing: &std::path::Path, declared: &[PathBuf]) -> Result<()> {
        if self.new_profile == NewProfile::Allowed {
            return Ok(());
        }
        let is_declared = |path: &std::path::Path| {
            let path = path.canonicalize().ok();
            path.is_some() && declared.iter().any(|declared| declared.canonicalize().ok() == path)
        };
        let Some(similar) =
            similar_path(missing, |path| path.join(MARK_FILE).is_file() && !is_declared(path))
        else {
            return Ok(());
        };
        Err(Error::new(ErrorKind::Configuration, format!("storage `{}` does not exist", self.location))
            .with_help(format!(
                "did you mean the existing storage profile `{}`? If this is a new profile, set \
             `.create_if_missing()` on the storage",
                similar.display()
            )))
    }

    /// Creates the error for a profile that this machine has used before and that has lost its content.
    /// `fault` is a phrase such as `has lost its mark`.
    pub(super) fn lost_error(&self, fault: &str, known: &KnownLocation) -> Error {
        Error::new(
            ErrorKind::Storage,
            format!("storage `{}` {fault}, and this machine has used it before", self.location),
        )
        .with_help(format!(
            "mount its disk, or check its address and whether its content was deleted. If the content was \
             deleted or replaced on purpose, remove `{}` or call `MachineState::forget_location`, so that \
             the storage is treated as new",
            known.file.display()
        ))
    }

    /// Creates the error for a directory in which the test of [`Disk::probe`](super::disk::Disk::probe)
    /// failed.
    fn unsafe_directory_error(&self, source: object_store::Error) -> Error {
        Error::with_source(
            ErrorKind::Storage,
            format!(
                "storage directory `{}` is not safe for backups: a file could not be created without \
                 replacing an existing one, or could not be made durable",
                self.location
            ),
            source,
        )
        .with_help("use another file system or mount option")
    }

    /// Creates the error for a directory that cannot be created or read.
    pub(super) fn unusable_directory_error(&self, source: std::io::Error) -> Error {
        let text = format!("storage directory `{}` cannot be used", self.location);
        Error::with_source(ErrorKind::Storage, text, source).with_help("specify a writable directory")
    }
}

/// Returns the locations under which the machine records a directory: the configured path, and the path
/// without symbolic links.
pub(super) fn directory_locations(
    configured: &std::path::Path,
    canonical: Option<std::path::PathBuf>,
) -> Vec<String> {
    let mut locations = vec![configured.display().to_string()];
    locations.extend(canonical.map(|path| path.display().to_string()));
    locations.dedup();
    locations
}

/// Returns whether an error means that the storage is read-only.
pub(crate) fn is_read_only(error: &Error) -> bool {
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        let kind = cause.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
        let generic = match cause.downcast_ref::<object_store::Error>() {
            Some(object_store::Error::Generic { source, .. }) => {
                source.downcast_ref::<std::io::Error>().map(std::io::Error::kind)
            }
            _ => None,
        };
        let read_only = [std::io::ErrorKind::ReadOnlyFilesystem, std::io::ErrorKind::PermissionDenied];
        if kind.or(generic).is_some_and(|kind| read_only.contains(&kind)) {
            return true;
        }
        source = cause.source();
    }
    false
}

//! The profile mark: the file `koan-profile.json` of a storage profile. A profile that this machine knows and
//! that has lost its mark is refused.

use jiff::Timestamp;
use object_store::path::Path;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::disk::MissingDirectory;
use super::profile_state::{NewProfile, Profile};
use super::{Storage, StorageKind};
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::storage::machine_state::{KnownLocation, MachineState, is_production};

/// The file name of the profile mark.
const MARK_FILE: &str = "koan-profile.json";
/// The largest size of a profile mark.
const MAX_MARK_BYTES: u64 = 64 << 10;
const FORMAT_VERSION: u32 = 1;
/// The kind of storage profiles in the state directory.
const STATE_KIND: &str = "storage profile";
/// Folders whose files show that a profile was used before marks were introduced.
const USED_FOLDERS: [&str; 2] = ["manifests", "archives"];

/// The content of a profile mark.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Mark {
    format_version: u32,
    id: Uuid,
    created_at: Timestamp,
}

impl Profile {
    fn known(&self) -> Result<Option<KnownLocation>> {
        for location in &self.locations {
            if let Some(known) = self.state.known_location(STATE_KIND, location)? {
                return Ok(Some(known));
            }
        }
        Ok(None)
    }

    /// Remembers the profile. An error is only logged, because a backup is more important.
    fn remember(&self, mark: &Mark) {
        for location in &self.locations {
            if let Err(error) = self.state.remember_location(STATE_KIND, location, Some(&mark.id.to_string()))
            {
                tracing::warn!(
                    target: "koan::backup", error = %error.chain(),
                    "a storage profile was not remembered"
                );
                return;
            }
        }
    }
}

impl Storage {
    /// Compares the storage with what this machine remembers of it, and returns the storage.
    ///
    /// A directory is opened and tested now. A bucket is not contacted before it is used.
    ///
    /// # Errors
    /// - The machine knows the profile, but the profile is gone or has lost its mark.
    /// - The profile is new and must not be created.
    /// - The directory cannot be created or written, or its file system cannot make files durable.
    pub(crate) async fn with_state(mut self, state: &MachineState) -> Result<Self> {
        let locations = match &self.kind {
            StorageKind::Other => return Ok(self),
            StorageKind::Cloud { identity } => vec![identity.clone()],
            StorageKind::Directory(disk) => directory_locations(disk.path(), disk.canonical_path()),
        };
        let profile = Profile { state: state.clone(), locations };
        if let StorageKind::Directory(disk) = self.kind.clone() {
            let known = profile.known()?;
            if !disk.path().exists() {
                if let Some(known) = known {
                    return Err(self.lost_error("is gone", &known));
                }
                self.require_new_allowed()?;
            }
            let failed = |source: std::io::Error| {
                Error::with_source(
                    ErrorKind::Storage,
                    format!(
                        "storage directory `{}` cannot be used; name a directory that can be written",
                        self.location
                    ),
                    source,
                )
            };
            disk.open(MissingDirectory::Created).map_err(failed)?;
            let locations = directory_locations(disk.path(), disk.canonical_path());
            self.profile = Some(Profile { locations, ..profile }.into());
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
            match disk.probe().await.map_err(|source| self.unsafe_directory(source)) {
                Err(error) if is_read_only(&error) => {}
                probed => probed?,
            }
            return Ok(self);
        }
        self.profile = Some(profile.into());
        Ok(self)
    }

    /// Checks that the profile has its mark, or creates the mark of a new profile. It must be called before
    /// the profile is written.
    ///
    /// # Errors
    /// The machine knows the profile, but the profile has lost its mark; or the profile is new and must not
    /// be created; or the storage fails.
    pub(crate) async fn require_profile(&self) -> Result<()> {
        let Some(profile) = self.profile.clone() else { return Ok(()) };
        // Read the state first: another process may create the profile now, and remembers it after it created
        // the mark.
        let known = profile.known()?;
        if let Some(mark) = self.mark().await? {
            profile.remember(&mark);
            return Ok(());
        }
        if let Some(known) = known {
            return Err(self.lost_error("has lost its mark", &known));
        }
        if self.was_used().await? {
            tracing::warn!(
                target: "koan::backup", storage = %self.location, mark = MARK_FILE,
                "a storage profile of an older version gets a mark"
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
        // Another process may have been faster, or the answer was lost.
        match (self.mark().await?, created) {
            (Some(mark), _) => profile.remember(&mark),
            (None, Err(error)) => return Err(error),
            (None, Ok(())) => {
                return Err(Error::new(
                    ErrorKind::Storage,
                    format!(
                        "`{MARK_FILE}` was written to storage `{}` but does not exist; check whether the \
                         storage keeps files",
                        self.location
                    ),
                ));
            }
        }
        Ok(())
    }

    /// Refuses an empty listing of a profile that this machine knows and that has lost its mark.
    pub(super) async fn require_known_profile(&self, folder: &Path) -> object_store::Result<()> {
        let Some(profile) = self.profile.clone() else { return Ok(()) };
        if !USED_FOLDERS.contains(&folder.as_ref()) {
            return Ok(());
        }
        let checked = async {
            let Some(known) = profile.known()? else { return Ok(()) };
            match self.mark().await? {
                None => Err(self.lost_error("has lost its mark", &known)),
                Some(_) => Ok(()),
            }
        };
        let failed =
            |error: Error| object_store::Error::Generic { store: "storage profile", source: error.into() };
        checked.await.map_err(failed)
    }

    /// Reads the mark, if there is one.
    async fn mark(&self) -> Result<Option<Mark>> {
        let Some(content) = self.read(&Path::from(MARK_FILE), MAX_MARK_BYTES).await? else { return Ok(None) };
        let mark = serde_json::from_slice(&content).map_err(|source| {
            Error::with_source(
                ErrorKind::Corrupt,
                format!(
                    "`{MARK_FILE}` in storage `{}` is not a profile mark; if the backups there are intact, \
                     remove this file and the file that remembers the profile on this machine",
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

    /// Returns whether the storage contains files of an older version, which created no mark.
    async fn was_used(&self) -> Result<bool> {
        for folder in USED_FOLDERS.map(Path::from) {
            let listed = self.list_once(&folder).await;
            if !listed.map_err(|source| self.failed(&folder, "listed in", source))?.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn require_new_allowed(&self) -> Result<()> {
        if self.new_profile == NewProfile::Allowed || !is_production() {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Configuration,
            format!(
                "storage `{}` is not a storage profile yet, and with KOAN_ENV=production no profile is \
                 created automatically; if there should be backups, mount its disk or check its address; \
                 otherwise set `.create_if_missing()` on the storage",
                self.location
            ),
        ))
    }

    fn lost_error(&self, what: &str, known: &KnownLocation) -> Error {
        Error::new(
            ErrorKind::Storage,
            format!(
                "storage `{}` {what}, and this machine has used it before; mount its disk, or check its \
                 address and who emptied it. If it was emptied or replaced on purpose, remove `{}` or call \
                 `MachineState::forget_location`, and it is treated as a new one",
                self.location,
                known.file.display()
            ),
        )
    }

    fn unsafe_directory(&self, source: object_store::Error) -> Error {
        Error::with_source(
            ErrorKind::Storage,
            format!(
                "storage directory `{}` is not safe for backups: a file could not be created without \
                 replacing another, or could not be made durable; use another file system or mount option",
                self.location
            ),
            source,
        )
    }
}

/// Returns the locations under which the machine remembers a directory: the configured path, and the path
/// without symbolic links.
fn directory_locations(named: &std::path::Path, canonical: Option<std::path::PathBuf>) -> Vec<String> {
    let mut locations = vec![named.display().to_string()];
    locations.extend(canonical.map(|path| path.display().to_string()));
    locations.dedup();
    locations
}

/// Returns whether an error means that the storage is read-only.
fn is_read_only(error: &Error) -> bool {
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

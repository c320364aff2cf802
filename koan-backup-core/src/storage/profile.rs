//! The mark of a storage profile: `koan-profile.json`. A profile that this machine knows and that has lost it is refused.

use jiff::Timestamp;
use object_store::path::Path;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::disk::Missing;
use super::{Sort, Storage};
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::storage::machine_state::{KnownPlace, MachineState, is_production};

/// The name of the mark.
const MARK: &str = "koan-profile.json";
/// The most bytes that a mark can have.
const MAX_BYTES: u64 = 64 << 10;
const FORMAT_VERSION: u32 = 1;
/// What profiles are called in the machine's state.
const KIND: &str = "storage profile";
/// Folders in which files show that a profile was used before there were marks.
const USED_FOLDERS: [&str; 2] = ["manifests", "archives"];

/// Whether a profile that nobody knows may be begun on a production machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum NewProfile {
    #[default]
    OutsideProduction,
    Created,
}

/// What this machine knows of a profile.
#[derive(Clone, Debug)]
pub(super) struct Profile {
    state: MachineState,
    /// The names under which the machine remembers it.
    locations: Vec<String>,
}

/// The mark as it stands in its file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Mark {
    format_version: u32,
    id: Uuid,
    created_at: Timestamp,
}

impl Profile {
    fn known(&self) -> Result<Option<KnownPlace>> {
        for location in &self.locations {
            if let Some(known) = self.state.known_place(KIND, location)? {
                return Ok(Some(known));
            }
        }
        Ok(None)
    }

    /// Remembers it. That it could not be remembered is logged: a backup is worth more.
    fn remember(&self, mark: &Mark) {
        for location in &self.locations {
            if let Err(error) = self.state.remember_place(KIND, location, Some(&mark.id.to_string())) {
                tracing::warn!(target: "koan::backup", error = %error.chain(), "a storage profile was not remembered");
                return;
            }
        }
    }
}

impl Storage {
    /// The same storage, compared with what this machine remembers of it.
    ///
    /// A directory is opened and tried out now. Of a bucket nothing is asked before it is used.
    ///
    /// # Errors
    /// The machine knows the profile, and it is gone or has lost its mark. Or it is new and must not be begun. Or the directory cannot be
    /// made or written, or its file system cannot make files durable.
    pub(crate) async fn with_state(mut self, state: &MachineState) -> Result<Self> {
        let locations = match &self.sort {
            Sort::Other => return Ok(self),
            Sort::Cloud { identity } => vec![identity.clone()],
            Sort::Directory(disk) => directory_locations(disk.path(), disk.canonical_path()),
        };
        let profile = Profile { state: state.clone(), locations };
        if let Sort::Directory(disk) = self.sort.clone() {
            let known = profile.known()?;
            if !disk.path().exists() {
                if let Some(known) = known {
                    return Err(self.lost("is gone", &known));
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
            disk.open(Missing::Created).map_err(failed)?;
            let locations = directory_locations(disk.path(), disk.canonical_path());
            self.profile = Some(Profile { locations, ..profile }.into());
            match self.require_profile().await {
                // It can be read, and a restore needs no more.
                Err(error) if is_read_only(&error) => {
                    tracing::warn!(target: "koan::backup", storage = %self.location, error = %error.chain(), "a storage directory cannot be written: restores read from it, backups fail");
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

    /// Makes sure that this is a profile: one that bears its mark, or a new one, which gets it. To be called before a profile is written.
    ///
    /// # Errors
    /// The machine knows the profile, and it has lost its mark; or it is new and must not be begun; or the storage fails.
    pub(crate) async fn require_profile(&self) -> Result<()> {
        let Some(profile) = self.profile.clone() else { return Ok(()) };
        // What is known is asked first: another process may begin the profile now, and remembers it after it was marked.
        let known = profile.known()?;
        if let Some(mark) = self.mark().await? {
            profile.remember(&mark);
            return Ok(());
        }
        if let Some(known) = known {
            return Err(self.lost("has lost its mark", &known));
        }
        if self.was_used().await? {
            tracing::warn!(target: "koan::backup", storage = %self.location, mark = MARK, "a storage profile from before profiles were marked is adopted");
        } else {
            self.require_new_allowed()?;
            tracing::info!(target: "koan::backup", storage = %self.location, mark = MARK, "a new storage profile is begun");
        }
        let mark = Mark { format_version: FORMAT_VERSION, id: Uuid::now_v7(), created_at: Timestamp::now() };
        let created = self.create(&Path::from(MARK), crate::foundation::json::document(&mark)).await;
        // Another process may have been faster, or the answer was lost.
        match (self.mark().await?, created) {
            (Some(mark), _) => profile.remember(&mark),
            (None, Err(error)) => return Err(error),
            (None, Ok(())) => {
                return Err(Error::new(
                    ErrorKind::Storage,
                    format!(
                        "`{MARK}` was written to storage `{}` and is not there; check what the storage keeps",
                        self.location
                    ),
                ));
            }
        }
        Ok(())
    }

    /// Refuses to call a profile empty that this machine knows and that has lost its mark.
    pub(super) async fn require_known_profile(&self, folder: &Path) -> object_store::Result<()> {
        let Some(profile) = self.profile.clone() else { return Ok(()) };
        if !USED_FOLDERS.contains(&folder.as_ref()) {
            return Ok(());
        }
        let checked = async {
            let Some(known) = profile.known()? else { return Ok(()) };
            match self.mark().await? {
                None => Err(self.lost("has lost its mark", &known)),
                Some(_) => Ok(()),
            }
        };
        let failed =
            |error: Error| object_store::Error::Generic { store: "storage profile", source: error.into() };
        checked.await.map_err(failed)
    }

    /// The mark, if there is one.
    async fn mark(&self) -> Result<Option<Mark>> {
        let Some(content) = self.read(&Path::from(MARK), MAX_BYTES).await? else { return Ok(None) };
        let mark = serde_json::from_slice(&content).map_err(|source| {
            Error::with_source(
                ErrorKind::Corrupt,
                format!(
                    "`{MARK}` in storage `{}` is no mark of a profile; if the backups there are whole, remove it and the file \
                     that remembers it on this machine",
                    self.location
                ),
                source,
            )
        })?;
        if let Sort::Directory(disk) = &self.sort {
            disk.remember_mark(MARK, content);
        }
        Ok(Some(mark))
    }

    /// Whether something in it shows that it was used before.
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
        if self.new_profile == NewProfile::Created || !is_production() {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Configuration,
            format!(
                "storage `{}` is no storage profile yet, and with KOAN_ENV=production none is begun by itself; if there should be \
                 backups, mount its disk or check its address; else set `.create_if_missing()` on the storage",
                self.location
            ),
        ))
    }

    fn lost(&self, what: &str, known: &KnownPlace) -> Error {
        Error::new(
            ErrorKind::Storage,
            format!(
                "storage `{}` {what}, and this machine has used it before; mount its disk, or check its address and who emptied it. \
                 If it was emptied or replaced on purpose, remove `{}` or call `MachineState::forget_place`, and it is taken for a new \
                 one",
                self.location,
                known.file.display()
            ),
        )
    }

    fn unsafe_directory(&self, source: object_store::Error) -> Error {
        Error::with_source(
            ErrorKind::Storage,
            format!(
                "storage directory `{}` cannot keep backups safely: a file could not be created without replacing another, or not \
                 be made durable; use another file system or mount option",
                self.location
            ),
            source,
        )
    }
}

/// The names under which the machine remembers a directory: as it was named, and without symbolic links.
fn directory_locations(named: &std::path::Path, canonical: Option<std::path::PathBuf>) -> Vec<String> {
    let mut locations = vec![named.display().to_string()];
    locations.extend(canonical.map(|path| path.display().to_string()));
    locations.dedup();
    locations
}

/// Whether an error says that nothing may be written.
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

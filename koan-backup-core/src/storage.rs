//! Storage profiles: the directories and buckets in which archives are stored.

pub(crate) mod machine_state;

mod bandwidth;
mod bucket_identity;
#[cfg(any(feature = "s3", feature = "azure", feature = "gcs"))]
mod cloud;
mod disk;
mod durability;
mod failure;
mod files;
mod folders;
mod listing;
mod location;
mod multipart;
mod open;
mod options;
mod presence;
mod probe;
mod profile;
mod profile_state;
mod rate_limited;
mod shared_folder;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use object_store::ObjectStore;
use object_store::memory::InMemory;
use object_store::multipart::MultipartStore;
use serde::{Deserialize, Serialize};

use self::bandwidth::Bandwidth;
use self::disk::Disk;
pub(crate) use self::disk::{OpenDirectory, create_directory};
pub(crate) use self::failure::{hint, is_refusal};
pub(crate) use self::folders::{PROBE_PREFIX, STREAMS_FOLDER, archives_prefix, manifests_prefix};
pub(crate) use self::listing::{FileFingerprint, ListedFile};
use self::location::{BucketLocation, Cloud};
pub use self::machine_state::{KnownLocation, MachineState};
pub(crate) use self::multipart::AbortOutcome;
pub use self::options::StorageOptions;
pub(crate) use self::presence::Presence;
pub(crate) use self::probe::Probe;
pub(crate) use self::profile::is_read_only;
use self::profile_state::{NewProfile, ProfileRecord};
use self::rate_limited::{RateLimitedMultipart, RateLimitedStore};
pub(crate) use self::shared_folder::SHARED_FOLDER;
pub use self::shared_folder::{Creation, SharedDocument, SharedFolder};
use crate::encryption::ArchiveEncryption;
use crate::foundation::error::{Error, ErrorKind, Result};

/// A storage for archives: a directory, a bucket, or memory for tests. Cloning is cheap.
///
/// ```
/// use koan_backup::Storage;
///
/// # fn main() -> koan_backup::Result<()> {
/// # let folder = tempfile::tempdir().expect("a temporary directory");
/// # std::env::set_current_dir(folder.path()).expect("the directory exists");
/// let directory = Storage::local(".koan/backups")?;
/// let slow = Storage::local("/backups/shop")?.create_if_missing().bandwidth_limit(20_000_000)?;
/// let for_tests = Storage::memory();
/// # #[cfg(feature = "s3")]
/// let bucket = Storage::url("s3://backups/shop")?; // with the feature `s3`
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Storage {
    store: Arc<dyn ObjectStore>,
    /// The same store, if it returns the ids of multipart uploads.
    multipart: Option<Arc<dyn MultipartStore>>,
    location: String,
    kind: StorageKind,
    part_bytes: usize,
    encryption: ArchiveEncryption,
    /// The limit in bytes per second.
    bandwidth_limit: Option<u64>,
    new_profile: NewProfile,
    /// The state of the profile that this machine has stored. It is set when the context is built.
    profile: Option<Arc<ProfileRecord>>,
}

/// The kind of a storage.
#[derive(Clone)]
enum StorageKind {
    Directory(Arc<Disk>),
    /// A bucket of a remote store, whose clock is not the clock of this machine. `identity` distinguishes the
    /// bucket from other buckets.
    Cloud {
        cloud: Cloud,
        identity: String,
    },
    Memory,
    Other,
}

/// The kind of the storage of a profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum ProfileKind {
    /// A directory of a file system.
    Directory,
    /// A bucket of Amazon S3, or of a store with its protocol.
    S3,
    /// A container of Azure Blob Storage.
    Azure,
    /// A bucket of Google Cloud Storage.
    Gcs,
    /// The memory of this process.
    Memory,
    /// An object store that the application implements or opens.
    ObjectStore,
}

/// The clock that sets the times of files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileTimes {
    /// The clock of the remote store.
    Store,
    /// The clock of the system, or of a file server.
    System,
    /// The clock of this process, or an unknown clock.
    Process,
}

/// The maximum time for which an operation that ends, or that cleans up after an error, waits for a response
/// of the store.
pub(crate) const CLEANUP_TIMEOUT: Duration = Duration::from_secs(10);
/// The size of an upload part for a remote store: the minimum that S3 accepts for all parts except the last.
const STORE_PART_BYTES: usize = 5 << 20;
/// The size of an upload part for a disk or memory, where small parts are cheap and need less memory.
const LOCAL_PART_BYTES: usize = 1 << 20;

impl Storage {
    /// Creates a storage in a directory. Files are written under a temporary name, synced to the disk, and
    /// then renamed without replacing another file. Only the owner of a file can read it, independently of
    /// the umask.
    ///
    /// A directory that does not exist is created when a context is built, unless this machine has used it
    /// before, its path is probably a misspelling of the path of an existing profile, or the environment
    /// variable `KOAN_ENV` is `production`; see [`create_if_missing`](Self::create_if_missing).
    ///
    /// # Errors
    /// The path is not a directory. The error contains the path.
    pub fn local(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let disk = Disk::new(path).map_err(|source| {
            let text = format!("storage directory `{}` cannot be used", path.display());
            Error::with_source(ErrorKind::Storage, text, source).with_help("specify a writable directory")
        })?;
        let disk = Arc::new(disk);
        Ok(Self {
            store: Arc::clone(&disk) as _,
            multipart: None,
            location: path.display().to_string(),
            kind: StorageKind::Directory(disk),
            part_bytes: LOCAL_PART_BYTES,
            encryption: ArchiveEncryption::default(),
            bandwidth_limit: None,
            new_profile: NewProfile::default(),
            profile: None,
        })
    }

    /// Allows the creation of a new profile if the environment variable `KOAN_ENV` is `production`, or if a
    /// profile with a similar path exists that the context does not declare. Otherwise it is always
    /// allowed.
    ///
    /// Every profile has a mark, the file `koan-profile.json`, and each machine remembers in its state
    /// directory which profiles it has used. A profile that this machine has used before and that has lost
    /// its mark is refused, even with this setting, because its disk is not mounted or its content was
    /// deleted.
    #[must_use]
    pub fn create_if_missing(mut self) -> Self {
        self.new_profile = NewProfile::Allowed;
        self
    }

    /// Refuses to create a new profile, for a context that only uses existing backups.
    pub(crate) fn must_exist(mut self) -> Self {
        self.new_profile = NewProfile::Refused;
        self
    }

    /// Returns the default directory: `.koan/backups`, or `/var/koan/backups` if the environment variable
    /// `KOAN_ENV` is `production`.
    pub fn default_path() -> PathBuf {
        crate::storage::machine_state::default_directory().join("backups")
    }

    /// Creates a storage in the memory of this process, for tests.
    pub fn memory() -> Self {
        Self {
            part_bytes: LOCAL_PART_BYTES,
            kind: StorageKind::Memory,
            ..Self::object_store(Arc::new(InMemory::new()), "memory")
        }
    }

    /// Creates a storage from any object store. Archives are written by multipart upload, manifests by a
    /// conditional put.
    ///
    /// The ids of uploads are unknown for such a store, so the parts of an upload whose process was killed
    /// remain until the store removes them. In a bucket that is opened by its [`url`](Self::url), maintenance
    /// removes them.
    pub fn object_store(store: Arc<dyn ObjectStore>, location: impl Into<String>) -> Self {
        let encryption = ArchiveEncryption::default();
        Self {
            store,
            multipart: None,
            location: location.into(),
            kind: StorageKind::Other,
            part_bytes: STORE_PART_BYTES,
            encryption,
            bandwidth_limit: None,
            new_profile: NewProfile::default(),
            profile: None,
        }
    }

    /// Limits the bytes per second for writing archives, and separately for reading them. The limit applies
    /// to the sum of all operations that use this value or a clone of it, on the average of a few upload
    /// parts. Leases, manifests and other small files are not delayed.
    ///
    /// # Errors
    /// The limit is 0.
    pub fn bandwidth_limit(mut self, bytes_per_second: u64) -> Result<Self> {
        let Some(bandwidth) = Bandwidth::new(bytes_per_second) else {
            return Err(Error::new(
                ErrorKind::Configuration,
                format!(
                    "storage `{}` has a bandwidth limit of 0; specify the limit in bytes per second",
                    self.location
                ),
            ));
        };
        self.multipart =
            self.multipart.map(|store| Arc::new(RateLimitedMultipart::new(store, bandwidth.clone())) as _);
        self.store = Arc::new(RateLimitedStore::new(self.store, bandwidth));
        self.bandwidth_limit = Some(bytes_per_second);
        Ok(self)
    }

    /// Sets whether archives in this storage are encrypted as a whole, in addition to entities whose policy
    /// requires encryption.
    #[must_use]
    pub fn archive_encryption(mut self, encryption: ArchiveEncryption) -> Self {
        self.encryption = encryption;
        self
    }

    /// Returns whether archives in this storage are encrypted as a whole.
    pub(crate) fn encryption(&self) -> ArchiveEncryption {
        self.encryption
    }

    /// Returns the directory or the URL of the storage, for messages.
    pub fn location(&self) -> &str {
        &self.location
    }

    /// Returns the kind of the storage.
    pub(crate) fn profile_kind(&self) -> ProfileKind {
        match &self.kind {
            StorageKind::Directory(_) => ProfileKind::Directory,
            StorageKind::Cloud { cloud: Cloud::S3, .. } => ProfileKind::S3,
            StorageKind::Cloud { cloud: Cloud::Azure, .. } => ProfileKind::Azure,
            StorageKind::Cloud { cloud: Cloud::Google, .. } => ProfileKind::Gcs,
            StorageKind::Memory => ProfileKind::Memory,
            StorageKind::Other => ProfileKind::ObjectStore,
        }
    }

    /// Returns the directory or the URL of the storage, without credentials. The location of a storage of the
    /// application is any text.
    pub(crate) fn public_location(&self) -> String {
        match &self.kind {
            StorageKind::Other => location::without_credentials(&self.location),
            StorageKind::Directory(_) | StorageKind::Cloud { .. } | StorageKind::Memory => {
                self.location.clone()
            }
        }
    }

    /// Returns the directory, if the storage is a directory.
    pub(crate) fn directory(&self) -> Option<&Path> {
        match &self.kind {
            StorageKind::Directory(disk) => Some(disk.path()),
            StorageKind::Cloud { .. } | StorageKind::Memory | StorageKind::Other => None,
        }
    }

    /// Returns whether two storages are the same directory, possibly through a symbolic link, or the same
    /// prefix of the same bucket.
    pub(crate) fn is_same_location(&self, other: &Self) -> bool {
        match (&self.kind, &other.kind) {
            (StorageKind::Directory(disk), StorageKind::Directory(other)) => {
                disk.path() == other.path()
                    || disk.canonical_path().is_some_and(|path| Some(path) == other.canonical_path())
            }
            (StorageKind::Cloud { identity, .. }, StorageKind::Cloud { identity: other, .. }) => {
                identity == other
            }
            _ => false,
        }
    }

    /// Returns which clock sets the times of files.
    pub(crate) fn file_times(&self) -> FileTimes {
        match &self.kind {
            StorageKind::Directory(_) => FileTimes::System,
            StorageKind::Cloud { .. } => FileTimes::Store,
            StorageKind::Memory | StorageKind::Other => FileTimes::Process,
        }
    }

    /// Creates the storage of a cloud bucket.
    fn cloud(
        store: Arc<dyn ObjectStore>,
        multipart: Option<Arc<dyn MultipartStore>>,
        bucket: &BucketLocation,
        identity: String,
    ) -> Self {
        let kind = StorageKind::Cloud { cloud: bucket.cloud, identity };
        Self { kind, multipart, ..Self::object_store(store, bucket.url()) }
    }

    /// Sets the store that returns the ids of uploads.
    #[cfg(test)]
    fn with_multipart(self, store: Arc<dyn MultipartStore>) -> Self {
        Self { multipart: Some(store), ..self }
    }

    /// Returns the size of an upload part.
    pub(crate) fn part_bytes(&self) -> usize {
        self.part_bytes
    }

    /// Returns the object store, for event stores in a storage.
    #[doc(hidden)]
    pub fn object_store_handle(&self) -> Arc<dyn ObjectStore> {
        Arc::clone(&self.store)
    }

    /// Removes a file, if it exists, for event stores in a storage. In a directory, the removal is durable.
    #[doc(hidden)]
    pub async fn remove_object_durably(&self, path: &object_store::path::Path) -> Result<()> {
        self.remove_durably(path).await
    }

    pub(crate) fn store(&self) -> &Arc<dyn ObjectStore> {
        &self.store
    }
}

impl fmt::Debug for Storage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Storage({}", self.location)?;
        if let Some(limit) = self.bandwidth_limit {
            write!(f, ", at most {limit} bytes/s")?;
        }
        if self.encryption == ArchiveEncryption::Always {
            f.write_str(", encrypted archives")?;
        }
        f.write_str(")")
    }
}

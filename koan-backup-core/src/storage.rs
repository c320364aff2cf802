//! Where archives are kept.

pub(crate) mod machine_state;

mod bandwidth;
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
mod options;
mod paced;
mod profile;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use object_store::ObjectStore;
use object_store::memory::InMemory;
use object_store::multipart::MultipartStore;

use self::bandwidth::Bandwidth;
use self::disk::Disk;
pub(crate) use self::failure::is_refusal;
pub(crate) use self::folders::{archives_prefix, manifests_prefix};
pub(crate) use self::listing::{FileFingerprint, ListedFile};
pub use self::machine_state::{KnownPlace, MachineState};
pub(crate) use self::multipart::Aborted;
pub use self::options::StorageOptions;
use self::paced::{Paced, PacedMultipart};
use self::profile::{NewProfile, Profile};
use crate::encryption::ArchiveEncryption;
use crate::foundation::error::{Error, ErrorKind, Result};

/// A place for archives: a directory, a bucket, or memory for tests. Cheap to clone.
#[derive(Clone)]
pub struct Storage {
    store: Arc<dyn ObjectStore>,
    /// The same place, if it tells the ids of uploads.
    multipart: Option<Arc<dyn MultipartStore>>,
    location: String,
    sort: Sort,
    part_bytes: usize,
    encryption: ArchiveEncryption,
    new_profile: NewProfile,
    /// What this machine knows of it, once a context was built.
    profile: Option<Arc<Profile>>,
}

/// What sort of place it is.
#[derive(Clone)]
enum Sort {
    Directory(Arc<Disk>),
    /// A machine of its own, with a clock of its own, and what tells it apart from others.
    Cloud {
        identity: String,
    },
    Other,
}

/// Whose clock the times of files are by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileTimes {
    /// That of another machine.
    Store,
    /// That of the kernel, or of a file server.
    System,
    /// That of this process, or of nobody knows whom.
    Process,
}

/// How long an operation that ends, or cleans up after an error, waits for an answer of the store.
pub(crate) const CLEANUP_TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes of a part of an upload: the least that S3 takes for all but the last.
const STORE_PART_BYTES: usize = 5 << 20;
/// Bytes of a part that goes to a disk or to memory, where small parts cost nothing and hold less memory.
const LOCAL_PART_BYTES: usize = 1 << 20;

impl Storage {
    /// A directory. Files are written under a temporary name, synced to the disk and given their name without
    /// replacing another. They can be read by their owner only, under any umask.
    ///
    /// A directory that does not exist is made when a context is built, unless this machine knows that it
    /// existed before, or the environment variable `KOAN_ENV` is `production`: see
    /// [`create_if_missing`](Self::create_if_missing).
    ///
    /// # Errors
    /// The path is no directory; the error names it.
    pub fn local(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let disk = Disk::new(path).map_err(|source| {
            Error::with_source(
                ErrorKind::Storage,
                format!(
                    "storage directory `{}` cannot be used; name a directory that can be written",
                    path.display()
                ),
                source,
            )
        })?;
        let disk = Arc::new(disk);
        Ok(Self {
            store: Arc::clone(&disk) as _,
            multipart: None,
            location: path.display().to_string(),
            sort: Sort::Directory(disk),
            part_bytes: LOCAL_PART_BYTES,
            encryption: ArchiveEncryption::default(),
            new_profile: NewProfile::default(),
            profile: None,
        })
    }

    /// Lets a new profile be begun here where the environment variable `KOAN_ENV` is `production`: its
    /// directory and its mark are made. Elsewhere that is so anyway.
    ///
    /// Every profile bears a mark, the file `koan-profile.json`, and each machine remembers in its state
    /// directory which profiles it has used. A profile that this machine knows and that has lost its mark is
    /// refused, with this setting as well: its disk is not mounted, or somebody emptied it.
    #[must_use]
    pub fn create_if_missing(mut self) -> Self {
        self.new_profile = NewProfile::Created;
        self
    }

    /// The directory for an application that names none: `.koan/backups`, or `/var/koan/backups` where the
    /// environment variable `KOAN_ENV` is `production`.
    pub fn default_path() -> PathBuf {
        crate::storage::machine_state::default_directory().join("backups")
    }

    /// Memory of this process: gone when it ends.
    pub fn memory() -> Self {
        Self { part_bytes: LOCAL_PART_BYTES, ..Self::object_store(Arc::new(InMemory::new()), "memory") }
    }

    /// The place that a URL names:
    ///
    /// | URL | place | feature |
    /// |---|---|---|
    /// | `s3://bucket/prefix` | Amazon S3, or what speaks its protocol | `s3` |
    /// | `az://container/prefix` | Azure Blob Storage | `azure` |
    /// | `gs://bucket/prefix` | Google Cloud Storage | `gcs` |
    /// | `file:///path` | a directory, as by [`local`](Self::local) | |
    /// | `memory:` | memory, as by [`memory`](Self::memory) | |
    ///
    /// Credentials, region and endpoint come from the environment variables that each is known for
    /// (`AWS_ACCESS_KEY_ID`, `AZURE_STORAGE_ACCOUNT_NAME`, `GOOGLE_APPLICATION_CREDENTIALS`, …), or are given
    /// by [`options`](Self::options). Nothing is asked of the store yet.
    ///
    /// # Errors
    /// The URL names no place, holds what does not belong there, or needs a feature that is not turned on.
    pub fn url(url: impl Into<String>) -> Result<Self> {
        Self::options(url).open()
    }

    /// The place that a URL names, and how it is reached.
    ///
    /// ```no_run
    /// # use koan_backup_core::{Result, Storage};
    /// # fn main() -> Result<()> {
    /// let storage = Storage::options("s3://backups/shop").region("eu-central-1").endpoint("https://s3.example.com").open()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn options(url: impl Into<String>) -> StorageOptions {
        StorageOptions::new(url.into())
    }

    /// Any object store. Archives are written by multipart upload, manifests by a put that creates only.
    ///
    /// Such a store tells no ids of uploads, so what a killed process has begun to upload stays there until
    /// the store removes it. Of a bucket that is opened by its [`url`](Self::url) maintenance removes it.
    pub fn object_store(store: Arc<dyn ObjectStore>, location: impl Into<String>) -> Self {
        let encryption = ArchiveEncryption::default();
        Self {
            store,
            multipart: None,
            location: location.into(),
            sort: Sort::Other,
            part_bytes: STORE_PART_BYTES,
            encryption,
            new_profile: NewProfile::default(),
            profile: None,
        }
    }

    /// At most so many bytes a second for archives that are written here, and as many for those that are
    /// read, summed over all that use this value or a clone of it. Uploads go in parts, so it holds on the
    /// average of a few parts. Leases, manifests and other small files are not delayed.
    ///
    /// # Errors
    /// The limit is 0: nothing would ever arrive.
    pub fn bandwidth_limit(mut self, bytes_per_second: u64) -> Result<Self> {
        let Some(bandwidth) = Bandwidth::new(bytes_per_second) else {
            return Err(Error::new(
                ErrorKind::Configuration,
                format!("storage `{}` has a bandwidth limit of 0; name bytes per second", self.location),
            ));
        };
        self.multipart =
            self.multipart.map(|store| Arc::new(PacedMultipart::new(store, bandwidth.clone())) as _);
        self.store = Arc::new(Paced::new(self.store, bandwidth));
        Ok(self)
    }

    /// What of the archives that go here is encrypted, beside the entities whose policy asks for it.
    #[must_use]
    pub fn archive_encryption(mut self, encryption: ArchiveEncryption) -> Self {
        self.encryption = encryption;
        self
    }

    /// What of the archives that go here is encrypted.
    pub(crate) fn encryption(&self) -> ArchiveEncryption {
        self.encryption
    }

    /// Where it is, for people.
    pub fn location(&self) -> &str {
        &self.location
    }

    /// The directory, if it is one.
    pub(crate) fn directory(&self) -> Option<&Path> {
        match &self.sort {
            Sort::Directory(disk) => Some(disk.path()),
            Sort::Cloud { .. } | Sort::Other => None,
        }
    }

    /// Whether it is the same directory as another one, through a link perhaps, or the same place in the same
    /// bucket.
    pub(crate) fn is_same_location(&self, other: &Self) -> bool {
        match (&self.sort, &other.sort) {
            (Sort::Directory(one), Sort::Directory(other)) => {
                one.path() == other.path()
                    || one.canonical_path().is_some_and(|path| Some(path) == other.canonical_path())
            }
            (Sort::Cloud { identity: one }, Sort::Cloud { identity: other }) => one == other,
            _ => false,
        }
    }

    /// Whose clock the times of its files are by.
    pub(crate) fn file_times(&self) -> FileTimes {
        match &self.sort {
            Sort::Directory(_) => FileTimes::System,
            Sort::Cloud { .. } => FileTimes::Store,
            Sort::Other => FileTimes::Process,
        }
    }

    /// The bucket of a cloud.
    fn cloud(
        store: Arc<dyn ObjectStore>,
        multipart: Option<Arc<dyn MultipartStore>>,
        location: String,
        identity: String,
    ) -> Self {
        Self { sort: Sort::Cloud { identity }, multipart, ..Self::object_store(store, location) }
    }

    /// A store whose uploads have ids.
    #[cfg(test)]
    fn knowing_uploads(self, store: Arc<dyn MultipartStore>) -> Self {
        Self { multipart: Some(store), ..self }
    }

    /// Bytes of a part of an upload.
    pub(crate) fn part_bytes(&self) -> usize {
        self.part_bytes
    }

    pub(crate) fn store(&self) -> &Arc<dyn ObjectStore> {
        &self.store
    }
}

impl fmt::Debug for Storage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Storage({})", self.location)
    }
}

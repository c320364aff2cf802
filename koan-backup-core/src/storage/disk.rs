//! An object store in a directory, which reports success only for durable writes.
//!
//! Reading, listing and deleting use the crate `object_store`. Writing is implemented in this module, because
//! `object_store` leaves the file visible when the sync of its directory fails, needs hard links, and creates
//! files that every user can read.

mod blocking;
mod durable;
mod names;
mod root;
mod upload;

use std::fmt;
use std::io;
use std::ops::Range;
use std::path::{Path as FilePath, PathBuf};
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{FutureExt as _, StreamExt as _, TryFutureExt as _, TryStreamExt as _};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMode,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

use self::blocking::{blocking, file_error};
pub(crate) use self::durable::{OpenDirectory, create_directory};
use self::root::Root;
use self::upload::DiskUpload;
use super::folders::PROBE_PREFIX;

/// A directory that contains archives.
#[derive(Debug)]
pub(crate) struct Disk {
    /// The configured path as an absolute path. The directory need not exist yet.
    path: PathBuf,
    opened: OnceLock<OpenedDirectory>,
}

/// A directory that exists and was opened.
#[derive(Clone, Debug)]
struct OpenedDirectory {
    files: LocalFileSystem,
    root: Arc<Root>,
}

/// How a directory that does not exist is handled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MissingDirectory {
    Created,
    Refused,
}

impl Disk {
    /// Creates the store for the directory `path`, which is opened later.
    ///
    /// # Errors
    /// `path` or one of its parents exists and is not a directory.
    pub(super) fn new(path: &FilePath) -> io::Result<Self> {
        let disk = Self { path: std::path::absolute(path)?, opened: OnceLock::new() };
        let existing = disk.path.ancestors().find_map(|ancestor| std::fs::metadata(ancestor).ok());
        if existing.is_some_and(|existing| !existing.is_dir()) {
            return Err(io::Error::from(io::ErrorKind::NotADirectory));
        }
        Ok(disk)
    }

    /// Returns the configured path as an absolute path.
    pub(crate) fn path(&self) -> &FilePath {
        &self.path
    }

    /// Returns the path without symbolic links, if the directory exists.
    pub(crate) fn canonical_path(&self) -> Option<PathBuf> {
        self.path.canonicalize().ok()
    }

    /// Opens the directory.
    ///
    /// # Errors
    /// The directory does not exist and must not be created, or it cannot be created or read.
    pub(crate) fn open(&self, missing: MissingDirectory) -> io::Result<()> {
        self.open_or_create(missing).map(drop)
    }

    /// Checks whether files can be made durable in this directory, and selects the creation method that its
    /// file system supports. The test file is removed.
    ///
    /// # Errors
    /// The file system cannot create a file without replacing an existing one, or cannot sync files or
    /// directories.
    pub(crate) async fn probe(&self) -> Result<()> {
        let name = Path::from(format!("{PROBE_PREFIX}{}", uuid::Uuid::now_v7()));
        self.put_opts(&name, b"probe".to_vec().into(), PutMode::Create.into()).await?;
        let opened = self.opened()?;
        let path = opened.files.path_to_filesystem(&name)?;
        blocking(move || std::fs::remove_file(&path).map_err(|source| file_error("removing", &path, source)))
            .await
    }

    /// Removes a file, if it exists, and makes the removal durable.
    pub(super) async fn remove_durably(&self, path: &Path) -> Result<()> {
        let opened = self.opened()?;
        let target = opened.files.path_to_filesystem(path)?;
        blocking(move || {
            opened.root.require_present()?;
            opened.root.remove(&target)
        })
        .await
    }

    /// Makes the current file names in a folder durable. It creates a file in the folder first, because after
    /// a failed sync another sync alone does not prove that the directory is durable.
    pub(super) async fn sync_folder(&self, folder: &Path) -> Result<()> {
        let opened = self.opened()?;
        let directory = opened.files.path_to_filesystem(folder)?;
        blocking(move || {
            opened.root.require_present()?;
            opened.root.sync_folder(&directory)
        })
        .await
    }

    /// Stores the profile mark in memory. The mark identifies the directory after its disk was mounted again.
    pub(crate) fn remember_mark(&self, file: &str, content: Vec<u8>) {
        if let Some(opened) = self.opened.get() {
            opened.root.remember_mark(file, content);
        }
    }

    /// Checks that the directory is still the directory that was opened. If its disk was unmounted, the path
    /// leads to a different directory.
    ///
    /// # Errors
    /// The directory no longer exists, or the path leads to a different directory.
    pub(super) async fn require_present(&self) -> Result<()> {
        let opened = self.opened()?;
        blocking(move || opened.root.require_present()).await
    }

    /// Returns the opened directory, and creates it if it does not exist, except on a production machine.
    fn opened(&self) -> Result<OpenedDirectory> {
        let missing = if crate::storage::machine_state::is_production() {
            MissingDirectory::Refused
        } else {
            MissingDirectory::Created
        };
        self.open_or_create(missing).map_err(|source| file_error("opening", &self.path, source))
    }

    fn open_or_create(&self, missing: MissingDirectory) -> io::Result<OpenedDirectory> {
        if let Some(opened) = self.opened.get() {
            return Ok(opened.clone());
        }
        if missing == MissingDirectory::Created {
            durable::create_directories(&self.path)?;
        }
        let files = LocalFileSystem::new_with_prefix(&self.path).map_err(io::Error::other)?;
        let root = Arc::new(Root::open(&self.path)?);
        Ok(self.opened.get_or_init(|| OpenedDirectory { files, root }).clone())
    }

    /// Returns `found`. If the file was not found because the storage directory has disappeared, returns the
    /// error about the directory.
    async fn check_missing<T>(&self, found: Result<T>) -> Result<T> {
        if matches!(found, Err(object_store::Error::NotFound { .. })) {
            self.require_present().await?;
        }
        found
    }
}

impl fmt::Display for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "directory {}", self.path.display())
    }
}

#[async_trait]
impl ObjectStore for Disk {
    async fn put_opts(&self, path: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        let existing = match options.mode {
            PutMode::Overwrite => names::ExistingTarget::Replaced,
            PutMode::Create => names::ExistingTarget::Refused,
            PutMode::Update(_) => return Err(unsupported("a conditional update")),
        };
        let opened = self.opened()?;
        let target = opened.files.path_to_filesystem(path)?;
        blocking(move || {
            opened.root.require_present()?;
            let mut staged = opened.root.stage(&target)?;
            payload.iter().try_for_each(|bytes| staged.write_at_end(bytes))?;
            staged.publish(&opened.root, &target, existing)?;
            Ok(PutResult { e_tag: None, version: None, extensions: Default::default() })
        })
        .await
    }

    async fn put_multipart_opts(
        &self,
        path: &Path,
        _: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let opened = self.opened()?;
        let target = opened.files.path_to_filesystem(path)?;
        let root = Arc::clone(&opened.root);
        blocking(move || {
            root.require_present()?;
            let staged = root.stage(&target)?;
            Ok(Box::new(DiskUpload::new(root, staged, target)) as _)
        })
        .await
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        let found = self.opened()?.files.get_opts(path, options).await;
        self.check_missing(found).await
    }

    async fn get_ranges(&self, path: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        let found = self.opened()?.files.get_ranges(path, ranges).await;
        self.check_missing(found).await
    }

    fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        match self.opened() {
            Ok(opened) => opened.files.delete_stream(paths),
            Err(error) => futures::future::ready(Err(error)).into_stream().boxed(),
        }
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let prefix = prefix.cloned();
        let listed = self.opened().map(|opened| {
            let root = Arc::clone(&opened.root);
            async move {
                blocking(move || root.require_present()).await?;
                Ok::<_, object_store::Error>(opened.files.list(prefix.as_ref()))
            }
        });
        match listed {
            Ok(listed) => listed.try_flatten_stream().boxed(),
            Err(error) => futures::future::ready(Err(error)).into_stream().boxed(),
        }
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.require_present().await?;
        self.opened()?.files.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        let bytes = self.get_opts(from, GetOptions::default()).await?;
        let mode = match options.mode {
            object_store::CopyMode::Create => PutMode::Create,
            object_store::CopyMode::Overwrite => PutMode::Overwrite,
        };
        let chunks: Vec<Bytes> = bytes.into_stream().try_collect().await?;
        self.put_opts(to, chunks.into_iter().collect(), mode.into()).await.map(drop)
    }
}

fn unsupported(operation: &str) -> object_store::Error {
    object_store::Error::NotSupported { source: format!("a directory does not support {operation}").into() }
}

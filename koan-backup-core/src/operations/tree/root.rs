//! The root of a tree: its lock and its registry.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use super::files::{damaged, read_error, read_small, replace, write_error};
use super::leftovers::{self, LOCK_FILE, NEW_REGISTRY_FILE};
use crate::archive::tree::{REGISTRY_FILE, TREE_FORMAT, TREE_FORMAT_VERSION, TreeRegistry};
use crate::archive::{MAX_MANIFEST_BYTES, manifest_fits};
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::foundation::json::document;
use crate::foundation::private_files::{ExistingFile, open_private_file};
use crate::foundation::similar_path::similar_path;
use crate::storage::create_directory;

/// A tree that is locked for writing. The operating system releases the lock when the process ends.
#[derive(Debug)]
pub(crate) struct LockedRoot {
    path: PathBuf,
    _lock: File,
}

impl LockedRoot {
    /// Opens a tree for writing, or creates an empty one, and removes what killed processes have left in it. The
    /// function blocks.
    ///
    /// # Errors
    /// Another operation writes to the tree, or the directory is not a tree and not empty.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        create_root(path)?;
        let registry = read_registry(path)?;
        if registry.is_none() {
            require_unused(path)?;
        }
        let lock_path = path.join(LOCK_FILE);
        let lock = open_private_file(&lock_path, ExistingFile::Kept)
            .map_err(|source| write_error(&lock_path, source))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let text =
                    format!("another operation is writing into the directory tree `{}`", path.display());
                return Err(Error::new(ErrorKind::Busy, text).with_help("try again when it has ended"));
            }
            Err(TryLockError::Error(source)) => return Err(write_error(&lock_path, source)),
        }
        let root = Self { path: path.to_owned(), _lock: lock };
        leftovers::remove(&root.path, &root.registry()?)?;
        Ok(root)
    }

    /// Opens an existing tree for writing, as [`open`](Self::open) does. The function blocks.
    ///
    /// # Errors
    /// Another operation writes to the tree, or there is no tree.
    pub(super) fn open_existing(path: &Path) -> Result<Self> {
        require_registry(path)?;
        Self::open(path)
    }

    /// Returns the path of the root.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Reads the registry. It is empty for a new tree. The function blocks.
    pub(super) fn registry(&self) -> Result<TreeRegistry> {
        Ok(read_registry(&self.path)?.unwrap_or_default())
    }

    /// Replaces the registry atomically and durably. The function blocks.
    pub(super) fn replace_registry(&self, registry: &TreeRegistry) -> Result<()> {
        let content = document(registry);
        if !manifest_fits(&content) {
            let text = format!("the registry of the directory tree `{}` is too large", self.path.display());
            return Err(
                Error::new(ErrorKind::Unsupported, text).with_help("write the backup into another directory")
            );
        }
        replace(&self.path.join(REGISTRY_FILE), &self.path.join(NEW_REGISTRY_FILE), &content)
    }
}

/// Reads the registry of an existing tree. The function blocks.
///
/// # Errors
/// There is no tree, or its registry is damaged.
pub(super) fn require_registry(root: &Path) -> Result<TreeRegistry> {
    if let Some(registry) = read_registry(root)? {
        return Ok(registry);
    }
    let is_tree = |path: &Path| path.join(REGISTRY_FILE).is_file();
    let help = match similar_path(root, is_tree) {
        Some(similar) => format!("a directory tree exists at `{}`", similar.display()),
        None => format!("a directory tree has a file `{REGISTRY_FILE}` in its root"),
    };
    let text = format!("there is no directory tree with backups at `{}`", root.display());
    Err(Error::new(ErrorKind::NotFound, text).with_help(help))
}

/// Reads the registry of a tree, or returns `None` if there is none.
fn read_registry(root: &Path) -> Result<Option<TreeRegistry>> {
    let path = root.join(REGISTRY_FILE);
    let Some(content) = read_small(&path, MAX_MANIFEST_BYTES)? else { return Ok(None) };
    if !manifest_fits(&content) {
        return Err(damaged(&path, "it has more values than koan-backup writes"));
    }
    let parsed: serde_json::Value =
        serde_json::from_slice(&content).map_err(|_| damaged(&path, "it is not a JSON document"))?;
    if parsed.get("format").and_then(serde_json::Value::as_str) != Some(TREE_FORMAT) {
        let text = format!("`{}` is not the registry of a directory tree of koan-backup", path.display());
        return Err(Error::new(ErrorKind::Configuration, text).with_help("specify another directory"));
    }
    let version = parsed.get("formatVersion").and_then(serde_json::Value::as_u64);
    if version.is_some_and(|version| version > u64::from(TREE_FORMAT_VERSION)) {
        let text = format!(
            "`{}` has format version {}, but this version of koan-backup reads only versions up to \
             {TREE_FORMAT_VERSION}",
            path.display(),
            version.unwrap_or_default()
        );
        return Err(Error::new(ErrorKind::Incompatible, text).with_help("update koan-backup"));
    }
    let registry = serde_json::from_value(parsed).map_err(|source| {
        let text = format!("`{}` does not have the form of a registry", path.display());
        Error::with_source(ErrorKind::Corrupt, text, source)
            .with_help("put the original file back; the other files of the tree are unchanged")
    })?;
    Ok(Some(registry))
}

/// Creates the root if it does not exist. Its parent must exist, because a misspelt path must not create a tree.
fn create_root(path: &Path) -> Result<()> {
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => return Ok(()),
        Ok(_) => {
            let text = format!("`{}` is a file, and a directory tree needs a directory", path.display());
            return Err(Error::new(ErrorKind::Configuration, text));
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(source) => return Err(read_error(path, source)),
    }
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    if let Some(parent) = parent.filter(|parent| !parent.is_dir()) {
        let help = match similar_path(parent, Path::is_dir) {
            Some(similar) => format!("a similar directory is `{}`", similar.display()),
            None => "create it first".to_owned(),
        };
        let text = format!("the directory `{}` does not exist", parent.display());
        return Err(Error::new(ErrorKind::NotFound, text).with_help(help));
    }
    let created = match parent {
        Some(_) => create_directory(path),
        None => create_directory(&Path::new(".").join(path)),
    };
    created.map_err(|source| write_error(path, source))
}

/// Refuses a directory without a registry that contains files of somebody else.
fn require_unused(path: &Path) -> Result<()> {
    let entries = fs::read_dir(path).map_err(|source| read_error(path, source))?;
    for entry in entries {
        let name = entry.map_err(|source| read_error(path, source))?.file_name();
        let name = name.to_string_lossy();
        if !leftovers::is_ours(path, &name) {
            let text = format!(
                "the directory `{}` contains `{}` and no `{REGISTRY_FILE}`, so it is not a directory tree of \
                 koan-backup",
                path.display(),
                name.escape_debug()
            );
            return Err(
                Error::new(ErrorKind::Configuration, text).with_help("specify an empty or a new directory")
            );
        }
    }
    Ok(())
}

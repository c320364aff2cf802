//! Small documents that several processes share in a storage profile, for example the operations of all replicas of a
//! server.

use jiff::Timestamp;
use object_store::path::Path;

use super::Storage;
use crate::foundation::error::{Error, ErrorKind, Result};

/// The folder of a storage that contains all shared folders.
pub(crate) const SHARED_FOLDER: &str = "shared";
/// The maximum size of a document.
const MAX_DOCUMENT_BYTES: usize = 1 << 20;
/// The maximum number of characters of the path of a document, or of the name of a folder.
const MAX_PATH_CHARACTERS: usize = 200;

/// A folder of small documents in a storage profile, which several processes share. [`Koan::shared_folder`] opens it.
///
/// The documents have the same guarantees as manifests and leases: a document is created by one process only, a reader
/// never sees a part of a document, and in a directory a document is durable when it was written. Maintenance does not
/// remove documents.
///
/// The path of a document consists of names of lower-case letters, digits and hyphens, separated by `/`; the last name
/// may also contain `.` and `_`. A document has at most 1 MiB.
///
/// ```
/// # koan_backup_shop::run(async |koan| {
/// use koan_backup::storage::Creation;
///
/// let operations = koan.shared_folder("operations")?;
/// let created = operations.create("running/7f3a.json", r#"{"holder":"a1"}"#).await?;
/// assert_eq!(created, Creation::Created);
/// operations.put("running/7f3a.json", r#"{"holder":"a1","percent":40}"#).await?;
/// assert_eq!(operations.list("running").await?.len(), 1);
/// operations.delete("running/7f3a.json").await?;
/// assert_eq!(operations.get("running/7f3a.json").await?, None);
/// # Ok(())
/// # });
/// ```
///
/// [`Koan::shared_folder`]: crate::Koan::shared_folder
#[derive(Clone, Debug)]
pub struct SharedFolder {
    storage: Storage,
    folder: String,
}

/// Whether a document was created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "another process may have created the document"]
pub enum Creation {
    /// This call created the document.
    Created,
    /// The document existed already, and was not changed.
    AlreadyExists,
}

/// A document in a shared folder.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SharedDocument {
    /// The path of the document within its folder.
    pub path: String,
    /// The size in bytes.
    pub size_bytes: u64,
    /// The time of the last change, by the clock of the storage.
    pub modified_at: Timestamp,
}

impl SharedFolder {
    /// Opens a folder. It is created with its first document.
    ///
    /// # Errors
    /// The name does not consist of lower-case letters, digits and hyphens.
    pub(crate) fn new(storage: Storage, name: &str) -> Result<Self> {
        match is_folder_name(name) && name.len() <= MAX_PATH_CHARACTERS {
            true => Ok(Self { storage, folder: format!("{SHARED_FOLDER}/{name}") }),
            false => Err(Error::new(
                ErrorKind::InvalidName,
                format!("`{}` cannot be the name of a shared folder", name.escape_debug()),
            )
            .with_help("use lower-case letters, digits and hyphens")),
        }
    }

    /// Returns the location of the storage profile, for messages.
    pub fn location(&self) -> &str {
        self.storage.location()
    }

    /// Creates a document, if it does not exist.
    ///
    /// The response of a remote store may be lost. The content of the document is then compared, so it should contain a
    /// value that no other process writes, such as a random id: of two processes that create a document with the same
    /// content, both may receive [`Creation::Created`].
    ///
    /// # Errors
    /// The path is invalid or the content too large, the profile is not the one that was used before, or the storage
    /// fails. After an error of the storage, it is not known whether the document was created.
    pub async fn create(&self, path: &str, content: impl Into<Vec<u8>>) -> Result<Creation> {
        let (file, content) = (self.file(path)?, checked_content(path, content.into())?);
        self.storage.require_profile().await?;
        let Err(error) = self.storage.create(&file, content.clone()).await else {
            return Ok(Creation::Created);
        };
        let exists = already_exists(&error);
        match self.read(&file).await {
            Ok(Some(found)) if found == content && self.storage.confirms_by_reading(&error) => {
                Ok(Creation::Created)
            }
            Ok(Some(found)) if exists || found != content => Ok(Creation::AlreadyExists),
            // Another process has removed the document since then, or it cannot be read.
            Ok(None) | Err(_) if exists => Ok(Creation::AlreadyExists),
            Ok(_) | Err(_) => Err(error),
        }
    }

    /// Writes a document, and replaces an existing one.
    ///
    /// # Errors
    /// As for [`create`](Self::create).
    pub async fn put(&self, path: &str, content: impl Into<Vec<u8>>) -> Result<()> {
        let (file, content) = (self.file(path)?, checked_content(path, content.into())?);
        self.storage.require_profile().await?;
        self.storage.replace(&file, content).await
    }

    /// Returns the content of a document, or `None` if it does not exist.
    ///
    /// # Errors
    /// The path is invalid, the profile is not the one that was used before, or the storage cannot be read.
    pub async fn get(&self, path: &str) -> Result<Option<Vec<u8>>> {
        let found = self.read(&self.file(path)?).await?;
        if found.is_none() {
            self.storage.require_profile().await?;
        }
        Ok(found)
    }

    /// Returns the documents below the folder `below`, or all documents if it is empty, sorted by their paths.
    ///
    /// # Errors
    /// The path is invalid, the profile is not the one that was used before, or the storage cannot be listed.
    pub async fn list(&self, below: &str) -> Result<Vec<SharedDocument>> {
        let folder = match below {
            "" => Path::from(self.folder.as_str()),
            below => self.file(below)?,
        };
        let listed = self.storage.list(&folder).await;
        let listed = listed.map_err(|source| self.storage.failed(&folder, "listed in", source))?;
        if listed.is_empty() {
            self.storage.require_profile().await?;
        }
        let document = |file: super::ListedFile| {
            let path = file.path.as_ref().strip_prefix(&self.folder)?.strip_prefix('/')?.to_owned();
            // Files of other programs, such as `.DS_Store`, are ignored.
            is_document_path(&path).then(|| SharedDocument {
                path,
                size_bytes: file.fingerprint.size_bytes(),
                modified_at: file.fingerprint.modified_at(),
            })
        };
        let mut documents: Vec<_> = listed.into_iter().filter_map(document).collect();
        documents.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(documents)
    }

    /// Removes a document, if it exists. In a directory, the removal is durable when this function returns.
    ///
    /// # Errors
    /// The path is invalid, the profile is not the one that was used before, or the storage fails.
    pub async fn delete(&self, path: &str) -> Result<()> {
        let file = self.file(path)?;
        self.storage.require_profile().await?;
        self.storage.remove_durably(&file).await?;
        self.storage.require_gone(&file).await
    }

    async fn read(&self, file: &Path) -> Result<Option<Vec<u8>>> {
        self.storage.read(file, u64::try_from(MAX_DOCUMENT_BYTES).unwrap_or(u64::MAX)).await
    }

    /// Returns the path of a document in the storage.
    fn file(&self, path: &str) -> Result<Path> {
        match is_document_path(path) {
            true => Ok(Path::from(format!("{}/{path}", self.folder))),
            false => Err(Error::new(
                ErrorKind::InvalidName,
                format!("`{}` cannot be the path of a document in `{}`", path.escape_debug(), self.folder),
            )
            .with_help(
                "use names of lower-case letters, digits and hyphens, separated by `/`; only the last name may also \
                 contain `.` and `_`",
            )),
        }
    }
}

/// Returns whether a text is the name of a folder: lower-case letters, digits, and hyphens after the first character.
fn is_folder_name(name: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !name.is_empty() && !name.starts_with('-') && name.bytes().all(is_allowed)
}

fn is_document_path(path: &str) -> bool {
    let (folders, name) = path.rsplit_once('/').map_or((None, path), |(folders, name)| (Some(folders), name));
    let is_allowed =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.' | b'_');
    let is_name =
        name.starts_with(|first: char| first.is_ascii_alphanumeric()) && name.bytes().all(is_allowed);
    is_name
        && path.len() <= MAX_PATH_CHARACTERS
        && folders.is_none_or(|all| all.split('/').all(is_folder_name))
}

fn checked_content(path: &str, content: Vec<u8>) -> Result<Vec<u8>> {
    match content.len() <= MAX_DOCUMENT_BYTES {
        true => Ok(content),
        false => Err(Error::new(
            ErrorKind::Configuration,
            format!("document `{path}` has {} bytes; the maximum is {MAX_DOCUMENT_BYTES}", content.len()),
        )),
    }
}

/// Returns whether the storage refused to create a file because it exists.
fn already_exists(error: &Error) -> bool {
    let source = std::error::Error::source(error).and_then(|source| source.downcast_ref());
    matches!(
        source,
        Some(object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. })
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_every_storage_accepts_are_paths_of_documents() {
        for path in ["a", "7.json", "a/b-c/d_e.f.json", "0197f1a0-0000-7000-8000-000000000001.json"] {
            assert!(is_document_path(path), "{path}");
        }
        let long = "a".repeat(201);
        for path in [
            "", "/a", "a/", "a//b", ".", "..", "../a", "a/../b", "a/.b", ".a", "A", "a b", "ä", "a#1",
            "a%2f", "a.b/c", "a\\b", "a\0", "-/a", &long,
        ] {
            assert!(!is_document_path(path), "{path:?}");
        }
        for name in ["", "-a", "a/b", "..", "a.b", "A"] {
            let error = SharedFolder::new(Storage::memory(), name).expect_err("the name is refused");
            assert_eq!(error.kind(), ErrorKind::InvalidName, "{name:?}");
        }
    }
}

//! The listing of the files of a folder.

use std::io;
use std::time::{SystemTime, UNIX_EPOCH};

use futures::TryStreamExt as _;
use jiff::Timestamp;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore as _};
use serde::{Deserialize, Serialize};

use super::folders::STREAMS_FOLDER;
use super::{Storage, StorageKind};

/// A file in a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ListedFile {
    pub(crate) path: Path,
    pub(crate) fingerprint: FileFingerprint,
}

/// A fingerprint that distinguishes two versions of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FileFingerprint {
    size_bytes: u64,
    /// The time of the last change: seconds since 1970, and nanoseconds.
    modified: (i64, u32),
    /// The entity tag that the store returns; on a disk, the inode number.
    tag: Option<String>,
}

impl ListedFile {
    /// Returns the size of the file.
    pub(crate) fn size_bytes(&self) -> u64 {
        self.fingerprint.size_bytes
    }

    /// Returns when the file was last written, by the clock of the store. For a file of a multipart upload,
    /// some stores return the start time of the upload.
    pub(crate) fn modified(&self) -> Timestamp {
        let (seconds, nanos) = self.fingerprint.modified;
        Timestamp::new(seconds, i32::try_from(nanos).unwrap_or_default()).unwrap_or(Timestamp::MAX)
    }
}

impl Storage {
    /// Lists the files of a folder and of its subfolders, in any order.
    ///
    /// A directory is read with the standard library, because `object_store` requests each file twice and
    /// needs three times as long for thousands of files. Files and folders whose names this library never
    /// writes are ignored: a name that is not Unicode, or a folder such as `@eaDir` or `.snapshot`, which may
    /// be unreadable, must not make the listing fail.
    ///
    /// # Errors
    /// The storage cannot be listed; an incomplete list is never returned.
    pub(crate) async fn list(&self, folder: &Path) -> object_store::Result<Vec<ListedFile>> {
        let listed = self.list_once(folder).await?;
        if listed.is_empty() {
            self.require_known_profile(folder).await?;
        }
        Ok(listed)
    }

    pub(super) async fn list_once(&self, folder: &Path) -> object_store::Result<Vec<ListedFile>> {
        let StorageKind::Directory(disk) = &self.kind else {
            return self.store.list(Some(folder)).map_ok(ListedFile::from).try_collect().await;
        };
        disk.require_present().await?;
        let (directory, folder) = (disk.path().join(folder.as_ref()), folder.clone());
        tokio::task::spawn_blocking(move || list_directory(directory, folder)).await?
    }
}

impl From<ObjectMeta> for ListedFile {
    fn from(meta: ObjectMeta) -> Self {
        let modified = (meta.last_modified.timestamp(), meta.last_modified.timestamp_subsec_nanos());
        let fingerprint = FileFingerprint { size_bytes: meta.size, modified, tag: meta.e_tag };
        Self { path: meta.location, fingerprint }
    }
}

impl FileFingerprint {
    pub(crate) fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// Returns the time of the last change.
    pub(super) fn modified_at(&self) -> Timestamp {
        let (seconds, nanoseconds) = self.modified;
        Timestamp::new(seconds, i32::try_from(nanoseconds).unwrap_or(0)).unwrap_or(Timestamp::MIN)
    }

    fn from_metadata(meta: &std::fs::Metadata) -> io::Result<Self> {
        let tag = Some(format!("{:x}", inode_number(meta)));
        Ok(Self { size_bytes: meta.len(), modified: since_1970(meta.modified()?), tag })
    }
}

/// Lists the files of `directory`, whose path in the storage is `folder`, and of its subfolders.
fn list_directory(directory: std::path::PathBuf, folder: Path) -> object_store::Result<Vec<ListedFile>> {
    let mut files = Vec::new();
    let mut folders = vec![(directory, folder)];
    while let Some((directory, folder)) = folders.pop() {
        let failed = |source| listing_failed(&directory, source);
        let entries = match std::fs::read_dir(&directory) {
            Err(error) if is_not_found(&error) => continue,
            entries => entries.map_err(failed)?,
        };
        for entry in entries {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name();
            let Some(name) = name.to_str() else { continue };
            let Ok(path) = Path::parse(format!("{folder}/{name}")) else { continue };
            let meta = match entry.metadata() {
                Ok(link) if link.is_symlink() => match std::fs::metadata(entry.path()) {
                    // A link that cannot be followed is listed as a file, which then cannot be read.
                    Err(error) if !is_not_found(&error) => {
                        files.push(ListedFile {
                            path,
                            fingerprint: FileFingerprint::from_metadata(&link).map_err(failed)?,
                        });
                        continue;
                    }
                    meta => meta,
                },
                meta => meta,
            };
            let meta = match meta {
                // The file was removed during the listing.
                Err(error) if is_not_found(&error) => continue,
                meta => meta.map_err(failed)?,
            };
            if meta.is_dir() {
                if is_our_folder(&folder, name) {
                    folders.push((entry.path(), path));
                }
            } else if meta.is_file() && !is_temporary(name) {
                files.push(ListedFile {
                    path,
                    fingerprint: FileFingerprint::from_metadata(&meta).map_err(failed)?,
                });
            }
        }
    }
    Ok(files)
}

/// Returns whether this library may have created a folder in `parent`. The names of the folders that it creates consist
/// of lower-case letters, digits and hyphens. The folders of single backups are percent-encoded names, which do not
/// begin with a dot.
fn is_our_folder(parent: &Path, name: &str) -> bool {
    let is_simple = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let is_encoded =
        |byte: u8| is_simple(byte) || byte.is_ascii_uppercase() || matches!(byte, b'.' | b'_' | b'%');
    let is_of_streams = parent.parts().any(|part| part.as_ref() == STREAMS_FOLDER);
    name.bytes().all(is_simple) || (is_of_streams && !name.starts_with('.') && name.bytes().all(is_encoded))
}

fn is_not_found(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
}

/// Returns whether a file is a temporary file of an incomplete upload. `object_store` gives such a file a
/// name that ends with `#` and a number.
fn is_temporary(name: &str) -> bool {
    let number = name.split_once('#').map_or("", |(_, number)| number);
    !number.is_empty() && number.bytes().all(|digit| digit.is_ascii_digit())
}

fn listing_failed(directory: &std::path::Path, source: io::Error) -> object_store::Error {
    let text = format!("`{}` was not listed: {source}", directory.display());
    object_store::Error::Generic { store: "directory", source: Box::new(io::Error::new(source.kind(), text)) }
}

/// Returns a time as seconds and nanoseconds since 1970.
fn since_1970(time: SystemTime) -> (i64, u32) {
    let seconds = |seconds| i64::try_from(seconds).unwrap_or(i64::MAX);
    match time.duration_since(UNIX_EPOCH) {
        Ok(since) => (seconds(since.as_secs()), since.subsec_nanos()),
        Err(before) => (-seconds(before.duration().as_secs()), before.duration().subsec_nanos()),
    }
}

/// Returns the inode number of a file, which changes when the file is replaced. Returns 0 on a system without
/// inode numbers.
#[cfg(unix)]
fn inode_number(meta: &std::fs::Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(meta)
}

#[cfg(not(unix))]
fn inode_number(_: &std::fs::Metadata) -> u64 {
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(mut files: Vec<(Path, u64)>) -> Vec<(Path, u64)> {
        files.sort();
        files
    }

    async fn listed(storage: &Storage, folder: &str) -> Vec<(Path, u64)> {
        let files = storage.list(&folder.into()).await.expect("the folder is listed");
        sorted(files.into_iter().map(|file| (file.path, file.fingerprint.size_bytes)).collect())
    }

    /// Lists the same folder with `object_store`.
    async fn listed_by_object_store(storage: &Storage, folder: &str) -> Vec<(Path, u64)> {
        let files = storage.store.list(Some(&folder.into())).try_collect::<Vec<_>>().await;
        let files = files.expect("the folder is listed");
        sorted(files.into_iter().map(|meta| (meta.location, meta.size)).collect())
    }

    #[tokio::test]
    async fn a_directory_is_listed_as_object_store_lists_it() {
        let folder = tempfile::tempdir().expect("the folder is created");
        let storage = Storage::local(folder.path()).expect("the storage is opened");
        let root = folder.path().join("manifests");
        assert_eq!(listed(&storage, "manifests").await, [], "a folder that does not exist has no files");
        std::fs::create_dir_all(root.join("below/again")).expect("the folders are created");
        std::fs::create_dir_all(folder.path().join("manifests-of-others")).expect("the folder is created");
        let names = [
            "a.json",
            "b c.json",
            "ü.json",
            "50%25.json",
            "a#1",
            "a.json#1",
            "a#b",
            "#7",
            "a#1#2",
            "below/d.json",
            "below/again/e.json",
            "below/f#12",
            "../manifests-of-others/g.json",
            ".hidden",
            "a+b&c=d.json",
        ];
        for (bytes, name) in names.iter().enumerate() {
            std::fs::write(root.join(name), vec![b'x'; bytes]).expect("the file is written");
        }
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(root.join("a.json"), root.join("link.json"))
                .expect("the link is created");
            std::os::unix::fs::symlink(root.join("nothing"), root.join("broken.json"))
                .expect("the link is created");
            std::os::unix::fs::symlink(folder.path().join("manifests-of-others"), root.join("far"))
                .expect("the link is created");
        }
        for folder in ["manifests", "manifests/below", "manifests/nothing"] {
            let expected = listed_by_object_store(&storage, folder).await;
            assert_eq!(listed(&storage, folder).await, expected, "folder `{folder}`");
        }
        assert!(listed(&storage, "manifests").await.len() > 8);
    }

    #[tokio::test]
    async fn the_fingerprint_of_a_file_changes_with_its_content_time_or_size() {
        let folder = tempfile::tempdir().expect("the folder is created");
        let storage = Storage::local(folder.path()).expect("the storage is opened");
        let (file, other) = (folder.path().join("m/a"), folder.path().join("other"));
        std::fs::create_dir(folder.path().join("m")).expect("the folder is created");
        std::fs::write(&file, "one").expect("the file is written");
        let fingerprint =
            async || storage.list(&"m".into()).await.expect("the folder is listed")[0].fingerprint.clone();
        let first = fingerprint().await;
        assert_eq!(fingerprint().await, first);
        let time = std::fs::metadata(&file)
            .expect("the file exists")
            .modified()
            .expect("the file has a modification time");
        let set_modified = |path: &std::path::Path, time| {
            let file = std::fs::File::options().write(true).open(path).expect("the file is opened");
            file.set_modified(time).expect("the time is set");
        };
        // The file is replaced by another file of the same length and time.
        std::fs::write(&other, "two").expect("the other file is written");
        set_modified(&other, time);
        std::fs::rename(&other, &file).expect("the other file is renamed");
        let second = fingerprint().await;
        #[cfg(unix)]
        assert_ne!(second, first);
        set_modified(&file, time + std::time::Duration::from_nanos(1000));
        let third = fingerprint().await;
        assert_ne!(third, second, "only the time of the file changed");
        std::fs::write(&file, "three").expect("the file is written");
        set_modified(&file, time + std::time::Duration::from_nanos(1000));
        assert_ne!(fingerprint().await, third, "only the length of the file changed");
    }

    #[tokio::test]
    async fn a_directory_that_cannot_be_listed_is_an_error() {
        let folder = tempfile::tempdir().expect("the folder is created");
        let storage = Storage::local(folder.path()).expect("the storage is opened");
        std::fs::write(folder.path().join("manifests"), "not a folder").expect("the file is written");
        let error = storage.list(&"manifests".into()).await.expect_err("`manifests` is not a folder");
        assert!(error.to_string().contains("was not listed"), "{error}");
    }
}

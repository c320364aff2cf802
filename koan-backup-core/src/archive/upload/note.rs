//! Notes of uploads that are under way: `uploads/{token}.json`, so that maintenance can abort what a killed process has begun.
//!
//! Stores do not list unfinished uploads in a way that all of them share, so the id is written down before the first part is sent. A
//! note stays until its upload is known to be over. Whether somebody is at work on it is told by leases, which name the archive.

use object_store::MultipartId;
use object_store::path::Path;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::super::documents::document;
use super::super::layout::is_archive_name;
use crate::error::{Error, ErrorKind, Result};
use crate::storage::Storage;

/// The version of the notes that this version writes.
const FORMAT_VERSION: u32 = 1;
/// The most bytes a note can have.
const MAX_BYTES: u64 = 64 << 10;
/// Where all notes lie.
const PREFIX: &str = "uploads";

/// A note of an upload that is under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UploadNote {
    format_version: u32,
    /// The archive that is being written.
    pub(crate) archive: String,
    /// What the store calls the upload.
    pub(crate) upload_id: MultipartId,
}

/// The version alone, which is looked at before the rest.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Version {
    format_version: u64,
}

impl UploadNote {
    pub(super) fn new(archive: &Path, upload_id: MultipartId) -> Self {
        Self { format_version: FORMAT_VERSION, archive: archive.to_string(), upload_id }
    }

    /// A place where no other note is.
    pub(super) fn new_path() -> Path {
        Path::from(format!("{PREFIX}/{}.json", Uuid::now_v7()))
    }

    pub(super) async fn write(&self, storage: &Storage, path: &Path) -> Result<()> {
        storage.replace(path, document(self)).await
    }

    /// Where notes are.
    ///
    /// # Errors
    /// The storage cannot be listed.
    pub(crate) async fn list(storage: &Storage) -> Result<Vec<Path>> {
        let folder = Path::from(PREFIX);
        let listed = storage.list(&folder).await;
        let listed = listed.map_err(|source| storage.failed(&folder, "listed in", source))?;
        Ok(listed.into_iter().map(|file| file.path).filter(is_note).collect())
    }

    /// Reads a note; `None` if it has gone.
    ///
    /// # Errors
    /// It cannot be read, is none, or was written by a newer version.
    pub(crate) async fn read(storage: &Storage, path: &Path) -> Result<Option<Self>> {
        let Some(bytes) = storage.read(path, MAX_BYTES).await? else { return Ok(None) };
        let place = storage.location();
        let remedy = "once nobody works there, remove that file, and let the store abort uploads that were never completed";
        let damaged = |source: serde_json::Error| {
            let text =
                format!("the note of an upload, `{path}` in storage `{place}`, cannot be read; {remedy}");
            Error::with_source(ErrorKind::Corrupt, text, source)
        };
        let version: Version = serde_json::from_slice(&bytes).map_err(damaged)?;
        if version.format_version != u64::from(FORMAT_VERSION) {
            return Err(Error::new(
                ErrorKind::Incompatible,
                format!(
                    "the note of an upload, `{path}` in storage `{place}`, has format version {}, this version of koan-backup \
                     knows {FORMAT_VERSION}; update it",
                    version.format_version
                ),
            ));
        }
        let note: Self = serde_json::from_slice(&bytes).map_err(damaged)?;
        match note.archive.strip_prefix("archives/") {
            Some(name) if is_archive_name(name) => Ok(Some(note)),
            _ => Err(Error::new(
                ErrorKind::Corrupt,
                format!("the note of an upload, `{path}` in storage `{place}`, names no archive; {remedy}"),
            )),
        }
    }
}

/// Whether a file is called as notes are.
fn is_note(path: &Path) -> bool {
    let token = path.filename().and_then(|name| name.strip_suffix(".json"));
    token.is_some_and(|token| Uuid::try_parse(token).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_note_is_read_as_it_was_written_and_what_is_none_is_refused_with_the_remedy() {
        let storage = Storage::memory();
        let archive = Path::from("archives/backup-nightly-20260101-000000-0a1b2c3d.zip");
        let (note, path) = (UploadNote::new(&archive, "7".to_owned()), UploadNote::new_path());
        note.write(&storage, &path).await.expect("written");
        storage.create(&Path::from("uploads/notes.txt"), b"mine".to_vec()).await.expect("written");
        assert_eq!(UploadNote::list(&storage).await.expect("listed"), std::slice::from_ref(&path));
        assert_eq!(UploadNote::read(&storage, &path).await.expect("read"), Some(note));
        for (content, kind, told) in [
            ("", ErrorKind::Corrupt, "remove that file"),
            (r#"{"formatVersion":1,"archive":"archives/a.zip"}"#, ErrorKind::Corrupt, "remove that file"),
            (
                r#"{"formatVersion":1,"archive":"notes.zip","uploadId":"7"}"#,
                ErrorKind::Corrupt,
                "names no archive",
            ),
            (r#"{"formatVersion":2}"#, ErrorKind::Incompatible, "update it"),
        ] {
            storage.replace(&path, content.as_bytes().to_vec()).await.expect("written");
            let error = UploadNote::read(&storage, &path).await.expect_err(content);
            assert_eq!(error.kind(), kind, "{content}");
            assert!(error.to_string().contains(told) && error.to_string().contains(path.as_ref()), "{error}");
        }
        storage.remove(&path).await.expect("removed");
        assert_eq!(UploadNote::read(&storage, &path).await.expect("read"), None);
    }
}

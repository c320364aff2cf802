//! Records of running uploads, `uploads/{token}.json`, so that maintenance can abort the uploads of a process
//! that was killed.
//!
//! Not every store can list its unfinished uploads, so the id of an upload is written to an upload record
//! before the first part is sent. An upload record is retained until its upload is known to have ended. The
//! leases, which contain the paths of archives, show whether another process is still writing the archive.

use jiff::{SignedDuration, Timestamp};
use object_store::MultipartId;
use object_store::path::Path;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::super::layout::is_archive_name;
use super::super::stream_file::is_stream_content;
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::foundation::id::BackupId;
use crate::foundation::json::document;
use crate::storage::Storage;

/// The version of the format of upload records that this library writes.
const FORMAT_VERSION: u32 = 1;
/// The maximum size of an upload record.
const MAX_RECORD_BYTES: u64 = 64 << 10;
/// The folder of all upload records.
const FOLDER: &str = "uploads";

/// How long the upload of the content of a single backup may take.
const STREAM_UPLOAD_TIME: SignedDuration = SignedDuration::from_hours(24);

/// The record of a running upload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UploadRecord {
    format_version: u32,
    /// The path of the archive that is being written.
    pub(crate) archive: String,
    /// The id that the store assigned to the upload.
    pub(crate) upload_id: MultipartId,
}

/// The version of an upload record, which is checked before the other fields are parsed.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RecordVersion {
    format_version: u64,
}

impl UploadRecord {
    pub(super) fn new(archive: &Path, upload_id: MultipartId) -> Self {
        Self { format_version: FORMAT_VERSION, archive: archive.to_string(), upload_id }
    }

    /// Returns whether the upload must not be aborted although no lease refers to its file: it is that of the content
    /// of a single backup, which no lease protects, and it was started less than a day ago.
    pub(crate) fn may_be_running(&self, record: &Path, now: Timestamp) -> bool {
        let token = record.filename().and_then(|name| name.strip_suffix(".json"));
        let started = token.and_then(|token| token.parse::<BackupId>().ok()).and_then(|id| id.time());
        let is_recent = |started: Timestamp| now.duration_since(started) < STREAM_UPLOAD_TIME;
        is_stream_content(&self.archive) && started.is_some_and(is_recent)
    }

    /// Returns the path for a new upload record, which no other record has.
    pub(super) fn new_path() -> Path {
        Path::from(format!("{FOLDER}/{}.json", Uuid::now_v7()))
    }

    pub(super) async fn write(&self, storage: &Storage, path: &Path) -> Result<()> {
        storage.replace(path, document(self)).await
    }

    /// Returns the paths of all upload records.
    ///
    /// # Errors
    /// The storage cannot be listed.
    pub(crate) async fn list(storage: &Storage) -> Result<Vec<Path>> {
        let folder = Path::from(FOLDER);
        let listed = storage.list(&folder).await;
        let listed = listed.map_err(|source| storage.failed(&folder, "listed in", source))?;
        Ok(listed.into_iter().map(|file| file.path).filter(is_upload_record).collect())
    }

    /// Reads an upload record. Returns `None` if it no longer exists.
    ///
    /// # Errors
    /// The record cannot be read, is not valid, or was written by a newer version.
    pub(crate) async fn read(storage: &Storage, path: &Path) -> Result<Option<Self>> {
        let Some(bytes) = storage.read(path, MAX_RECORD_BYTES).await? else { return Ok(None) };
        let location = storage.location();
        let remedy = "once no process uses that storage, remove the upload record, and configure the store \
                      to abort uploads that were never completed";
        let damaged = |source: serde_json::Error| {
            let text = format!("upload record `{path}` in storage `{location}` cannot be parsed; {remedy}");
            Error::with_source(ErrorKind::Corrupt, text, source)
        };
        let version: RecordVersion = serde_json::from_slice(&bytes).map_err(damaged)?;
        if version.format_version != u64::from(FORMAT_VERSION) {
            return Err(Error::new(
                ErrorKind::Incompatible,
                format!(
                    "upload record `{path}` in storage `{location}` has format version {}, but this version \
                     of koan-backup supports {FORMAT_VERSION} only; update koan-backup",
                    version.format_version
                ),
            ));
        }
        let record: Self = serde_json::from_slice(&bytes).map_err(damaged)?;
        match record.archive.strip_prefix("archives/") {
            Some(name) if is_archive_name(name) => Ok(Some(record)),
            None if is_stream_content(&record.archive) => Ok(Some(record)),
            _ => Err(Error::new(
                ErrorKind::Corrupt,
                format!(
                    "upload record `{path}` in storage `{location}` does not contain the path of an archive; \
                     {remedy}"
                ),
            )),
        }
    }
}

/// Returns whether a file has the name of an upload record.
fn is_upload_record(path: &Path) -> bool {
    let token = path.filename().and_then(|name| name.strip_suffix(".json"));
    token.is_some_and(|token| Uuid::try_parse(token).is_ok_and(|id| id.to_string() == token))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_upload_record_round_trips_and_an_invalid_record_is_refused_with_a_remedy() {
        let storage = Storage::memory();
        let archive = Path::from("archives/backup-nightly-20260101-000000-0a1b2c3d.zip");
        let (record, path) = (UploadRecord::new(&archive, "7".to_owned()), UploadRecord::new_path());
        record.write(&storage, &path).await.expect("the record is written");
        let foreign_file = Path::from("uploads/records.txt");
        storage.create(&foreign_file, b"mine".to_vec()).await.expect("the file is written");
        let listed = UploadRecord::list(&storage).await.expect("the records are listed");
        assert_eq!(listed, std::slice::from_ref(&path));
        assert_eq!(UploadRecord::read(&storage, &path).await.expect("the record is read"), Some(record));
        for (content, kind, expected) in [
            ("", ErrorKind::Corrupt, "remove the upload record"),
            (
                r#"{"formatVersion":1,"archive":"archives/a.zip"}"#,
                ErrorKind::Corrupt,
                "remove the upload record",
            ),
            (
                r#"{"formatVersion":1,"archive":"records.zip","uploadId":"7"}"#,
                ErrorKind::Corrupt,
                "does not contain the path of an archive",
            ),
            (r#"{"formatVersion":2}"#, ErrorKind::Incompatible, "update koan-backup"),
        ] {
            storage.replace(&path, content.as_bytes().to_vec()).await.expect("the record is written");
            let error = UploadRecord::read(&storage, &path).await.expect_err(content);
            assert_eq!(error.kind(), kind, "{content}");
            assert!(
                error.to_string().contains(expected) && error.to_string().contains(path.as_ref()),
                "{error}"
            );
        }
        storage.remove(&path).await.expect("the record is removed");
        assert_eq!(UploadRecord::read(&storage, &path).await.expect("the record is read"), None);
    }

    #[tokio::test]
    async fn the_upload_of_a_single_backup_may_run_for_a_day_without_a_lease() {
        let storage = Storage::memory();
        let content = "eu/streams/order/a%2Fb/01a20039-2e20-73ff-b80d-43944b669d73.json.gz";
        let content = Path::parse(content).expect("the path is valid");
        let (record, path) = (UploadRecord::new(&content, "7".to_owned()), UploadRecord::new_path());
        record.write(&storage, &path).await.expect("the record is written");
        let read = UploadRecord::read(&storage, &path).await.expect("the record is read").expect("it exists");
        assert_eq!(read, record);
        let now = Timestamp::now();
        assert!(read.may_be_running(&path, now));
        assert!(!read.may_be_running(&path, now + SignedDuration::from_hours(25)));
        let archive = Path::from("archives/backup-nightly-20260101-000000-0a1b2c3d.zip");
        assert!(!UploadRecord::new(&archive, "7".to_owned()).may_be_running(&path, now));
    }
}

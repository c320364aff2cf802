//! The file of a lease.

use std::fmt;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use object_store::path::Path;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::subject::Subject;
use crate::archive::Producer;
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::foundation::id::BackupId;
use crate::storage::Storage;

/// The format version of the lease files that are written.
pub(super) const FORMAT_VERSION: u32 = 1;
/// The maximum size of a lease file.
const MAX_LEASE_BYTES: u64 = 64 << 10;

/// The content of a lease file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LeaseFile {
    pub(super) format_version: u32,
    pub(crate) subject: Subject,
    pub(crate) holder: Holder,
    pub(crate) acquired_at: Timestamp,
    /// When the holder gives up the lease, unless it renews the lease before that time.
    pub(crate) expires_at: Timestamp,
    /// How long the lease is valid without a renewal.
    pub(super) lease_seconds: u32,
    pub(super) released: bool,
    #[serde(flatten)]
    pub(crate) work: LeasedWork,
}

/// The process that holds a lease.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Holder {
    /// A random value that no other lease has.
    pub(super) token: Uuid,
    pub(crate) application: Option<String>,
    pub(crate) host: Option<String>,
    pub(crate) process: u32,
}

/// The backup and the archive that the holder of a lease works on, as far as they are known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LeasedWork {
    /// The backup that the holder works on.
    pub(crate) backup: Option<BackupId>,
    /// The archive that the holder is writing.
    pub(crate) archive: Option<String>,
}

/// Only the format version of a lease file. It is checked before the other fields are parsed.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct VersionOnly {
    format_version: u64,
}

impl Holder {
    /// Creates the holder that describes this process.
    pub(super) fn new(producer: &Producer) -> Self {
        Self {
            token: Uuid::now_v7(),
            application: producer.application.clone(),
            host: producer.host.clone(),
            process: std::process::id(),
        }
    }
}

impl LeaseFile {
    /// Returns when other processes may acquire the lease: half a lease time after it expires, because clocks
    /// differ.
    pub(crate) fn free_at(&self) -> Timestamp {
        let grace = SignedDuration::from_millis(i64::from(self.lease_seconds) * 500);
        self.expires_at.checked_add(grace).unwrap_or(Timestamp::MAX)
    }

    /// Returns whether other processes may acquire the lease.
    pub(crate) fn is_free(&self, now: Timestamp) -> bool {
        self.released || now > self.free_at()
    }

    /// Returns the error that another process gets while this lease is held.
    pub(crate) fn busy_error(&self, storage: &Storage) -> Error {
        Error::new(
            ErrorKind::Busy,
            format!(
                "another process is {} in storage `{}`: {}, since {}",
                self.subject,
                storage.location(),
                self.holder,
                self.acquired_at,
            ),
        )
        .with_help(format!(
            "wait until it has finished. If that process was killed, its lease expires at {}, and no manual \
             unlock is necessary",
            self.free_at()
        ))
    }

    pub(super) fn to_json(&self) -> Vec<u8> {
        crate::foundation::json::document(self)
    }

    /// Reads a lease, or returns `None` if it does not exist.
    ///
    /// # Errors
    /// The file cannot be read, is not a lease, or was written by a newer version. The lease may be held, so
    /// it is never treated as free.
    pub(super) async fn read(storage: &Storage, path: &Path) -> Result<Option<Self>> {
        let Some(bytes) = storage.read(path, MAX_LEASE_BYTES).await? else { return Ok(None) };
        let damaged = |source: serde_json::Error| {
            Error::with_source(
                ErrorKind::Corrupt,
                format!(
                    "lease `{path}` in storage `{}` cannot be read; another process may hold it. Remove the \
                     file when no process uses this storage",
                    storage.location()
                ),
                source,
            )
        };
        let version: VersionOnly = serde_json::from_slice(&bytes).map_err(damaged)?;
        if version.format_version != u64::from(FORMAT_VERSION) {
            return Err(Error::new(
                ErrorKind::Incompatible,
                format!(
                    "lease `{path}` in storage `{}` has format version {}, but this version of koan-backup \
                     supports only {FORMAT_VERSION}; update koan-backup",
                    storage.location(),
                    version.format_version
                ),
            ));
        }
        serde_json::from_slice(&bytes).map(Some).map_err(damaged)
    }
}

/// Returns a duration in whole seconds, rounded up, so that other processes never acquire the lease too
/// early.
pub(super) fn lease_seconds(time: Duration) -> u32 {
    let seconds = time.as_secs() + u64::from(time.subsec_nanos() > 0);
    u32::try_from(seconds).unwrap_or(u32::MAX)
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(application) = &self.application {
            write!(f, "application `{application}`, ")?;
        }
        write!(f, "process {}", self.process)?;
        match &self.host {
            Some(host) => write!(f, " on host `{host}`"),
            None => Ok(()),
        }
    }
}

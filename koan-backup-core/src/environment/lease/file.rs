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

/// The version of the files that this version writes.
pub(super) const FORMAT_VERSION: u32 = 1;
/// The most bytes such a file can have.
const MAX_BYTES: u64 = 64 << 10;

/// A lease as it stands in its file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LeaseFile {
    pub(super) format_version: u32,
    pub(crate) subject: Subject,
    pub(crate) holder: Holder,
    pub(crate) acquired_at: Timestamp,
    /// The holder gives it up then, unless it renews it.
    pub(crate) expires_at: Timestamp,
    /// How long it holds without a sign of life.
    pub(super) lease_seconds: u32,
    pub(super) released: bool,
    #[serde(flatten)]
    pub(crate) work: LeasedWork,
}

/// Who holds a lease.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Holder {
    /// No other lease has it.
    pub(super) token: Uuid,
    pub(crate) application: Option<String>,
    pub(crate) host: Option<String>,
    pub(crate) process: u32,
}

/// What is worked on, as far as it is known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LeasedWork {
    /// The backup.
    pub(crate) backup: Option<BackupId>,
    /// The archive that is being written.
    pub(crate) archive: Option<String>,
}

/// The version alone, which is looked at before the rest.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Version {
    format_version: u64,
}

impl Holder {
    /// This process.
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
    /// When others may take it: half a lease after it expired, because clocks differ.
    pub(crate) fn free_at(&self) -> Timestamp {
        let grace = SignedDuration::from_millis(i64::from(self.lease_seconds) * 500);
        self.expires_at.checked_add(grace).unwrap_or(Timestamp::MAX)
    }

    /// Whether others may take it.
    pub(crate) fn is_free(&self, now: Timestamp) -> bool {
        self.released || now > self.free_at()
    }

    /// The error of whoever wants what another holds.
    pub(crate) fn busy(&self, storage: &Storage) -> Error {
        Error::new(
            ErrorKind::Busy,
            format!(
                "somebody is {} in storage `{}` already: {}, since {}; wait until that is done. Without a \
                 sign of life it is over at {}, and nothing has to be unlocked",
                self.subject,
                storage.location(),
                self.holder,
                self.acquired_at,
                self.free_at()
            ),
        )
    }

    pub(super) fn to_json(&self) -> Vec<u8> {
        crate::foundation::json::document(self)
    }

    /// Reads a lease; `None` if it does not exist.
    ///
    /// # Errors
    /// It cannot be read, is none, or was written by a newer version. It may be held: it is never taken for
    /// free.
    pub(super) async fn read(storage: &Storage, path: &Path) -> Result<Option<Self>> {
        let Some(bytes) = storage.read(path, MAX_BYTES).await? else { return Ok(None) };
        let damaged = |source: serde_json::Error| {
            Error::with_source(
                ErrorKind::Corrupt,
                format!(
                    "lease `{path}` in storage `{}` cannot be read, so somebody may hold it; once nobody \
                     works there, remove that file",
                    storage.location()
                ),
                source,
            )
        };
        let version: Version = serde_json::from_slice(&bytes).map_err(damaged)?;
        if version.format_version != u64::from(FORMAT_VERSION) {
            return Err(Error::new(
                ErrorKind::Incompatible,
                format!(
                    "lease `{path}` in storage `{}` has format version {}, this version of koan-backup knows \
                     {FORMAT_VERSION}; update it",
                    storage.location(),
                    version.format_version
                ),
            ));
        }
        serde_json::from_slice(&bytes).map(Some).map_err(damaged)
    }
}

/// Whole seconds, rounded up: others rather wait too long.
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

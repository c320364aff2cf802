//! Verifies a single backup.

use std::sync::Arc;

use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::read::{identities_for, locate};
use super::stream_type::StreamType;
use crate::archive::hash_of;
use crate::archive::stream_file::{StreamFile, StreamFileKey, damaged};
use crate::catalog::stream_backups::{StoredStreamBackup, StreamBackupHandle, StreamBackupRef, read};
use crate::encryption::Identities;
use crate::entity::EntityCodec;
use crate::entity::stream::{EventLayout, StreamDeclaration, StreamDescriptor, StreamPart};
use crate::environment::Environment;
use crate::foundation::cancellation::until_cancelled;
use crate::foundation::error::{Error, ErrorKind, Result};

/// The report of the verification of a single backup.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct StreamVerification {
    /// The backup.
    pub backup: StreamBackupHandle,
    /// The number of events, of all streams, in the content. `None` if the content was not read, because it is damaged or
    /// no key decrypts it.
    pub events: Option<u64>,
    /// The problem, if the backup is damaged.
    pub problem: Option<String>,
    /// What was not verified, and why. Without a key, only the hash of the stored file was compared. If no event type
    /// declares the object name, the events were not decoded as a type.
    pub note: Option<String>,
}

impl StreamVerification {
    /// Returns whether no problem was found. The [`note`](Self::note) says what was not verified.
    pub fn is_valid(&self) -> bool {
        self.problem.is_none()
    }

    /// Returns the report if no problem was found. The [`note`](Self::note) says what was not verified.
    ///
    /// # Errors
    /// The backup is damaged.
    pub fn require_valid(self) -> Result<Self> {
        match &self.problem {
            None => Ok(self),
            Some(problem) => Err(Error::new(ErrorKind::Corrupt, problem.clone())),
        }
    }
}

/// Verifies the hash of a single backup and its complete content.
///
/// # Errors
/// The backup does not exist, or its storage or a key source fails. Damage is no error: it is in the report.
pub(crate) async fn run(
    environment: &Environment,
    profile: Option<&str>,
    backup: &StreamBackupRef,
    cancel: &CancellationToken,
) -> Result<StreamVerification> {
    let stored = until_cancelled(cancel, locate(environment, profile, backup)).await?;
    let identities = until_cancelled(cancel, identities_for(environment, &stored)).await?;
    let report = verify_stored(environment, &stored, &identities, cancel).await?;
    if report.problem.is_some() {
        until_cancelled(cancel, require_unchanged(&stored)).await?;
    }
    Ok(report)
}

/// Verifies a backup that was found. Events that no event type declares remain JSON.
///
/// # Errors
/// The storage fails, or the verification was cancelled.
pub(super) async fn verify_stored(
    environment: &Environment,
    stored: &StoredStreamBackup<'_>,
    identities: &Arc<Identities>,
    cancel: &CancellationToken,
) -> Result<StreamVerification> {
    let handle = stored.handle(identities).await?;
    let mut report = StreamVerification { backup: handle, events: None, problem: None, note: None };
    let id = stored.meta.backup_id;
    let read = async {
        match StreamFile::find(stored.storage, &stored.meta, identities).await? {
            StreamFileKey::Found(file) => {
                let object = &stored.meta.object_name;
                let codec = declared_codec(environment, object)?;
                let is_declared = codec.is_some();
                let codec = codec.unwrap_or_else(undeclared_codec);
                let (header, counts) = file.verify(&codec, cancel).await?;
                if report.backup.object_id.as_ref().is_some_and(|known| *known != header.object_id) {
                    let text = "its content belongs to another aggregate than its `.meta` says";
                    return Err(damaged(id, Error::new(ErrorKind::Corrupt, text)));
                }
                report.events = Some(counts.events);
                if !is_declared {
                    report.note = Some(format!(
                        "the events of single backup {id} were not decoded, because no event type declares the object \
                         name `{}`",
                        object.escape_debug()
                    ));
                }
            }
            StreamFileKey::Missing(object, missing) => {
                if hash_of(&object).await? != stored.meta.sha256 {
                    let text = "its content has another hash than its `.meta` states";
                    return Err(damaged(id, Error::new(ErrorKind::Corrupt, text)));
                }
                report.note = Some(missing.note(&format!("single backup {id}")));
            }
        }
        Ok(())
    };
    match until_cancelled(cancel, read).await {
        Ok(()) => {}
        Err(error)
            if matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Record | ErrorKind::Incompatible) =>
        {
            report.problem = Some(error.chain());
        }
        Err(error) => return Err(error),
    }
    Ok(report)
}

/// Checks that a problem is damage: the backup was neither removed nor rewritten while it was read.
///
/// # Errors
/// The backup has changed, or its `.meta` cannot be read.
pub(super) async fn require_unchanged(stored: &StoredStreamBackup<'_>) -> Result<()> {
    match read(stored.profile, stored.storage, &stored.meta_path).await? {
        Some(current) if current.meta == stored.meta => Ok(()),
        _ => {
            let id = stored.meta.backup_id;
            let text = format!("single backup {id} was removed or rewritten while it was verified");
            Err(Error::new(ErrorKind::Conflict, text).with_help("try again"))
        }
    }
}

/// The streams of an object name that no event type declares. Their events are JSON.
static UNDECLARED: StreamDescriptor = StreamDescriptor::raw(StreamDeclaration {
    object: "stream",
    part_names: ["stream", "stream.documents", "stream.snapshots"],
    part_idents: ["StreamEvent", "StreamEvent.documents", "StreamEvent.snapshots"],
    provider: None,
    module_path: module_path!(),
    file: file!(),
    line: line!(),
    policy: None,
    layout: EventLayout::InPayload,
});

/// Returns the codec of events that no event type declares.
fn undeclared_codec() -> EntityCodec {
    EntityCodec::new(UNDECLARED.part(StreamPart::Events))
}

/// Returns the codec of the events with an object name, or `None` if no event type declares it.
///
/// # Errors
/// The provider of the event type has no event store.
fn declared_codec(environment: &Environment, object: &str) -> Result<Option<EntityCodec>> {
    match StreamType::find(environment, object) {
        Ok(of) => Ok(Some(of.codec.clone())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

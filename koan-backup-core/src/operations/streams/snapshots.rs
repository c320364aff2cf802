//! The snapshots of an event store from which an operation on many aggregates reads.

use std::sync::{Mutex, PoisonError};

use super::stream_type::StreamType;
use crate::environment::Environment;
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::provider::Snapshot;
use crate::provider::event_store::{EventReader as _, MaskedReader, StoreErrors};

/// Returns the reader of the events of a snapshot.
///
/// # Errors
/// The provider returns none, although it has an event store.
pub(super) fn events_of<'s>(snapshot: &'s dyn Snapshot, of: &StreamType<'_>) -> Result<MaskedReader<'s>> {
    let reader = snapshot.events().map(|events| MaskedReader::new(events, StoreErrors::of(of.codec)));
    reader.ok_or_else(|| {
        let text = format!(
            "the provider `{}` declares an event store and returns no reader of it",
            of.provider_name
        );
        Error::new(ErrorKind::Provider, text).with_help("report this error to the author of the provider")
    })
}

/// Returns whether the event store of an object name contains an aggregate, also if its streams are terminated.
///
/// # Errors
/// No type declares the object name, or the store cannot be read.
pub(crate) async fn exists(environment: &Environment, object: &str, object_id: &str) -> Result<bool> {
    let of = StreamType::find(environment, object)?;
    let snapshot = of.provider.snapshot().await?;
    Ok(events_of(snapshot.as_ref(), &of)?.open(object, object_id).await?.is_some())
}

/// The snapshots of one store that are not in use. Each is used by one backup at a time, and again by the next one.
#[derive(Debug, Default)]
pub(super) struct IdleSnapshots(Mutex<Vec<Box<dyn Snapshot>>>);

impl IdleSnapshots {
    /// Takes an idle snapshot, or opens another one.
    ///
    /// # Errors
    /// The store cannot be read.
    pub(super) async fn take(&self, of: &StreamType<'_>) -> Result<Box<dyn Snapshot>> {
        let idle = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        match idle {
            Some(snapshot) => Ok(snapshot),
            None => of.provider.snapshot().await,
        }
    }

    /// Returns a snapshot after a backup that succeeded. After a failure, the snapshot may be unusable and is dropped.
    pub(super) fn put_back(&self, snapshot: Box<dyn Snapshot>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(snapshot);
    }
}

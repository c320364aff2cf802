//! Single backups of event streams: `koan.streams("order")?.backup("order-17").await?`.

mod backup;
mod bulk;
mod existing;
mod query;
mod restore;
mod upkeep;

use super::context::Koan;
use crate::catalog::stream_backups::StreamBackupRef;
use crate::foundation::error::Result;
use crate::foundation::id::BackupId;
use crate::foundation::runtime::require_timers;
use crate::operations::streams::{self, StreamType};

pub use backup::StreamBackupBuilder;
pub use bulk::{StreamBackupsBuilder, StreamRestoresBuilder};
pub use existing::{
    StreamBackupDeletion, StreamBackupLookup, StreamBackupVerification, StreamBackupsCleanup,
};
pub use query::StreamBackupQuery;
pub use restore::StreamRestoreBuilder;
pub use upkeep::{StreamBackupCopy, StreamBackupRekey, StreamBackupsVerification};

/// The event streams of one object name. [`Koan::streams`] returns it.
///
/// ```
/// use koan_backup::ConflictMode::Overwrite;
/// # koan_backup_shop::orders(async |koan| {
/// let orders = koan.streams("order")?;
/// let handle = orders.backup("order-17").full().description("before migration").await?;
/// assert_eq!(handle.event_count, 2);
///
/// // An existing stream is only replaced on request, and then contains exactly the events of the backup.
/// orders.restore(&handle).await.expect_err("the stream exists");
/// orders.restore(&handle).on_conflict(Overwrite).await?;
/// orders.restore_as(&handle, "order-18").await?;
/// # Ok(())
/// # });
/// ```
#[derive(Clone, Debug)]
pub struct Streams {
    koan: Koan,
    object: String,
}

impl Streams {
    /// Returns the object name.
    pub fn object(&self) -> &str {
        &self.object
    }

    /// Returns whether the event store contains the aggregate with this object id, also if its streams are terminated.
    ///
    /// # Errors
    /// The event store cannot be read.
    pub async fn contains(&self, object_id: &str) -> Result<bool> {
        require_timers()?;
        streams::exists(&self.koan.environment, &self.object, object_id).await
    }

    /// Backs up the aggregate with this object id.
    pub fn backup(&self, object_id: impl Into<String>) -> StreamBackupBuilder {
        StreamBackupBuilder::new(self.koan.clone(), self.object.clone(), object_id.into())
    }

    /// Backs up the aggregates with these object ids, each for itself.
    pub fn backup_many<I: Into<String>>(
        &self,
        object_ids: impl IntoIterator<Item = I>,
    ) -> StreamBackupsBuilder {
        let ids = object_ids.into_iter().map(Into::into).collect();
        StreamBackupsBuilder::new(self.koan.clone(), self.object.clone(), Some(ids))
    }

    /// Backs up every aggregate with this object name, each for itself.
    ///
    /// The report contains a handle of each backup, and the object ids are listed first, so memory grows with the number of
    /// aggregates. To back up a large store, use [`Koan::backup`], which writes one archive at one point in time.
    pub fn backup_all(&self) -> StreamBackupsBuilder {
        StreamBackupsBuilder::new(self.koan.clone(), self.object.clone(), None)
    }

    /// Restores the aggregate of a single backup, which must have this object name.
    pub fn restore(&self, backup: impl Into<StreamBackupRef>) -> StreamRestoreBuilder {
        StreamRestoreBuilder::new(self.koan.clone(), self.object.clone(), backup.into(), None)
    }

    /// Restores a clone of the aggregate of a single backup, with another object id. The source is not changed.
    ///
    /// Events, document and snapshots are those of the backup, except for these ids: the object id, a stream id that equals
    /// it, which becomes the new object id, and every other stream id, which becomes a new unique id. A store that assigns
    /// each event a position assigns new positions. Payloads are not changed, even if they contain the object id.
    pub fn restore_as(
        &self,
        backup: impl Into<StreamBackupRef>,
        object_id: impl Into<String>,
    ) -> StreamRestoreBuilder {
        StreamRestoreBuilder::new(
            self.koan.clone(),
            self.object.clone(),
            backup.into(),
            Some(object_id.into()),
        )
    }
}

impl Koan {
    /// Returns the event streams with an object name, to back up and restore single aggregates.
    ///
    /// # Errors
    /// No event type declares the object name; the error says how to declare it.
    pub fn streams(&self, object: impl Into<String>) -> Result<Streams> {
        let object = object.into();
        StreamType::find(&self.environment, &object)?;
        Ok(Streams { koan: self.clone(), object })
    }

    /// Restores several single backups, of any object names, each for itself.
    ///
    /// Two backups of one aggregate are refused, because the backup that is restored last would remain.
    pub fn restore_streams<R: Into<StreamBackupRef>>(
        &self,
        backups: impl IntoIterator<Item = R>,
    ) -> StreamRestoresBuilder {
        StreamRestoresBuilder::new(self.clone(), backups.into_iter().map(Into::into).collect())
    }

    /// Queries the single backups, newest first.
    pub fn stream_backups(&self) -> StreamBackupQuery {
        StreamBackupQuery::new(self.clone())
    }

    /// Finds the single backup with an id, of any application.
    pub fn stream_backup(&self, id: BackupId) -> StreamBackupLookup {
        StreamBackupLookup::new(self.clone(), id.into())
    }

    /// Verifies a single backup: the hash of its file, the order and the number of its events, and that each event decodes
    /// as its type. If no event type declares its object name, the events are not decoded, and the report says so.
    pub fn verify_stream_backup(&self, backup: impl Into<StreamBackupRef>) -> StreamBackupVerification {
        StreamBackupVerification::new(self.clone(), backup.into())
    }

    /// Verifies all single backups of this application, as [`verify_stream_backup`](Self::verify_stream_backup) verifies
    /// one.
    pub fn verify_stream_backups(&self) -> StreamBackupsVerification {
        StreamBackupsVerification::new(self.clone())
    }

    /// Rewrites a single backup for the recipients of the context. [`rekey_all`](Self::rekey_all) rewrites all.
    pub fn rekey_stream_backup(&self, backup: impl Into<StreamBackupRef>) -> StreamBackupRekey {
        StreamBackupRekey::new(self.clone(), backup.into())
    }

    /// Copies a single backup into another storage profile.
    pub fn copy_stream_backup(&self, backup: impl Into<StreamBackupRef>) -> StreamBackupCopy {
        StreamBackupCopy::new(self.clone(), backup.into())
    }

    /// Deletes a single backup, or finishes a deletion that left its content.
    pub fn delete_stream_backup(&self, backup: impl Into<StreamBackupRef>) -> StreamBackupDeletion {
        StreamBackupDeletion::new(self.clone(), backup.into())
    }

    /// Removes the single backups of this application that have expired. A backup has expired at the instant of its expiry.
    pub fn cleanup_expired_stream_backups(&self) -> StreamBackupsCleanup {
        StreamBackupsCleanup::new(self.clone())
    }
}

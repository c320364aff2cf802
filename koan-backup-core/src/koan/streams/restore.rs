//! The builder of the restore of a single backup.

use std::future::IntoFuture;

use futures::future::BoxFuture;

use crate::catalog::stream_backups::StreamBackupRef;
use crate::foundation::error::Result;
use crate::foundation::runtime::in_runtime;
use crate::koan::Koan;
use crate::koan::setters::cancel_setter;
use crate::operations::streams::{self, StreamRestoreOptions, StreamRestoreReport};

/// The methods that set the options of the restore of a single backup.
macro_rules! stream_restore_setters {
    () => {
        /// Sets what happens if the aggregate exists. By default, the restore fails. An aggregate also exists if its stream
        /// is empty or terminated, or if only its document or a snapshot exists.
        ///
        /// With [`ConflictMode::Overwrite`](crate::ConflictMode::Overwrite), the aggregate contains exactly the events of
        /// the backup afterwards. Events that came later are removed. If the backup does not include terminated streams,
        /// the existing ones are kept, and the report counts them. With
        /// [`ConflictMode::Keep`](crate::ConflictMode::Keep), an existing aggregate is not changed, and the report says so.
        pub fn on_conflict(mut self, mode: crate::ConflictMode) -> Self {
            self.options.conflict = mode;
            self
        }

        /// Does not read the complete file before the first write. Its hash is still compared before the commit.
        pub fn without_verification(mut self) -> Self {
            self.options.verification = crate::operations::restore::Verification::BeforeCommit;
            self
        }

        /// Does not restore the document. An existing document is adjusted to the restored streams. If terminated streams
        /// are restored, the store gets a document that only names the streams.
        pub fn without_document(mut self) -> Self {
            self.options.document = crate::operations::streams::RestoredPart::Omitted;
            self
        }

        /// Does not restore the snapshots.
        pub fn without_snapshots(mut self) -> Self {
            self.options.snapshots = crate::operations::streams::RestoredPart::Omitted;
            self
        }

        /// Sets a description, which the report and the log contain.
        pub fn description(mut self, description: impl Into<String>) -> Self {
            self.options.description = Some(description.into());
            self
        }

        /// Sets the storage profile of the backup. By default it is that of the handle, or the default profile.
        pub fn from_profile(mut self, profile: impl Into<String>) -> Self {
            self.options.profile = Some(profile.into());
            self
        }
    };
}
pub(super) use stream_restore_setters;

/// The builder of the restore of a single backup, which runs when it is awaited.
///
/// The complete file is verified before the first write, and its hash is compared again before the commit. All changes
/// become visible together, or none does. While the restore runs, a lease in the storage prevents the removal of the
/// backup, and a lease in the default storage profile prevents other restores into the provider. If another restore has the
/// lease, the restore fails with [`ErrorKind::Busy`](crate::ErrorKind::Busy).
///
/// # Cancel safety
/// If the future is dropped or the restore is cancelled before the commit begins, the store rolls back what was written.
#[derive(Debug)]
#[must_use = "a restore does nothing until it is awaited"]
pub struct StreamRestoreBuilder {
    koan: Koan,
    backup: StreamBackupRef,
    options: StreamRestoreOptions,
}

impl StreamRestoreBuilder {
    pub(super) fn new(koan: Koan, object: String, backup: StreamBackupRef, clone_as: Option<String>) -> Self {
        let options =
            StreamRestoreOptions { object: Some(object), clone_as, ..StreamRestoreOptions::default() };
        Self { koan, backup, options }
    }

    stream_restore_setters!();

    cancel_setter! {
        /// Rolls the restore back when the token is cancelled.
    }
}

impl IntoFuture for StreamRestoreBuilder {
    type Output = Result<StreamRestoreReport>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        in_runtime(async move { streams::restore(&self.koan.environment, &self.backup, &self.options).await })
    }
}

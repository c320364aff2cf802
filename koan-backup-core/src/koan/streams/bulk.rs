//! The builders of backups and restores of many aggregates.

use std::future::IntoFuture;

use futures::future::BoxFuture;

use super::backup::stream_backup_setters;
use super::restore::stream_restore_setters;
use crate::catalog::stream_backups::StreamBackupRef;
use crate::foundation::error::Result;
use crate::foundation::runtime::in_runtime;
use crate::koan::Koan;
use crate::operations::streams::{
    self, AfterFailure, BulkBackupReport, BulkOptions, BulkProgress, BulkRestoreReport, Callback,
    StreamBackupOptions, StreamRestoreOptions,
};

/// The methods that set the options of an operation on many aggregates.
macro_rules! bulk_setters {
    () => {
        /// Sets how many aggregates are processed at the same time. The default is 4.
        pub fn max_concurrency(mut self, aggregates: usize) -> Self {
            self.bulk.max_concurrency = aggregates;
            self
        }

        /// Continues with the other aggregates when one fails. Without this setting, no other aggregate is begun after a
        /// failure, those that were begun are finished, and the report says what was done.
        pub fn continue_on_error(mut self) -> Self {
            self.bulk.after_failure = AfterFailure::Continue;
            self
        }

        /// Sets a callback that receives the progress once for each aggregate, after it was processed. A panic of the
        /// callback is logged and does not end the operation.
        pub fn on_progress(mut self, receive: impl Fn(&BulkProgress) + Send + Sync + 'static) -> Self {
            self.bulk.progress = Callback::new(receive);
            self
        }

        /// Stops the operation when the token is cancelled. The aggregates that were being processed fail, and the report
        /// says what was done.
        pub fn cancel_on(mut self, token: tokio_util::sync::CancellationToken) -> Self {
            self.bulk.cancel = token;
            self
        }
    };
}

/// The builder of single backups of many aggregates, which runs when it is awaited. Each backup is independent of the
/// others.
///
/// ```
/// # koan_backup_shop::orders(async |koan| {
/// let ids = ["order-17", "order-99"];
/// let report = koan.streams("order")?.backup_many(ids).max_concurrency(8).continue_on_error().await?;
/// assert!(report.is_partial());
/// for failure in report.failures() {
///     println!("{:?}: {}", failure.object_id, failure.error);
/// }
/// # Ok(())
/// # });
/// ```
///
/// # Cancel safety
/// If the future is dropped, the backups that were published remain, and nothing of the others does.
#[derive(Debug)]
#[must_use = "a backup does nothing until it is awaited"]
pub struct StreamBackupsBuilder {
    koan: Koan,
    object: String,
    /// `None` selects all aggregates.
    ids: Option<Vec<String>>,
    options: StreamBackupOptions,
    bulk: BulkOptions,
}

impl StreamBackupsBuilder {
    pub(super) fn new(koan: Koan, object: String, ids: Option<Vec<String>>) -> Self {
        Self { koan, object, ids, options: StreamBackupOptions::default(), bulk: BulkOptions::default() }
    }

    stream_backup_setters!();

    bulk_setters!();
}

impl IntoFuture for StreamBackupsBuilder {
    type Output = Result<BulkBackupReport>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        in_runtime(async move {
            let Self { koan, object, ids, options, bulk } = self;
            match ids {
                Some(ids) => streams::backup_many(&koan.environment, &object, ids, &options, &bulk).await,
                None => streams::backup_all(&koan.environment, &object, &options, &bulk).await,
            }
        })
    }
}

/// The builder of restores of many single backups, which runs when it is awaited. Each restore is independent of the
/// others. Backups are verified at the same time, and written into one store one after another.
///
/// # Cancel safety
/// If the future is dropped, the restores that were committed remain, and the others are rolled back.
#[derive(Debug)]
#[must_use = "a restore does nothing until it is awaited"]
pub struct StreamRestoresBuilder {
    koan: Koan,
    backups: Vec<StreamBackupRef>,
    options: StreamRestoreOptions,
    bulk: BulkOptions,
}

impl StreamRestoresBuilder {
    pub(super) fn new(koan: Koan, backups: Vec<StreamBackupRef>) -> Self {
        let (options, bulk) = (StreamRestoreOptions::default(), BulkOptions::default());
        Self { koan, backups, options, bulk }
    }

    stream_restore_setters!();

    bulk_setters!();
}

impl IntoFuture for StreamRestoresBuilder {
    type Output = Result<BulkRestoreReport>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        in_runtime(async move {
            let Self { koan, backups, options, bulk } = self;
            streams::restore_many(&koan.environment, &backups, &options, &bulk).await
        })
    }
}

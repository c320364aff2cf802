//! The builder of a single backup.

use std::future::IntoFuture;

use futures::future::BoxFuture;

use crate::catalog::stream_backups::StreamBackupHandle;
use crate::foundation::error::Result;
use crate::foundation::runtime::in_runtime;
use crate::koan::Koan;
use crate::koan::setters::cancel_setter;
use crate::operations::streams::{self, Callback, StreamBackupOptions, StreamProgress};

/// The methods that set the options of a single backup.
macro_rules! stream_backup_setters {
    () => {
        /// Includes the snapshots. The backup fails if the event store has no snapshots.
        pub fn include_snapshots(mut self) -> Self {
            self.options.snapshots = crate::operations::streams::Inclusion::Required;
            self
        }

        /// Includes the terminated streams with their events. The backup fails if the event store has no terminated
        /// streams.
        pub fn include_terminated(mut self) -> Self {
            self.options.terminated = crate::operations::streams::Inclusion::Required;
            self
        }

        /// Includes everything that the event store has: document, snapshots and terminated streams.
        pub fn full(mut self) -> Self {
            self.options.document = self.options.document.or_all();
            self.options.snapshots = self.options.snapshots.or_all();
            self.options.terminated = self.options.terminated.or_all();
            self
        }

        /// Omits the document. By default it is included if the event store has documents.
        pub fn without_document(mut self) -> Self {
            self.options.document = crate::operations::streams::Inclusion::Excluded;
            self
        }

        /// Does not compress the content. By default it is compressed with gzip.
        pub fn without_compression(mut self) -> Self {
            self.options.compression = crate::archive::StreamCompression::None;
            self
        }

        /// Sets the storage profile that receives the backup.
        pub fn to_profile(mut self, profile: impl Into<String>) -> Self {
            self.options.profile = Some(profile.into());
            self
        }

        /// Stores the content below this folder of the storage profile, for example `eu`. Only the `.meta`, which names the
        /// content, is at the usual place.
        pub fn folder(mut self, folder: impl Into<String>) -> Self {
            self.options.folder = Some(folder.into());
            self
        }

        /// Sets after which time the backup may be removed by
        /// [`Koan::cleanup_expired_stream_backups`](crate::Koan::cleanup_expired_stream_backups).
        pub fn expires_after(mut self, time: std::time::Duration) -> Self {
            self.options.expires_after = Some(time);
            self
        }

        /// Sets a description for people.
        pub fn description(mut self, description: impl Into<String>) -> Self {
            self.options.description = Some(description.into());
            self
        }

        /// Adds metadata of the application, a key and its value.
        pub fn metadata(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
            self.options.metadata.insert(key.into(), value.into());
            self
        }

        /// Adds a tag, by which a query can select the backup. Several calls add several tags.
        pub fn tag(mut self, tag: impl Into<String>) -> Self {
            self.options.tags.push(tag.into());
            self
        }
    };
}
pub(super) use stream_backup_setters;

/// The builder of a single backup, which runs when it is awaited.
///
/// The aggregate is read at the version at which it is opened: events that are appended later are not in the backup.
///
/// ```
/// use std::time::Duration;
/// # koan_backup_shop::orders(async |koan| {
/// let handle = koan
///     .streams("order")?
///     .backup("order-17")
///     .include_snapshots()
///     .include_terminated()
///     .expires_after(Duration::from_secs(30 * 86_400))
///     .description("before migration")
///     .metadata("operator", "admin")
///     .tag("pre-migration")
///     .on_progress(|p| println!("{}/{} ({:.1} %)", p.events, p.total_events, p.percent()))
///     .await?;
/// println!("{} events in {}", handle.event_count, handle.location);
/// # Ok(())
/// # });
/// ```
///
/// # Cancel safety
/// If the future is dropped or the backup is cancelled before its `.meta` is written, nothing is published. The `.meta` is
/// written completely or not at all.
#[derive(Debug)]
#[must_use = "a backup does nothing until it is awaited"]
pub struct StreamBackupBuilder {
    koan: Koan,
    object: String,
    object_id: String,
    options: StreamBackupOptions,
}

impl StreamBackupBuilder {
    pub(super) fn new(koan: Koan, object: String, object_id: String) -> Self {
        Self { koan, object, object_id, options: StreamBackupOptions::default() }
    }

    stream_backup_setters!();

    /// Sets a callback that receives the progress. A panic of the callback is logged and does not end the backup.
    pub fn on_progress(mut self, receive: impl Fn(&StreamProgress) + Send + Sync + 'static) -> Self {
        self.options.progress = Callback::new(receive);
        self
    }

    cancel_setter! {
        /// Cancels the backup when the token is cancelled. Nothing is published then.
    }
}

impl IntoFuture for StreamBackupBuilder {
    type Output = Result<StreamBackupHandle>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        in_runtime(async move {
            streams::backup(&self.koan.environment, &self.object, &self.object_id, &self.options).await
        })
    }
}

//! The builder of a query of single backups.

use std::future::IntoFuture;
use std::sync::Arc;

use futures::future::BoxFuture;
use jiff::Timestamp;

use crate::catalog::stream_backups::{StreamBackupPage, StreamFilter, query};
use crate::encryption::Identities;
use crate::foundation::error::Result;
use crate::foundation::identity::ApplicationIdentity;
use crate::foundation::runtime::in_runtime;
use crate::koan::Koan;
use crate::koan::names::Names;

/// A query of the single backups of this application. Awaiting it returns those that meet all conditions, newest first.
///
/// Only the `.meta` files are read. The object ids of encrypted backups are decrypted with the configured keys; without
/// them, such backups are listed without object id, and a query that depends on it counts them.
///
/// ```
/// # koan_backup_shop::orders(async |koan| {
/// # koan.streams("order")?.backup("order-17").metadata("environment", "production").await?;
/// let page = koan.stream_backups().object("order").metadata("environment", "production").take(100).await?;
/// for backup in &page.backups {
///     println!("{} {:?}: {} events", backup.id, backup.object_id, backup.event_count);
/// }
/// # assert_eq!(page.backups.len(), 1);
/// # Ok(())
/// # });
/// ```
#[derive(Clone, Debug)]
#[must_use = "a query does nothing until it is awaited"]
pub struct StreamBackupQuery {
    koan: Koan,
    filter: StreamFilter,
    profiles: Vec<String>,
    keys: KeyUse,
}

/// Whether a query decrypts the descriptions of encrypted backups.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum KeyUse {
    #[default]
    Used,
    NotUsed,
}

impl StreamBackupQuery {
    pub(super) fn new(koan: Koan) -> Self {
        let application = Some(koan.environment.identity.clone());
        let filter = StreamFilter { application, ..StreamFilter::default() };
        Self { koan, filter, profiles: Vec::new(), keys: KeyUse::default() }
    }

    /// Selects backups with this object name.
    pub fn object(mut self, object: impl Into<String>) -> Self {
        self.filter.object = Some(object.into());
        self
    }

    /// Selects backups of the aggregate with this object id.
    pub fn object_id(mut self, object_id: impl Into<String>) -> Self {
        self.filter.object_id = Some(object_id.into());
        self
    }

    /// Selects backups that were created at this time or later.
    pub fn created_after(mut self, time: Timestamp) -> Self {
        self.filter.created_after = Some(time);
        self
    }

    /// Selects backups that were created before this time.
    pub fn created_before(mut self, time: Timestamp) -> Self {
        self.filter.created_before = Some(time);
        self
    }

    /// Selects backups with this value in their metadata. Several calls require several values.
    pub fn metadata(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.filter.metadata.push((key.into(), value.into()));
        self
    }

    /// Selects backups with this tag. Several calls require several tags.
    pub fn tag(mut self, tag: impl Into<String>) -> Self {
        self.filter.tags.push(tag.into());
        self
    }

    /// Selects backups of another application.
    pub fn from_application(
        mut self,
        application: impl Into<String>,
        environment: impl Into<String>,
    ) -> Self {
        self.filter.application = Some(ApplicationIdentity::unvalidated(application, environment));
        self
    }

    /// Selects backups of all applications that share the storage profiles.
    pub fn from_all_applications(mut self) -> Self {
        self.filter.application = None;
        self
    }

    /// Selects backups in one or several storage profiles. By default, all profiles are searched.
    pub fn profiles<Count>(mut self, names: impl Names<Count>) -> Self {
        self.profiles.extend(names.into_names());
        self
    }

    /// Decrypts nothing, even if keys are configured, for a caller who must not learn what is encrypted. Encrypted
    /// backups are listed without object id, and a query that depends on it, on metadata or on tags counts them in
    /// [`without_key`](StreamBackupPage::without_key), whether they match or not.
    pub fn without_keys(mut self) -> Self {
        self.keys = KeyUse::NotUsed;
        self
    }

    /// Returns at most `count` backups.
    pub fn take(mut self, count: usize) -> Self {
        self.filter.take = Some(count);
        self
    }
}

impl IntoFuture for StreamBackupQuery {
    type Output = Result<StreamBackupPage>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        in_runtime(async move {
            let environment = &self.koan.environment;
            for profile in &self.profiles {
                environment.storage(Some(profile))?;
            }
            let identities = match self.keys {
                KeyUse::NotUsed => Identities::default(),
                // Backups are listed without their object ids if no key is available.
                KeyUse::Used => environment.identities().await.unwrap_or_else(|error| {
                    tracing::warn!(
                        target: "koan::backup", error = %error.chain(),
                        "no keys are available, so encrypted single backups are listed without their object ids"
                    );
                    Identities::default()
                }),
            };
            let (identities, mut page) = (Arc::new(identities), StreamBackupPage::default());
            for (name, storage) in &environment.storages {
                if self.profiles.is_empty() || self.profiles.contains(name) {
                    query(name, storage, &self.filter, &identities, &mut page).await?;
                }
            }
            page.backups.sort_by_key(|backup| std::cmp::Reverse(backup.id));
            page.backups.truncate(self.filter.take.unwrap_or(usize::MAX));
            Ok(page)
        })
    }
}

//! The builder of a deletion: `koan.delete(id).await?`.

use std::future::IntoFuture;

use futures::future::BoxFuture;

use super::Koan;
use crate::foundation::error::Result;
use crate::foundation::id::BackupId;
use crate::foundation::runtime::in_runtime;
use crate::operations::prune::{self, RemovedBackup};

/// The builder of the removal of a backup, which runs when it is awaited.
///
/// ```
/// # koan_backup_shop::run(async |koan| {
/// let oldest = koan.catalog().by_name("nightly").await?.pop().expect("there is a backup");
/// let removed = koan.delete(oldest.id()).await?;
/// println!("{} bytes are free again", removed.freed_bytes);
/// # Ok(())
/// # });
/// ```
///
/// # Cancel safety
/// If the future is dropped, the backup exists completely or not at all. An archive whose manifest was
/// removed may remain.
#[derive(Debug)]
#[must_use = "a removal does nothing until it is awaited"]
pub struct DeleteBuilder {
    koan: Koan,
    id: BackupId,
    profile: Option<String>,
    even_if_last: bool,
}

impl DeleteBuilder {
    pub(super) fn new(koan: Koan, id: BackupId) -> Self {
        Self { koan, id, profile: None, even_if_last: false }
    }

    /// Sets the storage profile of the backup.
    pub fn from_profile(mut self, profile: impl Into<String>) -> Self {
        self.profile = Some(profile.into());
        self
    }

    /// Removes the backup even if it is the last valid backup that contains one of its entities. Without this
    /// setting, the removal of such a backup fails.
    pub fn even_if_last(mut self) -> Self {
        self.even_if_last = true;
        self
    }
}

impl IntoFuture for DeleteBuilder {
    type Output = Result<RemovedBackup>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        in_runtime(async move {
            let (environment, profile) = (&self.koan.environment, self.profile.as_deref());
            prune::remove_one(environment, profile, self.id, self.even_if_last).await
        })
    }
}

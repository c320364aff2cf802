//! `koan.delete(id).await?`

use std::future::IntoFuture;

use futures::future::BoxFuture;

use super::Koan;
use crate::foundation::error::Result;
use crate::foundation::id::BackupId;
use crate::operations::prune::{self, RemovedBackup};

/// A backup that is removed when this is awaited.
///
/// # Cancel safety
/// Dropping the future leaves the backup whole or not at all; an archive whose manifest is gone may stay.
#[derive(Debug)]
#[must_use = "nothing happens before it is awaited"]
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

    /// The storage profile the backup is in.
    pub fn from_profile(mut self, profile: impl Into<String>) -> Self {
        self.profile = Some(profile.into());
        self
    }

    /// Also if no other backup that verifies holds one of its entities, whatever its name. Without it, the last one stays.
    pub fn even_if_last(mut self) -> Self {
        self.even_if_last = true;
        self
    }
}

impl IntoFuture for DeleteBuilder {
    type Output = Result<RemovedBackup>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let (environment, profile) = (&self.koan.environment, self.profile.as_deref());
            prune::remove_one(environment, profile, self.id, self.even_if_last).await
        })
    }
}

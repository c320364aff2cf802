//! `koan.catalog().recover().await?`

use std::future::IntoFuture;

use futures::future::BoxFuture;

use super::Koan;
use super::setters::cancel_setter;
use crate::foundation::error::Result;
use crate::operations::recover::{self, RecoverOptions, RecoveryReport};

/// A recovery of archives that no readable manifest names, which runs when this is awaited.
///
/// Every file directly in `archives/` that ends in `.zip` or `.zip.age` is looked at, also one that somebody copied there by hand under
/// another name. Each is verified as a whole: all hashes, counts and records, with the keys of this context where it is encrypted. Then
/// its manifest is created again, and names the archive where it is. A manifest that can be read is never replaced; one that is damaged
/// is kept beside the new one, as `{id}.json.damaged-…`.
///
/// Archives that are to be removed, and those of a backup of which another archive is listed and verifies, are skipped. Nobody removes
/// backups of the profile meanwhile: while somebody does, this fails with [`ErrorKind::Busy`](crate::ErrorKind::Busy).
///
/// ```no_run
/// # async fn run(koan: koan_backup_core::Koan) -> koan_backup_core::Result<()> {
/// let report = koan.catalog().recover().await?;
/// for archive in &report.archives {
///     println!("{}: {:?}", archive.archive, archive.outcome);
/// }
/// # Ok(())
/// # }
/// ```
///
/// # Cancel safety
/// Dropping the future stops the work: each manifest is published or not.
#[derive(Debug)]
#[must_use = "nothing happens before it is awaited"]
pub struct RecoverBuilder {
    koan: Koan,
    options: RecoverOptions,
}

impl RecoverBuilder {
    pub(super) fn new(koan: Koan) -> Self {
        Self { koan, options: RecoverOptions::default() }
    }

    /// Only these storage profiles; all of them if none is named.
    pub fn profiles<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.options.profiles.extend(names.into_iter().map(Into::into));
        self
    }

    cancel_setter! {
        /// Stops when `token` is cancelled: manifests that were published stay.
    }
}

impl IntoFuture for RecoverBuilder {
    type Output = Result<RecoveryReport>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { recover::run(&self.koan.environment, &self.options).await })
    }
}

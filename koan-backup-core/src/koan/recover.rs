//! The builder that `koan.catalog().recover()` returns.

use std::future::IntoFuture;

use futures::future::BoxFuture;

use super::context::ContextRef;
use super::names::Names;
use super::setters::cancel_setter;
use crate::foundation::error::Result;
use crate::foundation::runtime::in_runtime;
use crate::operations::recover::{self, RecoverOptions, RecoveryReport};

/// The builder of a recovery of unlisted archives, which runs when it is awaited. An unlisted archive is a
/// complete archive to which no readable manifest refers.
///
/// The recovery inspects every file directly in `archives/` that ends in `.zip` or `.zip.age`, including
/// files that were copied there manually under another name. Each archive is verified completely: all hashes,
/// counts and records, with the keys of this context if it is encrypted. Then its manifest is created again,
/// with the current path of the archive. A readable manifest is never replaced; a damaged manifest is renamed
/// to `{id}.json.damaged-…`.
///
/// Archives with a removal record are skipped. Archives of a backup that has another listed and valid archive
/// are skipped as well. While another process removes backups of the profile, the recovery fails with
/// [`ErrorKind::Busy`](crate::ErrorKind::Busy).
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
/// Dropping the future stops the recovery. Each manifest is published completely or not at all.
#[derive(Debug)]
#[must_use = "a recovery does nothing until it is awaited"]
pub struct RecoverBuilder {
    koan: ContextRef,
    options: RecoverOptions,
}

impl RecoverBuilder {
    pub(super) fn new(koan: ContextRef) -> Self {
        Self { koan, options: RecoverOptions::default() }
    }

    /// Selects only this storage profile, or these storage profiles. By default, all are recovered.
    pub fn profiles<Count>(mut self, names: impl Names<Count>) -> Self {
        self.options.profiles.extend(names.into_names());
        self
    }

    cancel_setter! {
        /// Stops the recovery when `token` is cancelled. Manifests that were already published are kept.
    }
}

impl IntoFuture for RecoverBuilder {
    type Output = Result<RecoveryReport>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        in_runtime(async move { recover::run(self.koan.environment()?, &self.options).await })
    }
}

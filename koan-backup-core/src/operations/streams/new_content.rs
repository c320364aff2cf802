//! The contents that a rekey or a copy writes or replaces, to which no `.meta` refers for a while.
//!
//! A removal record with a name of its own names each of them, so that a process that is killed leaves no content that
//! nobody removes. The record is effective only if the `.meta` of the backup does not refer to the content.

use object_store::path::Path;

use super::removal::beside;
use crate::archive::stream_file::{StreamMeta, content_name};
use crate::environment::Environment;
use crate::environment::lease::Lease;
use crate::foundation::clock::new_backup_id;
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::storage::Storage;

/// Returns the path of a new content of a backup, beside its content.
pub(super) fn new_content_path(environment: &Environment, meta: &StreamMeta) -> Result<Path> {
    let id = new_backup_id(&environment.clock);
    let name = content_name(id, meta.compression, meta.encryption.is_some());
    Path::parse(&meta.path).ok().and_then(|path| beside(&path, &name)).ok_or_else(|| {
        Error::new(ErrorKind::Corrupt, "the `.meta` does not name the content of a single backup")
    })
}

/// A removal record of a content.
#[derive(Debug)]
pub(super) struct ContentRecord<'s> {
    storage: &'s Storage,
    path: Path,
    content: Path,
}

impl<'s> ContentRecord<'s> {
    /// Records that the content of `meta` is removed unless the `.meta` of its backup, at `meta_path`, refers to it.
    ///
    /// # Errors
    /// The storage fails.
    pub(super) async fn create(
        environment: &Environment,
        storage: &'s Storage,
        meta_path: &Path,
        meta: &StreamMeta,
    ) -> Result<Self> {
        let name = format!("{}.removal", new_backup_id(&environment.clock));
        let path = beside(meta_path, &name);
        let (Some(path), Ok(content)) = (path, Path::parse(&meta.path)) else {
            return Err(Error::new(ErrorKind::Internal, "the content of a single backup has no path"));
        };
        storage.create(&path, meta.to_document()?).await?;
        Ok(Self { storage, path, content })
    }

    /// Withdraws the record, because the content stays. A record that cannot be withdrawn has no effect.
    pub(super) async fn withdraw(self) {
        if let Err(error) = self.storage.remove_durably(&self.path).await {
            tracing::warn!(
                target: "koan::backup", record = %self.path, error = %error.chain(),
                "the removal record of a content that stays was not withdrawn; maintenance withdraws it"
            );
        }
    }

    /// Removes the content and then the record, while the lease is held.
    ///
    /// # Errors
    /// The storage fails, or the lease was lost. Maintenance removes the content later.
    pub(super) async fn remove_content(self, lease: &Lease) -> Result<()> {
        let removed = async {
            self.storage.remove_durably(&self.content).await?;
            self.storage.require_gone(&self.content).await
        };
        lease.step(&format!("`{}` was removed", self.content), removed).await?;
        self.withdraw().await;
        Ok(())
    }

    /// Discards the content, which was never published, and then the record.
    pub(super) async fn discard(self) {
        self.storage.discard(&self.content).await;
        if matches!(self.storage.size(&self.content).await, Ok(None)) {
            self.withdraw().await;
        }
    }
}

//! Which storage profiles a context may create.

use super::KoanBuilder;
use crate::koan::contents::Contents;
use crate::koan::names::Names;
use crate::storage::Storage;
use crate::storage::machine_state::MachineState;

impl KoanBuilder {
    /// Refuses these storage profiles if they do not exist, instead of creating them, for a program that only uses
    /// their backups. If this applies to all profiles, their locations are not recorded on this machine either.
    ///
    /// ```
    /// use koan_backup::{ErrorKind, Koan, Memory, Storage};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> koan_backup::Result<()> {
    /// # let folder = tempfile::tempdir().expect("a temporary directory");
    /// # let path = folder.path().join("bakcups");
    /// let builder = Koan::builder().without_entities().storage(Storage::local(&path)?);
    /// let error = builder.existing_storage("local").build().await.expect_err("the directory does not exist");
    /// assert_eq!(error.kind(), ErrorKind::NotFound);
    /// assert!(!path.exists());
    /// # Ok(())
    /// # }
    /// ```
    pub fn existing_storage<Count>(mut self, names: impl Names<Count>) -> Self {
        self.existing_storage.extend(names.into_names());
        self
    }

    /// Returns the state directory, in which a context records the locations that it uses, unless it creates no
    /// profile.
    pub(super) fn state(&self, state: MachineState) -> MachineState {
        match self.storages.iter().all(|(name, _)| self.requires_existing(name)) {
            true => state.without_recording(),
            false => state,
        }
    }

    /// Returns the storage of a profile, which is not created if it must exist.
    pub(super) fn accepted(&self, name: &str, storage: Storage) -> Storage {
        if self.requires_existing(name) { storage.must_exist() } else { storage }
    }

    fn requires_existing(&self, name: &str) -> bool {
        self.contents == Contents::ArchivesOnly || self.existing_storage.contains(name)
    }
}

//! A context that has no entities, for programs that only use existing backups.

use super::KoanBuilder;
use crate::declaration::inventory::Inventory;
use crate::declaration::registry::{Declared, Registry};
use crate::foundation::error::Result;
use crate::koan::contents::Contents;

impl KoanBuilder {
    /// Builds a context without entities and providers, for a program that only uses existing backups: it lists,
    /// verifies, compares, copies, rewrites and deletes them. The entities of this program and the providers of this
    /// builder are ignored, and backups and restores are refused.
    ///
    /// Without types, a verification checks all hashes, counts and blocks, and does not decode the records. Storage
    /// profiles are never created, and their locations are not recorded on this machine.
    ///
    /// ```
    /// use koan_backup::{Koan, Storage};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> koan_backup::Result<()> {
    /// # let storage = Storage::memory();
    /// let koan = Koan::builder().without_entities().storage(storage).build().await?;
    /// assert!(koan.catalog().all().await?.is_empty());
    /// assert!(koan.backup("nightly").await.is_err());
    /// # Ok(())
    /// # }
    /// ```
    pub fn without_entities(mut self) -> Self {
        self.contents = Contents::ArchivesOnly;
        self.registry = Registry::empty();
        self.providers.clear();
        self
    }

    /// Compares the entities and event streams with the policies of their crates.
    pub(super) fn resolve_inventory(&self) -> Result<(Inventory, Declared)> {
        match self.contents {
            Contents::Application => Inventory::resolve(&self.registry, self.clock.now()),
            Contents::ArchivesOnly => Ok((Inventory::empty(self.clock.now()), Declared::default())),
        }
    }
}

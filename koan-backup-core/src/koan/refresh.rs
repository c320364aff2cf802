//! The description of the databases for the inventory, at the start and when an application asks for it again.

use std::sync::Arc;
use std::time::Duration;

use super::Koan;
use super::coverage;
use crate::catalog::Lookup;
use crate::declaration::inventory::Inventory;
use crate::environment::latest;
use crate::foundation::error::Result;
use crate::foundation::identity::ApplicationIdentity;
use crate::foundation::runtime::require_timers;
use crate::storage::Storage;

/// How long a description waits for the warnings of the last backup, so that a storage that does not respond does not
/// prevent the start.
const LAST_BACKUP_TIMEOUT: Duration = Duration::from_secs(10);

impl Koan {
    /// Describes the databases again, and returns the new inventory, which [`inventory`](Self::inventory) and
    /// [`capabilities`](Self::capabilities) return from then on. It contains, for example, a table that was created
    /// after the start. The decisions about the entities are those of the start, and gaps are only reported, also with
    /// [`deny_uncovered`](crate::KoanBuilder::deny_uncovered).
    ///
    /// ```
    /// # koan_backup_shop::run(async |koan| {
    /// let inventory = koan.refresh_inventory().await?;
    /// assert!(inventory.is_covered());
    /// # Ok(())
    /// # });
    /// ```
    ///
    /// # Cancel safety
    /// If the future is dropped, the inventory is unchanged.
    ///
    /// # Errors
    /// A database cannot be read. The inventory is unchanged then.
    pub async fn refresh_inventory(&self) -> Result<Arc<Inventory>> {
        require_timers()?;
        let environment = &self.environment;
        let describe = async |mut inventory: Inventory| {
            inventory.discovered_at = environment.clock.now();
            coverage::add_coverage(&environment.providers, &environment.entities, &mut inventory).await?;
            if !environment.entities.is_empty() {
                let profile = environment.storages.first();
                inventory.last_backup = last_backup_warnings(profile, &environment.identity).await;
            }
            Ok(inventory)
        };
        let inventory = environment.inventory.refresh(describe).await?;
        tracing::info!(
            target: "koan::backup",
            included = inventory.included.len(), warnings = inventory.warnings.len(),
            "the databases were described again"
        );
        Ok(inventory)
    }
}

/// Returns the warnings of the last backup in a profile. If the storage cannot be read, the error is only logged, so
/// that the application can start.
pub(super) async fn last_backup_warnings(
    profile: Option<&(String, Storage)>,
    identity: &ApplicationIdentity,
) -> Vec<String> {
    let Some((name, storage)) = profile else { return Vec::new() };
    let warnings = latest::warnings(storage, Lookup { identity, selected: None });
    let problem = match tokio::time::timeout(LAST_BACKUP_TIMEOUT, warnings).await {
        Ok(Ok(warnings)) => return warnings,
        Ok(Err(error)) => error.chain(),
        Err(_) => "the storage did not respond in time".to_owned(),
    };
    tracing::warn!(
        target: "koan::backup", profile = name, error = problem,
        "the warnings of the last backup could not be read"
    );
    Vec::new()
}

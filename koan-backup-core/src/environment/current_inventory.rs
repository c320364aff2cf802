//! The inventory of a context, which a refresh replaces.

use std::sync::{Arc, PoisonError, RwLock};

use crate::declaration::inventory::Inventory;

/// The inventory of a context. A reader has the inventory of one point in time, also if it is replaced meanwhile.
#[derive(Debug)]
pub(crate) struct CurrentInventory {
    /// The declared entities and their policies, without what was found in the databases.
    declared: Arc<Inventory>,
    current: RwLock<Arc<Inventory>>,
    /// Held during a refresh, so that an older description never replaces a newer one.
    refresh: tokio::sync::Mutex<()>,
}

impl CurrentInventory {
    /// Creates the inventory of a context. `declared` is the inventory before the databases were described.
    pub(crate) fn new(declared: Inventory, current: Inventory) -> Self {
        Self {
            declared: Arc::new(declared),
            current: RwLock::new(Arc::new(current)),
            refresh: tokio::sync::Mutex::default(),
        }
    }

    /// Creates an inventory for an environment that is not refreshed.
    pub(crate) fn fixed(inventory: Arc<Inventory>) -> Self {
        Self {
            declared: Arc::clone(&inventory),
            current: RwLock::new(inventory),
            refresh: tokio::sync::Mutex::default(),
        }
    }

    /// Returns the current inventory.
    pub(crate) fn get(&self) -> Arc<Inventory> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Replaces the inventory by the result of `describe`, which receives the declared entities. Refreshes run one
    /// after another.
    ///
    /// # Errors
    /// The error of `describe`. The inventory is unchanged then.
    pub(crate) async fn refresh<E>(
        &self,
        describe: impl AsyncFnOnce(Inventory) -> Result<Inventory, E>,
    ) -> Result<Arc<Inventory>, E> {
        let _refresh = self.refresh.lock().await;
        let described = Arc::new(describe(Inventory::clone(&self.declared)).await?);
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&described);
        Ok(described)
    }
}

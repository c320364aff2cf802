//! The turns in which the restores of one operation write into a store.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::operations::restore::ProviderLeases;

/// Lets the restores of one operation write into a provider one after another, because many stores have one writer at a
/// time and would refuse the others after a while. Reading and verifying need no turn.
#[derive(Clone, Debug, Default)]
pub(crate) struct WriteTurns(Arc<Mutex<BTreeMap<String, Arc<Turn>>>>);

/// The turns of one provider. The first restore acquires the lease of the provider, and the operation keeps it until its
/// end.
type Turn = tokio::sync::Mutex<Option<ProviderLeases>>;

impl WriteTurns {
    /// Returns the lock of a provider.
    pub(super) fn of(&self, provider: &str) -> Arc<Turn> {
        let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(turns.entry(provider.to_owned()).or_default())
    }

    /// Releases the leases, after the last restore of the operation.
    pub(crate) async fn release(&self) {
        let turns = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        for turn in turns.into_values() {
            if let Some(leases) = turn.lock().await.take() {
                leases.release().await;
            }
        }
    }
}

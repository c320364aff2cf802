//! The turns in which the restores of one operation write into a store.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Lets the restores of one operation write into a provider one after another, because many stores have one writer at a
/// time and would refuse the others after a while. Reading and verifying need no turn.
#[derive(Clone, Debug, Default)]
pub(crate) struct WriteTurns(Arc<Mutex<BTreeMap<String, Arc<tokio::sync::Mutex<()>>>>>);

impl WriteTurns {
    /// Returns the lock of a provider.
    pub(super) fn of(&self, provider: &str) -> Arc<tokio::sync::Mutex<()>> {
        let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(turns.entry(provider.to_owned()).or_default())
    }
}

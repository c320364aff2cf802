//! A case of the suite.

use futures::future::BoxFuture;

use super::subject::Subject;
use crate::foundation::error::Result;
use crate::provider::vector_store::VectorStoreCapabilities;

/// The check of a case, which runs against an empty store.
type Check = for<'a> fn(&'a Subject) -> BoxFuture<'a, Result<()>>;

/// One case of the suite.
pub(super) struct Case {
    pub(super) name: &'static str,
    /// Whether the case applies to a store with these capabilities.
    pub(super) needs: fn(&VectorStoreCapabilities) -> bool,
    pub(super) check: Check,
}

impl Case {
    pub(super) const fn new(name: &'static str, check: Check) -> Self {
        Self { name, needs: |_| true, check }
    }

    pub(super) const fn needing(self, needs: fn(&VectorStoreCapabilities) -> bool) -> Self {
        Self { needs, ..self }
    }
}

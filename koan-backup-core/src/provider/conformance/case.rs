//! A case of the suite.

use futures::future::BoxFuture;

use super::database::Database;
use crate::foundation::error::Result;
use crate::provider::Capabilities;

/// The check of a case, which runs against an empty database.
type Check = for<'a> fn(&'a Database) -> BoxFuture<'a, Result<()>>;

/// One case of the suite.
pub(super) struct Case {
    pub(super) name: &'static str,
    /// Whether the case applies to a provider with these capabilities.
    pub(super) needs: fn(&Capabilities) -> bool,
    pub(super) check: Check,
}

impl Case {
    pub(super) const fn new(name: &'static str, check: Check) -> Self {
        Self { name, needs: |_| true, check }
    }

    pub(super) const fn needing(self, needs: fn(&Capabilities) -> bool) -> Self {
        Self { needs, ..self }
    }
}

//! The setters for declarations without a type: raw event streams, scopes, and what the linker collects.

use std::panic::Location;

use super::KoanBuilder;
use crate::declaration::raw_stream::RawStream;
use crate::declaration::registry::Registry;
use crate::entity::ScopeDeclaration;

impl KoanBuilder {
    /// Registers event streams by their object name, without an event type: their events remain JSON. [`RawStream`] sets the
    /// provider and the policy.
    ///
    /// ```
    /// let builder = koan_backup::Koan::builder().register_raw("legacy-order");
    /// # drop(builder);
    /// ```
    #[track_caller]
    pub fn register_raw(mut self, streams: impl Into<RawStream>) -> Self {
        self.registry.register_raw(streams.into(), Location::caller());
        self
    }

    /// Registers the scope of a crate manually.
    pub fn register_scope(mut self, scope: &'static ScopeDeclaration) -> Self {
        self.registry.register_scope(scope);
        self
    }

    /// Ignores the entities, event types and scopes that the linker collected. Only those that are registered after this
    /// call are known.
    pub fn only_registered(mut self) -> Self {
        self.registry = Registry::empty();
        self
    }

    /// Makes the start fail if one of these crates has neither an entity nor an event type in this program.
    ///
    /// The linker omits a crate that no code refers to, and a program that refers to other crates with entities
    /// starts without it. `koan_backup::link!` links a crate. Hyphens and underscores in names are equal.
    /// Entities that were added with [`register`](Self::register) count.
    ///
    /// ```
    /// # async fn start(builder: koan_backup_core::KoanBuilder) -> koan_backup_core::Result<()> {
    /// let koan = builder.expect_crates(["shop-models", "shop-billing"]).build().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn expect_crates<N: Into<String>>(mut self, crates: impl IntoIterator<Item = N>) -> Self {
        self.expected_crates.extend(crates.into_iter().map(Into::into));
        self
    }
}

//! The repositories of an application.

use std::fmt;
use std::sync::Arc;

use koan_backup_core::entity::EntityCodec;
use koan_backup_core::{Entity, Error, ErrorKind, Result};

use crate::erased::{ErasedRepository, TypedRepository};
use crate::repository::Repository;

/// A provider of repositories, one for each entity.
///
/// ```
/// # use koan_backup::{Entity, Repositories, Repository};
/// # fn provider<U: Entity, O: Entity>(users: impl Repository<U>, orders: impl Repository<O>) -> Repositories {
/// // `users` implements `Repository<User>`, `orders` implements `Repository<Order>`.
/// Repositories::new().with(users).with(orders)
/// # }
/// ```
#[derive(Clone, Default)]
pub struct Repositories {
    pub(crate) all: Arc<Vec<Arc<dyn ErasedRepository>>>,
}

impl Repositories {
    /// Creates a provider without repositories.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the repository of an entity. It replaces an earlier repository of the same entity.
    #[must_use]
    pub fn with<T: Entity>(mut self, repository: impl Repository<T>) -> Self {
        let added: Arc<dyn ErasedRepository> = Arc::new(TypedRepository::<T, _>::new(repository));
        let all = Arc::make_mut(&mut self.all);
        all.retain(|known| known.entity() != added.entity());
        all.push(added);
        self
    }

    /// Finds the repository of an entity and checks its maintained fields.
    pub(crate) fn find(&self, entity: &EntityCodec) -> Result<&Arc<dyn ErasedRepository>> {
        let found = self.all.iter().find(|known| known.entity() == entity.descriptor().type_id());
        let repository = found.ok_or_else(|| {
            let name = entity.name();
            Error::new(
                ErrorKind::NotFound,
                format!("this provider has no repository of `{name}`; add one with `Repositories::with`"),
            )
        })?;
        repository.require_known_fields(entity)?;
        Ok(repository)
    }
}

impl fmt::Debug for Repositories {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.all.iter().map(|repository| repository.name())).finish()
    }
}

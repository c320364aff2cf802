//! The declared entities and scopes, collected by the linker or registered manually.

use std::collections::{BTreeMap, BTreeSet};

use koan_backup_entity::__private::{ENTITIES, SCOPES};

use crate::entity::{EntityDescriptor, ScopeDeclaration, crate_of};
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::foundation::names::suggestion;

/// The entities and scopes before policies are resolved.
#[derive(Clone, Debug, Default)]
pub(crate) struct Registry {
    entities: Vec<&'static EntityDescriptor>,
    scopes: Vec<&'static ScopeDeclaration>,
}

impl Registry {
    /// Returns the registry of all entities and scopes that were linked into this binary.
    pub(crate) fn linked() -> Self {
        Self { entities: ENTITIES.to_vec(), scopes: SCOPES.to_vec() }
    }

    /// Returns an empty registry.
    pub(crate) fn empty() -> Self {
        Self::default()
    }

    /// Adds an entity manually. An entity that is already registered is not added again.
    pub(crate) fn register(&mut self, descriptor: &'static EntityDescriptor) {
        if !self.entities.iter().any(|known| known.type_id() == descriptor.type_id()) {
            self.entities.push(descriptor);
        }
    }

    /// Adds a scope manually.
    pub(crate) fn register_scope(&mut self, scope: &'static ScopeDeclaration) {
        if !self.scopes.contains(&scope) {
            self.scopes.push(scope);
        }
    }

    /// Returns the entities sorted by name. The names and aliases are unique.
    ///
    /// # Errors
    /// There is no entity, or two types share a name.
    pub(crate) fn entities(&self) -> Result<Vec<&'static EntityDescriptor>> {
        if self.entities.is_empty() {
            return Err(Error::new(
                ErrorKind::Inventory,
                "no entity is known: the crate that declares them was not linked; link it with \
                 `koan_backup::link!(your_models_crate)`, or register each entity with \
                 `Koan::builder().register::<T>()`",
            ));
        }
        let mut by_name = BTreeMap::new();
        for &entity in &self.entities {
            for name in std::iter::once(entity.name()).chain(entity.aliases().iter().copied()) {
                if let Some(other) = by_name.insert(name, entity) {
                    return Err(duplicate_name_error(name, other, entity));
                }
            }
        }
        let mut entities = self.entities.clone();
        entities.sort_by_key(|entity| entity.name());
        Ok(entities)
    }

    /// Checks that each of these crates has an entity. Hyphens and underscores in names are equal.
    ///
    /// # Errors
    /// A crate has no entity.
    pub(crate) fn require_crates(&self, expected: &[String]) -> Result<()> {
        let known: BTreeSet<_> = self.entities.iter().map(|entity| entity.crate_name()).collect();
        let missing = expected.iter().map(|name| (name, name.replace('-', "_")));
        let missing: Vec<_> = missing
            .filter(|(_, path)| !known.contains(path.as_str()))
            .map(|(name, path)| {
                format!(
                    "crate `{name}` was expected and has no entity in this program: link it with \
                     `koan_backup::link!({path})`, or correct its name in `expect_crates`; {}",
                    suggestion(&path, known.iter().copied())
                )
            })
            .collect();
        if missing.is_empty() { Ok(()) } else { Err(Error::new(ErrorKind::Inventory, missing.join("; "))) }
    }

    /// Returns the scope of each crate.
    ///
    /// # Errors
    /// A crate has two scopes.
    pub(crate) fn scopes(&self) -> Result<BTreeMap<&'static str, &'static ScopeDeclaration>> {
        let mut by_crate: BTreeMap<_, &'static ScopeDeclaration> = BTreeMap::new();
        for &scope in &self.scopes {
            let name = crate_of(scope.module_path);
            if let Some(other) = by_crate.insert(name, scope) {
                return Err(Error::new(
                    ErrorKind::Inventory,
                    format!(
                        "crate `{name}` has two backup scopes, at {}:{} and {}:{}; a scope covers its \
                         complete crate, so remove one of them",
                        other.file, other.line, scope.file, scope.line
                    ),
                ));
            }
        }
        Ok(by_crate)
    }
}

fn duplicate_name_error(name: &str, one: &EntityDescriptor, other: &EntityDescriptor) -> Error {
    let mut descriptions = [
        format!("`{}` at {}", one.type_path(), one.location()),
        format!("`{}` at {}", other.type_path(), other.location()),
    ];
    descriptions.sort();
    Error::new(
        ErrorKind::Inventory,
        format!(
            "two entities have the name `{name}`: {} and {}; rename one of them with `#[entity(name = \
             \"…\")]`",
            descriptions[0], descriptions[1]
        ),
    )
}

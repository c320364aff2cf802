//! The declared entities, event streams and scopes, collected by the linker or registered manually.

mod unique_names;

use std::collections::{BTreeMap, BTreeSet};
use std::panic::Location;

use koan_backup_entity::__private::{ENTITIES, SCOPES, STREAMS};

use super::object_name;
use super::raw_stream::RawStream;
use crate::entity::stream::{StreamDescriptor, StreamPart};
use crate::entity::{EntityDescriptor, ScopeDeclaration, crate_of};
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::foundation::names::suggestion;

/// The entities, event streams and scopes before policies are resolved.
#[derive(Clone, Debug, Default)]
pub(crate) struct Registry {
    entities: Vec<&'static EntityDescriptor>,
    streams: Vec<&'static StreamDescriptor>,
    scopes: Vec<&'static ScopeDeclaration>,
}

/// The declared types, each list sorted by name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Declared {
    pub(crate) entities: Vec<&'static EntityDescriptor>,
    pub(crate) streams: Vec<&'static StreamDescriptor>,
}

impl Registry {
    /// Returns the registry of everything that was linked into this binary.
    pub(crate) fn linked() -> Self {
        Self { entities: ENTITIES.to_vec(), streams: STREAMS.to_vec(), scopes: SCOPES.to_vec() }
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

    /// Adds event streams manually. An event type that is already registered is not added again.
    pub(crate) fn register_stream(&mut self, descriptor: &'static StreamDescriptor) {
        let type_of = |streams: &StreamDescriptor| streams.part(StreamPart::Events).type_id();
        if !self.streams.iter().any(|known| type_of(known) == type_of(descriptor)) {
            self.streams.push(descriptor);
        }
    }

    /// Adds event streams without an event type. A declaration that is already registered is not added again.
    pub(crate) fn register_raw(&mut self, streams: RawStream, location: &'static Location<'static>) {
        let descriptor = streams.descriptor(location);
        if !self.streams.iter().any(|known| std::ptr::eq(*known, descriptor)) {
            self.streams.push(descriptor);
        }
    }

    /// Adds a scope manually.
    pub(crate) fn register_scope(&mut self, scope: &'static ScopeDeclaration) {
        if !self.scopes.contains(&scope) {
            self.scopes.push(scope);
        }
    }

    /// Returns the declared types. Their names and aliases are unique.
    ///
    /// # Errors
    /// Nothing is declared, an object name is invalid, or two declarations share a name.
    pub(crate) fn declared(&self) -> Result<Declared> {
        if self.entities.is_empty() && self.streams.is_empty() {
            return Err(Error::new(
                ErrorKind::Inventory,
                "no entity is known: the crate that declares them was not linked; link it with \
                 `koan_backup::link!(your_models_crate)`, or register each entity with \
                 `Koan::builder().register::<T>()`",
            ));
        }
        for streams in &self.streams {
            object_name::check(streams.object(), &streams.part(StreamPart::Events).location())?;
        }
        unique_names::check(&self.entities, &self.streams)?;
        let (mut entities, mut streams) = (self.entities.clone(), self.streams.clone());
        entities.sort_by_key(|entity| entity.name());
        streams.sort_by_key(|streams| streams.object());
        Ok(Declared { entities, streams })
    }

    /// Checks that each of these crates declares an entity or an event type. Hyphens and underscores in names are equal.
    ///
    /// # Errors
    /// A crate declares neither.
    pub(crate) fn require_crates(&self, expected: &[String]) -> Result<()> {
        let of_entities = self.entities.iter().map(|entity| entity.crate_name());
        let typed = self.streams.iter().filter(|streams| !streams.is_raw());
        let of_streams = typed.map(|streams| streams.part(StreamPart::Events).crate_name());
        let known: BTreeSet<_> = of_entities.chain(of_streams).collect();
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

//! The selection of entities and sets for a backup or restore.

use std::any::TypeId;
use std::fmt;
use std::sync::Arc;

use crate::entity::EntityDescriptor;
use crate::foundation::id::SetName;

type Predicate = Arc<dyn Fn(&EntityDescriptor) -> bool + Send + Sync>;

/// Which entities and sets are backed up or restored: everything covered, unless restricted. All restrictions
/// apply together.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct Selection {
    /// Only these types.
    pub types: Vec<TypeId>,
    /// Only entities with these names.
    pub names: Vec<String>,
    /// Without the entities with these names.
    pub excluded_names: Vec<String>,
    /// Only entities of these providers, each given by its name or its kind, such as `postgres`.
    pub providers: Vec<String>,
    /// Without the entities of these providers, each given by its name or its kind.
    pub excluded_providers: Vec<String>,
    /// Only these sets.
    pub sets: Vec<SetName>,
    /// Only entities for which this function returns `true`.
    pub predicate: Option<Predicate>,
}

impl Selection {
    /// Returns whether an entity is selected by type or name. All are if none is named.
    pub(crate) fn names_entity(&self, descriptor: &EntityDescriptor) -> bool {
        let named = |names: &[String]| {
            names
                .iter()
                .any(|name| name == descriptor.name() || descriptor.aliases().contains(&name.as_str()))
        };
        let chosen = (self.types.is_empty() && self.names.is_empty())
            || self.types.contains(&descriptor.type_id())
            || named(&self.names);
        chosen && !named(&self.excluded_names)
    }

    /// Returns whether entities are selected individually, so that each of them must exist.
    pub(crate) fn is_explicit(&self) -> bool {
        !self.types.is_empty() || !self.names.is_empty()
    }

    /// Returns whether an entity in the provider with this name and kind is selected.
    pub(crate) fn selects(&self, descriptor: &EntityDescriptor, provider: &str, kind: &str) -> bool {
        let matches = |filter: &String| filter == provider || filter == kind;
        self.names_entity(descriptor)
            && (self.providers.is_empty() || self.providers.iter().any(matches))
            && !self.excluded_providers.iter().any(matches)
            && self.predicate.as_ref().is_none_or(|predicate| predicate(descriptor))
    }

    /// Returns whether a set is selected.
    pub(crate) fn selects_set(&self, set: &SetName) -> bool {
        self.sets.is_empty() || self.sets.contains(set)
    }
}

impl fmt::Debug for Selection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Selection")
            .field("types", &self.types.len())
            .field("names", &self.names)
            .field("excluded_names", &self.excluded_names)
            .field("providers", &self.providers)
            .field("excluded_providers", &self.excluded_providers)
            .field("sets", &self.sets)
            .field("predicate", &self.predicate.is_some())
            .finish()
    }
}

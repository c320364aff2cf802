//! The selection of entities and sets for a backup or restore.

use std::fmt;
use std::sync::Arc;

use crate::entity::EntityDescriptor;
use crate::foundation::id::SetName;

type Predicate = Arc<dyn Fn(&EntityDescriptor) -> bool + Send + Sync>;

/// The entities and sets that are backed up or restored. By default, all covered entities and all sets are
/// selected. An entity must meet all conditions.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct Selection {
    /// Selects only these types, each by its descriptor.
    pub types: Vec<&'static EntityDescriptor>,
    /// Selects only entities with these names.
    pub names: Vec<String>,
    /// Excludes the entities with these names.
    pub excluded_names: Vec<String>,
    /// Selects only entities of these providers, each given by its name or its kind, such as `postgres`.
    pub providers: Vec<String>,
    /// Excludes the entities of these providers, each given by its name or its kind.
    pub excluded_providers: Vec<String>,
    /// Selects only these sets.
    pub sets: Vec<SetName>,
    /// Selects only entities for which this function returns `true`.
    pub predicate: Option<Predicate>,
}

impl Selection {
    /// Returns whether an entity is selected by type or name. If no type and no name is given, all are
    /// selected.
    pub(crate) fn selects_by_name(&self, descriptor: &EntityDescriptor) -> bool {
        // The object name selects all parts of event streams.
        let is_listed = |names: &[String]| {
            names.iter().any(|name| {
                name == descriptor.name()
                    || descriptor.aliases().contains(&name.as_str())
                    || descriptor.stream_object() == Some(name)
            })
        };
        let is_selected = (self.types.is_empty() && self.names.is_empty())
            || self.types.iter().any(|selected| selected.type_id() == descriptor.type_id())
            || is_listed(&self.names);
        is_selected && !is_listed(&self.excluded_names)
    }

    /// Returns whether entities are selected individually, so that each of them must exist.
    pub(crate) fn is_explicit(&self) -> bool {
        !self.types.is_empty() || !self.names.is_empty()
    }

    /// Returns whether something is selected. Exclusions alone select nothing.
    pub(crate) fn selects_something(&self) -> bool {
        self.is_explicit() || !self.providers.is_empty() || !self.sets.is_empty() || self.predicate.is_some()
    }

    /// Returns whether an entity in the provider with this name and kind is selected.
    pub(crate) fn selects(&self, descriptor: &EntityDescriptor, provider: &str, kind: &str) -> bool {
        let matches = |filter: &String| filter == provider || filter == kind;
        self.selects_by_name(descriptor)
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

//! What to back up, and how.

use std::any::TypeId;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::archive::Compression;
use crate::entity::EntityDescriptor;
use crate::error::{Error, ErrorKind, Result};
use crate::event::Listener;
use crate::id::SetName;

/// How a backup is made.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct BackupOptions {
    /// What a person wants to know about it later.
    pub description: Option<String>,
    /// Words to find it by.
    pub tags: Vec<String>,
    /// Whatever should be kept with it.
    pub metadata: BTreeMap<String, String>,
    /// What is backed up.
    pub selection: Selection,
    /// Where the archive goes; the default profile if none is named.
    pub profile: Option<String>,
    /// How records are compressed.
    pub compression: Compression,
    /// Whether entities that can be read are still backed up when one cannot. The backup's status is `failed` then.
    pub continue_on_error: bool,
    /// Entities read at once, where a provider can.
    pub max_concurrency: usize,
    /// Rows between two checks for cancellation and two progress events.
    pub batch_size: usize,
    /// Cancels the backup: nothing is published.
    pub cancel: CancellationToken,
    /// Is told what happens.
    pub listener: Listener,
}

impl Default for BackupOptions {
    fn default() -> Self {
        Self {
            description: None,
            tags: Vec::new(),
            metadata: BTreeMap::new(),
            selection: Selection::default(),
            profile: None,
            compression: Compression::default(),
            continue_on_error: false,
            max_concurrency: 4,
            batch_size: 1000,
            cancel: CancellationToken::new(),
            listener: Listener::default(),
        }
    }
}

impl BackupOptions {
    pub(super) fn validate(&self) -> Result<()> {
        let problem = if self.batch_size == 0 {
            Some("batch_size must be at least 1")
        } else if self.max_concurrency == 0 {
            Some("max_concurrency must be at least 1")
        } else {
            None
        };
        problem.map_or(Ok(()), |problem| Err(Error::new(ErrorKind::Configuration, problem)))
    }
}

type Predicate = Arc<dyn Fn(&EntityDescriptor) -> bool + Send + Sync>;

/// What is backed up or restored: everything covered, unless narrowed. Each narrowing applies.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct Selection {
    /// Only these types.
    pub types: Vec<TypeId>,
    /// Only entities of these names.
    pub names: Vec<String>,
    /// Not the entities of these names.
    pub excluded_names: Vec<String>,
    /// Only entities in these providers.
    pub providers: Vec<String>,
    /// Only these sets.
    pub sets: Vec<SetName>,
    /// Only entities for which this holds.
    pub predicate: Option<Predicate>,
}

impl Selection {
    /// Whether an entity is named, by type or name; nothing named means all.
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

    /// Whether entities are named one by one, so that each of them must be there.
    pub(crate) fn is_explicit(&self) -> bool {
        !self.types.is_empty() || !self.names.is_empty()
    }

    /// Whether an entity in a provider is selected.
    pub(crate) fn selects(&self, descriptor: &EntityDescriptor, provider: &str) -> bool {
        self.names_entity(descriptor)
            && (self.providers.is_empty() || self.providers.iter().any(|name| name == provider))
            && self.predicate.as_ref().is_none_or(|predicate| predicate(descriptor))
    }

    /// Whether a set is selected.
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
            .field("sets", &self.sets)
            .field("predicate", &self.predicate.is_some())
            .finish()
    }
}

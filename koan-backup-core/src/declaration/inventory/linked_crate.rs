//! The crates of the entities of the inventory.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Serialize;

/// A crate that declares entities of this program, with the number of its entities.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct LinkedCrate {
    /// The name of the crate, as it appears in paths, for example `shop_models`.
    pub name: String,
    /// The number of entities that the crate declares: the sum of the next three counts.
    pub entity_count: usize,
    /// The number of included entities.
    pub included_count: usize,
    /// The number of excluded entities.
    pub excluded_count: usize,
    /// The number of uncovered entities.
    pub uncovered_count: usize,
    /// Whether the crate has a scope.
    pub has_scope: bool,
}

/// What the inventory contains for an entity.
#[derive(Clone, Copy, Debug)]
pub(super) enum Coverage {
    Included,
    Excluded,
    Uncovered,
}

/// Counts the entities of each crate. Returns the crates, sorted by name.
pub(super) fn count<'a>(
    entities: impl Iterator<Item = (&'a str, Coverage)>,
    scopes: &BTreeSet<&str>,
) -> Vec<LinkedCrate> {
    let mut crates = BTreeMap::new();
    for (name, coverage) in entities {
        let linked = crates.entry(name).or_insert_with(|| LinkedCrate {
            name: name.to_owned(),
            entity_count: 0,
            included_count: 0,
            excluded_count: 0,
            uncovered_count: 0,
            has_scope: scopes.contains(name),
        });
        linked.entity_count += 1;
        *match coverage {
            Coverage::Included => &mut linked.included_count,
            Coverage::Excluded => &mut linked.excluded_count,
            Coverage::Uncovered => &mut linked.uncovered_count,
        } += 1;
    }
    crates.into_values().collect()
}

impl fmt::Display for LinkedCrate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entities = if self.entity_count == 1 { "entity" } else { "entities" };
        let scope = if self.has_scope { "" } else { ", no scope" };
        write!(f, "{} ({} {entities}{scope})", self.name, self.entity_count)
    }
}

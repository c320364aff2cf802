//! The crates of the entities of the inventory.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Serialize;

use super::entity::DeclarationKind;

/// A crate that declares entities or event types of this program, with their number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct LinkedCrate {
    /// The name of the crate, as it appears in paths, for example `shop_models`.
    pub name: String,
    /// The number of entities and event types that the crate declares: the sum of the next three counts.
    pub entity_count: usize,
    /// The number of included ones.
    pub included_count: usize,
    /// The number of excluded ones.
    pub excluded_count: usize,
    /// The number of uncovered ones.
    pub uncovered_count: usize,
    /// How many of all are event types. In JSON, it is omitted if there is none.
    #[serde(skip_serializing_if = "is_zero")]
    pub stream_count: usize,
    /// Whether the crate has a scope.
    pub has_scope: bool,
}

/// What the inventory contains for an entity or an event type.
#[derive(Clone, Copy, Debug)]
pub(super) enum Coverage {
    Included,
    Excluded,
    Uncovered,
}

/// Counts the entities and event types of each crate. Returns the crates, sorted by name.
pub(super) fn count<'a>(
    declared: impl Iterator<Item = (&'a str, DeclarationKind, Coverage)>,
    scopes: &BTreeSet<&str>,
) -> Vec<LinkedCrate> {
    let mut crates = BTreeMap::new();
    for (name, kind, coverage) in declared {
        let linked = crates.entry(name).or_insert_with(|| LinkedCrate {
            name: name.to_owned(),
            entity_count: 0,
            included_count: 0,
            excluded_count: 0,
            uncovered_count: 0,
            stream_count: 0,
            has_scope: scopes.contains(name),
        });
        linked.entity_count += 1;
        linked.stream_count += usize::from(kind == DeclarationKind::EventStream);
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
        let streams = match self.stream_count {
            0 => None,
            1 => Some("1 event stream".to_owned()),
            count => Some(format!("{count} event streams")),
        };
        let entities = match self.entity_count - self.stream_count {
            0 if streams.is_some() => None,
            1 => Some("1 entity".to_owned()),
            count => Some(format!("{count} entities")),
        };
        let scope = (!self.has_scope).then(|| "no scope".to_owned());
        let parts: Vec<_> = [entities, streams, scope].into_iter().flatten().collect();
        write!(f, "{} ({})", self.name, parts.join(", "))
    }
}

/// Returns whether a count is omitted in JSON.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(count: &usize) -> bool {
    *count == 0
}

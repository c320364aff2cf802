//! The remedies for gaps in the coverage.

use super::linked_crate::LinkedCrate;
use crate::foundation::names::names;

/// The remedy for a kind of gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Remedy {
    /// For an entity without a policy.
    Policy,
    /// For an entity without a policy whose crate has no scope.
    Scope,
    /// For an entity that cannot be backed up.
    Entity,
    /// For a table that no entity maps to.
    Table,
    /// For a column that no field maps to.
    Column,
    /// For a field without a column.
    Field,
    /// For an object name that no declaration has.
    EventStream,
    /// For a warning whose own text contains the remedy.
    InWarning,
}

impl Remedy {
    /// Returns the text, which names the crates to which it applies.
    pub(super) fn text(self, crates: &[LinkedCrate]) -> Option<String> {
        let text = match self {
            Self::Policy => {
                "add `#[entity_backup]`, or `#[entity_backup(enabled = false, reason = \"…\")]`".to_owned()
            }
            Self::Scope => scope_text(crates),
            Self::Entity => "apply the remedy of each entity that cannot be backed up".to_owned(),
            Self::Table => format!(
                "for each table, declare an entity, link the crate that declares it with \
                 `koan_backup::link!(that_crate)` (the linked crates are {}), or list the table with a reason \
                 in `ignore_table` of its provider",
                names(crates.iter().map(|linked| &linked.name))
            ),
            Self::Column => "for each column, add a field, or exclude its entity".to_owned(),
            Self::Field => "for each field without a column, add the column, or #[serde(skip)]".to_owned(),
            Self::EventStream => "for each object name, declare its event type with `#[derive(EventStream)]` and \
                                  `#[event_stream(object = \"…\")]`, link the crate that declares it with \
                                  `koan_backup::link!(that_crate)`, or register it without a type with \
                                  `.register_raw(\"…\")`; `RawStream::new(\"…\").exclude(\"…\")` excludes it with a \
                                  reason"
                .to_owned(),
            Self::InWarning => return None,
        };
        Some(text)
    }
}

/// Returns the remedy for a forgotten scope. The binary and the library of a package can have the same crate
/// name, and then a scope is also missing if the library that declares it is not linked.
fn scope_text(crates: &[LinkedCrate]) -> String {
    let without_scope: Vec<_> =
        crates.iter().filter(|linked| !linked.has_scope && linked.uncovered_count > 0).collect();
    let listed = names(without_scope.iter().map(|linked| &linked.name));
    let (each, them) = match without_scope.as_slice() {
        [_] => ("in crate", "it"),
        _ => ("in each of the crates", "them"),
    };
    let links: Vec<_> = without_scope.iter().map(|linked| linked.name.as_str()).collect();
    format!(
        "declare a scope {each} {listed}: `koan_backup::entity_backup_scope!(mode = All);`, or the same macro of \
         `koan_backup_entity`; a scope covers only \
         its own crate; if a library of this name declares one, link {them} with `koan_backup::link!({})`",
        links.join(", ")
    )
}

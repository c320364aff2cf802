//! The name of an entity and set.

use koan_backup_core::SetName;

/// Returns the name of an entity, with its set if that is not the default set.
pub(super) fn label(entity: &str, set: &SetName) -> String {
    if set.is_root() { entity.to_owned() } else { format!("{entity}#{set}") }
}

//! What a backup contains.

use std::collections::BTreeSet;

use koan_backup_core::archive::Manifest;

/// Returns the number of entities in a backup. An entity with several sets counts once.
pub(crate) fn entity_count(manifest: &Manifest) -> u64 {
    let names: BTreeSet<_> = manifest.entities.iter().map(|entity| entity.entity.as_str()).collect();
    u64::try_from(names.len()).unwrap_or(u64::MAX)
}

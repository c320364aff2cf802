//! Finds entities that lost most of their records from one backup of a series to the next.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::acknowledgement::Acknowledgements;
use super::size_drop::{SizeDrop, is_loss};
use crate::archive::{EntityManifest, EntityStatus, Manifest, StreamEntryPart};
use crate::foundation::id::{BackupId, SetName};
use crate::foundation::series::SeriesName;

/// The default percentage of records that an entity may lose from one backup of a series to the next.
pub(crate) const DEFAULT_LOSS_PERCENT: u8 = 50;

/// The last known number of records of an entity and set in a series.
struct LastCount {
    backup: BackupId,
    created_at: Timestamp,
    records: u64,
}

/// Returns the unacknowledged losses of more than `percent` percent of the records, oldest first. `manifests`
/// are the manifests of the completed backups of one application, in any order. `canonical` returns the
/// current name of an entity.
pub(crate) fn losses<'a>(
    manifests: impl Iterator<Item = &'a Manifest>,
    canonical: impl Fn(&str) -> String,
    percent: u8,
    acknowledged: &Acknowledgements,
) -> Vec<SizeDrop> {
    let mut manifests: Vec<_> = manifests.collect();
    manifests.sort_by_key(|manifest| (manifest.created_at, manifest.id));
    // A copy is the same backup.
    manifests.dedup_by_key(|manifest| manifest.id);
    let mut last: BTreeMap<(SeriesName, String), BTreeMap<SetName, LastCount>> = BTreeMap::new();
    let mut losses = Vec::new();
    for manifest in manifests {
        let series = manifest.series_name();
        let mut counts: BTreeMap<(String, SetName), u64> = BTreeMap::new();
        for entity in manifest.entities.iter().filter(|entity| is_compared(entity)) {
            *counts.entry((canonical(&entity.entity), entity.set.clone())).or_default() += entity.item_count;
        }
        // If the backup does not contain an entity at all, the entity was not selected, which is no loss. If
        // the backup contains other sets of the entity, a missing set is a loss.
        let entities: BTreeSet<_> = counts.keys().map(|(entity, _)| entity.clone()).collect();
        for entity in entities {
            let sets = last.entry((series.clone(), entity.clone())).or_default();
            for (set, before) in &*sets {
                let after = counts.get(&(entity.clone(), set.clone())).copied().unwrap_or_default();
                let loss = SizeDrop {
                    entity: entity.clone(),
                    set: set.clone(),
                    series: series.clone(),
                    backup: manifest.id,
                    created_at: manifest.created_at,
                    previous: before.backup,
                    previous_created_at: before.created_at,
                    before: before.records,
                    after,
                };
                if is_loss(before.records, after, percent)
                    && !acknowledged.accepts(&loss, &manifest.producer, percent, &canonical)
                {
                    losses.push(loss);
                }
            }
            let new_last_count =
                |records: u64| LastCount { backup: manifest.id, created_at: manifest.created_at, records };
            for (_, missing_count) in
                sets.iter_mut().filter(|(set, _)| !counts.contains_key(&(entity.clone(), (*set).clone())))
            {
                *missing_count = new_last_count(0);
            }
            for ((_, set), records) in counts.iter().filter(|((name, _), _)| *name == entity) {
                sets.insert(set.clone(), new_last_count(*records));
            }
        }
    }
    losses
}

/// Returns whether the number of records matters. Snapshots of event streams can be computed from the events, so an
/// application may remove them.
fn is_compared(entity: &EntityManifest) -> bool {
    let is_derived = entity.stream.as_ref().is_some_and(|stream| stream.part == StreamEntryPart::Snapshots);
    entity.status == EntityStatus::Completed && !is_derived
}

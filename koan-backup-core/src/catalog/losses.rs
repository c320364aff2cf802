//! Entities that lost most of their records from one backup of a series to the next.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::Serialize;

use super::acknowledgement::Acknowledgements;
use crate::archive::{EntityStatus, Manifest};
use crate::foundation::id::{BackupId, SetName};
use crate::foundation::series::SeriesName;

/// An entity that loses more than so many of a hundred records has lost most of them.
pub(crate) const MOST_PERCENT: u8 = 50;

/// An entity with fewer records than in the backup before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct SizeDrop {
    /// Its name.
    pub entity: String,
    /// The set.
    pub set: SetName,
    /// The series of the two backups.
    pub series: SeriesName,
    /// The newer backup.
    pub backup: BackupId,
    /// When the newer backup began.
    pub created_at: Timestamp,
    /// The backup before.
    pub previous: BackupId,
    /// When the backup before began.
    pub previous_created_at: Timestamp,
    /// Records in the one before.
    pub before: u64,
    /// Records in the newer one.
    pub after: u64,
}

/// An entity in the newest backup of its series that was looked at.
struct Last {
    backup: BackupId,
    created_at: Timestamp,
    records: u64,
}

/// Whether more than so many of a hundred records are gone.
pub(super) fn is_most(before: u64, after: u64, percent: u8) -> bool {
    u128::from(after) * 100 < u128::from(before) * u128::from(100 - percent.min(100))
}

/// The losses of more than so many of a hundred records that nobody has acknowledged, oldest first. The manifests are those of the
/// completed backups of one application, in any order; `canonical` gives the present name of an entity.
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
    let mut last: BTreeMap<(SeriesName, String), BTreeMap<SetName, Last>> = BTreeMap::new();
    let mut losses = Vec::new();
    for manifest in manifests {
        let series = manifest.series_name();
        let mut counts: BTreeMap<(String, SetName), u64> = BTreeMap::new();
        for entity in manifest.entities.iter().filter(|entity| entity.status == EntityStatus::Completed) {
            *counts.entry((canonical(&entity.entity), entity.set.clone())).or_default() += entity.item_count;
        }
        // An entity that was not asked for has not shrunk; a set that is gone has.
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
                if is_most(before.records, after, percent)
                    && !acknowledged.cover(&loss, &manifest.producer, percent, &canonical)
                {
                    losses.push(loss);
                }
            }
            let here = |records: u64| Last { backup: manifest.id, created_at: manifest.created_at, records };
            for (_, gone) in
                sets.iter_mut().filter(|(set, _)| !counts.contains_key(&(entity.clone(), (*set).clone())))
            {
                *gone = here(0);
            }
            for ((_, set), records) in counts.iter().filter(|((name, _), _)| *name == entity) {
                sets.insert(set.clone(), here(*records));
            }
        }
    }
    losses
}

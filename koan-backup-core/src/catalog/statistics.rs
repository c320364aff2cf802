//! Counts and sizes over all backups.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;

use super::entry::CatalogEntry;
use crate::archive::EntityStatus;

/// Counts and sizes over the backups of an application.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct CatalogStatistics {
    /// All backups.
    pub backups: usize,
    /// Those in which everything asked for is.
    pub complete: usize,
    /// The others.
    pub failed: usize,
    /// Bytes of all archives.
    pub size_bytes: u64,
    /// When the oldest and the newest began.
    pub oldest: Option<Timestamp>,
    /// When the newest began.
    pub newest: Option<Timestamp>,
    /// By the names of entities.
    pub by_entity: BTreeMap<String, EntityStatistic>,
    /// By series.
    pub by_series: BTreeMap<String, SeriesStatistic>,
    /// By the names of storage profiles.
    pub by_profile: BTreeMap<String, ProfileStatistic>,
    /// By months in UTC, oldest first: `2026-11`.
    pub growth: Vec<Growth>,
}

/// One entity over all backups.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct EntityStatistic {
    /// Backups that hold it.
    pub backups: usize,
    /// When the newest of them began.
    pub newest: Option<Timestamp>,
    /// Records in the newest, of all sets.
    pub records: u64,
    /// Bytes of its lines in all archives, compressed.
    pub compressed_bytes: u64,
}

/// One series of backups.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct SeriesStatistic {
    /// Backups in it.
    pub backups: usize,
    /// Those in which everything asked for is.
    pub complete: usize,
    /// Bytes of their archives.
    pub size_bytes: u64,
    /// When the newest of them began.
    pub newest: Option<Timestamp>,
    /// When the newest began in which everything asked for is.
    pub newest_complete: Option<Timestamp>,
}

/// One storage profile.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ProfileStatistic {
    /// Backups in it.
    pub backups: usize,
    /// Bytes of their archives.
    pub size_bytes: u64,
}

/// What came in one month and is still there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Growth {
    /// The month.
    pub month: String,
    /// Backups that began in it.
    pub backups: usize,
    /// Bytes of their archives.
    pub size_bytes: u64,
}

/// The statistics of these backups.
pub(crate) fn statistics(entries: &[CatalogEntry]) -> CatalogStatistics {
    let mut all = CatalogStatistics { backups: entries.len(), ..CatalogStatistics::default() };
    let mut growth: BTreeMap<String, Growth> = BTreeMap::new();
    for entry in entries {
        let (manifest, size) = (entry.manifest(), entry.size_bytes());
        let at = manifest.created_at;
        if manifest.status.is_complete() {
            all.complete += 1
        } else {
            all.failed += 1
        }
        all.size_bytes += size;
        all.oldest = Some(all.oldest.map_or(at, |oldest| oldest.min(at)));
        all.newest = Some(all.newest.map_or(at, |newest| newest.max(at)));
        let series = all.by_series.entry(manifest.series_name().to_string()).or_default();
        series.backups += 1;
        series.size_bytes += size;
        series.newest = series.newest.max(Some(at));
        if manifest.status.is_complete() {
            series.complete += 1;
            series.newest_complete = series.newest_complete.max(Some(at));
        }
        let profile = all.by_profile.entry(entry.profile().to_owned()).or_default();
        profile.backups += 1;
        profile.size_bytes += size;
        let month = at.to_zoned(TimeZone::UTC).strftime("%Y-%m").to_string();
        let grown = growth.entry(month.clone()).or_insert_with(|| Growth { month, ..Growth::default() });
        grown.backups += 1;
        grown.size_bytes += size;
        let mut seen: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
        for entity in manifest.entities.iter().filter(|entity| entity.status == EntityStatus::Completed) {
            let (records, bytes) = seen.entry(&entity.entity).or_default();
            *records += entity.item_count;
            *bytes += entity.compressed_bytes;
        }
        for (name, (records, bytes)) in seen {
            let entity = all.by_entity.entry(name.to_owned()).or_default();
            entity.backups += 1;
            entity.compressed_bytes += bytes;
            if entity.newest.is_none_or(|newest| newest < at) {
                (entity.newest, entity.records) = (Some(at), records);
            }
        }
    }
    all.growth = growth.into_values().collect();
    all
}

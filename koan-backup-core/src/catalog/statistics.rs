//! Statistics of the catalog.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;

use super::entry::CatalogEntry;
use super::stream_backups::StreamBackupHealth;
use crate::archive::EntityStatus;

/// Counts and sizes of the backups of an application.
///
/// ```
/// # koan_backup_shop::run(async |koan| {
/// let statistics = koan.catalog().statistics().await?;
/// println!("{} backups, {} bytes", statistics.backups, statistics.size_bytes);
/// assert_eq!(statistics.by_series["nightly"].complete, 2);
/// # Ok(())
/// # });
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct CatalogStatistics {
    /// The number of backups.
    pub backups: usize,
    /// The number of completed backups.
    pub complete: usize,
    /// The number of backups that are not completed: failed or cancelled.
    pub failed: usize,
    /// The total size of the archives.
    pub size_bytes: u64,
    /// When the oldest backup started.
    pub oldest: Option<Timestamp>,
    /// When the newest backup started.
    pub newest: Option<Timestamp>,
    /// Statistics by entity name.
    pub by_entity: BTreeMap<String, EntityStatistic>,
    /// Statistics by series.
    pub by_series: BTreeMap<String, SeriesStatistic>,
    /// Statistics by the name of the storage profile.
    pub by_profile: BTreeMap<String, ProfileStatistic>,
    /// The existing backups by the month (in UTC) in which they started, oldest first.
    pub growth: Vec<Growth>,
    /// The single backups of event streams.
    pub stream_backups: StreamBackupStatistic,
}

/// The statistics of the single backups of event streams.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct StreamBackupStatistic {
    /// The number of backups.
    pub backups: u64,
    /// The total size of their contents.
    pub size_bytes: u64,
    /// When the newest backup was made.
    pub newest: Option<Timestamp>,
    /// The number of backups that have expired and still exist.
    pub expired: u64,
    /// The number of backups with known damage.
    pub damaged: u64,
}

impl StreamBackupStatistic {
    /// Creates the statistics from the health of the backups.
    pub(crate) fn of(health: &StreamBackupHealth) -> Self {
        Self {
            backups: health.backups,
            size_bytes: health.size_bytes,
            newest: health.newest,
            expired: health.expired,
            damaged: u64::try_from(health.damaged.len()).unwrap_or(u64::MAX),
        }
    }
}

/// The statistics of one entity in all backups.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct EntityStatistic {
    /// The number of backups that contain the entity.
    pub backups: usize,
    /// When the newest of these backups started.
    pub newest: Option<Timestamp>,
    /// The number of records in the newest of these backups, in all sets.
    pub records: u64,
    /// The compressed bytes of the records of the entity in all archives.
    pub compressed_bytes: u64,
}

/// The statistics of one series of backups.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct SeriesStatistic {
    /// The number of backups of the series.
    pub backups: usize,
    /// The number of completed backups of the series.
    pub complete: usize,
    /// The total size of the archives of the series.
    pub size_bytes: u64,
    /// When the newest backup of the series started.
    pub newest: Option<Timestamp>,
    /// When the newest completed backup of the series started.
    pub newest_complete: Option<Timestamp>,
}

/// The statistics of one storage profile.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ProfileStatistic {
    /// The number of backups in the profile.
    pub backups: usize,
    /// The total size of the archives in the profile.
    pub size_bytes: u64,
}

/// The backups of one month that still exist.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Growth {
    /// The month, for example `2026-11`.
    pub month: String,
    /// The number of backups that started in this month.
    pub backups: usize,
    /// The total size of the archives of these backups.
    pub size_bytes: u64,
}

/// Computes the statistics of these backups.
pub(crate) fn statistics(entries: &[CatalogEntry]) -> CatalogStatistics {
    let mut totals = CatalogStatistics { backups: entries.len(), ..CatalogStatistics::default() };
    let mut growth: BTreeMap<String, Growth> = BTreeMap::new();
    for entry in entries {
        let (manifest, size) = (entry.manifest(), entry.size_bytes());
        let at = manifest.created_at;
        if manifest.status.is_complete() {
            totals.complete += 1
        } else {
            totals.failed += 1
        }
        totals.size_bytes += size;
        totals.oldest = Some(totals.oldest.map_or(at, |oldest| oldest.min(at)));
        totals.newest = Some(totals.newest.map_or(at, |newest| newest.max(at)));
        let series = totals.by_series.entry(manifest.series_name().to_string()).or_default();
        series.backups += 1;
        series.size_bytes += size;
        series.newest = series.newest.max(Some(at));
        if manifest.status.is_complete() {
            series.complete += 1;
            series.newest_complete = series.newest_complete.max(Some(at));
        }
        let profile = totals.by_profile.entry(entry.profile().to_owned()).or_default();
        profile.backups += 1;
        profile.size_bytes += size;
        let month = at.to_zoned(TimeZone::UTC).strftime("%Y-%m").to_string();
        let month_growth =
            growth.entry(month.clone()).or_insert_with(|| Growth { month, ..Growth::default() });
        month_growth.backups += 1;
        month_growth.size_bytes += size;
        let mut counts: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
        for entity in manifest.entities.iter().filter(|entity| entity.status == EntityStatus::Completed) {
            let (records, bytes) = counts.entry(&entity.entity).or_default();
            *records += entity.item_count;
            *bytes += entity.compressed_bytes;
        }
        for (name, (records, bytes)) in counts {
            let entity = totals.by_entity.entry(name.to_owned()).or_default();
            entity.backups += 1;
            entity.compressed_bytes += bytes;
            if entity.newest.is_none_or(|newest| newest < at) {
                (entity.newest, entity.records) = (Some(at), records);
            }
        }
    }
    totals.growth = growth.into_values().collect();
    totals
}

//! Statistics about the backups.

use jiff::Timestamp;
use koan_backup_core::catalog::CatalogStatistics;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// Statistics about the backups of the application in all storage profiles.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StatisticsDocument {
    /// The number of backups.
    total_backups: usize,
    /// The size of their archives.
    total_size_bytes: u64,
    /// The number of backups that were completed without a warning and have no known damage.
    healthy_backups: usize,
    /// The number of backups that failed, have warnings, or have known damage.
    backups_requiring_attention: usize,
    /// When the oldest backup started.
    oldest_backup: Option<Timestamp>,
    /// When the newest backup started.
    newest_backup: Option<Timestamp>,
    /// The figures of each entity.
    #[schema(value_type = Object)]
    by_entity: Value,
    /// The figures of each series.
    #[schema(value_type = Object)]
    by_series: Value,
    /// The figures of each storage profile.
    #[schema(value_type = Object)]
    by_profile: Value,
    /// The number and size of the backups of each month.
    #[schema(value_type = Vec<Object>)]
    growth: Value,
}

impl StatisticsDocument {
    /// Combines the statistics of the catalog with the number of healthy backups.
    pub(crate) fn new(statistics: &CatalogStatistics, healthy: usize) -> Self {
        let value = |value: Result<Value, _>| value.unwrap_or_default();
        Self {
            total_backups: statistics.backups,
            total_size_bytes: statistics.size_bytes,
            healthy_backups: healthy,
            backups_requiring_attention: statistics.backups.saturating_sub(healthy),
            oldest_backup: statistics.oldest,
            newest_backup: statistics.newest,
            by_entity: value(serde_json::to_value(&statistics.by_entity)),
            by_series: value(serde_json::to_value(&statistics.by_series)),
            by_profile: value(serde_json::to_value(&statistics.by_profile)),
            growth: value(serde_json::to_value(&statistics.growth)),
        }
    }
}

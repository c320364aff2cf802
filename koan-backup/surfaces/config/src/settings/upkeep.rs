//! The settings of retention, maintenance, discovery and expectations.

use std::collections::{BTreeMap, BTreeSet};
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::time_span::TimeSpan;

/// Which backups are kept. A backup is kept if any rule (`keep_…`) keeps it; limits (`max_…`) override the rules.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RetentionSettings {
    /// Keeps this number of newest backups.
    pub(crate) keep_last: Option<NonZeroUsize>,
    /// Keeps the newest backup of each of this number of hours that have a backup.
    pub(crate) keep_hourly: Option<NonZeroUsize>,
    /// Keeps the newest backup of each of this number of days that have a backup.
    pub(crate) keep_daily: Option<NonZeroUsize>,
    /// Keeps the newest backup of each of this number of weeks that have a backup.
    pub(crate) keep_weekly: Option<NonZeroUsize>,
    /// Keeps the newest backup of each of this number of months that have a backup.
    pub(crate) keep_monthly: Option<NonZeroUsize>,
    /// Keeps the newest backup of each of this number of years that have a backup.
    pub(crate) keep_yearly: Option<NonZeroUsize>,
    /// Keeps all backups that are not older than this.
    pub(crate) keep_within: Option<TimeSpan>,
    /// Limit: removes backups that are older than this number of days.
    pub(crate) max_age_days: Option<NonZeroU32>,
    /// Limit: removes a backup if at least this number of newer backups of each of its entities are kept.
    pub(crate) max_backups_per_entity: Option<NonZeroUsize>,
    /// Tags of backups that are kept regardless of the limits.
    pub(crate) exempt_tags: Option<BTreeSet<String>>,
    /// Entities that no longer exist in the code, and whose last backup may be removed.
    pub(crate) released_entities: Option<BTreeSet<String>>,
    /// Whether backups of older versions, which record no environment, are considered as well.
    #[schemars(extend("default" = false))]
    pub(crate) include_unidentified: Option<bool>,
    /// Whether a plan may be applied in which a rule keeps no backup.
    #[schemars(extend("default" = false))]
    pub(crate) allow_idle_rules: Option<bool>,
}

/// A directory tree that maintenance prunes.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DirectorySettings {
    /// The root of the tree.
    pub(crate) root: PathBuf,
    /// Which backups of the tree maintenance and `forget --directory` keep.
    #[serde(default)]
    pub(crate) retention: RetentionSettings,
}

/// Maintenance.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct MaintenanceSettings {
    /// Whether the application runs maintenance in the background.
    #[schemars(extend("default" = false))]
    pub(crate) enabled: Option<bool>,
    /// The time between two runs.
    #[schemars(extend("default" = "1h"))]
    pub(crate) every: Option<TimeSpan>,
    /// The maximum random time by which each wait is extended.
    #[schemars(extend("default" = "0s"))]
    pub(crate) jitter: Option<TimeSpan>,
    /// Whether each run verifies one backup.
    #[schemars(extend("default" = true))]
    pub(crate) verify: Option<bool>,
    /// Whether files of crashed processes are removed.
    #[schemars(extend("default" = true))]
    pub(crate) cleanup: Option<bool>,
    /// How old a file that belongs to no backup must be before it is removed.
    #[schemars(extend("default" = "1d"))]
    pub(crate) cleanup_older_than: Option<TimeSpan>,
    /// Whether single backups of event streams that have expired are removed.
    #[schemars(extend("default" = false))]
    pub(crate) remove_expired_stream_backups: Option<bool>,
    /// The storage profiles. The default is all profiles.
    pub(crate) profiles: Option<Vec<String>>,
}

/// The discovery of backups that other machines have made.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct DiscoverySettings {
    /// Whether the application reads the catalogs of all storage profiles in the background.
    #[schemars(extend("default" = false))]
    pub(crate) enabled: Option<bool>,
    /// The time between two readings.
    #[schemars(extend("default" = "15m"))]
    pub(crate) every: Option<TimeSpan>,
}

/// What is expected of the backups.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ExpectationSettings {
    /// The maximum age of the newest completed backup of any name.
    pub(crate) backup_within: Option<TimeSpan>,
    /// The maximum age of the last verification of any backup.
    pub(crate) verified_within: Option<TimeSpan>,
    /// The maximum age of the newest completed backup that contains an entity, for every covered entity.
    pub(crate) entities_within: Option<TimeSpan>,
    /// The maximum percentage of its records that an entity may lose from one backup of a series to the next.
    #[schemars(range(max = 100), extend("default" = 50))]
    pub(crate) max_loss_percent: Option<u8>,
    /// What is expected of the backups with a name, or of a series.
    pub(crate) series: BTreeMap<String, SeriesSettings>,
}

/// What is expected of the backups with a name, or of a series.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct SeriesSettings {
    /// The maximum age of the newest completed backup.
    pub(crate) backup_within: Option<TimeSpan>,
    /// The maximum age of the last verification.
    pub(crate) verified_within: Option<TimeSpan>,
}

//! The defaults of backups and restores.

use std::num::NonZeroUsize;

use koan_backup_core::{ConflictMode, RestoreLevel};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::compression_text::CompressionText;
use crate::time_span::TimeSpan;

/// Defaults of backups.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct BackupSettings {
    /// The name of a backup to which no name is given.
    #[schemars(extend("default" = "default"))]
    pub(crate) name: Option<String>,
    /// How records are compressed.
    #[schemars(extend("default" = "deflate"))]
    pub(crate) compression: Option<CompressionText>,
    /// The number of rows between two checks for cancellation and two progress events.
    #[schemars(extend("default" = 1000))]
    pub(crate) batch_size: Option<NonZeroUsize>,
    /// The maximum number of entities that are read at the same time.
    #[schemars(extend("default" = 4))]
    pub(crate) max_concurrency: Option<NonZeroUsize>,
    /// Whether each backup is read back and verified after its publication.
    #[schemars(extend("default" = false))]
    pub(crate) verify_after: Option<bool>,
    /// How long a backup may take. Without it, there is no limit.
    pub(crate) timeout: Option<TimeSpan>,
}

/// Defaults of restores.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RestoreSettings {
    /// The number of records in a batch.
    #[schemars(extend("default" = 1000))]
    pub(crate) batch_size: Option<NonZeroUsize>,
    /// The number of blocks that are decoded at the same time.
    #[schemars(extend("default" = 4))]
    pub(crate) max_concurrency: Option<NonZeroUsize>,
    /// Which objects of the database a restore may suspend to be faster.
    #[schemars(extend("default" = "fast"))]
    pub(crate) level: Option<LevelSetting>,
    /// What happens to a record whose key already exists.
    #[schemars(extend("default" = "overwrite"))]
    pub(crate) on_conflict: Option<ConflictSetting>,
    /// How long a restore may take. Without it, there is no limit.
    pub(crate) timeout: Option<TimeSpan>,
}

/// A restore level.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum LevelSetting {
    /// Indexes and foreign keys may be dropped and put back.
    Fast,
    /// Indexes are kept, and foreign keys are deferred.
    Balanced,
    /// Only objects that would change or refuse records are suspended.
    Safe,
}

impl From<LevelSetting> for RestoreLevel {
    fn from(level: LevelSetting) -> Self {
        match level {
            LevelSetting::Fast => Self::Fast,
            LevelSetting::Balanced => Self::Balanced,
            LevelSetting::Safe => Self::Safe,
        }
    }
}

/// A conflict mode.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ConflictSetting {
    /// The record of the archive replaces the existing one.
    Overwrite,
    /// The existing record is kept.
    Keep,
    /// The restore fails and is rolled back.
    Fail,
}

impl From<ConflictSetting> for ConflictMode {
    fn from(mode: ConflictSetting) -> Self {
        match mode {
            ConflictSetting::Overwrite => Self::Overwrite,
            ConflictSetting::Keep => Self::Keep,
            ConflictSetting::Fail => Self::Fail,
        }
    }
}

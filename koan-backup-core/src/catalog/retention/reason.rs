//! The reasons why a backup is kept or removed.

use std::fmt;

use serde::Serialize;

use super::period::Period;
use crate::foundation::id::BackupId;

/// Why a backup is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum KeepReason {
    /// The backup is pinned, or it is being restored.
    Pinned {
        /// The reason of the pin.
        why: String,
    },
    /// The backup has an exempt tag.
    Exempt {
        /// The tag.
        tag: String,
    },
    /// The backup is the newest completed backup of its series.
    LastGood,
    /// The backup is the newest completed backup of its series that is not known to be damaged.
    LastUndamaged,
    /// The backup is the newest backup of the application, in any series, that contains this entity and is
    /// not known to be damaged.
    LastHolder {
        /// The entity, or one of its sets.
        entity: String,
    },
    /// The backup is the last backup of its series before this entity lost most of its records, and the loss
    /// is not acknowledged.
    BeforeLoss {
        /// The entity, or one of its sets.
        entity: String,
        /// The backup that contains fewer records.
        backup: BackupId,
    },
    /// The backup is the newest backup of its series that contains this entity.
    LastWith {
        /// The entity, or one of its sets.
        entity: String,
    },
    /// The backup is one of the newest backups of its series.
    Last {
        /// The position of the backup, counted from 1.
        position: usize,
        /// The number of backups that the rule keeps.
        of: usize,
    },
    /// The backup is the newest backup of its period.
    Newest {
        /// The kind of the period.
        period: Period,
        /// The period, for example `2026-11-21`.
        of: String,
    },
    /// The backup is not older than the age of the rule [`within`](crate::Retention::within).
    Within {
        /// The age, in hours.
        hours: u64,
    },
    /// The backup is not older than the number of days that an entity in it declares.
    EntityDays {
        /// The entity.
        entity: String,
        /// The number of days.
        days: u32,
    },
    /// The backup failed, and no later backup of its series was completed.
    FailedLast,
    /// The policy has only limits, and the backup is within all of them.
    WithinLimits,
}

/// Why a backup is removed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum RemoveReason {
    /// No rule keeps the backup.
    NoRule,
    /// The backup is older than the maximum age.
    MaxAge {
        /// The maximum age, in days.
        days: u32,
    },
    /// The backup is older than the numbers of days that its entities declare.
    EntityDays {
        /// The largest of these numbers.
        days: u32,
    },
    /// Every entity in the backup has enough newer backups.
    MaxPerEntity {
        /// The number of backups of an entity that are kept.
        count: usize,
    },
    /// The backup failed, and a later backup of its series was completed.
    FailedBefore {
        /// The later backup.
        completed: BackupId,
    },
}

impl fmt::Display for KeepReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pinned { why } => write!(f, "pinned: {why}"),
            Self::Exempt { tag } => write!(f, "tag `{tag}`"),
            Self::LastGood => f.write_str("the newest completed backup"),
            Self::LastUndamaged => f.write_str("the newest completed backup that is not known to be damaged"),
            Self::LastHolder { entity } => {
                write!(f, "the newest backup with `{entity}`, of any name, that is not known to be damaged")
            }
            Self::BeforeLoss { entity, backup } => write!(
                f,
                "the last backup before `{entity}` lost most of its records in {backup}; accept the loss \
                 with `koan.catalog().acknowledge(id, reason)`, or in a directory tree with \
                 `koan.acknowledge_in_directory(root, id, reason)`"
            ),
            Self::LastWith { entity } => write!(f, "the newest backup with `{entity}`"),
            Self::Last { position, of } => write!(f, "number {position} of the last {of}"),
            Self::Newest { period, of } => write!(f, "the newest of the {period} {of}"),
            Self::Within { hours } => write!(f, "not older than {}", count_with_noun(*hours, "hour")),
            Self::EntityDays { entity, days } => {
                write!(f, "`{entity}` is kept for {}", count_with_noun(*days, "day"))
            }
            Self::FailedLast => f.write_str("failed, and no later backup was completed"),
            Self::WithinLimits => f.write_str("within all limits"),
        }
    }
}

impl fmt::Display for RemoveReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRule => f.write_str("no rule keeps it"),
            Self::MaxAge { days } => write!(f, "older than {}", count_with_noun(*days, "day")),
            Self::EntityDays { days } => {
                write!(f, "the {} of its entities have passed", count_with_noun(*days, "day"))
            }
            Self::MaxPerEntity { count } => write!(
                f,
                "each of its entities has {}",
                count_with_noun(u64::try_from(*count).unwrap_or(u64::MAX), "newer backup")
            ),
            Self::FailedBefore { completed } => write!(f, "failed, and {completed} was completed later"),
        }
    }
}

/// Formats a count with its noun: `1 day`, `2 days`.
pub(super) fn count_with_noun(count: impl Into<u64>, noun: &str) -> String {
    match count.into() {
        1 => format!("1 {noun}"),
        count => format!("{count} {noun}s"),
    }
}

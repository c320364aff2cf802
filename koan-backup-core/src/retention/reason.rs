//! Why a backup stays, or goes.

use std::fmt;

use serde::Serialize;

use super::period::Period;
use crate::id::BackupId;

/// Why a backup stays.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum KeepReason {
    /// Somebody pinned it, or it is being restored.
    Pinned {
        /// Why.
        why: String,
    },
    /// It has a tag that is exempt.
    Exempt {
        /// The tag.
        tag: String,
    },
    /// It is the newest of its series that was completed.
    LastGood,
    /// It is the newest of its series that was completed and is not known to be damaged.
    LastUndamaged,
    /// It is the newest backup of the application that holds this and is not known to be damaged, whatever its name.
    LastHolder {
        /// The entity, or one of its sets.
        entity: String,
    },
    /// It is the last of its series from before this lost most of its records, which nobody has acknowledged.
    BeforeLoss {
        /// The entity, or one of its sets.
        entity: String,
        /// The backup that holds fewer.
        backup: BackupId,
    },
    /// It is the newest of its series in which this is.
    LastWith {
        /// The entity, or one of its sets.
        entity: String,
    },
    /// It is one of the last of its series.
    Last {
        /// Which, from 1.
        position: usize,
        /// Of how many.
        of: usize,
    },
    /// It is the newest of its period.
    Newest {
        /// The length of the period.
        period: Period,
        /// Which period.
        of: String,
    },
    /// It is not old enough.
    Within {
        /// How old a backup must be.
        hours: u64,
    },
    /// An entity in it is kept for longer.
    EntityDays {
        /// The entity.
        entity: String,
        /// For how many days.
        days: u32,
    },
    /// It failed, and none of its series was completed since.
    FailedLast,
    /// There are only limits, and it is within all of them.
    WithinLimits,
}

/// Why a backup goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum RemoveReason {
    /// No rule keeps it.
    NoRule,
    /// It is older than any backup may be.
    MaxAge {
        /// In days.
        days: u32,
    },
    /// The days of every entity in it have passed.
    EntityDays {
        /// The longest of them.
        days: u32,
    },
    /// Every entity in it has enough newer backups.
    MaxPerEntity {
        /// How many an entity may have.
        count: usize,
    },
    /// It failed, and a later one was completed.
    FailedBefore {
        /// The later one.
        completed: BackupId,
    },
}

impl fmt::Display for KeepReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pinned { why } => write!(f, "pinned: {why}"),
            Self::Exempt { tag } => write!(f, "tag `{tag}`"),
            Self::LastGood => f.write_str("the newest that was completed"),
            Self::LastUndamaged => {
                f.write_str("the newest that was completed and is not known to be damaged")
            }
            Self::LastHolder { entity } => {
                write!(f, "the newest with `{entity}`, of any name, that is not known to be damaged")
            }
            Self::BeforeLoss { entity, backup } => write!(
                f,
                "the last before `{entity}` lost most of its records in {backup}; accept that with \
                 `koan.catalog().acknowledge(id, reason)`"
            ),
            Self::LastWith { entity } => write!(f, "the newest with `{entity}`"),
            Self::Last { position, of } => write!(f, "number {position} of the last {of}"),
            Self::Newest { period, of } => write!(f, "the newest of the {period} {of}"),
            Self::Within { hours } => write!(f, "not older than {}", counted(*hours, "hour")),
            Self::EntityDays { entity, days } => {
                write!(f, "`{entity}` is kept for {}", counted(*days, "day"))
            }
            Self::FailedLast => f.write_str("failed, and none was completed since"),
            Self::WithinLimits => f.write_str("within all limits"),
        }
    }
}

impl fmt::Display for RemoveReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRule => f.write_str("no rule keeps it"),
            Self::MaxAge { days } => write!(f, "older than {}", counted(*days, "day")),
            Self::EntityDays { days } => {
                write!(f, "the {} of its entities have passed", counted(*days, "day"))
            }
            Self::MaxPerEntity { count } => write!(
                f,
                "each of its entities has {}",
                counted(u64::try_from(*count).unwrap_or(u64::MAX), "newer backup")
            ),
            Self::FailedBefore { completed } => write!(f, "failed, and {completed} was completed since"),
        }
    }
}

/// `1 day`, `2 days`
pub(super) fn counted(count: impl Into<u64>, what: &str) -> String {
    match count.into() {
        1 => format!("1 {what}"),
        count => format!("{count} {what}s"),
    }
}

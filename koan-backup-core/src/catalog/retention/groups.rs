//! Groups of backups. At least one valid backup of each group must be kept.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::candidate::Candidate;
use super::reason::KeepReason;
use crate::catalog::SizeDrop;
use crate::foundation::id::BackupId;
use crate::foundation::series::SeriesName;

/// What the backups of a group have in common, and what would be lost with the last of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum GroupContent {
    /// A series with completed backups.
    Series(SeriesName),
    /// An entity, or one of its sets.
    Entity(String),
    /// The state of an entity before it lost most of its records.
    BeforeLoss {
        /// The entity, or one of its sets.
        entity: String,
        /// The backup that contains fewer records.
        backup: BackupId,
    },
}

/// A group of backups. If any backup of the group is removed, at least one valid backup of the group must be
/// kept.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    pub(crate) content: GroupContent,
    /// The members in order of preference: the completed backups, newest first, then the partly failed
    /// backups, newest first.
    pub(crate) members: Vec<BackupId>,
}

/// Returns the groups of `candidates`, which belong to one application and are sorted newest first. `losses`
/// are not acknowledged; for entities in `released`, no group is created.
pub(crate) fn groups(
    candidates: &[Candidate],
    losses: &[SizeDrop],
    released: &BTreeSet<String>,
) -> Vec<Group> {
    let mut series: BTreeMap<&SeriesName, Vec<BackupId>> = BTreeMap::new();
    let mut entities: BTreeMap<&str, Vec<BackupId>> = BTreeMap::new();
    let complete = || candidates.iter().filter(|candidate| candidate.is_complete);
    for candidate in complete() {
        series.entry(&candidate.series).or_default().push(candidate.id);
    }
    for candidate in complete().chain(candidates.iter().filter(|candidate| !candidate.is_complete)) {
        let names: BTreeSet<_> = candidate.entities.iter().map(|(name, _)| name.as_str()).collect();
        for name in names.into_iter().filter(|name| !is_released(name, released)) {
            entities.entry(name).or_default().push(candidate.id);
        }
    }
    let before_loss = |loss: &SizeDrop| {
        let entity = label(&loss.entity, if loss.set.is_root() { "" } else { loss.set.as_str() });
        let is_before = |candidate: &&Candidate| {
            candidate.series == loss.series
                && (candidate.created_at, candidate.id) < (loss.created_at, loss.backup)
                && candidate.entities.iter().any(|(name, _)| *name == entity)
        };
        let members = complete().filter(is_before).map(|candidate| candidate.id).collect();
        Group { content: GroupContent::BeforeLoss { entity, backup: loss.backup }, members }
    };
    let series = series
        .into_iter()
        .map(|(name, members)| Group { content: GroupContent::Series(name.clone()), members });
    let entities = entities
        .into_iter()
        .map(|(name, members)| Group { content: GroupContent::Entity(name.to_owned()), members });
    let losses = losses.iter().filter(|loss| !released.contains(&loss.entity)).map(before_loss);
    series.chain(entities).chain(losses).collect()
}

/// Formats an entity with its set, for example `AuditLog#archive`; for the set `root`, `set` is empty and
/// only the entity is written.
pub(crate) fn label(entity: &str, set: &str) -> String {
    if set.is_empty() { entity.to_owned() } else { format!("{entity}#{set}") }
}

/// Returns whether the entity of a label was released with `Retention::release_entity`, so that its last
/// backup is not protected.
pub(super) fn is_released(label: &str, released: &BTreeSet<String>) -> bool {
    released.contains(label) || label.split_once('#').is_some_and(|(entity, _)| released.contains(entity))
}

/// Returns the backups that are kept because of their groups, with the reasons. In each group, this is the
/// first member that is not known to be damaged.
pub(super) fn protected_backups(
    candidates: &[Candidate],
    groups: &[Group],
) -> BTreeMap<BackupId, Vec<KeepReason>> {
    let damaged: BTreeSet<_> =
        candidates.iter().filter(|candidate| candidate.is_damaged).map(|candidate| candidate.id).collect();
    let mut protected: BTreeMap<BackupId, Vec<KeepReason>> = BTreeMap::new();
    for Group { content, members } in groups {
        if let Some(id) = members.iter().find(|id| !damaged.contains(id)) {
            protected.entry(*id).or_default().push(match content.clone() {
                GroupContent::Series(_) => KeepReason::LastUndamaged,
                GroupContent::Entity(entity) => KeepReason::LastHolder { entity },
                GroupContent::BeforeLoss { entity, backup } => KeepReason::BeforeLoss { entity, backup },
            });
        }
    }
    protected
}

/// Formats the part of an error that describes a group, for example the second half of "no backup with
/// `User`".
impl fmt::Display for GroupContent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Series(name) => write!(f, "called `{name}`"),
            Self::Entity(entity) => write!(f, "with `{entity}`"),
            Self::BeforeLoss { entity, backup } => {
                write!(f, "with `{entity}` from before it lost most of its records in {backup}")
            }
        }
    }
}

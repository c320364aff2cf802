//! The result of a comparison of two backups.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use crate::foundation::id::{BackupId, SetName};

/// The differences between two backups, as counts.
///
/// ```
/// # koan_backup_shop::run(async |koan| {
/// let diff = koan.diff("nightly", "latest").await?;
/// assert!(diff.is_empty(), "the newest backup is `nightly`");
/// # Ok(())
/// # });
/// ```
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
#[must_use = "the differences are the result of the comparison"]
pub struct BackupDiff {
    /// The earlier backup.
    pub before: BackupId,
    /// The later backup.
    pub after: BackupId,
    /// Every entity and set of the two backups, in the order of the later backup, and every selected entity that
    /// neither backup contains.
    pub entities: Vec<EntityDiff>,
    /// Additional remarks, for example that a backup was made by another application.
    pub notes: Vec<String>,
}

/// The differences in one entity and set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct EntityDiff {
    /// The name of the entity.
    pub entity: String,
    /// The set.
    pub set: SetName,
    /// Records that exist only in the later backup.
    pub added: u64,
    /// Records that exist only in the earlier backup.
    pub removed: u64,
    /// Records with the same key and different content.
    pub changed: u64,
    /// Records that are equal in both backups.
    pub unchanged: u64,
    /// Why the entity was not compared, if it was not; all counts are 0 in this case.
    pub not_compared: Option<String>,
}

/// One record that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Difference {
    /// The entity.
    pub entity: String,
    /// The set.
    pub set: SetName,
    /// How the record differs.
    pub change: Change,
    /// The key, for example `id=7`. The key of a record of an encrypted entity is shown as well, although it
    /// is part of the encrypted content.
    pub key: String,
}

/// How a record differs between two backups.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Change {
    /// The record exists only in the later backup.
    Added,
    /// The record exists only in the earlier backup.
    Removed,
    /// The record exists in both backups with different content.
    Changed,
}

/// The callback that receives each difference when it is found.
#[derive(Clone, Default)]
pub(crate) struct OnDifference(pub(crate) Option<DifferenceCallback>);

type DifferenceCallback = Arc<dyn Fn(&Difference) + Send + Sync>;

impl fmt::Debug for OnDifference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OnDifference").field(&self.0.is_some()).finish()
    }
}

impl EntityDiff {
    /// Returns the result of a comparison that has found no record yet.
    pub(super) fn of(entity: &str, set: &SetName) -> Self {
        let (entity, set) = (entity.to_owned(), set.clone());
        Self { entity, set, added: 0, removed: 0, changed: 0, unchanged: 0, not_compared: None }
    }

    /// Returns the result for an entity that was not compared.
    pub(super) fn not_compared(entity: &str, set: &SetName, reason: String) -> Self {
        Self { not_compared: Some(reason), ..Self::of(entity, set) }
    }
}

impl BackupDiff {
    /// Returns whether the backups are equal: all entities were compared, and no record differs.
    pub fn is_empty(&self) -> bool {
        self.entities.iter().all(|entity| {
            entity.added + entity.removed + entity.changed == 0 && entity.not_compared.is_none()
        })
    }
}

//! What differs.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use crate::id::{BackupId, SetName};

/// What differs between two backups, in numbers.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct BackupDiff {
    /// The backup that was compared.
    pub before: BackupId,
    /// The backup that it was compared with.
    pub after: BackupId,
    /// Every entity and set that is in one of them, in the order of the later one.
    pub entities: Vec<EntityDiff>,
    /// What should be known besides: that one of them was made by another application.
    pub notes: Vec<String>,
}

/// What differs in one entity and set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct EntityDiff {
    /// Its name.
    pub entity: String,
    /// The set.
    pub set: SetName,
    /// Records that only the later backup has.
    pub added: u64,
    /// Records that only the earlier backup has.
    pub removed: u64,
    /// Records of one key that are not the same.
    pub changed: u64,
    /// Records that are the same.
    pub unchanged: u64,
    /// Why it was not compared, if it was not; the numbers are nought then.
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
    /// What became of it.
    pub change: Change,
    /// Its key: `id=7`. This is content, also of entities that are encrypted.
    pub key: String,
}

/// What became of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Change {
    /// It came.
    Added,
    /// It went.
    Removed,
    /// It is another.
    Changed,
}

/// Is given each difference as it is found.
#[derive(Clone, Default)]
pub(crate) struct OnDifference(pub(crate) Option<Take>);

type Take = Arc<dyn Fn(&Difference) + Send + Sync>;

impl fmt::Debug for OnDifference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OnDifference").field(&self.0.is_some()).finish()
    }
}

impl BackupDiff {
    /// Whether nothing differs, and everything was compared.
    pub fn is_empty(&self) -> bool {
        self.entities.iter().all(|entity| {
            entity.added + entity.removed + entity.changed == 0 && entity.not_compared.is_none()
        })
    }
}

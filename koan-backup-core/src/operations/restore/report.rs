//! What a restore did, or would do.

use serde::Serialize;

use crate::foundation::id::{BackupId, SetName};
use crate::operations::verify::VerifyReport;
use crate::provider::{Finding, Severity, WriteCounts};

/// What a restore did.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct RestoreReport {
    /// The backup.
    pub id: BackupId,
    /// Whether nothing was written: the counts say what would have been.
    pub dry_run: bool,
    /// By entity and set, in the order of the archive.
    pub entities: Vec<EntityRestore>,
    /// What was found before the first write.
    pub findings: Vec<Finding>,
    /// What the verification found; none if it was opted out of.
    pub verification: Option<VerifyReport>,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
}

/// What became of one entity and set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct EntityRestore {
    /// The entity.
    pub entity: String,
    /// The set it was restored to.
    pub set: SetName,
    /// The provider it was restored to.
    pub provider: String,
    /// Records in the archive.
    pub records: u64,
    /// What became of them.
    pub counts: WriteCounts,
}

impl RestoreReport {
    /// Records of all entities.
    pub fn record_count(&self) -> u64 {
        self.entities.iter().map(|entity| entity.records).sum()
    }

    /// What became of the records of all entities.
    pub fn counts(&self) -> WriteCounts {
        let mut counts = WriteCounts::default();
        self.entities.iter().for_each(|entity| counts.add(&entity.counts));
        counts
    }
}

/// Whether a restore would work, found without writing.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[must_use = "the findings say whether the restore would work"]
#[non_exhaustive]
pub struct ViabilityReport {
    /// The backup.
    pub id: BackupId,
    /// What was found.
    pub findings: Vec<Finding>,
    /// What would be restored: entity, set and records.
    pub work: Vec<(String, SetName, u64)>,
    /// Records that would be written.
    pub record_count: u64,
    /// Bytes of lines that would be read.
    pub size_bytes: u64,
}

impl ViabilityReport {
    /// Whether nothing was found that would make the restore fail.
    pub fn is_viable(&self) -> bool {
        self.findings.iter().all(|finding| finding.severity != Severity::Error)
    }
}

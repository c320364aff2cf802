//! The reports of restores and of viability checks.

use serde::Serialize;

use crate::foundation::id::{BackupId, SetName};
use crate::operations::verify::VerifyReport;
use crate::provider::{Finding, Severity, SuspendedObject, WriteCounts};

/// The report of a restore.
///
/// ```
/// # koan_backup_shop::run(async |koan| {
/// let report = koan.restore("nightly").replace_existing().await?;
/// for restored in &report.entities {
///     let counts = &restored.counts;
///     println!("{}: {} inserted, {} deleted", restored.entity, counts.inserted, counts.deleted);
/// }
/// for finding in &report.findings {
///     println!("{finding}");
/// }
/// # Ok(())
/// # });
/// ```
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
#[must_use = "the report contains what was written, and what has to be done after the restore"]
pub struct RestoreReport {
    /// The id of the backup.
    pub id: BackupId,
    /// Whether nothing was written. The counts then show what a restore would have done.
    pub dry_run: bool,
    /// The results by entity and set, in the order of the archive.
    pub entities: Vec<EntityRestore>,
    /// The findings before the first write.
    pub findings: Vec<Finding>,
    /// The verification before the first write. `None` if it was disabled.
    pub verification: Option<VerifyReport>,
    /// The indexes, constraints, triggers and rules that were suspended during the restore and put back, by
    /// provider. Empty for a dry run, which suspends nothing.
    pub suspended: Vec<SuspendedObject>,
    /// The duration in milliseconds, from the start to the end of the commit.
    pub duration_ms: u64,
}

/// The result for one entity and set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct EntityRestore {
    /// The name of the entity.
    pub entity: String,
    /// The set to which the records were written.
    pub set: SetName,
    /// The name of the provider to which the records were written.
    pub provider: String,
    /// The number of records in the archive.
    pub records: u64,
    /// The numbers of inserted, updated, unchanged, kept and deleted records.
    pub counts: WriteCounts,
}

impl RestoreReport {
    /// Returns the number of records of all entities.
    pub fn record_count(&self) -> u64 {
        self.entities.iter().map(|entity| entity.records).sum()
    }

    /// Returns the sums of the counts of all entities.
    pub fn counts(&self) -> WriteCounts {
        let mut counts = WriteCounts::default();
        self.entities.iter().for_each(|entity| counts.add(&entity.counts));
        counts
    }
}

/// The report of a viability check: whether a restore would succeed, determined without writing.
///
/// ```
/// # koan_backup_shop::run(async |koan| {
/// let check = koan.restore("nightly").viability().await?;
/// println!("{} records, {} bytes", check.record_count, check.size_bytes);
/// assert!(check.is_viable(), "{:?}", check.findings);
/// # Ok(())
/// # });
/// ```
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[must_use = "the findings show whether the restore would succeed"]
#[non_exhaustive]
pub struct ViabilityReport {
    /// The id of the backup.
    pub id: BackupId,
    /// The findings.
    pub findings: Vec<Finding>,
    /// The entities that would be restored: name, set and number of records.
    pub entries: Vec<(String, SetName, u64)>,
    /// The number of records that would be written.
    pub record_count: u64,
    /// The size of the lines that would be read, in bytes.
    pub size_bytes: u64,
}

impl ViabilityReport {
    /// Returns whether the restore can succeed: no finding is an error.
    pub fn is_viable(&self) -> bool {
        self.findings.iter().all(|finding| finding.severity != Severity::Error)
    }
}

//! Finds the valid backups that must be kept, before anything is removed.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use super::report::PruneReport;
use super::survey::Survey;
use crate::catalog::StoredBackup;
use crate::catalog::retention::{Group, GroupContent};
use crate::environment::Environment;
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::foundation::id::BackupId;
use crate::foundation::series::SeriesName;
use crate::operations::verify::{self, VerifyOptions};

/// Verifies the backups that must be kept, each at most once.
pub(super) struct Holders<'a> {
    pub(super) environment: &'a Environment,
    pub(super) survey: &'a Survey<'a>,
    pub(super) cancel: CancellationToken,
    /// The results of the verifications: the damage of each backup, or `None` if it is valid.
    pub(super) results: BTreeMap<BackupId, Option<String>>,
}

impl<'a> Holders<'a> {
    pub(super) fn new(
        environment: &'a Environment,
        survey: &'a Survey<'a>,
        cancel: CancellationToken,
    ) -> Self {
        Self { environment, survey, cancel, results: BTreeMap::new() }
    }

    /// Verifies a backup and returns its damage, if there is any. The outer `None` means that the backup does
    /// not exist.
    pub(super) async fn problem(&mut self, id: BackupId) -> Result<Option<Option<String>>> {
        if let Some(result) = self.results.get(&id) {
            return Ok(Some(result.clone()));
        }
        let Some(backup) = self.survey.backups.iter().find(|backup| backup.manifest.id == id) else {
            return Ok(None);
        };
        let options = VerifyOptions { cancel: self.cancel.clone(), ..VerifyOptions::default() };
        let verification = verify::verify_and_record(self.environment, backup, &options).await?;
        if let Err(error) = &verification.recorded {
            tracing::warn!(
                target: "koan::backup", backup = %id, error = %error.chain(),
                "the result of a verification could not be recorded"
            );
        }
        self.results.insert(id, verification.problem.clone());
        Ok(Some(verification.problem))
    }
}

impl VerifiableBackups for Holders<'_> {
    fn damage_of(&mut self, id: BackupId) -> BoxFuture<'_, Result<Option<Option<String>>>> {
        Box::pin(self.problem(id))
    }

    fn removes_from_series(&self, series: &SeriesName, removals: &BTreeSet<BackupId>) -> bool {
        let removed = |backup: &&StoredBackup<'_>| {
            removals.contains(&backup.manifest.id) && backup.manifest.archive.is_some()
        };
        self.survey.backups.iter().filter(removed).any(|backup| backup.manifest.series_name() == *series)
    }
}

/// Backups that can be verified, each at most once.
pub(crate) trait VerifiableBackups: Send {
    /// Verifies a backup and returns its damage, if there is any. The outer `None` means that the backup does not
    /// exist.
    fn damage_of(&mut self, id: BackupId) -> BoxFuture<'_, Result<Option<Option<String>>>>;

    /// Returns whether one of the removed backups has content and belongs to a series.
    fn removes_from_series(&self, series: &SeriesName, removals: &BTreeSet<BackupId>) -> bool;
}

/// Checks that the newest valid backup of every group is kept, if backups of the group are removed.
///
/// # Errors
/// The newest valid backup of a group would be removed, no backup of the group is valid, or a backup cannot be read.
pub(crate) async fn require_holders(
    backups: &mut dyn VerifiableBackups,
    groups: &[Group],
    removals: &BTreeSet<BackupId>,
    report: &mut PruneReport,
) -> Result<()> {
    for group in groups {
        // A failed backup of a series counts too, because it is removed only if a later backup was completed.
        let is_affected = match &group.content {
            GroupContent::Series(name) => backups.removes_from_series(name, removals),
            GroupContent::Entity(_) | GroupContent::BeforeLoss { .. } => {
                group.members.iter().any(|id| removals.contains(id))
            }
        };
        if is_affected {
            require_group(backups, group, removals, report).await?;
        }
    }
    Ok(())
}

async fn require_group(
    backups: &mut dyn VerifiableBackups,
    group: &Group,
    removals: &BTreeSet<BackupId>,
    report: &mut PruneReport,
) -> Result<()> {
    let content = &group.content;
    for id in &group.members {
        let Some(problem) = backups.damage_of(*id).await? else { continue };
        match problem {
            Some(problem) => {
                if !report.damaged.iter().any(|(known, _)| known == id) {
                    report.damaged.push((*id, problem));
                }
            }
            None if removals.contains(id) => {
                return Err(Error::new(
                    ErrorKind::Conflict,
                    format!(
                        "nothing was removed: the plan removes backup {id}, the newest valid backup {content}; \
                         make a new plan{}",
                        damage_note(report)
                    ),
                ));
            }
            None => {
                if !report.verified.contains(id) {
                    report.verified.push(*id);
                }
                return Ok(());
            }
        }
    }
    let remedy = match content {
        GroupContent::Entity(entity) => format!(
            "; if `{entity}` is no longer needed, use `.release_entity(\"{entity}\")`{}",
            damage_note(report)
        ),
        GroupContent::Series(_) | GroupContent::BeforeLoss { .. } => damage_note(report),
    };
    Err(Error::new(ErrorKind::Corrupt, format!("nothing was removed: no backup {content} is valid{remedy}")))
}

/// Returns a description of the damage that was found, for the end of a message.
fn damage_note(report: &PruneReport) -> String {
    report.damaged.iter().map(|(id, problem)| format!("; backup {id} is damaged: {problem}")).collect()
}

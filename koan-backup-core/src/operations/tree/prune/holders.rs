//! Verifies the backups of a tree that must be kept, before anything is removed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use futures::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use super::survey::TreeSurvey;
use crate::archive::tree::TreeBackup;
use crate::foundation::blocking::blocking;
use crate::foundation::cancellation::until_cancelled;
use crate::foundation::error::{ErrorKind, Result};
use crate::foundation::id::BackupId;
use crate::foundation::series::SeriesName;
use crate::operations::prune::VerifiableBackups;
use crate::operations::tree::described::verify_entity;

/// The backups of a tree, of which each is verified at most once.
pub(super) struct TreeHolders<'a> {
    survey: &'a TreeSurvey,
    cancel: &'a CancellationToken,
    /// The results of the verifications: the damage of each backup, or `None` if it is valid.
    results: BTreeMap<BackupId, Option<String>>,
}

impl<'a> TreeHolders<'a> {
    pub(super) fn new(survey: &'a TreeSurvey, cancel: &'a CancellationToken) -> Self {
        let damaged = survey.backups.iter().filter(|backup| backup.damage.is_some());
        let results = damaged.map(|backup| (backup.entry.id, backup.damage.clone())).collect();
        Self { survey, cancel, results }
    }

    async fn problem(&mut self, id: BackupId) -> Result<Option<Option<String>>> {
        if let Some(result) = self.results.get(&id) {
            return Ok(Some(result.clone()));
        }
        let Some(backup) = self.survey.backups.iter().find(|backup| backup.entry.id == id) else {
            return Ok(None);
        };
        let problem = verify(self.survey.root.clone(), &backup.entry, self.cancel).await?;
        self.results.insert(id, problem.clone());
        Ok(Some(problem))
    }
}

impl VerifiableBackups for TreeHolders<'_> {
    fn damage_of(&mut self, id: BackupId) -> BoxFuture<'_, Result<Option<Option<String>>>> {
        Box::pin(self.problem(id))
    }

    fn removes_from_series(&self, series: &SeriesName, removals: &BTreeSet<BackupId>) -> bool {
        let removed = |id: &BackupId| removals.contains(id);
        let mut backups = self.survey.backups.iter().filter(|backup| removed(&backup.entry.id));
        backups.any(|backup| backup.entry.series_name() == *series)
    }
}

/// Compares all files of a backup with their descriptions. Returns the damage, if there is any.
async fn verify(root: PathBuf, backup: &TreeBackup, cancel: &CancellationToken) -> Result<Option<String>> {
    for entity in &backup.entities {
        let (root, backup, entity) = (root.clone(), backup.clone(), entity.clone());
        let verified = blocking("reads the directory tree", move || verify_entity(&root, &backup, &entity));
        match until_cancelled(cancel, async { verified.await? }).await {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::Corrupt => return Ok(Some(error.chain())),
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

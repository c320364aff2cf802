//! The survey of a tree: all data that a decision about removals needs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::archive::tree::{TreeBackup, TreeRegistry};
use crate::catalog::retention::{self, Candidate, Group, Retention, RetentionPlan};
use crate::catalog::{self, Acknowledgements, DEFAULT_LOSS_PERCENT, Origin, SizeDrop};
use crate::environment::Environment;
use crate::foundation::digest::sha256;
use crate::foundation::error::Result;
use crate::foundation::id::BackupId;
use crate::foundation::json::document;
use crate::operations::prune;
use crate::operations::tree::acknowledgements;
use crate::operations::tree::described::{DescribedBackup, describe};

/// The state of a tree at one time.
#[derive(Debug)]
pub(super) struct TreeSurvey {
    pub(super) root: PathBuf,
    /// The backups, newest first.
    pub(super) backups: Vec<DescribedBackup>,
    acknowledged: Acknowledgements,
}

impl TreeSurvey {
    /// Reads the descriptions of all backups in a registry. The function blocks.
    pub(super) fn take(root: &Path, registry: TreeRegistry) -> Self {
        let mut backups: Vec<_> = registry.backups.into_iter().map(|backup| describe(root, backup)).collect();
        backups.sort_by_key(|backup| std::cmp::Reverse((backup.entry.created_at, backup.entry.id)));
        Self { root: root.to_owned(), backups, acknowledged: acknowledgements::read(root) }
    }

    /// Returns the backups that a retention policy considers.
    fn considered<'s>(
        &'s self,
        environment: &'s Environment,
        retention: &'s Retention,
    ) -> impl Iterator<Item = &'s DescribedBackup> {
        self.backups.iter().filter(|backup| match backup.entry.producer.origin(&environment.identity) {
            Origin::Own => true,
            Origin::Unidentified => retention.includes_unidentified(),
            Origin::Other => false,
        })
    }

    /// Returns a hash for the entry of each backup that a retention policy considers.
    pub(super) fn basis(
        &self,
        environment: &Environment,
        retention: &Retention,
    ) -> BTreeMap<BackupId, String> {
        let hash = |entry: &TreeBackup| sha256(&document(entry));
        self.considered(environment, retention).map(|backup| (backup.entry.id, hash(&backup.entry))).collect()
    }

    /// Refuses a clock that is behind the newest backup.
    pub(super) fn require_clock(&self, environment: &Environment) -> Result<()> {
        let manifests = self.backups.iter().map(|backup| &backup.manifest);
        prune::require_not_behind(environment.clock.now(), manifests)
    }

    /// Makes the plan of a retention policy. `known_damage` is damage that was found after the survey.
    pub(super) fn plan(
        &self,
        environment: &Environment,
        retention: &Retention,
        known_damage: &[(BackupId, String)],
    ) -> RetentionPlan {
        let mut candidates = self.candidates(environment, retention);
        for candidate in &mut candidates {
            candidate.is_damaged |= known_damage.iter().any(|(id, _)| *id == candidate.id);
        }
        let losses = self.losses(environment, retention);
        let plan = retention::plan(retention, candidates, &losses, environment.clock.now());
        let count_with_origin = |wanted: Origin| {
            let origin = |backup: &DescribedBackup| backup.entry.producer.origin(&environment.identity);
            self.backups.iter().filter(|backup| origin(backup) == wanted).count()
        };
        let unidentified =
            if retention.includes_unidentified() { 0 } else { count_with_origin(Origin::Unidentified) };
        RetentionPlan {
            directory: Some(self.root.display().to_string()),
            root: Some(self.root.clone()),
            basis: self.basis(environment, retention),
            made_at_monotonic: Some(Instant::now()),
            other_applications: count_with_origin(Origin::Other),
            unidentified,
            ..plan
        }
    }

    /// Returns the groups of the considered backups. A valid backup of each group must be kept.
    pub(super) fn groups(&self, environment: &Environment, retention: &Retention) -> Vec<Group> {
        let candidates = self.candidates(environment, retention);
        let losses = self.losses(environment, retention);
        retention::groups(&candidates, &losses, retention.released_names())
    }

    /// Returns the losses that are not acknowledged.
    fn losses(&self, environment: &Environment, retention: &Retention) -> Vec<SizeDrop> {
        let complete = self.considered(environment, retention).map(|backup| &backup.manifest);
        let complete = complete.filter(|manifest| manifest.status.is_complete());
        let canonical = |name: &str| environment.canonical(name);
        catalog::losses(complete, canonical, DEFAULT_LOSS_PERCENT, &self.acknowledged)
    }

    fn candidates(&self, environment: &Environment, retention: &Retention) -> Vec<Candidate> {
        let considered = self.considered(environment, retention);
        considered.map(|backup| candidate(environment, backup)).collect()
    }
}

fn candidate(environment: &Environment, backup: &DescribedBackup) -> Candidate {
    let DescribedBackup { entry, manifest, damage, size_bytes } = backup;
    let policy = |entity: &str| {
        let described = manifest.entities.iter().find(|described| described.entity == entity);
        described.map(|described| described.policy)
    };
    let entities = entry.entities.iter().flat_map(|entity| {
        entity
            .sets
            .iter()
            .map(|set| prune::candidate_entity(environment, &entity.entity, set, policy(&entity.entity)))
    });
    Candidate {
        id: entry.id,
        name: entry.name.clone(),
        series: entry.series_name(),
        created_at: entry.created_at,
        is_complete: entry.status.is_complete(),
        is_damaged: damage.is_some(),
        tags: entry.tags.clone(),
        entities: entities.collect(),
        protection_reason: None,
        size_bytes: *size_bytes,
    }
}

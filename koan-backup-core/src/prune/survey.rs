//! What is there to decide about.

use std::collections::BTreeMap;
use std::time::Instant;

use super::{clock, pins};
use crate::archive::{EntityStatus, Manifest};
use crate::catalog::{self, StoredBackup};
use crate::environment::Environment;
use crate::error::Result;
use crate::id::BackupId;
use crate::lease::{self, LeaseFile};
use crate::retention::{self, Candidate, Retention, RetentionPlan};

/// The backups of a profile, and which are pinned.
pub(super) struct Survey<'a> {
    pub(super) backups: Vec<StoredBackup<'a>>,
    pins: BTreeMap<BackupId, String>,
    /// What is being restored, or sealed for others, now.
    held: Vec<LeaseFile>,
}

impl<'a> Survey<'a> {
    pub(super) async fn take(environment: &'a Environment, profile: Option<&str>) -> Result<Self> {
        let storage = environment.storage(profile)?;
        let backups = catalog::list(storage).await?;
        let manifests = backups.iter().map(|backup| &backup.manifest);
        clock::require_not_behind(environment.clock.now(), manifests)?;
        let held = lease::held(storage, &environment.clock).await?;
        Ok(Self { backups, pins: pins::of(storage).await?, held })
    }

    /// Why a backup must stay, if it must.
    fn pinned(&self, id: &BackupId) -> Option<String> {
        let held = || self.held.iter().find(|lease| lease.subject.holds(id));
        self.pins.get(id).cloned().or_else(|| held().map(|lease| format!("somebody is {}", lease.subject)))
    }

    /// The hash of each manifest, and of why it is pinned.
    pub(super) fn basis(&self) -> BTreeMap<BackupId, String> {
        let hash = |backup: &StoredBackup<'_>| {
            let pin = self.pins.get(&backup.manifest.id);
            crate::digest::sha256(format!("{} {pin:?}", backup.published).as_bytes())
        };
        self.backups.iter().map(|backup| (backup.manifest.id, hash(backup))).collect()
    }

    fn candidates(&self, environment: &Environment) -> Vec<Candidate> {
        self.backups.iter().map(|backup| self.candidate(environment, &backup.manifest)).collect()
    }

    fn candidate(&self, environment: &Environment, manifest: &Manifest) -> Candidate {
        let entities = manifest
            .entities
            .iter()
            .filter(|entity| entity.status == EntityStatus::Completed)
            .map(|entity| {
                // What is declared now counts; of entities that are gone, what was declared then.
                let now = environment.entity(&entity.entity).and_then(|known| known.policy);
                let days = now.unwrap_or(entity.policy).retention_days;
                match entity.set.is_root() {
                    true => (entity.entity.clone(), days),
                    false => (format!("{}#{}", entity.entity, entity.set), days),
                }
            })
            .collect();
        Candidate {
            id: manifest.id,
            name: manifest.name.clone(),
            created_at: manifest.created_at,
            is_complete: manifest.status.is_complete(),
            tags: manifest.tags.clone(),
            entities,
            pinned: self.pinned(&manifest.id),
            size_bytes: manifest.archive.as_ref().map_or(0, |archive| archive.size_bytes),
        }
    }
}

/// What a retention makes of a profile.
pub(crate) async fn plan(
    environment: &Environment,
    profile: Option<&str>,
    retention: &Retention,
) -> Result<RetentionPlan> {
    retention.validate()?;
    let survey = Survey::take(environment, profile).await?;
    let plan = retention::plan(retention, survey.candidates(environment), environment.clock.now());
    let (profile, basis, made) = (profile.map(str::to_owned), survey.basis(), Some(Instant::now()));
    Ok(RetentionPlan { profile, basis, made, ..plan })
}

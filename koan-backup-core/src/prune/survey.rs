//! What is there to decide about.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;

use super::{clock, pins};
use crate::archive::{EntityStatus, Manifest};
use crate::catalog::unlisted::{self, ArchiveCandidate};
use crate::catalog::{self, StoredBackup, StoredManifests, UnreadableManifest};
use crate::clock::Clock;
use crate::environment::Environment;
use crate::error::Result;
use crate::id::BackupId;
use crate::lease::{self, FoundLease, LeaseFile};
use crate::retention::{self, Candidate, Retention, RetentionPlan};
use crate::storage::Storage;

/// The backups of a profile, and which are pinned or worked on.
#[derive(Debug)]
pub(crate) struct Survey<'a> {
    /// When it was begun. Leases are judged as of this time: their holders go on renewing them while the rest is read.
    pub(crate) taken_at: Timestamp,
    /// The files that can be archives.
    pub(crate) archives: Vec<ArchiveCandidate>,
    /// Newest first.
    pub(crate) backups: Vec<StoredBackup<'a>>,
    /// Manifests that cannot be read. Their backups are never treated as absent.
    pub(crate) unreadable: Vec<UnreadableManifest>,
    pins: BTreeMap<BackupId, String>,
    /// All leases, those that are free too.
    pub(crate) leases: Vec<FoundLease>,
}

impl<'a> Survey<'a> {
    /// Looks at a profile: at archives first, then leases, then manifests. Whoever writes an archive holds a lease that names it until
    /// its manifest is there, so an archive that was listed and that neither names is unlisted, however long this takes.
    pub(crate) async fn take(storage: &'a Storage, clock: &Arc<dyn Clock>) -> Result<Self> {
        let taken_at = clock.now();
        let archives = unlisted::candidates(storage).await?;
        let leases = lease::all(storage).await?;
        let StoredManifests { backups, unreadable } = catalog::list_all(storage).await?;
        Ok(Self { taken_at, archives, backups, unreadable, pins: pins::of(storage).await?, leases })
    }

    /// The ids of all backups, those whose manifests cannot be read too.
    pub(crate) fn ids(&self) -> BTreeSet<BackupId> {
        let readable = self.backups.iter().map(|backup| backup.manifest.id);
        readable.chain(self.unreadable.iter().map(|manifest| manifest.id)).collect()
    }

    /// Whether the manifest of a backup is there and cannot be read, so that its archive is not unlisted.
    pub(crate) fn is_unreadable(&self, id: Option<BackupId>) -> bool {
        self.unreadable.iter().any(|manifest| Some(manifest.id) == id)
    }

    /// The archives that manifests name.
    pub(crate) fn listed_archives(&self) -> BTreeSet<&str> {
        self.backups
            .iter()
            .filter_map(|backup| Some(backup.manifest.archive.as_ref()?.file.as_str()))
            .collect()
    }

    /// What is worked on now.
    pub(crate) fn held(&self, now: Timestamp) -> impl Iterator<Item = &LeaseFile> {
        self.leases.iter().map(|lease| &lease.file).filter(move |file| !file.is_free(now))
    }

    /// Refuses a clock that is behind the newest backup.
    pub(crate) fn require_clock(&self, now: Timestamp) -> Result<()> {
        clock::require_not_behind(now, self.backups.iter().map(|backup| &backup.manifest))
    }

    /// Why a backup must stay, if it must.
    fn pinned(&self, id: &BackupId, now: Timestamp) -> Option<String> {
        let held = || self.held(now).find(|lease| lease.subject.holds(id));
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

    /// What a retention makes of it.
    pub(super) fn plan(
        &self,
        environment: &Environment,
        profile: Option<&str>,
        retention: &Retention,
    ) -> Result<RetentionPlan> {
        retention.validate()?;
        let now = environment.clock.now();
        let candidates = self.backups.iter().map(|backup| self.candidate(environment, &backup.manifest));
        let plan = retention::plan(retention, candidates.collect(), now);
        let (profile, basis, made) = (profile.map(str::to_owned), self.basis(), Some(Instant::now()));
        Ok(RetentionPlan { profile, basis, made, ..plan })
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
            pinned: self.pinned(&manifest.id, self.taken_at),
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
    let survey = Survey::take(environment.storage(profile)?, &environment.clock).await?;
    survey.require_clock(environment.clock.now())?;
    survey.plan(environment, profile, retention)
}

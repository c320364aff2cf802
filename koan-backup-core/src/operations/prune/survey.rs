//! The survey of a profile: all data that a decision about removals needs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;

use super::{clock, pins};
use crate::archive::{EntityStatus, Manifest, Producer};
use crate::catalog::retention::{self, Candidate, Group, Retention, RetentionPlan, label};
use crate::catalog::unlisted::{self, ArchiveCandidate};
use crate::catalog::{
    self, Acknowledgements, DEFAULT_LOSS_PERCENT, Origin, SizeDrop, StoredBackup, StoredManifests,
    UnreadableManifest, damage,
};
use crate::entity::Policy;
use crate::environment::Environment;
use crate::environment::lease::{self, FoundLease, LeaseFile};
use crate::foundation::clock::Clock;
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::foundation::id::{BackupId, SetName};
use crate::storage::Storage;

/// The state of a profile at one time: archives, backups, pins, damage and leases.
#[derive(Debug)]
pub(crate) struct Survey<'a> {
    /// When the survey started. Leases are checked against this time, because their holders renew them while
    /// the remaining files are read.
    pub(crate) taken_at: Timestamp,
    /// The files that may be archives.
    pub(crate) archives: Vec<ArchiveCandidate>,
    /// The backups whose manifests can be read, newest first.
    pub(crate) backups: Vec<StoredBackup<'a>>,
    /// Manifests that cannot be read. Their backups are never treated as absent.
    pub(crate) unreadable: Vec<UnreadableManifest>,
    pins: BTreeMap<BackupId, String>,
    /// The known damage of the backups.
    damage: BTreeMap<BackupId, String>,
    acknowledged: Acknowledgements,
    /// All leases, including free ones.
    pub(crate) leases: Vec<FoundLease>,
}

impl<'a> Survey<'a> {
    /// Reads the state of a profile: first the archives, then the leases, then the manifests. An operation
    /// that writes an archive holds a lease with the path of the archive until the manifest is published.
    /// Therefore an archive to which neither a lease nor a manifest refers is unlisted, regardless of how
    /// long the survey takes.
    pub(crate) async fn take(storage: &'a Storage, clock: &Arc<dyn Clock>) -> Result<Self> {
        let taken_at = clock.now();
        let archives = unlisted::candidates(storage).await?;
        let leases = lease::all(storage).await?;
        let StoredManifests { backups, unreadable } = catalog::list_all(storage).await?;
        let (damage, acknowledged) =
            (damage::read_all(storage).await?, Acknowledgements::read(storage).await?);
        let pins = pins::read_all(storage).await?;
        Ok(Self { taken_at, archives, backups, unreadable, pins, damage, acknowledged, leases })
    }

    /// Returns the ids of all backups, including those whose manifests cannot be read.
    pub(crate) fn ids(&self) -> BTreeSet<BackupId> {
        let readable = self.backups.iter().map(|backup| backup.manifest.id);
        readable.chain(self.unreadable.iter().map(|manifest| manifest.id)).collect()
    }

    /// Returns whether the manifest of a backup exists but cannot be read. Its archive is not unlisted then.
    pub(crate) fn is_unreadable(&self, id: Option<BackupId>) -> bool {
        self.unreadable.iter().any(|manifest| Some(manifest.id) == id)
    }

    /// Returns the paths of the archives to which readable manifests refer.
    pub(crate) fn listed_archives(&self) -> BTreeSet<&str> {
        self.backups
            .iter()
            .filter_map(|backup| Some(backup.manifest.archive.as_ref()?.file.as_str()))
            .collect()
    }

    /// Returns the leases that are held.
    pub(crate) fn held(&self, now: Timestamp) -> impl Iterator<Item = &LeaseFile> {
        self.leases.iter().map(|lease| &lease.file).filter(move |file| !file.is_free(now))
    }

    /// Refuses a clock that is behind the newest backup.
    pub(crate) fn require_clock(&self, now: Timestamp) -> Result<()> {
        clock::require_not_behind(now, self.backups.iter().map(|backup| &backup.manifest))
    }

    /// Returns whether a backup is pinned.
    pub(crate) fn is_pinned(&self, id: &BackupId) -> bool {
        self.pins.contains_key(id)
    }

    /// Returns why a backup must be kept: the reason of its pin, or the operation that uses it.
    fn protection_reason(&self, id: &BackupId, now: Timestamp) -> Option<String> {
        let held = || self.held(now).find(|lease| lease.subject.protects(id));
        self.pins
            .get(id)
            .cloned()
            .or_else(|| held().map(|lease| format!("another process is {}", lease.subject)))
    }

    /// Returns the backups that a retention policy considers.
    fn considered<'s>(
        &'s self,
        environment: &'s Environment,
        retention: &'s Retention,
    ) -> impl Iterator<Item = &'s StoredBackup<'a>> {
        let is_considered =
            |backup: &&StoredBackup<'_>| match backup.manifest.producer.origin(&environment.identity) {
                Origin::Own => true,
                Origin::Unidentified => retention.includes_unidentified(),
                Origin::Other => false,
            };
        self.backups.iter().filter(is_considered)
    }

    /// Returns a hash for each backup that a retention policy considers: of its manifest together with its
    /// pin.
    pub(super) fn basis(
        &self,
        environment: &Environment,
        retention: &Retention,
    ) -> BTreeMap<BackupId, String> {
        let hash = |backup: &StoredBackup<'_>| {
            let pin = self.pins.get(&backup.manifest.id);
            crate::foundation::digest::sha256(format!("{} {pin:?}", backup.published).as_bytes())
        };
        self.considered(environment, retention).map(|backup| (backup.manifest.id, hash(backup))).collect()
    }

    /// Makes the plan of a retention policy. `known_damage` is damage that was found after the survey.
    pub(super) fn plan(
        &self,
        environment: &Environment,
        profile: Option<&str>,
        retention: &Retention,
        known_damage: &[(BackupId, String)],
    ) -> Result<RetentionPlan> {
        retention.validate()?;
        refuse_release_of_covered(environment, retention)?;
        let now = environment.clock.now();
        let considered: Vec<_> = self.considered(environment, retention).collect();
        let mut candidates = self.candidates(environment, considered.iter().copied());
        for candidate in &mut candidates {
            candidate.is_damaged |= known_damage.iter().any(|(id, _)| *id == candidate.id);
        }
        let losses = self.losses(environment, considered.into_iter());
        let plan = retention::plan(retention, candidates, &losses, now);
        let (profile, made_at_monotonic) = (profile.map(str::to_owned), Some(Instant::now()));
        let count_with_origin = |wanted: Origin| {
            let has_origin =
                |backup: &&StoredBackup<'_>| backup.manifest.producer.origin(&environment.identity) == wanted;
            self.backups.iter().filter(has_origin).count()
        };
        Ok(RetentionPlan {
            profile,
            basis: self.basis(environment, retention),
            made_at_monotonic,
            other_applications: count_with_origin(Origin::Other),
            unidentified: if retention.includes_unidentified() {
                0
            } else {
                count_with_origin(Origin::Unidentified)
            },
            ..plan
        })
    }

    /// Returns the groups of the backups that a retention policy considers. A valid backup of each group must
    /// be kept.
    pub(super) fn groups(&self, environment: &Environment, retention: &Retention) -> Vec<Group> {
        self.groups_of(environment, self.considered(environment, retention), retention.released_names())
    }

    /// Returns the groups of the backups of the application that made the backup of `manifest`.
    pub(super) fn groups_of_same_application(
        &self,
        environment: &Environment,
        manifest: &Manifest,
    ) -> Vec<Group> {
        let identity = |producer: &Producer| (producer.application.clone(), producer.environment.clone());
        let backups = self
            .backups
            .iter()
            .filter(|backup| identity(&backup.manifest.producer) == identity(&manifest.producer));
        self.groups_of(environment, backups, &BTreeSet::new())
    }

    fn groups_of<'s>(
        &'s self,
        environment: &Environment,
        backups: impl Iterator<Item = &'s StoredBackup<'a>>,
        released: &BTreeSet<String>,
    ) -> Vec<Group>
    where
        'a: 's,
    {
        let backups: Vec<_> = backups.collect();
        let candidates = self.candidates(environment, backups.iter().copied());
        let losses = self.losses(environment, backups.into_iter());
        retention::groups(&candidates, &losses, released)
    }

    /// Returns the losses that are not acknowledged.
    fn losses<'s>(
        &self,
        environment: &Environment,
        backups: impl Iterator<Item = &'s StoredBackup<'a>>,
    ) -> Vec<SizeDrop>
    where
        'a: 's,
    {
        let complete =
            backups.map(|backup| &backup.manifest).filter(|manifest| manifest.status.is_complete());
        catalog::losses(
            complete,
            |name| environment.canonical(name),
            DEFAULT_LOSS_PERCENT,
            &self.acknowledged,
        )
    }

    fn candidates<'s>(
        &self,
        environment: &Environment,
        backups: impl Iterator<Item = &'s StoredBackup<'a>>,
    ) -> Vec<Candidate>
    where
        'a: 's,
    {
        backups.map(|backup| self.candidate(environment, &backup.manifest)).collect()
    }

    fn candidate(&self, environment: &Environment, manifest: &Manifest) -> Candidate {
        let entities = manifest
            .entities
            .iter()
            .filter(|entity| entity.status == EntityStatus::Completed && manifest.archive.is_some())
            .map(|entity| candidate_entity(environment, &entity.entity, &entity.set, Some(entity.policy)))
            .collect();
        Candidate {
            id: manifest.id,
            name: manifest.name.clone(),
            series: manifest.series_name(),
            created_at: manifest.created_at,
            is_complete: manifest.status.is_complete(),
            is_damaged: self.damage.contains_key(&manifest.id),
            tags: manifest.tags.clone(),
            entities,
            protection_reason: self.protection_reason(&manifest.id, self.taken_at),
            size_bytes: manifest.archive.as_ref().map_or(0, |archive| archive.size_bytes),
        }
    }
}

/// Returns the current name of an entity with its set, and the number of days for which its backups are kept. The
/// current policy applies; for an entity that no longer exists, the policy in the backup applies.
pub(crate) fn candidate_entity(
    environment: &Environment,
    entity: &str,
    set: &SetName,
    policy: Option<Policy>,
) -> (String, Option<u32>) {
    let current_policy = environment.entity(entity).and_then(|known| known.policy);
    let days = current_policy.or(policy).and_then(|policy| policy.retention_days);
    let set = if set.is_root() { "" } else { set.as_str() };
    (label(&environment.canonical(entity), set), days)
}

/// Refuses to release an entity that the application still backs up, because the name may be misspelt.
pub(crate) fn refuse_release_of_covered(environment: &Environment, retention: &Retention) -> Result<()> {
    let is_covered = |name: &&String| environment.entity(name).is_some_and(|known| known.policy.is_some());
    match retention.released_names().iter().find(is_covered) {
        None => Ok(()),
        Some(name) => Err(Error::new(
            ErrorKind::Configuration,
            format!(
                "`release_entity` is for entities that no longer exist in the code, but this application \
                 backs up `{name}`; remove the rule"
            ),
        )),
    }
}

/// Makes the plan of a retention policy for a profile.
pub(crate) async fn plan(
    environment: &Environment,
    profile: Option<&str>,
    retention: &Retention,
) -> Result<RetentionPlan> {
    retention.validate()?;
    let survey = Survey::take(environment.storage(profile)?, &environment.clock).await?;
    survey.require_clock(environment.clock.now())?;
    survey.plan(environment, profile, retention, &[])
}

//! Whether the backups there are would help on the worst day.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::acknowledgement::Acknowledgements;
use super::entry::CatalogEntry;
use super::losses::{MOST_PERCENT, SizeDrop, losses};
use super::origin::Origin;
use super::unlisted::{UnlistedArchive, UnlistedState};
use super::unreadable::UnreadableManifest;
use crate::archive::EntityStatus;
use crate::foundation::id::BackupId;
use crate::foundation::identity::ApplicationIdentity;
use crate::foundation::series::SeriesName;

/// What is expected of the backups.
#[derive(Clone, Debug)]
#[must_use]
pub struct Expectations {
    every: Option<Duration>,
    by_name: BTreeMap<String, Duration>,
    entities_within: Option<Duration>,
    verified_within: Option<Duration>,
    shrinks_by_percent: u8,
}

impl Default for Expectations {
    fn default() -> Self {
        Self {
            every: None,
            by_name: BTreeMap::new(),
            entities_within: None,
            verified_within: None,
            shrinks_by_percent: MOST_PERCENT,
        }
    }
}

impl Expectations {
    /// Only that no entity shrinks by more than half from one backup of a series to the next.
    pub fn new() -> Self {
        Self::default()
    }

    /// Some backup is completed in every such span.
    pub fn every(mut self, interval: Duration) -> Self {
        self.every = Some(interval);
        self
    }

    /// A backup of this name, or of this series, is completed in every such span.
    pub fn backup_every(mut self, name: impl Into<String>, interval: Duration) -> Self {
        self.by_name.insert(name.into(), interval);
        self
    }

    /// Every covered entity is in a completed backup that is not older than this.
    pub fn entities_within(mut self, age: Duration) -> Self {
        self.entities_within = Some(age);
        self
    }

    /// Some backup was verified by maintenance within this time.
    pub fn verified_within(mut self, age: Duration) -> Self {
        self.verified_within = Some(age);
        self
    }

    /// An entity that loses more than so many of a hundred records from one backup of a series to the next is a problem until
    /// the loss is [acknowledged](crate::builders::Catalog::acknowledge); 50 by default.
    pub fn shrinks_by_percent(mut self, percent: u8) -> Self {
        self.shrinks_by_percent = percent.min(100);
        self
    }
}

/// When a backup was verified, as it is kept beside the backups.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct VerificationRecord {
    pub(crate) verified_at: Timestamp,
}

/// The state of the backups, at one moment.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct CatalogHealth {
    /// When it was looked at.
    pub checked_at: Timestamp,
    /// The newest completed backup that is not dated in the future, and when it began.
    pub last_success: Option<(BackupId, Timestamp)>,
    /// The last verification by maintenance: which backup, when.
    pub last_verification: Option<(BackupId, Timestamp)>,
    /// Backups that failed, and none of their series was completed since.
    pub failed: Vec<BackupId>,
    /// Backups that a verification found to be damaged, each with its storage profile.
    pub damaged: Vec<(String, BackupId)>,
    /// Covered entities that are in no completed backup, or in none that is young enough.
    pub stale_entities: Vec<StaleEntity>,
    /// Entities that lost most of their records, oldest first, until that is [acknowledged](crate::builders::Catalog::acknowledge).
    pub shrunk: Vec<SizeDrop>,
    /// Backups of older versions that record no environment. They may belong to another application, so they are not considered.
    pub unidentified: usize,
    /// What maintenance tried in its last run and did not get done, in whichever process it ran: a retention that was refused, a
    /// leftover that stayed.
    pub undone: Vec<IncompleteTask>,
    /// Archives that no manifest names, each with its storage profile. [`recover`](crate::builders::Catalog::recover) publishes their manifests again.
    pub unlisted: Vec<(String, UnlistedArchive)>,
    /// Manifests that cannot be read, each with its storage profile.
    pub unreadable: Vec<(String, UnreadableManifest)>,
    /// Completed backups that are dated in the future. Age checks do not count them.
    pub future: Vec<BackupId>,
    /// Everything that needs somebody, in words.
    pub problems: Vec<String>,
}

/// An entity without a young backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct StaleEntity {
    /// Its name.
    pub entity: String,
    /// When the newest completed backup with it began.
    pub last: Option<Timestamp>,
}

/// What maintenance did not get done. A later run that does it clears it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct IncompleteTask {
    /// The storage profile.
    pub profile: String,
    /// `retention`, `verification`, `leftovers` or `catalog`.
    pub chore: String,
    /// When it was tried.
    pub tried_at: Timestamp,
    /// Why it was not done.
    pub problem: String,
}

impl CatalogHealth {
    /// Whether nobody is needed.
    pub fn is_healthy(&self) -> bool {
        self.problems.is_empty()
    }
}

/// How far clocks may be apart: what is dated later is in the future.
const TOLERANCE: Duration = Duration::from_secs(5 * 60);

fn is_future(at: Timestamp, now: Timestamp) -> bool {
    Duration::try_from(at.duration_since(now)).is_ok_and(|ahead| ahead > TOLERANCE)
}

/// What is judged.
#[derive(Debug)]
pub(crate) struct Judged<'a> {
    /// All backups; those of other applications are passed over.
    pub(crate) entries: Vec<CatalogEntry>,
    pub(crate) own: &'a ApplicationIdentity,
    /// The entities that should be in them.
    pub(crate) covered: BTreeSet<String>,
    pub(crate) verified: Vec<(BackupId, VerificationRecord)>,
    pub(crate) acknowledged: Acknowledgements,
    pub(crate) undone: Vec<IncompleteTask>,
    pub(crate) unlisted: Vec<(String, UnlistedArchive)>,
    pub(crate) unreadable: Vec<(String, UnreadableManifest)>,
}

/// The health of the backups of an application. `canonical` gives the present name of an entity.
pub(crate) fn health(
    judged: Judged<'_>,
    expected: &Expectations,
    canonical: impl Fn(&str) -> String,
    now: Timestamp,
) -> CatalogHealth {
    let Judged { mut entries, own, covered, mut verified, acknowledged, undone, unlisted, unreadable } =
        judged;
    entries.retain(|entry| entry.manifest().producer.origin(own) != Origin::Other);
    entries.sort_by_cached_key(|entry| std::cmp::Reverse((entry.manifest().created_at, entry.id())));
    let damaged = entries.iter().filter(|entry| entry.damage().is_some());
    let damaged = damaged.map(|entry| (entry.profile().to_owned(), entry.id())).collect();
    // A copy is the same backup.
    entries.dedup_by_key(|entry| entry.id());
    let before = entries.len();
    entries.retain(|entry| entry.manifest().producer.origin(own) == Origin::Own);
    let unidentified = before - entries.len();
    verified.retain(|(id, _)| entries.iter().any(|entry| entry.id() == *id));
    let complete: Vec<_> = entries.iter().filter(|entry| entry.manifest().status.is_complete()).collect();
    // What is dated in the future would pass every check of age until then.
    let dated = |entry: &&&CatalogEntry| !is_future(entry.manifest().created_at, now);
    let past: Vec<_> = complete.iter().filter(dated).copied().collect();
    let future = complete.iter().filter(|entry| !dated(entry)).map(|entry| entry.id()).collect();
    let verified = verified.iter().filter(|(_, record)| !is_future(record.verified_at, now));
    let last = verified.max_by_key(|(_, record)| record.verified_at);
    let mut health = CatalogHealth {
        checked_at: now,
        last_success: past.first().map(|entry| (entry.id(), entry.manifest().created_at)),
        last_verification: last.map(|(id, record)| (*id, record.verified_at)),
        failed: failed(&entries),
        damaged,
        stale_entities: stale(&past, &covered, expected.entities_within, now),
        shrunk: losses(
            complete.iter().map(|entry| entry.manifest()),
            canonical,
            expected.shrinks_by_percent,
            &acknowledged,
        ),
        unidentified,
        undone,
        unlisted,
        unreadable,
        future,
        problems: Vec::new(),
    };
    health.problems = problems(&health, &past, expected);
    health
}

fn is_older(at: Timestamp, age: Duration, now: Timestamp) -> bool {
    Duration::try_from(now.duration_since(at)).is_ok_and(|passed| passed > age)
}

fn failed(entries: &[CatalogEntry]) -> Vec<BackupId> {
    let mut completed: BTreeSet<SeriesName> = BTreeSet::new();
    let mut failed = Vec::new();
    for entry in entries {
        let manifest = entry.manifest();
        if manifest.status.is_complete() {
            completed.insert(manifest.series_name());
        } else if !completed.contains(&manifest.series_name()) {
            failed.push(manifest.id);
        }
    }
    failed
}

fn stale(
    complete: &[&CatalogEntry],
    covered: &BTreeSet<String>,
    within: Option<Duration>,
    now: Timestamp,
) -> Vec<StaleEntity> {
    let last = |name: &String| {
        let holds = |entry: &&&CatalogEntry| {
            entry.manifest().entities.iter().any(|entity| &entity.entity == name && is_there(entity.status))
        };
        complete.iter().find(holds).map(|entry| entry.manifest().created_at)
    };
    let stale = covered.iter().map(|name| StaleEntity { entity: name.clone(), last: last(name) });
    stale
        .filter(|stale| match (stale.last, within) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(last), Some(age)) => is_older(last, age, now),
        })
        .collect()
}

fn is_there(status: EntityStatus) -> bool {
    status == EntityStatus::Completed
}

fn problems(health: &CatalogHealth, complete: &[&CatalogEntry], expected: &Expectations) -> Vec<String> {
    let now = health.checked_at;
    let mut problems = Vec::new();
    let mut overdue = |what: String, last: Option<Timestamp>, interval: Duration| {
        let hours = interval.as_secs() / 3600;
        match last {
            None => {
                let unidentified = match health.unidentified {
                    0 => String::new(),
                    count => format!(" ({count} of older versions record no environment and do not count)"),
                };
                problems.push(format!(
                    "{what} was ever completed; one is expected every {hours} hours{unidentified}"
                ));
            }
            Some(last) if is_older(last, interval, now) => problems.push(format!(
                "{what} was completed since {}; one is expected every {hours} hours",
                last.strftime("%Y-%m-%d %H:%M:%S")
            )),
            Some(_) => {}
        }
    };
    if let Some(interval) = expected.every {
        overdue("no backup".to_owned(), health.last_success.map(|(_, at)| at), interval);
    }
    for (name, interval) in &expected.by_name {
        let is_meant = |entry: &&&CatalogEntry| {
            entry.manifest().name.as_str() == name || entry.manifest().series_name().as_str() == name
        };
        let last = complete.iter().find(is_meant);
        let last = last.map(|entry| entry.manifest().created_at);
        overdue(format!("no backup called `{name}`"), last, *interval);
    }
    if let Some(age) = expected.verified_within
        && health.last_verification.is_none_or(|(_, at)| is_older(at, age, now))
    {
        problems.push(format!("no backup was verified within {} hours", age.as_secs() / 3600));
    }
    problems.extend(
        health
            .failed
            .iter()
            .map(|id| format!("backup {id} failed, and none of its series was completed since")),
    );
    let damaged = health.damaged.iter();
    problems.extend(damaged.map(|(profile, id)| format!("backup {id} in profile `{profile}` is damaged")));
    problems.extend(health.future.iter().map(|id| {
        format!("backup {id} is dated in the future, so checks of age do not count it; set the clock, and delete that backup")
    }));
    problems.extend(health.unreadable.iter().map(|(profile, manifest)| {
        format!(
            "the manifest of backup {} in profile `{profile}` cannot be read: {}",
            manifest.id, manifest.problem
        )
    }));
    problems.extend(health.unlisted.iter().map(|(profile, archive)| {
        let (archive, what) = (
            &archive.archive,
            match &archive.state {
                UnlistedState::Complete => String::new(),
                UnlistedState::Encrypted => ", and it is encrypted".to_owned(),
                UnlistedState::Damaged { problem } => format!(", and it is damaged: {problem}"),
            },
        );
        format!(
            "archive `{archive}` in profile `{profile}` is unlisted: no manifest names it{what}; \
             `koan.catalog().recover()` verifies it and publishes its manifest"
        )
    }));
    problems.extend(health.undone.iter().map(|undone| {
        let IncompleteTask { profile, chore, tried_at, problem } = undone;
        let at = tried_at.strftime("%Y-%m-%d %H:%M:%S");
        format!("maintenance of profile `{profile}` did not get `{chore}` done at {at}: {problem}")
    }));
    problems.extend(health.stale_entities.iter().map(|stale| match stale.last {
        None => format!("`{}` is in no backup that was completed", stale.entity),
        Some(last) => {
            format!("`{}` was last backed up at {}", stale.entity, last.strftime("%Y-%m-%d %H:%M:%S"))
        }
    }));
    problems.extend(health.shrunk.iter().map(|shrunk| {
        let SizeDrop { entity, set, backup, before, after, .. } = shrunk;
        let set = if set.is_root() { String::new() } else { format!("#{set}") };
        format!(
            "`{entity}{set}` had {before} records and has {after} in backup {backup}; find out why, or accept it with \
             `koan.catalog().acknowledge(id, reason)`"
        )
    }));
    problems
}

//! The health of the backups: compares the catalog with the expectations of the user.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::acknowledgement::Acknowledgements;
use super::entry::CatalogEntry;
use super::losses::{DEFAULT_LOSS_PERCENT, losses};
use super::origin::Origin;
use super::size_drop::SizeDrop;
use super::stream_backups::{ExpiredStreams, StreamBackupHealth, problems as stream_problems};
use super::unlisted::{UnlistedArchive, UnlistedState};
use super::unreadable::UnreadableManifest;
use crate::archive::EntityStatus;
use crate::foundation::id::BackupId;
use crate::foundation::identity::ApplicationIdentity;
use crate::foundation::series::SeriesName;

/// The expectations of the user about the backups.
///
/// ```
/// use std::time::Duration;
///
/// use koan_backup::catalog::Expectations;
///
/// const DAY: Duration = Duration::from_secs(24 * 3600);
/// let expected = Expectations::new()
///     .backup_every("nightly", DAY)
///     .entities_within(2 * DAY)
///     .verified_within(7 * DAY)
///     .max_loss_percent(20);
/// # let _ = expected;
/// ```
#[derive(Clone, Debug)]
#[must_use = "expectations do nothing until they are given to `health`"]
pub struct Expectations {
    pub(super) every: Option<Duration>,
    pub(super) by_name: BTreeMap<String, Duration>,
    pub(super) verified_by_name: BTreeMap<String, Duration>,
    entities_within: Option<Duration>,
    pub(super) verified_within: Option<Duration>,
    max_loss_percent: u8,
}

impl Default for Expectations {
    fn default() -> Self {
        Self {
            every: None,
            by_name: BTreeMap::new(),
            verified_by_name: BTreeMap::new(),
            entities_within: None,
            verified_within: None,
            max_loss_percent: DEFAULT_LOSS_PERCENT,
        }
    }
}

impl Expectations {
    /// Creates expectations that only limit losses: no entity may lose more than half of its records from one
    /// backup of a series to the next.
    pub fn new() -> Self {
        Self::default()
    }

    /// Expects that the newest completed backup, of any name, is not older than `interval`.
    pub fn every(mut self, interval: Duration) -> Self {
        self.every = Some(interval);
        self
    }

    /// Expects that the newest completed backup with this name, or of this series, is not older than
    /// `interval`.
    pub fn backup_every(mut self, name: impl Into<String>, interval: Duration) -> Self {
        self.by_name.insert(name.into(), interval);
        self
    }

    /// Expects that a backup with this name, or of this series, was verified, and that its last verification is not
    /// older than `age`.
    pub fn backup_verified_within(mut self, name: impl Into<String>, age: Duration) -> Self {
        self.verified_by_name.insert(name.into(), age);
        self
    }

    /// Expects that every covered entity is in a completed backup that is not older than `age`.
    pub fn entities_within(mut self, age: Duration) -> Self {
        self.entities_within = Some(age);
        self
    }

    /// Expects that the last verification of a backup is not older than `age`.
    pub fn verified_within(mut self, age: Duration) -> Self {
        self.verified_within = Some(age);
        self
    }

    /// Expects that no entity loses more than this percentage of its records from one backup of a series to
    /// the next. A larger loss is a problem until it is
    /// [acknowledged](crate::builders::Catalog::acknowledge). The default is 50.
    pub fn max_loss_percent(mut self, percent: u8) -> Self {
        self.max_loss_percent = percent.min(100);
        self
    }

    /// Returns how often a backup of this name or series is expected, if it is.
    pub fn interval(&self, name: &str) -> Option<Duration> {
        self.by_name.get(name).copied()
    }

    /// Returns the names and series of which backups or verifications are expected, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let names: BTreeSet<_> = self.by_name.keys().chain(self.verified_by_name.keys()).collect();
        names.into_iter().map(String::as_str)
    }
}

/// The record of a verification, stored in a sidecar file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct VerificationRecord {
    pub(crate) verified_at: Timestamp,
}

/// The health of the backups at one point in time.
///
/// ```
/// use koan_backup::catalog::Expectations;
/// # koan_backup_shop::run(async |koan| {
/// let health = koan.catalog().health(&Expectations::new()).await?;
/// for problem in &health.problems {
///     eprintln!("{problem}");
/// }
/// # assert!(health.last_success.is_some());
/// # Ok(())
/// # });
/// ```
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
#[must_use = "the problems of the backups are in it"]
pub struct CatalogHealth {
    /// When the health was determined.
    pub checked_at: Timestamp,
    /// The newest completed backup that is not dated in the future, and the time at which it started.
    pub last_success: Option<(BackupId, Timestamp)>,
    /// The last verification by maintenance: the backup and the time.
    pub last_verification: Option<(BackupId, Timestamp)>,
    /// Failed backups, if no later backup of their series was completed.
    pub failed: Vec<BackupId>,
    /// Backups with known damage, each with its storage profile.
    pub damaged: Vec<(String, BackupId)>,
    /// Covered entities that are in no completed backup, or only in backups that are too old.
    pub stale_entities: Vec<StaleEntity>,
    /// Entities that lost more records than expected, oldest first, until the loss is
    /// [acknowledged](crate::builders::Catalog::acknowledge).
    pub size_drops: Vec<SizeDrop>,
    /// The number of backups of older versions that record no environment. They may belong to another
    /// application, so they are not considered.
    pub unidentified: usize,
    /// The tasks that the last maintenance run of any process did not complete: for example a prune that was
    /// refused, or a file that could not be removed.
    pub incomplete_tasks: Vec<IncompleteTask>,
    /// Archives to which no manifest refers, each with its storage profile.
    /// [`recover`](crate::builders::Catalog::recover) publishes their manifests again.
    pub unlisted: Vec<(String, UnlistedArchive)>,
    /// Manifests that cannot be read, each with its storage profile.
    pub unreadable: Vec<(String, UnreadableManifest)>,
    /// Completed backups that are dated in the future. They are ignored when the age of backups is checked.
    pub created_in_future: Vec<BackupId>,
    /// Whether the newest completed backup, of any name or of an expected name, is older than expected.
    pub is_overdue: bool,
    /// The single backups of event streams.
    pub stream_backups: StreamBackupHealth,
    /// Descriptions of all problems that need attention.
    pub problems: Vec<String>,
}

/// A covered entity whose newest completed backup is too old, or that is in no completed backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct StaleEntity {
    /// The name of the entity.
    pub entity: String,
    /// When the newest completed backup that contains the entity started; `None` if there is none.
    pub last: Option<Timestamp>,
}

/// A task that maintenance did not complete. It is reported until a later run completes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct IncompleteTask {
    /// The storage profile.
    pub profile: String,
    /// The task: `retention`, `verification`, `cleanup`, `stream-expiry`, `stream-verification` or `catalog`.
    pub task: String,
    /// When maintenance tried to run the task.
    pub tried_at: Timestamp,
    /// Why the task was not completed.
    pub problem: String,
}

impl CatalogHealth {
    /// Returns whether there are no problems.
    pub fn is_healthy(&self) -> bool {
        self.problems.is_empty()
    }
}

/// The maximum difference between two clocks. A backup whose time is further in the future is treated as
/// dated in the future.
const MAX_CLOCK_SKEW: Duration = Duration::from_secs(5 * 60);

pub(super) fn is_in_future(at: Timestamp, now: Timestamp) -> bool {
    Duration::try_from(at.duration_since(now)).is_ok_and(|ahead| ahead > MAX_CLOCK_SKEW)
}

/// The data from which the health is determined.
#[derive(Debug)]
pub(crate) struct HealthInput<'a> {
    /// All backups. Backups of other applications are ignored.
    pub(crate) entries: Vec<CatalogEntry>,
    pub(crate) identity: &'a ApplicationIdentity,
    /// The entities that backups should contain.
    pub(crate) covered: BTreeSet<String>,
    pub(crate) verified: Vec<(BackupId, VerificationRecord)>,
    pub(crate) acknowledged: Acknowledgements,
    pub(crate) incomplete_tasks: Vec<IncompleteTask>,
    pub(crate) unlisted: Vec<(String, UnlistedArchive)>,
    pub(crate) unreadable: Vec<(String, UnreadableManifest)>,
    pub(crate) stream_backups: StreamBackupHealth,
    /// Who removes single backups that have expired.
    pub(crate) expired_streams: ExpiredStreams,
}

/// Determines the health of the backups of an application. `canonical` returns the current name of an entity.
pub(crate) fn health(
    input: HealthInput<'_>,
    expected: &Expectations,
    canonical: impl Fn(&str) -> String,
    now: Timestamp,
) -> CatalogHealth {
    let HealthInput {
        mut entries,
        identity,
        covered,
        mut verified,
        acknowledged,
        incomplete_tasks,
        unlisted,
        unreadable,
        stream_backups,
        expired_streams,
    } = input;
    entries.retain(|entry| entry.manifest().producer.origin(identity) != Origin::Other);
    entries.sort_by_cached_key(|entry| std::cmp::Reverse((entry.manifest().created_at, entry.id())));
    let damaged = entries.iter().filter(|entry| entry.damage().is_some());
    let damaged = damaged.map(|entry| (entry.profile().to_owned(), entry.id())).collect();
    // A copy is the same backup.
    entries.dedup_by_key(|entry| entry.id());
    let count_with_unidentified = entries.len();
    entries.retain(|entry| entry.manifest().producer.origin(identity) == Origin::Own);
    let unidentified = count_with_unidentified - entries.len();
    let ids: HashSet<_> = entries.iter().map(CatalogEntry::id).collect();
    verified.retain(|(id, _)| ids.contains(id));
    let complete: Vec<_> = entries.iter().filter(|entry| entry.manifest().status.is_complete()).collect();
    // A backup that is dated in the future would not become too old until that time, so it is ignored when
    // the age is checked.
    let is_past = |entry: &&&CatalogEntry| !is_in_future(entry.manifest().created_at, now);
    let past: Vec<_> = complete.iter().filter(is_past).copied().collect();
    let future = complete.iter().filter(|entry| !is_past(entry)).map(|entry| entry.id()).collect();
    verified.retain(|(_, record)| !is_in_future(record.verified_at, now));
    let last_verification = verified.iter().max_by_key(|(_, record)| record.verified_at);
    let mut health = CatalogHealth {
        checked_at: now,
        last_success: past.first().map(|entry| (entry.id(), entry.manifest().created_at)),
        last_verification: last_verification.map(|(id, record)| (*id, record.verified_at)),
        failed: failed_backups(&entries),
        damaged,
        stale_entities: stale_entities(&past, &covered, expected.entities_within, now),
        size_drops: losses(
            complete.iter().map(|entry| entry.manifest()),
            canonical,
            expected.max_loss_percent,
            &acknowledged,
        ),
        unidentified,
        incomplete_tasks,
        unlisted,
        unreadable,
        created_in_future: future,
        is_overdue: is_overdue(&past, expected, now),
        stream_backups,
        problems: Vec::new(),
    };
    health.problems = unverified(&entries, &verified, expected, now);
    health.problems.extend(problems(&health, &past, expected));
    health.problems.extend(stream_problems(&health.stream_backups, expired_streams));
    health
}

/// Returns whether a backup is older than expected. `past` are the completed backups, newest first.
fn is_overdue(past: &[&CatalogEntry], expected: &Expectations, now: Timestamp) -> bool {
    let is_old = |last: Option<&&CatalogEntry>, limit: Duration| {
        last.is_none_or(|last| is_older(last.manifest().created_at, limit, now))
    };
    expected.every.is_some_and(|limit| is_old(past.first(), limit))
        || expected
            .by_name
            .iter()
            .any(|(name, limit)| is_old(past.iter().find(|entry| is_called(entry, name)), *limit))
}

/// Returns a problem for each name or series whose last verification is too old.
fn unverified(
    entries: &[CatalogEntry],
    verified: &[(BackupId, VerificationRecord)],
    expected: &Expectations,
    now: Timestamp,
) -> Vec<String> {
    let last = |name: &str| {
        let ids: BTreeSet<_> =
            entries.iter().filter(|entry| is_called(entry, name)).map(|entry| entry.id()).collect();
        let records = verified.iter().filter(|(id, _)| ids.contains(id));
        records.map(|(_, record)| record.verified_at).max()
    };
    let overdue = |(name, age): (&String, &Duration)| match last(name) {
        Some(at) if !is_older(at, *age, now) => None,
        _ => Some(format!("no backup called `{name}` was verified within {} hours", age.as_secs() / 3600)),
    };
    expected.verified_by_name.iter().filter_map(overdue).collect()
}

/// Returns whether a backup has this name, or is of this series.
pub(super) fn is_called(entry: &CatalogEntry, name: &str) -> bool {
    entry.manifest().name.as_str() == name || entry.manifest().series_name().as_str() == name
}

pub(super) fn is_older(at: Timestamp, age: Duration, now: Timestamp) -> bool {
    Duration::try_from(now.duration_since(at)).is_ok_and(|elapsed| elapsed > age)
}

fn failed_backups(entries: &[CatalogEntry]) -> Vec<BackupId> {
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

fn stale_entities(
    complete: &[&CatalogEntry],
    covered: &BTreeSet<String>,
    max_age: Option<Duration>,
    now: Timestamp,
) -> Vec<StaleEntity> {
    let last = |name: &String| {
        let contains = |entry: &&&CatalogEntry| {
            entry
                .manifest()
                .entities
                .iter()
                .any(|entity| &entity.entity == name && is_completed(entity.status))
        };
        complete.iter().find(contains).map(|entry| entry.manifest().created_at)
    };
    let stale = covered.iter().map(|name| StaleEntity { entity: name.clone(), last: last(name) });
    stale
        .filter(|stale| match (stale.last, max_age) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(last), Some(age)) => is_older(last, age, now),
        })
        .collect()
}

fn is_completed(status: EntityStatus) -> bool {
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
                    count => {
                        format!(
                            " ({count} backups of older versions record no environment and are not \
                             considered)"
                        )
                    }
                };
                problems.push(format!(
                    "{what} was ever completed; one is expected every {hours} hours{unidentified}"
                ));
            }
            Some(last) if is_older(last, interval, now) => problems.push(format!(
                "{what} has been completed since {}; one is expected every {hours} hours",
                last.strftime("%Y-%m-%d %H:%M:%S")
            )),
            Some(_) => {}
        }
    };
    if let Some(interval) = expected.every {
        overdue("no backup".to_owned(), health.last_success.map(|(_, at)| at), interval);
    }
    for (name, interval) in &expected.by_name {
        let last = complete.iter().find(|entry| is_called(entry, name));
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
            .map(|id| format!("backup {id} failed, and no later backup of its series was completed")),
    );
    let damaged = health.damaged.iter();
    problems.extend(damaged.map(|(profile, id)| format!("backup {id} in profile `{profile}` is damaged")));
    problems.extend(health.created_in_future.iter().map(|id| {
        format!(
            "backup {id} is dated in the future, so checks of age ignore it; correct the clock, and delete \
             the backup"
        )
    }));
    problems.extend(health.unreadable.iter().map(|(profile, manifest)| {
        format!(
            "the manifest of backup {} in profile `{profile}` cannot be read: {}",
            manifest.id, manifest.problem
        )
    }));
    problems.extend(health.unlisted.iter().map(|(profile, archive)| {
        let (archive, state) = (
            &archive.archive,
            match &archive.state {
                UnlistedState::Complete => String::new(),
                UnlistedState::Encrypted => ", and it is encrypted".to_owned(),
                UnlistedState::Damaged { problem } => format!(", and it is damaged: {problem}"),
            },
        );
        format!(
            "archive `{archive}` in profile `{profile}` is unlisted: no manifest refers to it{state}; \
             `koan.catalog().recover()` verifies it and publishes its manifest"
        )
    }));
    problems.extend(health.incomplete_tasks.iter().map(|incomplete_task| {
        let IncompleteTask { profile, task, tried_at, problem } = incomplete_task;
        let at = tried_at.strftime("%Y-%m-%d %H:%M:%S");
        format!("maintenance of profile `{profile}` did not complete `{task}` at {at}: {problem}")
    }));
    problems.extend(health.stale_entities.iter().map(|stale| match stale.last {
        None => format!("`{}` is in no completed backup", stale.entity),
        Some(last) => {
            format!("`{}` was last backed up at {}", stale.entity, last.strftime("%Y-%m-%d %H:%M:%S"))
        }
    }));
    problems.extend(health.size_drops.iter().map(|size_drop| {
        let SizeDrop { entity, set, backup, before, after, .. } = size_drop;
        let set = if set.is_root() { String::new() } else { format!("#{set}") };
        format!(
            "`{entity}{set}` had {before} records and has {after} in backup {backup}; find out why, or \
             accept the loss with `koan.catalog().acknowledge(id, reason)`"
        )
    }));
    problems
}

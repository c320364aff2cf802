//! Computes which backups are kept and which are removed. The computation is pure: the same input always
//! results in the same plan.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;

use jiff::Timestamp;
use serde::Serialize;

use super::candidate::Candidate;
use super::groups::{groups, is_released, protected_backups};
use super::period::Period;
use super::policy::Retention;
use super::reason::{KeepReason, RemoveReason, count_with_noun};
use crate::catalog::SizeDrop;
use crate::foundation::id::{BackupId, BackupName};
use crate::foundation::series::SeriesName;

const SECONDS_PER_DAY: i64 = 86_400;

/// A retention plan: which backups are kept and which are removed, and why. Applying it removes exactly the
/// listed backups.
///
/// ```
/// use koan_backup::Retention;
/// # koan_backup_shop::run(async |koan| {
/// let plan = koan.retention(Retention::new().keep_last(1)).plan().await?;
/// for decision in &plan.decisions {
///     println!("{} {}", decision.name, decision.id);
/// }
/// # assert_eq!(plan.decisions.len(), 2);
/// # Ok(())
/// # });
/// ```
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
#[must_use = "a plan removes nothing until it is applied"]
pub struct RetentionPlan {
    /// The storage profile; `None` for the default profile, and for a directory tree.
    pub profile: Option<String>,
    /// The root of the directory tree; `None` for a storage profile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub directory: Option<String>,
    /// When the plan was made.
    pub made_at: Timestamp,
    /// The decisions about all considered backups, newest first.
    pub decisions: Vec<RetentionDecision>,
    /// Rules that keep no backup in this plan, for example `exempt_tag(leagl)` with a misspelt tag.
    pub idle_rules: Vec<String>,
    /// The number of backups of other applications, which are not considered.
    pub other_applications: usize,
    /// The number of backups of older versions that record no environment. They are not considered unless
    /// they are [included](Retention::include_unidentified).
    pub unidentified: usize,
    /// The path of the directory tree.
    #[serde(skip)]
    pub(crate) root: Option<PathBuf>,
    /// The hash of each backup on which the plan is based. A changed hash makes the plan obsolete.
    #[serde(skip)]
    pub(crate) basis: BTreeMap<BackupId, String>,
    /// When the plan was made, by a monotonic clock.
    #[serde(skip)]
    pub(crate) made_at_monotonic: Option<std::time::Instant>,
}

/// The decision about one backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct RetentionDecision {
    /// The id of the backup.
    pub id: BackupId,
    /// The name of the backup.
    pub name: BackupName,
    /// The series of the backup. The rules apply to each series separately.
    pub series: SeriesName,
    /// When the backup started.
    pub created_at: Timestamp,
    /// The size of the archive, or of the files in a directory tree.
    pub size_bytes: u64,
    /// Why the backup is kept; empty if it is removed.
    pub kept: Vec<KeepReason>,
    /// Why the backup is removed; `None` if it is kept.
    pub removed: Option<RemoveReason>,
}

impl RetentionPlan {
    /// Returns the backups that are removed, newest first.
    pub fn removals(&self) -> impl DoubleEndedIterator<Item = &RetentionDecision> {
        self.decisions.iter().filter(|decision| decision.removed.is_some())
    }

    /// Returns the total size of the archives that are removed.
    pub fn freed_bytes(&self) -> u64 {
        self.removals().map(|decision| decision.size_bytes).sum()
    }
}

/// Formats a line for each backup, newest first, with the decision and the reason.
impl fmt::Display for RetentionPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for decision in &self.decisions {
            let RetentionDecision { id, name, created_at, .. } = decision;
            let action = if decision.removed.is_some() { "remove" } else { "keep  " };
            let time = created_at.strftime("%Y-%m-%d %H:%M:%S");
            write!(f, "{action}  {time}  {name}  {}  ", id.short())?;
            match &decision.removed {
                Some(reason) => writeln!(f, "{reason}")?,
                None => {
                    let reasons: Vec<_> = decision.kept.iter().map(ToString::to_string).collect();
                    writeln!(f, "{}", reasons.join("; "))?;
                }
            }
        }
        for rule in &self.idle_rules {
            writeln!(f, "rule `{rule}` keeps no backup")?;
        }
        if self.other_applications > 0 {
            writeln!(
                f,
                "backups of other applications, which are not considered: {}",
                self.other_applications
            )?;
        }
        if self.unidentified > 0 {
            writeln!(
                f,
                "backups that record no environment, which are not considered without \
                 `.include_unidentified()`: {}",
                self.unidentified
            )?;
        }
        let removed = self.removals().count();
        write!(
            f,
            "{} to keep, {removed} to remove ({} bytes)",
            self.decisions.len() - removed,
            self.freed_bytes()
        )
    }
}

/// The state of one series while its backups are visited, newest first.
#[derive(Default)]
struct SeriesState {
    completed: usize,
    newest_completed: Option<BackupId>,
    /// The entities in the completed backups visited so far.
    entities: BTreeSet<String>,
    periods: BTreeMap<Period, BTreeSet<String>>,
}

/// Makes the plan: decides for every backup whether it is kept. `losses` contains the unacknowledged losses
/// of records.
pub(crate) fn plan(
    retention: &Retention,
    mut candidates: Vec<Candidate>,
    losses: &[SizeDrop],
    now: Timestamp,
) -> RetentionPlan {
    candidates.sort_by_key(|candidate| std::cmp::Reverse((candidate.created_at, candidate.id)));
    let mut protected =
        protected_backups(&candidates, &groups(&candidates, losses, retention.released_names()));
    let mut series: BTreeMap<SeriesName, SeriesState> = BTreeMap::new();
    let mut kept_by_entity: BTreeMap<String, usize> = BTreeMap::new();
    let mut decisions = Vec::with_capacity(candidates.len());
    for candidate in candidates {
        let series = series.entry(candidate.series.clone()).or_default();
        let decision = decide(retention, &candidate, series, &kept_by_entity, now);
        let decision = decision.or_else(|reason| protected.remove(&candidate.id).ok_or(reason));
        if decision.is_ok() && candidate.is_complete {
            for (entity, _) in &candidate.entities {
                *kept_by_entity.entry(entity.clone()).or_default() += 1;
            }
        }
        let (kept, removed) = match decision {
            Ok(kept) => (kept, None),
            Err(reason) => (Vec::new(), Some(reason)),
        };
        let Candidate { id, name, series, created_at, size_bytes, .. } = candidate;
        decisions.push(RetentionDecision { id, name, series, created_at, size_bytes, kept, removed });
    }
    let idle_rules = idle_rules(retention, &decisions);
    RetentionPlan {
        profile: None,
        directory: None,
        root: None,
        made_at: now,
        decisions,
        idle_rules,
        other_applications: 0,
        unidentified: 0,
        basis: BTreeMap::new(),
        made_at_monotonic: None,
    }
}

fn decide(
    retention: &Retention,
    candidate: &Candidate,
    series: &mut SeriesState,
    kept_by_entity: &BTreeMap<String, usize>,
    now: Timestamp,
) -> Result<Vec<KeepReason>, RemoveReason> {
    let mut kept: Vec<KeepReason> = Vec::new();
    kept.extend(candidate.protection_reason.iter().map(|why| KeepReason::Pinned { why: why.clone() }));
    let exempt = retention.tags().iter().filter(|tag| candidate.tags.contains(tag));
    kept.extend(exempt.map(|tag| KeepReason::Exempt { tag: tag.clone() }));
    let age_seconds = now.as_second() - candidate.created_at.as_second();
    if !candidate.is_complete {
        return match series.newest_completed {
            _ if !kept.is_empty() => Ok(kept),
            None => Ok(vec![KeepReason::FailedLast]),
            Some(completed) => match within_reason(retention, age_seconds) {
                Some(reason) => Ok(vec![reason]),
                None => Err(RemoveReason::FailedBefore { completed }),
            },
        };
    }
    if series.newest_completed.is_none() {
        series.newest_completed = Some(candidate.id);
        kept.push(KeepReason::LastGood);
    }
    let released = retention.released_names();
    let names =
        || candidate.entities.iter().map(|(entity, _)| entity).filter(|name| !is_released(name, released));
    if let Some(entity) = names().find(|entity| !series.entities.contains(*entity))
        && !kept.contains(&KeepReason::LastGood)
    {
        kept.push(KeepReason::LastWith { entity: entity.clone() });
    }
    series.entities.extend(names().cloned());
    if kept.is_empty()
        && let Some(reason) = limit_reason(retention, candidate, kept_by_entity, age_seconds)
    {
        // A backup that a limit removes does not count as one of the backups that the rules keep.
        return Err(reason);
    }
    series.completed += 1;
    kept.extend(rule_reasons(retention, candidate, series, age_seconds));
    if kept.is_empty() && !retention.has_rules() {
        kept.push(KeepReason::WithinLimits);
    }
    if kept.is_empty() { Err(RemoveReason::NoRule) } else { Ok(kept) }
}

/// Returns the reasons for which the rules keep a completed backup.
fn rule_reasons(
    retention: &Retention,
    candidate: &Candidate,
    series: &mut SeriesState,
    age_seconds: i64,
) -> Vec<KeepReason> {
    let mut kept = Vec::new();
    if let Some(count) = retention.last()
        && series.completed <= count
    {
        kept.push(KeepReason::Last { position: series.completed, of: count });
    }
    for (period, count) in retention.periods() {
        let kept_periods = series.periods.entry(period).or_default();
        let label = period.label_at(candidate.created_at);
        if kept_periods.len() < count && kept_periods.insert(label.clone()) {
            kept.push(KeepReason::Newest { period, of: label });
        }
    }
    kept.extend(within_reason(retention, age_seconds));
    let recent = candidate.entities.iter().filter_map(|(entity, days)| Some((entity, (*days)?)));
    let recent = recent.filter(|(_, days)| age_seconds <= i64::from(*days) * SECONDS_PER_DAY);
    kept.extend(recent.map(|(entity, days)| KeepReason::EntityDays { entity: entity.clone(), days }));
    kept
}

fn within_reason(retention: &Retention, age_seconds: i64) -> Option<KeepReason> {
    let hours = retention.within_hours()?;
    let is_recent = u64::try_from(age_seconds).unwrap_or(0) <= hours.saturating_mul(3600);
    is_recent.then_some(KeepReason::Within { hours })
}

fn limit_reason(
    retention: &Retention,
    candidate: &Candidate,
    kept_by_entity: &BTreeMap<String, usize>,
    age_seconds: i64,
) -> Option<RemoveReason> {
    if let Some(days) = retention.max_age()
        && age_seconds > i64::from(days) * SECONDS_PER_DAY
    {
        return Some(RemoveReason::MaxAge { days });
    }
    // These limits do not apply to a backup without entities.
    if candidate.entities.is_empty() {
        return None;
    }
    let days: Option<Vec<u32>> = candidate.entities.iter().map(|(_, days)| *days).collect();
    if let Some(days) = days.and_then(|days| days.into_iter().max())
        && age_seconds > i64::from(days) * SECONDS_PER_DAY
    {
        return Some(RemoveReason::EntityDays { days });
    }
    let count = retention.max_per_entity()?;
    let has_enough =
        |(entity, _): &(String, Option<u32>)| kept_by_entity.get(entity).is_some_and(|newer| *newer >= count);
    candidate.entities.iter().all(has_enough).then_some(RemoveReason::MaxPerEntity { count })
}

/// Returns the rules that keep no backup.
fn idle_rules(retention: &Retention, decisions: &[RetentionDecision]) -> Vec<String> {
    let kept = || decisions.iter().flat_map(|decision| &decision.kept);
    let mut idle = Vec::new();
    if let Some(count) = retention.last()
        && !kept().any(|reason| matches!(reason, KeepReason::Last { .. }))
    {
        idle.push(format!("keep_last({count})"));
    }
    for (wanted, count) in retention.periods() {
        let is_used =
            |reason: &KeepReason| matches!(reason, KeepReason::Newest { period, .. } if *period == wanted);
        if !kept().any(is_used) {
            idle.push(format!("{}({count})", wanted.rule()));
        }
    }
    if let Some(hours) = retention.within_hours()
        && !kept().any(|reason| matches!(reason, KeepReason::Within { .. }))
    {
        idle.push(format!("within({})", count_with_noun(hours, "hour")));
    }
    for wanted in retention.tags() {
        if !kept().any(|reason| matches!(reason, KeepReason::Exempt { tag } if tag == wanted)) {
            idle.push(format!("exempt_tag({wanted})"));
        }
    }
    idle
}

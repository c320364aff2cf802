//! Checks whether the system clock is plausible, before backups are removed because of their age.

use std::time::Duration;

use jiff::Timestamp;

use crate::archive::Manifest;
use crate::catalog::retention::RetentionPlan;
use crate::environment::Environment;
use crate::environment::lease::Subject;
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::storage::{FileTimes, Storage};

/// The maximum difference between two clocks.
const MAX_CLOCK_SKEW: Duration = Duration::from_secs(5 * 60);

/// Refuses a clock that is behind the newest backup.
pub(crate) fn require_not_behind<'a>(
    now: Timestamp,
    manifests: impl Iterator<Item = &'a Manifest>,
) -> Result<()> {
    let Some(newest) = manifests.max_by_key(|manifest| manifest.created_at) else { return Ok(()) };
    let ahead = difference(newest.created_at, now);
    if newest.created_at > now && ahead > MAX_CLOCK_SKEW {
        return Err(clock_error(&format!(
            "the time of backup {} is {} seconds in the future",
            newest.id,
            ahead.as_secs()
        )));
    }
    Ok(())
}

/// Refuses a clock that was changed since a plan was made.
pub(crate) fn require_steady(now: Timestamp, plan: &RetentionPlan) -> Result<()> {
    let Some(made_at_monotonic) = plan.made_at_monotonic else { return Ok(()) };
    let passed = if now < plan.made_at { Duration::ZERO } else { difference(now, plan.made_at) };
    let drift = passed.abs_diff(made_at_monotonic.elapsed());
    if now < plan.made_at || drift > MAX_CLOCK_SKEW {
        return Err(clock_error(&format!(
            "it was changed by {} seconds since the plan was made",
            drift.as_secs()
        )));
    }
    Ok(())
}

/// Refuses a clock that differs too much from the clock of the store. The caller has just written a lease of
/// [`Subject::Prune`], so the modification time of its file is the current time of the store. On a disk, it
/// is the time of the system or of the file server.
pub(crate) async fn require_store_clock(environment: &Environment, storage: &Storage) -> Result<()> {
    let is_comparable = match storage.file_times() {
        FileTimes::Store => true,
        // A manual clock of a test always differs from the system clock.
        FileTimes::System => environment.clock.follows_system(),
        FileTimes::Process => false,
    };
    if !is_comparable {
        return Ok(());
    }
    let now = environment.clock.now();
    let folder = Subject::Prune.folder();
    let listed = storage.list(&folder).await;
    let listed = listed.map_err(|source| storage.failed(&folder, "listed in", source))?;
    let Some(written) = listed.iter().map(|file| file.modified().as_second()).max() else { return Ok(()) };
    let skew_seconds = now.as_second().abs_diff(written);
    if skew_seconds > MAX_CLOCK_SKEW.as_secs() {
        return Err(clock_error(&format!(
            "it differs by {skew_seconds} seconds from the clock of storage `{}`",
            storage.location()
        )));
    }
    Ok(())
}

fn difference(one: Timestamp, other: Timestamp) -> Duration {
    Duration::try_from(one.duration_since(other).abs()).unwrap_or(Duration::MAX)
}

fn clock_error(problem: &str) -> Error {
    Error::new(
        ErrorKind::Conflict,
        format!("the clock of this machine is wrong: {problem}; correct the clock, and make a new plan"),
    )
}

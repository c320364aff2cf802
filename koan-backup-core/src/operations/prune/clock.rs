//! Whether the clock can be trusted with what is old.

use std::time::Duration;

use jiff::Timestamp;

use crate::archive::Manifest;
use crate::catalog::retention::RetentionPlan;
use crate::environment::Environment;
use crate::environment::lease::Subject;
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::storage::{FileTimes, Storage};

/// How far clocks may be apart.
const TOLERANCE: Duration = Duration::from_secs(5 * 60);

/// Refuses a clock that is behind what has been backed up already.
pub(super) fn require_not_behind<'a>(
    now: Timestamp,
    manifests: impl Iterator<Item = &'a Manifest>,
) -> Result<()> {
    let Some(newest) = manifests.max_by_key(|manifest| manifest.created_at) else { return Ok(()) };
    let ahead = apart(newest.created_at, now);
    if newest.created_at > now && ahead > TOLERANCE {
        return Err(wrong(&format!("backup {} was made {} seconds after now", newest.id, ahead.as_secs())));
    }
    Ok(())
}

/// Refuses a clock that was set, or that ran differently, since a plan was made.
pub(super) fn require_steady(now: Timestamp, plan: &RetentionPlan) -> Result<()> {
    let Some(made) = plan.made else { return Ok(()) };
    let passed = if now < plan.made_at { Duration::ZERO } else { apart(now, plan.made_at) };
    let drift = passed.abs_diff(made.elapsed());
    if now < plan.made_at || drift > TOLERANCE {
        return Err(wrong(&format!("it was set since the plan was made, by {} seconds", drift.as_secs())));
    }
    Ok(())
}

/// Refuses a clock that is far from that of the store, for whoever has written a lease of [`Subject::Prune`] just now: its file has
/// the time of the store, or on a disk that of the system or of the file server.
pub(crate) async fn require_that_of_store(environment: &Environment, storage: &Storage) -> Result<()> {
    let tells = match storage.file_times() {
        FileTimes::Store => true,
        // A clock that is moved by hand would only be found to be one.
        FileTimes::System => environment.clock.follows_system(),
        FileTimes::Process => false,
    };
    if !tells {
        return Ok(());
    }
    let now = environment.clock.now();
    let folder = Subject::Prune.folder();
    let listed = storage.list(&folder).await;
    let listed = listed.map_err(|source| storage.failed(&folder, "listed in", source))?;
    let Some(written) = listed.iter().map(|file| file.modified().as_second()).max() else { return Ok(()) };
    let off = now.as_second().abs_diff(written);
    if off > TOLERANCE.as_secs() {
        return Err(wrong(&format!(
            "it is {off} seconds away from that of storage `{}`",
            storage.location()
        )));
    }
    Ok(())
}

fn apart(one: Timestamp, other: Timestamp) -> Duration {
    Duration::try_from(one.duration_since(other).abs()).unwrap_or(Duration::MAX)
}

fn wrong(what: &str) -> Error {
    Error::new(
        ErrorKind::Conflict,
        format!("the clock of this machine looks wrong: {what}; set it, and plan again"),
    )
}

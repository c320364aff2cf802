//! The round trip of a probe through a storage, and the comparison of the clocks.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio_util::task::TaskTracker;

use super::amounts::length_of_time;
use super::check::{Check, CheckCode, CheckSubject};
use super::time_limit::{no_response, within};
use crate::environment::Environment;
use crate::foundation::error::Error;
use crate::storage::{FileTimes, Probe, Storage, hint, is_read_only};

/// The least difference of two clocks that is a problem, because some stores round the times of files.
const MIN_CLOCK_LIMIT: Duration = Duration::from_secs(5);
/// The largest difference of two clocks that is not a problem, whatever the lease time is.
const MAX_CLOCK_LIMIT: Duration = Duration::from_secs(60);
/// The remedy for a storage that fails.
pub(super) const STORAGE_REMEDY: &str = "check the path or address of the storage, and its permissions";

/// The result of a round trip.
pub(super) struct RoundTrip {
    /// How long it took; `None` if it failed.
    pub(super) elapsed: Option<Duration>,
    /// The problems.
    pub(super) problems: Vec<Check>,
}

/// Writes, reads and removes a probe, and compares the clocks. Each step has the time limit. The probe is also
/// removed if a step fails. If the future is dropped, a task of `removals` removes it.
pub(super) async fn round_trip(
    environment: &Environment,
    storage: &Storage,
    limit: Duration,
    removals: &TaskTracker,
) -> RoundTrip {
    let mut problems = Vec::new();
    let mut probe = Probe::new(storage, removals);
    let path = probe.path().to_string();
    let (started, before) = (Instant::now(), environment.clock.now());
    let written = within(limit, probe.write()).await;
    let after = environment.clock.now();
    let read = match written {
        Some(Ok(())) => within(limit, probe.read()).await,
        Some(Err(error)) => Some(Err(error)),
        None => None,
    };
    match &read {
        Some(Ok(modified)) => problems.extend(clock(environment, storage, [before, after], *modified)),
        Some(Err(error)) => problems.push(failed(error)),
        None => problems.push(silent(limit)),
    }
    if let Err(error) = probe.remove().await {
        let detail = format!("the probe `{path}` was not removed: {}", error.description());
        let remedy = format!(
            "allow this user to delete files, and remove `{path}` from `{}`; maintenance also removes it",
            storage.location()
        );
        let subject = CheckSubject::Storage;
        problems.push(Check::problem(subject, CheckCode::ProbeNotRemoved, detail).with_remedy(remedy));
    }
    let is_complete = problems.iter().all(|problem| problem.code == CheckCode::ClockDiffers);
    RoundTrip { elapsed: is_complete.then(|| started.elapsed()), problems }
}

/// Returns the problem that a storage does not respond.
pub(super) fn silent(limit: Duration) -> Check {
    let remedy = "check the address and the network, or the disk";
    no_response(CheckSubject::Storage, "the storage", limit, remedy)
}

/// Returns the problem of a storage that returned an error.
pub(super) fn failed(error: &Error) -> Check {
    let (code, remedy) = if is_read_only(error) {
        let remedy =
            "give this user write permission for the storage, or mount its disk with write permission";
        (CheckCode::StorageReadOnly, remedy)
    } else {
        (CheckCode::StorageFailed, STORAGE_REMEDY)
    };
    let hint = hint(error);
    let mut check = Check::of_error(CheckSubject::Storage, code, error, hint.unwrap_or(remedy));
    if let Some(detail) = hint.and_then(|hint| check.detail.strip_suffix(hint)?.strip_suffix("; ")) {
        check.detail = detail.to_owned();
    }
    check
}

/// Compares the clock of this machine with the time that the store gave to the probe.
///
/// Others wait half of the lease time after a lease has expired by their clock, so this is the difference of the
/// clocks that a holder can rely on: with a larger one, it may lose a lease that it still renews.
fn clock(
    environment: &Environment,
    storage: &Storage,
    [before, after]: [Timestamp; 2],
    modified: Timestamp,
) -> Option<Check> {
    let is_comparable = match storage.file_times() {
        FileTimes::Store => true,
        FileTimes::System => environment.clock.follows_system(),
        FileTimes::Process => false,
    };
    let difference = |one: Timestamp, other: Timestamp| one.duration_since(other);
    let (direction, skew) = if modified > after {
        ("behind", difference(modified, after))
    } else {
        ("ahead of", difference(before, modified))
    };
    let skew = Duration::try_from(skew).unwrap_or_default();
    let limit = (environment.lease_time / 2).clamp(MIN_CLOCK_LIMIT, MAX_CLOCK_LIMIT);
    (is_comparable && skew > limit).then(|| {
        let detail = format!(
            "the clock of this machine is {} {direction} the store's; leases tolerate {}",
            length_of_time(skew),
            length_of_time(limit)
        );
        let remedy = "synchronise the clock (timedatectl set-ntp true), or that of the store";
        Check::problem(CheckSubject::Storage, CheckCode::ClockDiffers, detail).with_remedy(remedy)
    })
}

//! Leases: time-limited rights to work on a subject in a storage. A lease is valid while its holder renews
//! it, and expires otherwise.
//!
//! A lease is a file `leases/{subject}/{generation}.json`. A contender reads the highest generation. If that
//! generation is released or has expired, the contender creates the next generation with a conditional put,
//! which succeeds for one contender only. The holder renews the lease by rewriting its own file; no other
//! process writes that file. The highest generation is never removed, so the numbering never restarts. A
//! contender lists the generations once more after creating its file, so a contender that was paused for a
//! long time detects that it is too late.
//!
//! # Clocks
//! The holder gives up a lease at `expiresAt` by its own clock. Other processes may acquire it half a lease
//! time later by their clocks, so the clocks of two processes may differ by half a lease time. A renewal is
//! valid only if the store responded before the lease would have expired, because after that time another
//! process may acquire the lease.
//!
//! # Limits
//! A lease is not a fence: a process that is paused between the check of its lease and the publication may
//! still publish when it continues. This does not damage what other processes publish, because each manifest
//! has its own path and refers to its own archive. To make this case rare, a lease is renewed right before
//! the publication, and the publication is abandoned when the lease time is over.

mod claim;
mod confirmed;
mod file;
mod found;
mod gc;
mod generations;
mod keeper;
mod subject;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use self::claim::LeaseRequest;
use self::keeper::Keeper;
use crate::environment::Environment;
use crate::foundation::cancellation::until_cancelled;
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::storage::{CLEANUP_TIMEOUT, Storage};

pub(crate) use self::confirmed::ConfirmedLease;
use self::file::Holder;
pub(crate) use self::file::{LeaseFile, LeasedWork};
pub(crate) use self::found::{FoundLease, all, find_held};
pub(crate) use self::gc::collect_garbage;
pub(crate) use self::subject::Subject;

/// How long a lease is valid without a renewal, by default.
pub(crate) const DEFAULT_LEASE_TIME: Duration = Duration::from_secs(60);
/// The accepted lease times. With a shorter time, a lease would be lost when a store is slow; with a longer
/// time, other processes would wait too long for a process that was killed.
const LEASE_TIME_RANGE: std::ops::RangeInclusive<Duration> =
    Duration::from_secs(1)..=Duration::from_secs(3600);

/// A lease that this process holds. It is renewed in the background.
///
/// # Cancel safety
/// Dropping the lease releases it in the background. Await [`release`](Self::release) to be sure that it was
/// released.
#[derive(Debug)]
pub(crate) struct Lease {
    /// The keeper of the lease; `None` after the release.
    keeper: Option<Arc<Keeper>>,
    stop_renewal: CancellationToken,
}

impl Lease {
    /// Acquires the lease of a subject in a storage.
    ///
    /// # Cancel safety
    /// If the future is dropped, the acquisition may still complete in the background; the lease is then
    /// released.
    ///
    /// # Errors
    /// Another process holds the lease ([`ErrorKind::Busy`]; the error identifies the process), the storage
    /// fails, or an existing lease cannot be read.
    pub(crate) async fn acquire(
        environment: &Environment,
        storage: &Storage,
        subject: Subject,
        work: LeasedWork,
        cancel: &CancellationToken,
    ) -> Result<Self> {
        // A restore only reads the profile, so it does not need the profile mark.
        if !matches!(subject, Subject::Restore(_)) {
            until_cancelled(cancel, storage.require_profile()).await?;
        }
        let request = LeaseRequest {
            storage: storage.clone(),
            clock: Arc::clone(&environment.clock),
            holder: Holder::new(&environment.producer),
            lease_time: environment.lease_time,
            subject,
            work,
        };
        request.acquire(cancel).await
    }

    /// Returns a token that is cancelled when the operation is cancelled, and when the lease is lost or could
    /// not be renewed before it expired.
    pub(crate) fn stop_token(&self) -> CancellationToken {
        self.keeper.as_ref().map(|keeper| keeper.stop_token().clone()).unwrap_or_default()
    }

    /// Checks that the lease is held, and renews it. The result contains the time until which the lease is
    /// held; the next step must end before that time.
    ///
    /// # Errors
    /// The lease was lost ([`ErrorKind::Busy`]), the operation was cancelled, or the storage fails.
    pub(crate) async fn confirm(&self) -> Result<ConfirmedLease> {
        let confirmed = async {
            loop {
                let confirmed = self.renew(None).await?;
                // This process may have been suspended after the storage responded. If the lease has expired
                // since then, the next renewal fails.
                if confirmed.is_current() {
                    return Ok(confirmed);
                }
            }
        };
        until_cancelled(&self.stop_token(), confirmed).await.map_err(|error| self.explain_cancellation(error))
    }

    /// Runs a step that cannot be undone. The lease is confirmed immediately before the step, and the step
    /// must end while the lease is held. `effect` completes the sentence "it is not known whether …" in the
    /// error, for example `` `x` was removed ``.
    ///
    /// # Errors
    /// The lease was lost ([`ErrorKind::Busy`]) and the step was not started; the step failed; or the storage
    /// did not respond in time.
    pub(crate) async fn step<T>(&self, effect: &str, step: impl Future<Output = Result<T>>) -> Result<T> {
        self.confirm().await?.within(effect, step).await
    }

    /// Writes to the lease file which backup and archive the holder works on, so that maintenance does not
    /// remove them. In all other respects, this function works like [`confirm`](Self::confirm).
    pub(crate) async fn set_work(&self, work: LeasedWork) -> Result<()> {
        self.renew(Some(work)).await.map(drop)
    }

    async fn renew(&self, work: Option<LeasedWork>) -> Result<ConfirmedLease> {
        let Some(keeper) = self.keeper.clone() else {
            return Err(Error::new(ErrorKind::Internal, "a lease was used after it was released"));
        };
        // The renewal runs in a separate task, so that it is not dropped halfway: its write must not reach
        // the store after the release.
        let renewed = tokio::spawn(async move { keeper.confirm(work).await }).await;
        renewed.map_err(task_lost)?
    }

    /// If `error` is a cancellation and the lease was lost, returns the error that explains the loss.
    /// Otherwise returns `error`.
    fn explain_cancellation(&self, error: Error) -> Error {
        match self.keeper.as_ref().and_then(|keeper| keeper.loss_error()) {
            Some(lost) if error.kind() == ErrorKind::Cancelled => loss_in_place_of(&error, lost),
            _ => error,
        }
    }

    /// Replaces the cancellation error of an operation by the error of the lost lease, unless the caller
    /// cancelled the operation. Returns any other error unchanged.
    pub(crate) fn explain(&self, error: Error, cancel: &CancellationToken) -> Error {
        let lost = self.keeper.as_ref().and_then(|keeper| keeper.loss_error());
        match lost {
            Some(lost) if error.kind() == ErrorKind::Cancelled && !cancel.is_cancelled() => {
                loss_in_place_of(&error, lost)
            }
            _ => error,
        }
    }

    /// Releases the lease. Waits for the store for a limited time; if the store does not respond, the lease
    /// expires.
    pub(crate) async fn release(mut self) {
        self.stop_renewal.cancel();
        let Some(keeper) = self.keeper.take() else { return };
        let _ = tokio::spawn(async move { keeper.release(CLEANUP_TIMEOUT).await }).await;
    }
}

/// Releases the lease in the background.
impl Drop for Lease {
    fn drop(&mut self) {
        self.stop_renewal.cancel();
        if let (Some(keeper), Ok(runtime)) = (self.keeper.take(), tokio::runtime::Handle::try_current()) {
            runtime.spawn(async move { keeper.release(CLEANUP_TIMEOUT).await });
        }
    }
}

/// Checks that a lease time is neither too short nor too long.
///
/// # Errors
/// The lease time is shorter than a second, or longer than an hour.
pub(crate) fn check_time(time: Duration) -> Result<()> {
    if LEASE_TIME_RANGE.contains(&time) {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Configuration,
        format!("`lease_time` is {time:?}; it must be at least 1 second and at most 1 hour"),
    ))
}

impl LeaseRequest {
    /// Acquires the lease in a separate task. If the caller stops waiting, the task continues and drops the
    /// lease, which releases it.
    async fn acquire(self, cancel: &CancellationToken) -> Result<Lease> {
        let stop = cancel.child_token();
        let task = tokio::spawn(async move {
            let keeper = Arc::new(self.into_keeper(stop).await?);
            let stop_renewal = CancellationToken::new();
            tokio::spawn(Arc::clone(&keeper).keep_renewed(stop_renewal.clone()));
            Ok(Lease { keeper: Some(keeper), stop_renewal })
        });
        until_cancelled(cancel, async { task.await.map_err(task_lost)? }).await
    }
}

fn task_lost(source: tokio::task::JoinError) -> Error {
    Error::with_source(ErrorKind::Internal, "the task that holds a lease ended unexpectedly", source)
}

/// Returns the error of a lost lease in the place of the cancellation that followed from it. What the cancelled work has
/// left in a database stays in the text.
fn loss_in_place_of(cancellation: &Error, lost: Error) -> Error {
    if cancellation.has_remaining_changes() {
        return lost.context(cancellation.message().to_owned()).with_remaining_changes();
    }
    lost
}

//! Who works on what in a storage: a lease holds while its holder gives signs of life, and expires by itself.
//!
//! Leases lie at `leases/{subject}/{generation}.json`. Whoever wants one looks for the highest generation; if
//! that was released or has expired, the next one is created by a put that creates only, which one contender
//! alone can do. The holder renews by writing its own file again, and nobody else writes it. The highest
//! generation is never removed, so that numbers do not start again, and whoever slept for long finds by
//! listing once more that it comes too late.
//!
//! # Clocks
//! The holder gives a lease up at `expiresAt` by its own clock, and others take it half a lease later by
//! theirs. So clocks may differ by half a lease. A renewal counts only if the store answered before the lease
//! would have expired: whoever found it expired can rely on that.
//!
//! # What it is not
//! A lease is no fence: a process that is paused between asking and publishing may still publish when it
//! wakes up. That does no harm to what others publish, because a manifest is only ever created, at a path of
//! its own, and refers to an archive of its own. To make it rare, a lease is renewed right before, and
//! publishing is given up when that time is over.

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

use self::claim::Claim;
use self::keeper::Keeper;
use crate::environment::Environment;
use crate::foundation::cancellation::until_cancelled;
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::storage::{CLEANUP_TIMEOUT, Storage};

pub(crate) use self::confirmed::Confirmed;
use self::file::Holder;
pub(crate) use self::file::{LeaseFile, LeasedWork};
pub(crate) use self::found::{FoundLease, all, find_held};
pub(crate) use self::gc::trim;
pub(crate) use self::subject::Subject;

/// How long a lease holds without a sign of life, unless something else is said.
pub(crate) const DEFAULT_TIME: Duration = Duration::from_secs(60);
/// Shorter ones are lost when a store is slow, longer ones keep others waiting for the dead.
const TIMES: std::ops::RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(3600);

/// A lease that is held, and renewed in the background.
///
/// # Cancel safety
/// Dropping it releases it in the background. Whoever must know that it was released awaits
/// [`release`](Self::release).
#[derive(Debug)]
pub(crate) struct Lease {
    /// None once it was released.
    keeper: Option<Arc<Keeper>>,
    ended: CancellationToken,
}

impl Lease {
    /// Takes the lease of a subject in a storage.
    ///
    /// Dropping the future takes no lease: one that was taken all the same is released in the background.
    ///
    /// # Errors
    /// Somebody else holds it ([`ErrorKind::Busy`], which says who), the storage fails, or a lease there
    /// cannot be read.
    pub(crate) async fn acquire(
        environment: &Environment,
        storage: &Storage,
        subject: Subject,
        work: LeasedWork,
        cancel: &CancellationToken,
    ) -> Result<Self> {
        // Restores only read a profile; what they find there is a backup whatever else is missing.
        if !matches!(subject, Subject::Restore(_)) {
            until_cancelled(cancel, storage.require_profile()).await?;
        }
        let claim = Claim {
            storage: storage.clone(),
            clock: Arc::clone(&environment.clock),
            holder: Holder::new(&environment.producer),
            time: environment.lease_time,
            subject,
            work,
        };
        claim.taken(cancel).await
    }

    /// Is cancelled when the work is, and when the lease is lost or could not be renewed until it expired.
    pub(crate) fn lost(&self) -> CancellationToken {
        self.keeper.as_ref().map(|keeper| keeper.lost().clone()).unwrap_or_default()
    }

    /// Makes sure that the lease is held and renews it. The answer says until when it is held, and bounds
    /// what is done next.
    ///
    /// # Errors
    /// It was lost ([`ErrorKind::Busy`]), the work was cancelled, or the storage fails.
    pub(crate) async fn confirm(&self) -> Result<Confirmed> {
        let confirmed = async {
            loop {
                let confirmed = self.renew(None).await?;
                // This process may have been suspended since the storage answered. A lease that has expired
                // is not renewed.
                if confirmed.is_current() {
                    return Ok(confirmed);
                }
            }
        };
        until_cancelled(&self.lost(), confirmed).await.map_err(|error| self.lost_or(error))
    }

    /// Takes one step that cannot be undone: the lease is confirmed right before it, and the step ends while
    /// the lease is held. `what` completes "whether …": `` `x` was removed ``.
    ///
    /// # Errors
    /// The lease was lost ([`ErrorKind::Busy`]) and the step was not taken; the step failed; or it was not
    /// answered in time.
    pub(crate) async fn step<T>(&self, what: &str, step: impl Future<Output = Result<T>>) -> Result<T> {
        self.confirm().await?.within(what, step).await
    }

    /// Says what is worked on, so that it is not taken for a leftover. Otherwise like
    /// [`confirm`](Self::confirm).
    pub(crate) async fn works_on(&self, work: LeasedWork) -> Result<()> {
        self.renew(Some(work)).await.map(drop)
    }

    async fn renew(&self, work: Option<LeasedWork>) -> Result<Confirmed> {
        let Some(keeper) = self.keeper.clone() else {
            return Err(Error::new(ErrorKind::Internal, "a lease was used after it was released"));
        };
        // Not dropped halfway: what it writes must not arrive after the release.
        let renewed = tokio::spawn(async move { keeper.confirm(work).await }).await;
        renewed.map_err(task_lost)?
    }

    /// The error of a lease that was lost, in the place of a cancellation that followed from it.
    fn lost_or(&self, error: Error) -> Error {
        match self.keeper.as_ref().and_then(|keeper| keeper.loss()) {
            Some(lost) if error.kind() == ErrorKind::Cancelled => lost,
            _ => error,
        }
    }

    /// The error of work that ended with `error`: that of the lease, if it was lost and the work stopped for
    /// that reason.
    pub(crate) fn explain(&self, error: Error, cancel: &CancellationToken) -> Error {
        let lost = self.keeper.as_ref().and_then(|keeper| keeper.loss());
        match lost {
            Some(lost) if error.kind() == ErrorKind::Cancelled && !cancel.is_cancelled() => lost,
            _ => error,
        }
    }

    /// Gives the lease back. Waits for the store, though not for ever: if it does not answer, the lease
    /// expires by itself.
    pub(crate) async fn release(mut self) {
        self.ended.cancel();
        let Some(keeper) = self.keeper.take() else { return };
        let _ = tokio::spawn(async move { keeper.release(CLEANUP_TIMEOUT).await }).await;
    }
}

/// A lease that is dropped is released, though nobody waits for it.
impl Drop for Lease {
    fn drop(&mut self) {
        self.ended.cancel();
        if let (Some(keeper), Ok(runtime)) = (self.keeper.take(), tokio::runtime::Handle::try_current()) {
            runtime.spawn(async move { keeper.release(CLEANUP_TIMEOUT).await });
        }
    }
}

/// Refuses a lease that holds for too short or too long.
///
/// # Errors
/// It holds for less than a second, or for more than an hour.
pub(crate) fn check_time(time: Duration) -> Result<()> {
    if TIMES.contains(&time) {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Configuration,
        format!("`lease_time` is {time:?}; a lease holds for at least 1 second and at most 1 hour"),
    ))
}

/// Takes the lease in a task of its own: when nobody waits for it any more, it goes on, and the lease is
/// dropped, which releases it.
impl Claim {
    async fn taken(self, cancel: &CancellationToken) -> Result<Lease> {
        let stop = cancel.child_token();
        let taking = tokio::spawn(async move {
            let keeper = Arc::new(self.take(stop).await?);
            let ended = CancellationToken::new();
            tokio::spawn(Arc::clone(&keeper).keep(ended.clone()));
            Ok(Lease { keeper: Some(keeper), ended })
        });
        until_cancelled(cancel, async { taking.await.map_err(task_lost)? }).await
    }
}

fn task_lost(source: tokio::task::JoinError) -> Error {
    Error::with_source(ErrorKind::Internal, "the task that holds a lease was lost", source)
}

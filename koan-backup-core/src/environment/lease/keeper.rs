//! The keeper of a lease, which renews it until it is released or lost.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use object_store::path::Path;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::confirmed::ConfirmedLease;
use super::file::{LeaseFile, LeasedWork};
use super::generations::Generations;
use super::subject::Subject;
use crate::foundation::clock::Clock;
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::storage::Storage;

/// The owner of a lease file, which renews and releases it.
#[derive(Debug)]
pub(super) struct Keeper {
    storage: Storage,
    clock: Arc<dyn Clock>,
    lease_time: Duration,
    location: LeaseLocation,
    /// Locked while the file is written, so that the release is the last write.
    written: Mutex<WrittenLease>,
    /// A token that is cancelled when the operation is cancelled, or when the lease is lost.
    stop_token: CancellationToken,
    /// What the loss of the lease means for the operation; part of the error.
    consequence: &'static str,
    loss_reason: OnceLock<String>,
}

/// The location of a lease file.
#[derive(Debug)]
pub(super) enum LeaseLocation {
    /// One of the generations, of which the highest is the valid one.
    Generation(Generations, u64),
    /// The file of a shared lease; other shared leases may be held at the same time.
    Shared(Path),
}

/// The last written state of the lease.
#[derive(Debug)]
struct WrittenLease {
    file: LeaseFile,
    /// When the lease expires by the monotonic clock, independent of the system clock.
    deadline: Instant,
}

/// The reason why a lease was not renewed.
enum NotRenewed {
    Lost(String),
    /// The store failed; a later attempt may succeed.
    Failed(Error),
}

impl Keeper {
    pub(super) fn new(
        storage: Storage,
        clock: Arc<dyn Clock>,
        lease_time: Duration,
        location: LeaseLocation,
        file: LeaseFile,
        deadline: Instant,
        stop_token: CancellationToken,
    ) -> Self {
        let consequence = match &file.subject {
            Subject::Prune => "nothing more is removed",
            Subject::RestoreInto { .. } => "nothing was committed; restore again",
            _ => "nothing was published",
        };
        let written = Mutex::new(WrittenLease { file, deadline });
        Self {
            storage,
            clock,
            lease_time,
            location,
            written,
            stop_token,
            consequence,
            loss_reason: OnceLock::new(),
        }
    }

    pub(super) fn stop_token(&self) -> &CancellationToken {
        &self.stop_token
    }

    /// Returns the error of the operation if the lease was lost.
    pub(super) fn loss_error(&self) -> Option<Error> {
        let reason = self.loss_reason.get()?;
        let lease = match &self.location {
            LeaseLocation::Generation(generations, _) => &generations.folder,
            LeaseLocation::Shared(path) => path,
        };
        let storage = self.storage.location();
        let text =
            format!("the lease `{lease}` in storage `{storage}` was lost: {reason}; {}", self.consequence);
        Some(Error::new(ErrorKind::Busy, text))
    }

    /// Renews the lease until `stop_renewal` is cancelled, or until the lease is lost.
    pub(super) async fn keep_renewed(self: Arc<Self>, stop_renewal: CancellationToken) {
        let mut pause = self.lease_time / 3;
        loop {
            tokio::select! {
                () = stop_renewal.cancelled() => return,
                () = sleep(pause) => {}
            }
            let mut written = self.written.lock().await;
            if stop_renewal.is_cancelled() || self.loss_reason.get().is_some() {
                return;
            }
            pause = match self.renew(&mut written, None).await {
                Ok(()) => self.lease_time / 3,
                Err(NotRenewed::Lost(reason)) => return self.mark_lost(reason),
                Err(NotRenewed::Failed(error)) => {
                    tracing::warn!(
                        target: "koan::backup", error = %error.chain(),
                        "a lease was not renewed; the renewal is retried until the lease expires"
                    );
                    (self.lease_time / 12).min(self.time_left(&written))
                }
            };
        }
    }

    /// Renews the lease now, and returns until when it is held.
    pub(super) async fn confirm(&self, work: Option<LeasedWork>) -> Result<ConfirmedLease> {
        let mut written = self.written.lock().await;
        if let Some(lost) = self.loss_error() {
            return Err(lost);
        }
        match self.renew(&mut written, work).await {
            Ok(()) => Ok(self.confirmed(&written)),
            Err(NotRenewed::Failed(error)) => Err(error),
            Err(NotRenewed::Lost(reason)) => {
                self.mark_lost(reason);
                Err(self.loss_error().unwrap_or_else(Error::cancelled))
            }
        }
    }

    /// Releases the lease, if it was not lost.
    pub(super) async fn release(&self, time_limit: Duration) {
        let released = timeout(time_limit, async {
            let written = self.written.lock().await;
            if self.loss_reason.get().is_some() {
                return Ok(());
            }
            match &self.location {
                LeaseLocation::Shared(path) => self.storage.remove(path).await,
                // The highest generation is never removed, so that the numbering does not restart.
                LeaseLocation::Generation(..) => {
                    let file = LeaseFile { released: true, ..written.file.clone() };
                    self.storage.replace(&self.path(), file.to_json()).await
                }
            }
        });
        let problem = match released.await {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error.chain(),
            Err(_) => "the store did not respond in time".to_owned(),
        };
        tracing::warn!(
            target: "koan::backup", path = %self.path(), error = %problem,
            "a lease was not released; it will expire"
        );
    }

    /// Returns how long the lease is still held.
    fn time_left(&self, written: &WrittenLease) -> Duration {
        self.confirmed(written).time_left()
    }

    fn confirmed(&self, written: &WrittenLease) -> ConfirmedLease {
        let (expires_at, deadline) = (written.file.expires_at, written.deadline);
        ConfirmedLease {
            clock: Arc::clone(&self.clock),
            expires_at,
            deadline,
            stop_token: self.stop_token.clone(),
        }
    }

    /// Writes the lease with a later expiry time. The renewal is valid only if it completes before the lease
    /// would have expired, because until then no other process can acquire the lease.
    async fn renew(
        &self,
        written: &mut WrittenLease,
        work: Option<LeasedWork>,
    ) -> std::result::Result<(), NotRenewed> {
        let left = self.time_left(written);
        if left.is_zero() {
            return Err(NotRenewed::Lost(format!("it expired at {}", written.file.expires_at)));
        }
        let (now, deadline) = (self.clock.now(), Instant::now() + self.lease_time);
        let Ok(expires_at) = now.checked_add(self.lease_time) else {
            return Err(NotRenewed::Lost("the system clock is beyond the supported time".to_owned()));
        };
        let mut file = LeaseFile { expires_at, ..written.file.clone() };
        if let Some(work) = work {
            file.work = work;
        }
        let no_response = || NotRenewed::Lost("the storage did not respond before it expired".to_owned());
        timeout(left, self.write(&file)).await.map_err(|_| no_response())??;
        if self.time_left(written).is_zero() {
            return Err(no_response());
        }
        *written = WrittenLease { file, deadline };
        timeout(self.time_left(written), self.require_highest()).await.map_err(|_| no_response())?
    }

    /// Writes the file, if it still exists and belongs to this holder.
    async fn write(&self, file: &LeaseFile) -> std::result::Result<(), NotRenewed> {
        let path = self.path();
        match LeaseFile::read(&self.storage, &path).await {
            Ok(Some(found)) if found.holder.token == file.holder.token => {}
            Ok(Some(found)) => return Err(NotRenewed::Lost(format!("it is held by {}", found.holder))),
            Ok(None) => {
                self.require_highest().await?;
                return Err(NotRenewed::Lost("its file no longer exists".to_owned()));
            }
            Err(error) => return Err(NotRenewed::Failed(error)),
        }
        self.storage.replace(&path, file.to_json()).await.map_err(NotRenewed::Failed)
    }

    /// Checks that there is no later generation, which would mean that the lease is lost.
    async fn require_highest(&self) -> std::result::Result<(), NotRenewed> {
        let LeaseLocation::Generation(generations, own_generation) = &self.location else { return Ok(()) };
        let highest = generations.highest().await.map_err(NotRenewed::Failed)?;
        if highest <= *own_generation {
            return Ok(());
        }
        let newer_lease = LeaseFile::read(&self.storage, &generations.path(highest)).await;
        Err(NotRenewed::Lost(match newer_lease {
            Ok(Some(newer)) => format!("{} acquired it at {}", newer.holder, newer.acquired_at),
            Ok(None) | Err(_) => "another process acquired it".to_owned(),
        }))
    }

    fn path(&self) -> Path {
        match &self.location {
            LeaseLocation::Generation(generations, number) => generations.path(*number),
            LeaseLocation::Shared(path) => path.clone(),
        }
    }

    fn mark_lost(&self, reason: String) {
        tracing::warn!(
            target: "koan::backup", path = %self.path(), reason = %reason,
            "a lease was lost; the operation stops"
        );
        let _ = self.loss_reason.set(reason);
        self.stop_token.cancel();
    }
}

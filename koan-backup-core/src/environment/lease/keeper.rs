//! Keeping a lease: it is renewed until it is released or lost.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use object_store::path::Path;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::confirmed::Confirmed;
use super::file::{LeaseFile, LeasedWork};
use super::generations::Generations;
use super::subject::Subject;
use crate::foundation::clock::Clock;
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::storage::Storage;

/// Whoever keeps a lease.
#[derive(Debug)]
pub(super) struct Keeper {
    storage: Storage,
    clock: Arc<dyn Clock>,
    time: Duration,
    place: Place,
    /// Locked while the file is written, so that what is written last is the release.
    written: Mutex<Written>,
    /// Is cancelled when it is lost.
    lost: CancellationToken,
    /// What it means for the work when the lease is lost.
    consequence: &'static str,
    why_lost: OnceLock<String>,
}

/// Where its file lies.
#[derive(Debug)]
pub(super) enum Place {
    /// One of the generations, of which the highest counts.
    Generation(Generations, u64),
    /// Beside others that are held at the same time.
    Shared(Path),
}

/// The lease as it was written last.
#[derive(Debug)]
struct Written {
    file: LeaseFile,
    /// When it is over by the time that goes by, whatever the clock says.
    deadline: Instant,
}

/// Why a lease was not renewed.
enum NotRenewed {
    Lost(String),
    /// The store failed; it may be renewed yet.
    Failed(Error),
}

impl Keeper {
    pub(super) fn new(
        storage: Storage,
        clock: Arc<dyn Clock>,
        time: Duration,
        place: Place,
        file: LeaseFile,
        deadline: Instant,
        lost: CancellationToken,
    ) -> Self {
        let consequence = match &file.subject {
            Subject::Prune => "nothing more is removed",
            _ => "nothing was published",
        };
        let written = Mutex::new(Written { file, deadline });
        Self { storage, clock, time, place, written, lost, consequence, why_lost: OnceLock::new() }
    }

    pub(super) fn lost(&self) -> &CancellationToken {
        &self.lost
    }

    /// The error of the work, if the lease was lost.
    pub(super) fn loss(&self) -> Option<Error> {
        let why = self.why_lost.get()?;
        let lease = match &self.place {
            Place::Generation(generations, _) => &generations.folder,
            Place::Shared(path) => path,
        };
        let place = self.storage.location();
        let text = format!("the lease `{lease}` in storage `{place}` was lost: {why}; {}", self.consequence);
        Some(Error::new(ErrorKind::Busy, text))
    }

    /// Renews the lease until `ended`, or until it is lost.
    pub(super) async fn keep(self: Arc<Self>, ended: CancellationToken) {
        let mut pause = self.time / 3;
        loop {
            tokio::select! {
                () = ended.cancelled() => return,
                () = sleep(pause) => {}
            }
            let mut written = self.written.lock().await;
            if ended.is_cancelled() || self.why_lost.get().is_some() {
                return;
            }
            pause = match self.renew(&mut written, None).await {
                Ok(()) => self.time / 3,
                Err(NotRenewed::Lost(why)) => return self.lose(why),
                Err(NotRenewed::Failed(error)) => {
                    tracing::warn!(
                        target: "koan::backup", error = %error.chain(),
                        "a lease was not renewed; it is tried again until it expires"
                    );
                    (self.time / 12).min(self.left(&written))
                }
            };
        }
    }

    /// Renews the lease now, and tells until when it is held.
    pub(super) async fn confirm(&self, work: Option<LeasedWork>) -> Result<Confirmed> {
        let mut written = self.written.lock().await;
        if let Some(lost) = self.loss() {
            return Err(lost);
        }
        match self.renew(&mut written, work).await {
            Ok(()) => Ok(self.confirmed(&written)),
            Err(NotRenewed::Failed(error)) => Err(error),
            Err(NotRenewed::Lost(why)) => {
                self.lose(why);
                Err(self.loss().unwrap_or_else(Error::cancelled))
            }
        }
    }

    /// Gives the lease back, if it was not lost.
    pub(super) async fn release(&self, patience: Duration) {
        let released = timeout(patience, async {
            let written = self.written.lock().await;
            if self.why_lost.get().is_some() {
                return Ok(());
            }
            match &self.place {
                Place::Shared(path) => self.storage.remove(path).await,
                // The highest generation is never removed, so that numbers do not start again.
                Place::Generation(..) => {
                    let file = LeaseFile { released: true, ..written.file.clone() };
                    self.storage.replace(&self.path(), file.to_json()).await
                }
            }
        });
        let what = match released.await {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error.chain(),
            Err(_) => "the store does not answer".to_owned(),
        };
        tracing::warn!(
            target: "koan::backup", path = %self.path(), error = %what,
            "a lease was not released; it expires by itself"
        );
    }

    /// How long it holds from now on, by the clock and by the time that goes by.
    fn left(&self, written: &Written) -> Duration {
        self.confirmed(written).left()
    }

    fn confirmed(&self, written: &Written) -> Confirmed {
        let (expires_at, deadline) = (written.file.expires_at, written.deadline);
        Confirmed { clock: Arc::clone(&self.clock), expires_at, deadline, lost: self.lost.clone() }
    }

    /// Writes the lease with a later end. It counts only if that is done before the lease would have expired:
    /// until then nobody else has found it free.
    async fn renew(
        &self,
        written: &mut Written,
        work: Option<LeasedWork>,
    ) -> std::result::Result<(), NotRenewed> {
        let left = self.left(written);
        if left.is_zero() {
            return Err(NotRenewed::Lost(format!("it expired at {}", written.file.expires_at)));
        }
        let (now, deadline) = (self.clock.now(), Instant::now() + self.time);
        let Ok(expires_at) = now.checked_add(self.time) else {
            return Err(NotRenewed::Lost("the clock is at the end of all time".to_owned()));
        };
        let mut file = LeaseFile { expires_at, ..written.file.clone() };
        if let Some(work) = work {
            file.work = work;
        }
        let unanswered = || NotRenewed::Lost("the storage did not answer before it expired".to_owned());
        timeout(left, self.write(&file)).await.map_err(|_| unanswered())??;
        if self.left(written).is_zero() {
            return Err(unanswered());
        }
        *written = Written { file, deadline };
        timeout(self.left(written), self.require_highest()).await.map_err(|_| unanswered())?
    }

    /// Writes the file, if it is still there and its own.
    async fn write(&self, file: &LeaseFile) -> std::result::Result<(), NotRenewed> {
        let path = self.path();
        match LeaseFile::read(&self.storage, &path).await {
            Ok(Some(found)) if found.holder.token == file.holder.token => {}
            Ok(Some(found)) => return Err(NotRenewed::Lost(format!("{} holds it", found.holder))),
            Ok(None) => {
                self.require_highest().await?;
                return Err(NotRenewed::Lost("its file is gone".to_owned()));
            }
            Err(error) => return Err(NotRenewed::Failed(error)),
        }
        self.storage.replace(&path, file.to_json()).await.map_err(NotRenewed::Failed)
    }

    /// It is lost if there is a later generation.
    async fn require_highest(&self) -> std::result::Result<(), NotRenewed> {
        let Place::Generation(generations, own) = &self.place else { return Ok(()) };
        let highest = generations.highest().await.map_err(NotRenewed::Failed)?;
        if highest <= *own {
            return Ok(());
        }
        let other = LeaseFile::read(&self.storage, &generations.path(highest)).await;
        Err(NotRenewed::Lost(match other {
            Ok(Some(other)) => format!("{} took it at {}", other.holder, other.acquired_at),
            Ok(None) | Err(_) => "somebody else took it".to_owned(),
        }))
    }

    fn path(&self) -> Path {
        match &self.place {
            Place::Generation(generations, number) => generations.path(*number),
            Place::Shared(path) => path.clone(),
        }
    }

    fn lose(&self, why: String) {
        tracing::warn!(
            target: "koan::backup", path = %self.path(), reason = %why,
            "a lease was lost; the work under it stops"
        );
        let _ = self.why_lost.set(why);
        self.lost.cancel();
    }
}

//! Acquires a lease.

use std::sync::Arc;
use std::time::Duration;

use object_store::path::Path;
use object_store::{ObjectStore, PutMode, PutOptions, PutPayload};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::file::{FORMAT_VERSION, Holder, LeaseFile, LeasedWork, lease_seconds};
use super::generations::{Generations, list};
use super::keeper::{Keeper, LeaseLocation};
use super::subject::Subject;
use crate::foundation::clock::Clock;
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::storage::Storage;

/// The maximum number of attempts to create the next generation while other processes acquire and release the
/// lease.
const MAX_CREATE_ATTEMPTS: usize = 8;

/// The parameters for the acquisition of a lease.
#[derive(Debug)]
pub(super) struct LeaseRequest {
    pub(super) storage: Storage,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) holder: Holder,
    pub(super) lease_time: Duration,
    pub(super) subject: Subject,
    pub(super) work: LeasedWork,
}

impl LeaseRequest {
    /// Acquires the lease. `stop` is cancelled when the lease is lost.
    pub(super) async fn into_keeper(self, stop: CancellationToken) -> Result<Keeper> {
        match self.subject.is_shared() {
            true => self.acquire_shared(stop).await,
            false => self.acquire_exclusive(stop).await,
        }
    }

    /// Acquires a lease that several processes may hold: each holder has its own file.
    async fn acquire_shared(self, stop: CancellationToken) -> Result<Keeper> {
        let folder = self.subject.folder();
        self.remove_expired(&folder).await;
        let path = Path::from(format!("{folder}/{}.json", self.holder.token));
        let (file, deadline) = self.new_file()?;
        match self.create(&path, &file).await? {
            None => self.keeper(LeaseLocation::Shared(path), file, deadline, stop),
            Some(existing) => Err(existing.busy_error(&self.storage)),
        }
    }

    /// Acquires a lease that only one process may hold.
    async fn acquire_exclusive(self, stop: CancellationToken) -> Result<Keeper> {
        let generations = Generations { storage: self.storage.clone(), folder: self.subject.folder() };
        for _ in 0..MAX_CREATE_ATTEMPTS {
            // The time is taken before the read: a lease that the holder renews during the read must not
            // appear expired.
            let now = self.clock.now();
            let next = match generations.newest().await? {
                None => 1,
                Some((last, file)) if file.is_free(now) => last.saturating_add(1),
                Some((_, file)) => return Err(file.busy_error(&self.storage)),
            };
            let path = generations.path(next);
            let (file, deadline) = self.new_file()?;
            match self.create(&path, &file).await? {
                Some(existing) if !existing.is_free(self.clock.now()) => {
                    return Err(existing.busy_error(&self.storage));
                }
                Some(_) => continue,
                None => {}
            }
            match generations.highest().await {
                // This process was paused: it has created a generation that existed before and was removed.
                Ok(highest) if highest > next => self.storage.remove(&path).await?,
                Ok(_) => {
                    generations.remove_older(next).await;
                    return self.keeper(LeaseLocation::Generation(generations, next), file, deadline, stop);
                }
                Err(error) => {
                    let released = LeaseFile { released: true, ..file };
                    let _ = self.storage.replace(&path, released.to_json()).await;
                    return Err(error);
                }
            }
        }
        let (subject, location) = (&self.subject, self.storage.location());
        Err(Error::new(
            ErrorKind::Busy,
            format!(
                "the lease for {subject} in storage `{location}` was not acquired, because another process \
                 was faster in each attempt; try again"
            ),
        ))
    }

    /// Creates the file of a lease. Returns the existing file if another process created it first.
    async fn create(&self, path: &Path, file: &LeaseFile) -> Result<Option<LeaseFile>> {
        let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        let put = self.storage.store().put_opts(path, PutPayload::from(file.to_json()), options).await;
        let Err(source) = put else { return Ok(None) };
        // The file may have been created although the response was lost.
        match LeaseFile::read(&self.storage, path).await {
            Ok(Some(found)) if found.holder.token == file.holder.token => Ok(None),
            Ok(Some(found)) => Ok(Some(found)),
            Err(error) if error.kind() != ErrorKind::Storage => Err(error),
            Ok(None) | Err(_) => Err(self.storage.failed(path, "written to", source)),
        }
    }

    /// Returns the file of a lease that starts now, and its end by the monotonic clock.
    fn new_file(&self) -> Result<(LeaseFile, Instant)> {
        let (now, deadline) = (self.clock.now(), Instant::now() + self.lease_time);
        let expires_at = now.checked_add(self.lease_time).map_err(|source| {
            Error::with_source(
                ErrorKind::Configuration,
                "the system clock is beyond the supported time; correct the clock",
                source,
            )
        })?;
        let file = LeaseFile {
            format_version: FORMAT_VERSION,
            subject: self.subject.clone(),
            holder: self.holder.clone(),
            acquired_at: now,
            expires_at,
            lease_seconds: lease_seconds(self.lease_time),
            released: false,
            work: self.work.clone(),
        };
        Ok((file, deadline))
    }

    fn keeper(
        &self,
        location: LeaseLocation,
        file: LeaseFile,
        deadline: Instant,
        stop: CancellationToken,
    ) -> Result<Keeper> {
        if self.clock.now() >= file.expires_at || Instant::now() >= deadline {
            return Err(Error::new(
                ErrorKind::Storage,
                format!(
                    "writing a lease to storage `{}` took longer than the lease is valid; set `lease_time` \
                     to more than {:?}",
                    self.storage.location(),
                    self.lease_time
                ),
            ));
        }
        Ok(Keeper::new(
            self.storage.clone(),
            Arc::clone(&self.clock),
            self.lease_time,
            location,
            file,
            deadline,
            stop,
        ))
    }

    /// Removes the expired leases of processes that were killed. Their files can be removed, because a shared
    /// lease has no generations.
    async fn remove_expired(&self, folder: &Path) {
        for path in list(&self.storage, folder).await.unwrap_or_default() {
            let now = self.clock.now();
            let read = LeaseFile::read(&self.storage, &path).await;
            if read.is_ok_and(|file| file.is_some_and(|file| file.is_free(now))) {
                let _ = self.storage.remove(&path).await;
            }
        }
    }
}

//! The fixture of the lease tests: a storage in memory and a manual clock.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use object_store::path::Path;
use object_store::{ObjectStoreExt, PutPayload};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::super::claim::LeaseRequest;
use super::super::file::{Holder, LeaseFile};
use super::super::generations::{Generations, list};
use super::super::{FoundLease, Lease, LeasedWork, Subject, all};
use crate::foundation::clock::Clock;
use crate::foundation::error::Result;
use crate::foundation::id::BackupName;
use crate::storage::Storage;

/// The lease time of the tests, by the manual clock.
pub(super) const LEASE_TIME: Duration = Duration::from_secs(60);

/// The storage, the clock and the lease time of a test.
#[derive(Clone)]
pub(super) struct Fixture {
    pub(super) storage: Storage,
    pub(super) clock: ManualClock,
    pub(super) lease_time: Duration,
}

impl Fixture {
    pub(super) fn new() -> Self {
        Self::with_lease_time(LEASE_TIME)
    }

    pub(super) fn with_lease_time(lease_time: Duration) -> Self {
        Self { storage: Storage::memory(), clock: ManualClock::new(), lease_time }
    }

    pub(super) async fn acquire(&self, subject: Subject) -> Result<Lease> {
        let request = LeaseRequest {
            storage: self.storage.clone(),
            clock: self.clock.shared(),
            holder: holder("shop", "till", std::process::id()),
            lease_time: self.lease_time,
            subject,
            work: LeasedWork::default(),
        };
        request.acquire(&CancellationToken::new()).await
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Returns the subjects of the leases that are held.
    pub(super) async fn held(&self) -> Vec<Subject> {
        let held = self.found().await.into_iter().filter(|lease| !lease.file.is_free(self.now()));
        held.map(|lease| lease.file.subject).collect()
    }

    /// Returns all leases, including free ones.
    pub(super) async fn found(&self) -> Vec<FoundLease> {
        all(&self.storage).await.expect("the leases are listed")
    }

    /// Returns a lease that another process has just acquired.
    pub(super) fn foreign(&self, subject: Subject) -> LeaseFile {
        LeaseFile {
            format_version: 1,
            subject,
            holder: holder("other", "elsewhere", 7),
            acquired_at: self.now(),
            expires_at: self.now() + SignedDuration::from_secs(60),
            lease_seconds: 60,
            released: false,
            work: LeasedWork::default(),
        }
    }

    pub(super) fn released(&self, subject: Subject) -> LeaseFile {
        LeaseFile { released: true, ..self.foreign(subject) }
    }

    pub(super) async fn write(&self, subject: Subject, generation: u64, file: &LeaseFile) {
        let path = self.generations(subject).path(generation);
        self.storage
            .store()
            .put(&path, PutPayload::from(file.to_json()))
            .await
            .expect("the lease is written");
    }

    pub(super) async fn remove(&self, subject: Subject, generation: u64) {
        let path = self.generations(subject).path(generation);
        self.storage.store().delete(&path).await.expect("the lease is removed");
    }

    pub(super) async fn put(&self, path: &str, content: &str) {
        let content = PutPayload::from(content.as_bytes().to_vec());
        self.storage.store().put(&path.into(), content).await.expect("the file is written");
    }

    /// Reads the lease file with the highest generation of a subject.
    pub(super) async fn read(&self, subject: Subject) -> LeaseFile {
        self.generations(subject).newest().await.expect("the lease is readable").expect("the lease exists").1
    }

    pub(super) async fn read_generation(&self, subject: Subject, generation: u64) -> LeaseFile {
        let path = self.generations(subject).path(generation);
        LeaseFile::read(&self.storage, &path).await.expect("the lease is readable").expect("the lease exists")
    }

    /// Returns the names of all files.
    pub(super) async fn files(&self) -> Vec<String> {
        let listed = list(&self.storage, &Path::default()).await.expect("the files are listed");
        listed.iter().map(Path::to_string).collect()
    }

    fn generations(&self, subject: Subject) -> Generations {
        Generations { storage: self.storage.clone(), folder: subject.folder() }
    }
}

pub(super) fn nightly() -> Subject {
    Subject::Backup(BackupName::new("nightly").expect("the name is valid"))
}

fn holder(application: &str, host: &str, process: u32) -> Holder {
    let (application, host) = (Some(application.to_owned()), Some(host.to_owned()));
    Holder { token: Uuid::now_v7(), application, host, process }
}

/// Waits until a condition is true.
pub(super) async fn wait_until(condition: impl AsyncFn() -> bool) {
    // If the condition never becomes true, the time limit of the test runner ends the test.
    while !condition().await {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A clock that the test advances.
#[derive(Clone)]
pub(super) struct ManualClock(Arc<Mutex<ManualClockState>>);

struct ManualClockState {
    now: Timestamp,
    hook: Option<Box<dyn FnOnce() + Send>>,
}

impl ManualClock {
    fn new() -> Self {
        Self(Arc::new(Mutex::new(ManualClockState {
            now: "2026-01-01T00:00:00Z".parse().expect("the time is valid"),
            hook: None,
        })))
    }

    pub(super) fn shared(&self) -> Arc<dyn Clock> {
        Arc::new(self.clone())
    }

    pub(super) fn advance(&self, time: Duration) {
        self.0.lock().expect("the lock is not poisoned").now += time;
    }

    /// Calls `hook` when the time is read next.
    pub(super) fn on_next_read(&self, hook: impl FnOnce() + Send + 'static) {
        self.0.lock().expect("the lock is not poisoned").hook = Some(Box::new(hook));
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        let hook = self.0.lock().expect("the lock is not poisoned").hook.take();
        if let Some(hook) = hook {
            hook();
        }
        self.0.lock().expect("the lock is not poisoned").now
    }
}

impl fmt::Debug for ManualClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ManualClock")
    }
}

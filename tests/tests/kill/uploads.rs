//! Tests a backup into an object store whose process is killed during the upload. The store retains the parts
//! until maintenance aborts the upload, after the lease of the killed process has expired.

use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use koan_backup::prelude::*;
use koan_backup::{Clock as _, Compression, SetName, archive::Manifest, maintenance::ProfileMaintenance};
use koan_backup_tests::hand_clock::HandClock;
use koan_backup_tests::proxy::{Fault, Proxy, Trouble};
use koan_backup_tests::scripted::Scripted;
use koan_backup_tests::state_directory::state_directory;
use koan_backup_tests::stores::{Moto, MotoBackedGoogle, S3s, google, s3_storage};

use super::process::{Worker, folder, run_job};
use super::shop::User;

/// The age of the lease of the killed process. The lease has expired, but other processes wait for another
/// half of the lease time before they rely on its expiry.
const LEASE_AGE: SignedDuration = SignedDuration::from_secs(75);
/// The time after which other processes rely on the expiry of the lease of the killed process. A lease that
/// is acquired at the start of this time is still valid at its end.
const FURTHER_WAIT: SignedDuration = SignedDuration::from_secs(20);
/// The file with the protocol, the port and the current time for the killed process.
const STORE: &str = "store";

/// Returns users whose archive has three parts.
fn users() -> Scripted {
    let database = Scripted::default();
    for id in 0..56 {
        database.put(&SetName::root(), &User { id, email: "k".repeat(256 << 10), active: true });
    }
    database
}

async fn context(storage: Storage, clock: HandClock) -> Koan {
    let builder = Koan::builder()
        .state_directory(state_directory())
        .provider(users())
        .named_storage("store", storage)
        .clock(clock);
    builder.build().await.expect("a context")
}

fn open_storage(protocol: &str, port: u16) -> Storage {
    let options = if protocol == "google" { google("shop", port) } else { s3_storage("shop", port) };
    options.open().expect("a profile")
}

async fn backup(koan: &Koan, name: &str) -> Result<Manifest, Error> {
    Ok(koan.backup(name).compression(Compression::stored()).await?.manifest().clone())
}

/// Creates the backup, in the process that is killed.
fn back_up_into_the_store(folder: &Path) {
    let store = std::fs::read_to_string(folder.join(STORE)).expect("readable");
    let mut words = store.split(' ');
    let mut word = || words.next().expect("the file contains the protocol, the port and the time");
    let storage = open_storage(word(), word().parse().expect("a port"));
    let clock = HandClock::at(word());
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let koan = runtime.block_on(context(storage, clock));
    run_job(|| drop(runtime.block_on(backup(&koan, "nightly")).expect("a backup")));
}

/// A store in which a killed process left the first parts of an archive.
struct UploadFixture {
    protocol: &'static str,
    clock: HandClock,
    /// The proxy of the process that continues.
    proxy: Proxy,
    koan: Koan,
}

impl UploadFixture {
    async fn new(test: &str, protocol: &'static str, port: u16) -> Self {
        let (folder, proxy) = (tempfile::tempdir().expect("a directory"), Proxy::before(port));
        let now = Timestamp::now();
        std::fs::write(folder.path().join(STORE), format!("{protocol} {} {}", proxy.port(), now - LEASE_AGE))
            .expect("written");
        proxy.fail([Fault::always("PUT", "partNumber=2", Trouble::Held)]);
        let worker = Worker::start(test, folder.path());
        until_second_part(&proxy).await;
        worker.kill();
        let (proxy, clock) = (Proxy::before(port), HandClock::at(&now.to_string()));
        let koan = context(open_storage(protocol, proxy.port()), clock.clone()).await;
        Self { protocol, clock, proxy, koan }
    }

    async fn maintenance(&self) -> ProfileMaintenance {
        let mut report = self.koan.maintenance().await.expect("completed");
        assert!(report.is_clean(), "{report:?}");
        report.profiles.remove(0)
    }

    fn advance_clock(&self) {
        self.clock.set(self.clock.now() + FURTHER_WAIT);
    }
}

/// Waits until the second part of an archive is being uploaded. The first part is then in the store, and the
/// response to the second part is delayed.
async fn until_second_part(proxy: &Proxy) {
    let sent = || !proxy.requests("PUT", "partNumber=2").is_empty();
    koan_backup_tests::wait::until_sync("the second part is sent", sent).await;
}

/// Kills a backup during its upload, and runs maintenance while another backup uploads. `unfinished` returns
/// the number of archives whose upload is not completed.
async fn kill_during_upload(test: &str, protocol: &'static str, port: u16, unfinished: impl Fn() -> usize) {
    let fixture = UploadFixture::new(test, protocol, port).await;
    assert_eq!(unfinished(), 1, "the killed process left no unfinished upload");

    fixture.proxy.fail([Fault::always("PUT", "partNumber=2", Trouble::Held)]);
    let running = context(open_storage(fixture.protocol, fixture.proxy.port()), fixture.clock.clone()).await;
    let running = tokio::spawn(async move { backup(&running, "weekly").await });
    until_second_part(&fixture.proxy).await;
    assert_eq!(unfinished(), 2);

    let early = fixture.maintenance().await;
    assert_eq!(
        (early.aborted_uploads.len(), unfinished()),
        (0, 2),
        "the lease may still be valid: {early:?}"
    );
    fixture.advance_clock();
    let later = fixture.maintenance().await;
    let [archive] = later.aborted_uploads.as_slice() else { panic!("{later:?}") };
    assert!(archive.starts_with("archives/backup-nightly-"), "{archive}");
    assert_eq!(unfinished(), 1, "only the upload of the running process remains");

    fixture.proxy.fail([]);
    let made = running.await.expect("no panic").expect("a backup");
    assert!(fixture.koan.verify(made.id).await.expect("read").is_valid());
    assert_eq!(unfinished(), 0);
    let last = fixture.maintenance().await;
    assert_eq!((last.aborted_uploads.len(), last.verified), (0, Some(made.id)));
}

/// In the process that is to be killed, creates a backup. In the parent process, runs `case`.
fn run_or_back_up(case: impl AsyncFnOnce()) {
    match folder() {
        Some(folder) => back_up_into_the_store(&folder),
        None => tokio::runtime::Runtime::new().expect("a runtime").block_on(case()),
    }
}

#[test]
fn an_upload_of_a_killed_backup_to_moto_is_aborted_when_its_lease_has_expired() {
    run_or_back_up(async || {
        let moto = Moto::start();
        let test = "uploads::an_upload_of_a_killed_backup_to_moto_is_aborted_when_its_lease_has_expired";
        kill_during_upload(test, "amazon", moto.port(), || moto.unfinished_uploads().len()).await;
        assert_eq!(upload_records(&moto), [""; 0]);
    });
}

#[test]
fn an_upload_of_a_killed_backup_to_google_is_aborted_when_its_lease_has_expired() {
    run_or_back_up(async || {
        let server = MotoBackedGoogle::start();
        let test = "uploads::an_upload_of_a_killed_backup_to_google_is_aborted_when_its_lease_has_expired";
        kill_during_upload(test, "google", server.port(), || server.moto().unfinished_uploads().len()).await;
        assert_eq!(upload_records(server.moto()), [""; 0]);
    });
}

#[test]
fn an_upload_of_a_killed_backup_to_s3s_is_aborted_when_its_lease_has_expired() {
    run_or_back_up(async || {
        let server = S3s::start();
        let test = "uploads::an_upload_of_a_killed_backup_to_s3s_is_aborted_when_its_lease_has_expired";
        kill_during_upload(test, "amazon", server.port(), || server.unfinished_uploads()).await;
    });
}

#[test]
fn an_upload_is_aborted_although_later_backups_have_acquired_the_lease() {
    run_or_back_up(async || {
        let moto = Moto::start();
        let test = "uploads::an_upload_is_aborted_although_later_backups_have_acquired_the_lease";
        let fixture = UploadFixture::new(test, "amazon", moto.port()).await;
        fixture.advance_clock();
        let is_first = |path: &String| {
            path.starts_with("shop/leases/backup/nightly-") && path.ends_with("/0000000001.json")
        };
        assert!(moto.objects().iter().any(is_first), "the lease of the killed process does not exist");
        let mut made = Vec::new();
        for _ in 0..3 {
            made.push(backup(&fixture.koan, "nightly").await.expect("the lease has expired").id);
        }
        assert!(!moto.objects().iter().any(is_first), "the lease of the killed process still exists");
        assert_eq!((moto.unfinished_uploads().len(), upload_records(&moto).len()), (1, 1));
        let report = fixture.maintenance().await;
        assert_eq!(report.aborted_uploads.len(), 1, "{report:?}");
        assert_eq!((moto.unfinished_uploads(), upload_records(&moto)), (vec![], vec![]));
        for id in made {
            assert!(fixture.koan.verify(id).await.expect("read").is_valid(), "{id}");
        }
    });
}

/// Returns the paths of the upload records in the store.
fn upload_records(moto: &Moto) -> Vec<String> {
    moto.objects().into_iter().filter(|path| path.starts_with("shop/uploads/")).collect()
}

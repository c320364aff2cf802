//! Tests that never two restores write into one provider.

use std::future::IntoFuture as _;
use std::sync::mpsc;
use std::time::Duration;

use koan_backup::prelude::*;
use koan_backup::report::RestoreReport;
use koan_backup::{Event, SetName};
use koan_backup_tests::faulty_store::{Failure, Fault, FaultyStore, Operation};
use koan_backup_tests::scripted::Scripted;
use tokio::task::JoinHandle;

use super::shop::{NAME, RECORDS, Shared, builder, database};

/// A restore that has its leases and waits before its first write.
struct HeldRestore {
    restore: JoinHandle<Result<RestoreReport, Error>>,
    gate: mpsc::Sender<()>,
}

impl HeldRestore {
    /// Starts a restore, and waits until it is prepared.
    async fn start(restore: koan_backup::builders::RestoreBuilder) -> Self {
        let (prepared, mut is_prepared) = tokio::sync::mpsc::unbounded_channel();
        let (gate, opened) = mpsc::channel();
        let opened = std::sync::Mutex::new(opened);
        let restore = restore.on_event(move |event| {
            if matches!(event, Event::RestorePrepared { .. }) {
                prepared.send(()).expect("the test waits");
                let _ = opened.lock().expect("the lock is not poisoned").recv();
            }
        });
        let restore = tokio::spawn(restore.into_future());
        is_prepared.recv().await.expect("the restore is prepared");
        Self { restore, gate }
    }

    /// Lets the restore continue, and returns its result.
    async fn end(self) -> Result<RestoreReport, Error> {
        self.gate.send(()).expect("the restore waits");
        self.restore.await.expect("the restore does not panic")
    }
}

/// Builds a context with the default profile `shared` and the profile `dr`.
async fn koan(application: &str, shared: &Shared, dr: &Shared, database: Scripted) -> Koan {
    let builder = Koan::builder().application(application).provider(database);
    let builder = builder.named_storage("shared", shared.storage()).named_storage("dr", dr.storage());
    builder.build().await.expect("a context")
}

/// Returns the lease folders of restores into providers.
fn lease_folders(shared: &Shared) -> Vec<String> {
    let Ok(folders) = std::fs::read_dir(shared.path().join("leases/restore-into")) else { return Vec::new() };
    folders.map(|folder| folder.expect("readable").file_name().into_string().expect("a name")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_second_restore_into_a_provider_is_refused_whichever_profile_it_reads() {
    let (shared, dr, folder) = (Shared::new(), Shared::new(), tempfile::tempdir().expect("a directory"));
    let tree = folder.path().join("tree");
    let first = koan("shop", &shared, &dr, database(Duration::ZERO)).await;
    let second = koan("shop", &shared, &dr, database(Duration::ZERO)).await;
    let other = koan("billing", &shared, &dr, database(Duration::ZERO)).await;
    let _ = first.backup(NAME).await.expect("a backup");
    let _ = first.copy(NAME).to_profile("dr").await.expect("copied");
    let _ = first.backup(NAME).to_directory(&tree).await.expect("a backup");
    let held = HeldRestore::start(first.restore(NAME).from_profile("dr")).await;
    for restore in [
        second.restore(NAME),
        second.restore(NAME).from_profile("dr"),
        second.restore_directory(&tree).at("latest"),
    ] {
        let error = restore.await.expect_err("another restore writes into the provider");
        assert_eq!(error.kind(), ErrorKind::Busy, "{error}");
        let text = error.to_string();
        assert!(text.contains("another process is restoring into provider `main`"), "{text}");
        assert!(text.contains(&format!("application `shop`, process {}", std::process::id())), "{text}");
        assert!(text.contains("wait until it has finished"), "{text}");
    }
    // An operation that writes nothing needs no lease, and another application has another lease.
    let _ = second.restore(NAME).dry_run().await.expect("compared");
    assert!(second.restore(NAME).viability().await.expect("assessed").is_viable());
    let environment = other.identity().environment().to_owned();
    let _ = other.restore(NAME).from_application("shop", environment).await.expect("restored");
    let report = held.end().await.expect("restored");
    assert_eq!(report.record_count(), RECORDS);
    let _ = second.restore(NAME).await.expect("the lease is released");
    let _ = second.restore_directory(&tree).at("latest").await.expect("the lease is released");
    assert_eq!(lease_folders(&shared).len(), 2, "one for each application");
    assert_eq!(lease_folders(&dr), Vec::<String>::new(), "the leases are in the default profile");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_restore_from_a_directory_tree_holds_the_lease() {
    let (shared, dr, folder) = (Shared::new(), Shared::new(), tempfile::tempdir().expect("a directory"));
    let tree = folder.path().join("tree");
    let first = koan("shop", &shared, &dr, database(Duration::ZERO)).await;
    let second = koan("shop", &shared, &dr, database(Duration::ZERO)).await;
    let _ = first.backup(NAME).await.expect("a backup");
    let _ = first.backup(NAME).to_directory(&tree).await.expect("a backup");
    let held = HeldRestore::start(first.restore_directory(&tree).at("latest")).await;
    let error = second.restore(NAME).await.expect_err("the directory is restored");
    assert_eq!(error.kind(), ErrorKind::Busy, "{error}");
    let _ = held.end().await.expect("restored");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_restore_that_lost_its_lease_commits_nothing() {
    let (shared, dr) = (Shared::new(), Shared::new());
    let rows = database(Duration::ZERO);
    let koan = koan("shop", &shared, &dr, rows.clone()).await;
    let _ = koan.backup(NAME).await.expect("a backup");
    rows.truncate("User", &SetName::root(), 3);
    let held = HeldRestore::start(koan.restore(NAME)).await;
    let [folder] = lease_folders(&shared).try_into().expect("one lease");
    shared.take_over(&format!("restore-into/{folder}"));
    let error = held.end().await.expect_err("the lease is lost");
    assert_eq!(error.kind(), ErrorKind::Busy, "{error}");
    let text = error.to_string();
    assert!(text.contains("application `thief`") && text.contains("nothing was committed"), "{text}");
    let counts = koan.record_counts().await.expect("counted");
    assert_eq!(counts[0].1.as_ref().ok(), Some(&3), "the provider is unchanged");
}

#[tokio::test]
async fn a_restore_is_possible_after_the_default_profile_was_lost() {
    let (dr, store) =
        (Shared::new(), FaultyStore::over(koan_backup_tests::archive_surgery::Vault::default().store()));
    let builder = builder("shop", store.storage(), Duration::ZERO).named_storage("dr", dr.storage());
    let koan = builder.build().await.expect("a context");
    let _ = koan.backup(NAME).to_profile("dr").await.expect("a backup");
    store.fail([
        Fault::always(Operation::Put, "", Failure::Broken),
        Fault::always(Operation::Get, "", Failure::Broken),
        Fault::always(Operation::List, "", Failure::Broken),
    ]);
    let report = koan.restore(NAME).from_profile("dr").await.expect("restored");
    let warning = report.findings.iter().find(|finding| finding.message.contains("a second restore"));
    assert!(warning.is_some(), "the report warns: {:?}", report.findings);
}

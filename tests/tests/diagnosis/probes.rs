//! The probe in each storage is removed, and is neither a backup nor garbage.

use koan_backup::report::{CheckCode, CheckSubject};
use koan_backup::{CancellationToken, ErrorKind};
use koan_backup_tests::faulty_store::{Failure, Fault, Operation};
use koan_backup_tests::wait;

use super::fixture::{LONG, SHORT, Store, koan, with_code};

/// The text in the path of each probe.
const PROBE: &str = "koan-probe-";

#[tokio::test]
async fn a_healthy_storage_has_no_file_more_than_before() {
    let store = Store::new();
    let (koan, _) = koan(&store).await;
    let _ = koan.backup("nightly").verify_after().await.expect("a backup");
    let before = store.files_beside_folders().await;
    let diagnosis = koan.diagnose().timeout(LONG).await.expect("a diagnosis");
    assert!(diagnosis.is_healthy(), "{diagnosis:?}");
    assert_eq!(store.files_beside_folders().await, before);
    assert_eq!(store.faults.call_count(Operation::Delete, PROBE), 1, "the probe was written and removed");
    assert_eq!(koan.backups().await.expect("listed").len(), 1);
}

#[tokio::test]
async fn the_probe_is_removed_if_it_cannot_be_read_or_if_the_response_to_its_write_is_lost() {
    for fault in [
        Fault::always(Operation::Get, PROBE, Failure::Broken),
        Fault::always(Operation::Get, PROBE, Failure::Zeros),
        Fault::once(Operation::Put, PROBE, Failure::ResponseLost),
    ] {
        let store = Store::new();
        let (koan, _) = koan(&store).await;
        store.faults.fail([fault]);
        let diagnosis = koan.diagnose().timeout(LONG).await.expect("a diagnosis");
        let problems = with_code(&diagnosis, CheckCode::StorageFailed);
        assert_eq!(problems.len(), 1, "{fault:?}: {diagnosis:?}");
        assert!(problems[0].remedy.is_some());
        assert_eq!(store.files_beside_folders().await, [""; 0], "{fault:?}");
    }
}

#[tokio::test]
async fn a_probe_that_cannot_be_removed_is_a_problem_that_names_the_file() {
    for failure in [Failure::Forbidden, Failure::IgnoredSilently] {
        let store = Store::new();
        let (koan, _) = koan(&store).await;
        store.faults.fail([Fault::always(Operation::Delete, PROBE, failure)]);
        let diagnosis = koan.diagnose().timeout(LONG).await.expect("a diagnosis");
        let problems = with_code(&diagnosis, CheckCode::ProbeNotRemoved);
        let [file] = store.files_beside_folders().await.try_into().expect("one file remains");
        assert_eq!(problems.len(), 1, "{failure:?}: {diagnosis:?}");
        assert!(problems[0].detail.contains(&file), "{failure:?}: {}", problems[0].detail);
        assert!(problems[0].remedy.as_ref().is_some_and(|remedy| remedy.contains(&file)), "{failure:?}");
    }
}

#[tokio::test]
async fn a_refused_probe_is_one_problem() {
    let store = Store::new();
    let (koan, _) = koan(&store).await;
    store.faults.fail([
        Fault::always(Operation::Put, PROBE, Failure::Forbidden),
        Fault::always(Operation::Delete, PROBE, Failure::Forbidden),
    ]);
    let diagnosis = koan.diagnose().timeout(LONG).await.expect("a diagnosis");
    let problems: Vec<_> = diagnosis.problems().collect();
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert_eq!((problems[0].subject, problems[0].code), (CheckSubject::Storage, CheckCode::StorageFailed));
}

#[tokio::test]
async fn a_cancelled_or_dropped_diagnosis_removes_its_probe() {
    let store = Store::new();
    let (koan, _) = koan(&store).await;
    store.faults.fail([Fault::always(Operation::Get, PROBE, Failure::Never)]);
    let token = CancellationToken::new();
    let cancel = async {
        store.faults.until_called(Operation::Get, PROBE, 1).await;
        token.cancel();
    };
    let (ended, ()) =
        tokio::join!(koan.diagnose().timeout(LONG).cancel_on(token.clone()).into_future(), cancel);
    assert_eq!(ended.expect_err("the diagnosis was cancelled").kind(), ErrorKind::Cancelled);
    assert_eq!(store.files_beside_folders().await, [""; 0], "the cancelled diagnosis waits for the removal");

    wait::dropped_at(store.faults.until_called(Operation::Get, PROBE, 2), koan.diagnose().timeout(LONG))
        .await;
    wait::until("the probe of the dropped diagnosis is removed", async || {
        store.files_beside_folders().await.is_empty()
    })
    .await;
}

#[tokio::test]
async fn a_write_that_ends_after_the_time_limit_leaves_no_probe() {
    let store = Store::new();
    let (koan, _) = koan(&store).await;
    store.faults.fail([Fault::always(Operation::Put, PROBE, Failure::Held)]);
    let diagnosis = tokio::spawn(koan.diagnose().timeout(SHORT).into_future());
    // The removal of the probe waits for the write, so it must begin after the write has ended.
    tokio::time::sleep(SHORT * 2).await;
    store.faults.resume();
    let diagnosis = diagnosis.await.expect("the task ended").expect("a diagnosis");
    assert_eq!(with_code(&diagnosis, CheckCode::NoResponse).len(), 1, "{diagnosis:?}");
    assert_eq!(store.files_beside_folders().await, [""; 0]);
}

#[tokio::test]
async fn maintenance_removes_the_probe_that_a_killed_process_left_in_a_bucket() {
    let store = Store::new();
    let (koan, clock) = koan(&store).await;
    let _ = koan.backup("nightly").await.expect("a backup");
    let probe = format!("{PROBE}{}", uuid::Uuid::now_v7());
    for path in [probe.as_str(), "koan-probe-notes", "notes.txt"] {
        store.write(path).await;
    }
    let _ = koan.maintenance().await.expect("maintenance");
    assert_eq!(store.files_beside_folders().await.len(), 3, "a young probe may belong to a running process");
    clock.pass(48);
    let report = koan.maintenance().await.expect("maintenance");
    assert_eq!(report.profiles[0].removed_files, [probe], "{report:?}");
    assert_eq!(store.files_beside_folders().await, ["koan-probe-notes", "notes.txt"], "other files remain");
}

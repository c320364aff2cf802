//! Unfinished uploads, in a store that can list them: an upload is aborted, or its upload note remains for
//! maintenance.

use std::time::Duration;

use koan_backup::prelude::*;
use koan_backup::{CancellationToken, Compression, maintenance::ProfileMaintenance};
use koan_backup_tests::proxy::{Fault, Proxy, Trouble};
use koan_backup_tests::stores::Moto;
use koan_backup_tests::wait;

use crate::fixture::{backup, koan, shop};

struct Bucket {
    moto: Moto,
    proxy: Proxy,
    koan: Koan,
}

async fn bucket() -> Bucket {
    let moto = Moto::start();
    let proxy = Proxy::before(moto.port());
    let storage = moto.storage("shop").endpoint(format!("http://127.0.0.1:{}", proxy.port()));
    let storage = storage.retries(2, Duration::from_secs(10)).open().expect("a profile");
    let koan = koan(shop(14 << 20), [("store", storage), ("memory", Storage::memory())]).await;
    Bucket { moto, proxy, koan }
}

impl Bucket {
    /// Returns the paths of the archives in the store.
    fn archives(&self) -> Vec<String> {
        self.moto.objects().into_iter().filter(|path| path.contains("/archives/")).collect()
    }

    /// Returns the paths of the upload notes in the store.
    fn notes(&self) -> Vec<String> {
        self.moto.objects().into_iter().filter(|path| path.contains("/uploads/")).collect()
    }

    async fn maintenance(&self) -> ProfileMaintenance {
        let report = self.koan.maintenance().profiles(["store"]).await.expect("maintenance completed");
        report.profiles.into_iter().next().expect("one profile")
    }

    async fn until_nothing_is_left(&self) {
        wait::until("no upload and no archive is left", async || {
            self.moto.unfinished_uploads().is_empty() && self.archives().is_empty()
        })
        .await;
    }
}

#[tokio::test]
async fn a_completed_upload_is_not_listed_as_unfinished() {
    let bucket = bucket().await;
    backup(&bucket.koan, "nightly").await.expect("a backup");
    assert!(
        bucket.proxy.requests("PUT", "partNumber=").len() >= 3,
        "the archive must have at least three parts"
    );
    assert_eq!(bucket.moto.unfinished_uploads(), [""; 0]);
    assert_eq!(bucket.archives().len(), 1);
}

#[tokio::test]
async fn a_backup_that_is_cancelled_leaves_no_unfinished_upload() {
    let bucket = bucket().await;
    bucket.proxy.fail([Fault::always("PUT", "partNumber=2", Trouble::Held)]);
    let token = CancellationToken::new();
    let backup = bucket.koan.backup("nightly").compression(Compression::stored()).cancel_on(token.clone());
    let cancel = async {
        while bucket.proxy.requests("PUT", "partNumber=2").is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(
            bucket.moto.unfinished_uploads().len(),
            1,
            "the upload must have begun before the cancellation"
        );
        token.cancel();
        bucket.proxy.fail([]);
    };
    let (result, ()) = tokio::join!(backup.into_future(), cancel);
    assert_eq!(result.expect_err("cancelled").kind(), ErrorKind::Cancelled);
    assert_eq!((bucket.moto.unfinished_uploads(), bucket.archives()), (vec![], vec![]));
    assert_eq!(bucket.koan.backups().await.expect("listed"), []);
}

#[tokio::test]
async fn a_backup_that_is_dropped_leaves_no_unfinished_upload() {
    let bucket = bucket().await;
    bucket.proxy.fail([Fault::always("PUT", "partNumber=2", Trouble::Held)]);
    let backup = bucket.koan.backup("nightly").compression(Compression::stored()).into_future();
    let until_begun = async {
        while bucket.proxy.requests("PUT", "partNumber=2").is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::select! {
        result = backup => panic!("the backup completed before it could be dropped: {result:?}"),
        () = until_begun => {}
    }
    assert!(!bucket.proxy.requests("PUT", "partNumber=1").is_empty());
    bucket.proxy.fail([]);
    bucket.until_nothing_is_left().await;
}

#[tokio::test]
async fn an_upload_with_a_permanent_failure_is_aborted() {
    let bucket = bucket().await;
    for trouble in [Trouble::CutInRequest, Trouble::Status(503), Trouble::Status(403)] {
        bucket.proxy.fail([Fault::always("PUT", "partNumber=2", trouble)]);
        let error = backup(&bucket.koan, "nightly").await.expect_err("a part cannot be uploaded");
        assert_eq!(error.kind(), ErrorKind::Storage, "{trouble:?}");
        assert_eq!((bucket.moto.unfinished_uploads(), bucket.archives()), (vec![], vec![]), "{trouble:?}");
        // A copy behaves like a backup.
        bucket.proxy.fail([]);
        let _ = bucket
            .koan
            .backup("local")
            .to_profile("memory")
            .compression(Compression::stored())
            .await
            .expect("a backup");
        bucket.proxy.fail([Fault::always("PUT", "partNumber=2", trouble)]);
        let copy = bucket.koan.copy("local").from_profile("memory").to_profile("store").await;
        assert_eq!(copy.expect_err("a part cannot be uploaded").kind(), ErrorKind::Storage, "{trouble:?}");
        assert_eq!((bucket.moto.unfinished_uploads(), bucket.archives()), (vec![], vec![]), "{trouble:?}");
    }
}

#[tokio::test]
async fn an_upload_whose_last_response_is_lost_leaves_a_complete_archive_or_no_archive() {
    let bucket = bucket().await;
    for times in [1, usize::MAX] {
        let fault = Fault { times, ..Fault::always("POST", "uploadId=", Trouble::ResponseLost) };
        bucket.proxy.fail([fault]);
        let manifest = backup(&bucket.koan, "nightly").await;
        bucket.proxy.fail([]);
        assert_eq!(bucket.moto.unfinished_uploads(), [""; 0]);
        let published: Vec<_> = bucket.koan.backups().await.expect("listed");
        let complete = published.iter().filter(|manifest| manifest.status.is_complete()).count();
        assert_eq!(
            bucket.archives().len(),
            complete,
            "each archive must have a manifest, and each manifest an archive"
        );
        if let Ok(manifest) = manifest {
            assert!(bucket.koan.verify(manifest.id).await.expect("a report").is_valid());
        }
    }
}

/// Waits until the second part of an archive is being uploaded and its response is held.
async fn until_second_part(proxy: &Proxy) {
    while proxy.requests("PUT", "partNumber=2").is_empty() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn the_upload_note_is_written_before_the_first_part_and_removed_after_the_upload() {
    let bucket = bucket().await;
    bucket.proxy.fail([]);
    backup(&bucket.koan, "nightly").await.expect("a backup");
    let request_number = |target| bucket.proxy.requests("PUT", target).first().expect(target).number;
    assert!(
        request_number("/uploads/") < request_number("partNumber=1"),
        "the note must be written before the first part, so that maintenance finds the upload of a killed process"
    );
    assert_eq!(bucket.notes(), [""; 0]);
}

#[tokio::test]
async fn no_part_is_uploaded_if_the_upload_note_cannot_be_written() {
    let bucket = bucket().await;
    bucket.proxy.fail([Fault::always("PUT", "/uploads/", Trouble::Status(403))]);
    let error = backup(&bucket.koan, "nightly").await.expect_err("the upload note cannot be written");
    assert!(error.to_string().contains("the record of its upload could not be written"), "{error}");
    assert_eq!(bucket.proxy.requests("PUT", "partNumber=").len(), 0);
    assert_eq!((bucket.moto.unfinished_uploads(), bucket.archives()), (vec![], vec![]));
}

#[tokio::test]
async fn a_refused_abort_is_reported_and_retried_by_the_next_maintenance() {
    let bucket = bucket().await;
    let refused = Fault::always("DELETE", "uploadId=", Trouble::Status(403));
    bucket.proxy.fail([Fault::always("PUT", "partNumber=2", Trouble::Held), refused]);
    let token = CancellationToken::new();
    let backup = bucket.koan.backup("nightly").compression(Compression::stored()).cancel_on(token.clone());
    let cancel = async {
        until_second_part(&bucket.proxy).await;
        token.cancel();
    };
    let (result, ()) = tokio::join!(backup.into_future(), cancel);
    assert_eq!(result.expect_err("cancelled").kind(), ErrorKind::Cancelled);
    assert_eq!((bucket.moto.unfinished_uploads().len(), bucket.notes().len()), (1, 1));

    bucket.proxy.fail([refused]);
    let report = bucket.maintenance().await;
    assert_eq!((report.aborted_uploads.len(), report.failures.len()), (0, 1), "{report:?}");
    for part in [
        "the unfinished upload of `archives/backup-nightly-",
        "was not aborted",
        "403",
        "check the credentials",
    ] {
        assert!(report.failures[0].contains(part), "{part} is not in {report:?}");
    }
    assert_eq!(
        (bucket.moto.unfinished_uploads().len(), bucket.notes().len()),
        (1, 1),
        "the unfinished upload must still have its note"
    );

    bucket.proxy.fail([]);
    let report = bucket.maintenance().await;
    assert_eq!((report.aborted_uploads.len(), report.failures.len()), (1, 0), "{report:?}");
    assert_eq!((bucket.moto.unfinished_uploads(), bucket.notes()), (vec![], vec![]));
}

#[tokio::test]
async fn an_abort_whose_connection_is_lost_is_retried() {
    let bucket = bucket().await;
    for trouble in [Trouble::CutInRequest, Trouble::ResponseLost] {
        let refused_part = Fault::always("PUT", "partNumber=2", Trouble::Status(403));
        bucket.proxy.fail([refused_part, Fault::once("DELETE", "uploadId=", trouble)]);
        backup(&bucket.koan, "nightly").await.expect_err("a part was refused");
        assert_eq!((bucket.moto.unfinished_uploads(), bucket.notes()), (vec![], vec![]), "{trouble:?}");
    }
}

#[tokio::test]
async fn a_note_that_outlives_its_completed_upload_is_removed_by_maintenance() {
    let bucket = bucket().await;
    bucket.proxy.fail([Fault::always("POST", "?delete", Trouble::Status(403))]);
    let manifest = backup(&bucket.koan, "nightly").await.expect("a backup");
    assert_eq!(
        (bucket.moto.unfinished_uploads(), bucket.notes().len()),
        (vec![], 1),
        "the note must remain, because the store refuses to remove it"
    );
    bucket.proxy.fail([]);
    let report = bucket.maintenance().await;
    assert_eq!((report.aborted_uploads.len(), report.failures.len()), (0, 0), "{report:?}");
    assert_eq!(bucket.notes(), [""; 0]);
    assert!(bucket.koan.verify(manifest.id).await.expect("read").is_valid());
}

#[tokio::test]
async fn maintenance_does_not_abort_the_upload_of_a_backup_that_begins_during_its_survey() {
    let bucket = bucket().await;
    // Another backup starts while maintenance lists the leases.
    let listing = "prefix=shop%2Fleases%2F$";
    bucket.proxy.fail([Fault::once("GET", listing, Trouble::Held)]);
    let other = Proxy::before(bucket.moto.port());
    other.fail([Fault::always("PUT", "partNumber=2", Trouble::Held)]);
    let storage = bucket.moto.storage("shop").endpoint(format!("http://127.0.0.1:{}", other.port()));
    let other_koan = koan(shop(14 << 20), [("store", storage.open().expect("a profile"))]).await;
    let mut running = None;
    let until_begun = async {
        while bucket.proxy.requests("GET", listing).is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        running = Some(tokio::spawn(async move { backup(&other_koan, "weekly").await }));
        until_second_part(&other).await;
        bucket.proxy.fail([]);
    };
    let (report, ()) = tokio::join!(bucket.maintenance(), until_begun);
    assert_eq!((report.aborted_uploads.len(), report.failures.len()), (0, 0), "{report:?}");
    other.fail([]);
    let manifest = running
        .expect("the other backup was started")
        .await
        .expect("the task did not panic")
        .expect("a backup");
    assert!(bucket.koan.verify(manifest.id).await.expect("read").is_valid());
}

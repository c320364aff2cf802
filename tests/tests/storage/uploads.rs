//! The remains of an unfinished upload, in a store that lists unfinished uploads.

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
        let report = self.koan.maintenance().profiles(["store"]).await.expect("ran");
        report.profiles.into_iter().next().expect("one profile")
    }

    async fn nothing_stays(&self) {
        wait::until("no upload and no archive is left", async || {
            self.moto.unfinished_uploads().is_empty() && self.archives().is_empty()
        })
        .await;
    }
}

#[tokio::test]
async fn an_upload_that_comes_to_its_end_is_not_listed_as_one_that_did_not() {
    let bucket = bucket().await;
    backup(&bucket.koan, "nightly").await.expect("a backup");
    assert!(bucket.proxy.seen("PUT", "partNumber=").len() >= 3, "it has fewer than three parts");
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
        while bucket.proxy.seen("PUT", "partNumber=2").is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(bucket.moto.unfinished_uploads().len(), 1, "there is nothing to be left");
        token.cancel();
        bucket.proxy.fail([]);
    };
    let (ended, ()) = tokio::join!(backup.into_future(), cancel);
    assert_eq!(ended.expect_err("cancelled").kind(), ErrorKind::Cancelled);
    assert_eq!((bucket.moto.unfinished_uploads(), bucket.archives()), (vec![], vec![]));
    assert_eq!(bucket.koan.backups().await.expect("listed"), []);
}

#[tokio::test]
async fn a_backup_that_is_dropped_leaves_no_unfinished_upload() {
    let bucket = bucket().await;
    bucket.proxy.fail([Fault::always("PUT", "partNumber=2", Trouble::Held)]);
    let backup = bucket.koan.backup("nightly").compression(Compression::stored()).into_future();
    let begun = async {
        while bucket.proxy.seen("PUT", "partNumber=2").is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::select! {
        ended = backup => panic!("it ended: {ended:?}"),
        () = begun => {}
    }
    assert!(!bucket.proxy.seen("PUT", "partNumber=1").is_empty());
    bucket.proxy.fail([]);
    bucket.nothing_stays().await;
}

#[tokio::test]
async fn an_upload_whose_connection_is_cut_for_good_is_aborted() {
    let bucket = bucket().await;
    for trouble in [Trouble::CutInRequest, Trouble::Status(503), Trouble::Status(403)] {
        bucket.proxy.fail([Fault::always("PUT", "partNumber=2", trouble)]);
        let error = backup(&bucket.koan, "nightly").await.expect_err("it never arrived");
        assert_eq!(error.kind(), ErrorKind::Storage, "{trouble:?}");
        assert_eq!((bucket.moto.unfinished_uploads(), bucket.archives()), (vec![], vec![]), "{trouble:?}");
        // A copy behaves like a backup.
        bucket.proxy.fail([]);
        bucket
            .koan
            .backup("local")
            .to_profile("memory")
            .compression(Compression::stored())
            .await
            .expect("a backup");
        bucket.proxy.fail([Fault::always("PUT", "partNumber=2", trouble)]);
        let copy = bucket.koan.copy("local").from_profile("memory").to_profile("store").await;
        assert_eq!(copy.expect_err("it never arrived").kind(), ErrorKind::Storage, "{trouble:?}");
        assert_eq!((bucket.moto.unfinished_uploads(), bucket.archives()), (vec![], vec![]), "{trouble:?}");
    }
}

#[tokio::test]
async fn an_upload_whose_last_answer_is_lost_leaves_one_whole_archive_or_none() {
    let bucket = bucket().await;
    for times in [1, usize::MAX] {
        let lost = Fault { times, ..Fault::always("POST", "uploadId=", Trouble::AnswerLost) };
        bucket.proxy.fail([lost]);
        let made = backup(&bucket.koan, "nightly").await;
        bucket.proxy.fail([]);
        assert_eq!(bucket.moto.unfinished_uploads(), [""; 0]);
        let published: Vec<_> = bucket.koan.backups().await.expect("listed");
        let complete = published.iter().filter(|made| made.status.is_complete()).count();
        assert_eq!(bucket.archives().len(), complete, "an archive that no manifest names, or the reverse");
        if let Ok(made) = made {
            assert!(bucket.koan.verify(made.id).await.expect("a report").is_valid());
        }
    }
}

/// Waits until the second part of an archive is being uploaded and its answer is held.
async fn in_its_second_part(proxy: &Proxy) {
    while proxy.seen("PUT", "partNumber=2").is_empty() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn an_upload_is_noted_before_its_first_part_and_the_note_goes_with_it() {
    let bucket = bucket().await;
    bucket.proxy.fail([]);
    backup(&bucket.koan, "nightly").await.expect("a backup");
    let at = |target| bucket.proxy.seen("PUT", target).first().expect(target).number;
    assert!(
        at("/uploads/") < at("partNumber=1"),
        "a process killed in between leaves parts that nobody knows of"
    );
    assert_eq!(bucket.notes(), [""; 0]);
}

#[tokio::test]
async fn an_upload_that_cannot_be_noted_sends_no_part() {
    let bucket = bucket().await;
    bucket.proxy.fail([Fault::always("PUT", "/uploads/", Trouble::Status(403))]);
    let error = backup(&bucket.koan, "nightly").await.expect_err("the upload note could not be written");
    assert!(error.to_string().contains("the note of its upload could not be written"), "{error}");
    assert_eq!(bucket.proxy.seen("PUT", "partNumber=").len(), 0);
    assert_eq!((bucket.moto.unfinished_uploads(), bucket.archives()), (vec![], vec![]));
}

#[tokio::test]
async fn an_abort_that_is_refused_is_told_and_tried_again() {
    let bucket = bucket().await;
    let refused = Fault::always("DELETE", "uploadId=", Trouble::Status(403));
    bucket.proxy.fail([Fault::always("PUT", "partNumber=2", Trouble::Held), refused]);
    let token = CancellationToken::new();
    let backup = bucket.koan.backup("nightly").compression(Compression::stored()).cancel_on(token.clone());
    let cancel = async {
        in_its_second_part(&bucket.proxy).await;
        token.cancel();
    };
    let (ended, ()) = tokio::join!(backup.into_future(), cancel);
    assert_eq!(ended.expect_err("cancelled").kind(), ErrorKind::Cancelled);
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
    assert_eq!((bucket.moto.unfinished_uploads().len(), bucket.notes().len()), (1, 1), "it is known yet");

    bucket.proxy.fail([]);
    let report = bucket.maintenance().await;
    assert_eq!((report.aborted_uploads.len(), report.failures.len()), (1, 0), "{report:?}");
    assert_eq!((bucket.moto.unfinished_uploads(), bucket.notes()), (vec![], vec![]));
}

#[tokio::test]
async fn an_abort_whose_connection_is_lost_is_asked_for_again() {
    let bucket = bucket().await;
    for trouble in [Trouble::CutInRequest, Trouble::AnswerLost] {
        let refused = Fault::always("PUT", "partNumber=2", Trouble::Status(403));
        bucket.proxy.fail([refused, Fault::once("DELETE", "uploadId=", trouble)]);
        backup(&bucket.koan, "nightly").await.expect_err("a part was refused");
        assert_eq!((bucket.moto.unfinished_uploads(), bucket.notes()), (vec![], vec![]), "{trouble:?}");
    }
}

#[tokio::test]
async fn an_upload_that_was_completed_though_its_note_stayed_does_no_harm() {
    let bucket = bucket().await;
    bucket.proxy.fail([Fault::always("POST", "?delete", Trouble::Status(403))]);
    let made = backup(&bucket.koan, "nightly").await.expect("a backup");
    assert_eq!((bucket.moto.unfinished_uploads(), bucket.notes().len()), (vec![], 1), "the note cannot go");
    bucket.proxy.fail([]);
    let report = bucket.maintenance().await;
    assert_eq!((report.aborted_uploads.len(), report.failures.len()), (0, 0), "{report:?}");
    assert_eq!(bucket.notes(), [""; 0]);
    assert!(bucket.koan.verify(made.id).await.expect("read").is_valid());
}

#[tokio::test]
async fn a_backup_that_begins_while_maintenance_looks_around_is_left_alone() {
    let bucket = bucket().await;
    // Another backup starts while maintenance lists the leases.
    let listing = "prefix=shop%2Fleases%2F$";
    bucket.proxy.fail([Fault::once("GET", listing, Trouble::Held)]);
    let other = Proxy::before(bucket.moto.port());
    other.fail([Fault::always("PUT", "partNumber=2", Trouble::Held)]);
    let storage = bucket.moto.storage("shop").endpoint(format!("http://127.0.0.1:{}", other.port()));
    let living = koan(shop(14 << 20), [("store", storage.open().expect("a profile"))]).await;
    let mut working = None;
    let begun = async {
        while bucket.proxy.seen("GET", listing).is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        working = Some(tokio::spawn(async move { backup(&living, "weekly").await }));
        in_its_second_part(&other).await;
        bucket.proxy.fail([]);
    };
    let (report, ()) = tokio::join!(bucket.maintenance(), begun);
    assert_eq!((report.aborted_uploads.len(), report.failures.len()), (0, 0), "{report:?}");
    other.fail([]);
    let made = working.expect("begun").await.expect("it ends").expect("a backup");
    assert!(bucket.koan.verify(made.id).await.expect("read").is_valid());
}

//! What is left of an upload that did not come to its end, by a store that lists them.

use std::time::Duration;

use koan_backup::prelude::*;
use koan_backup::{CancellationToken, Compression};
use koan_backup_tests::proxy::{Fault, Proxy, Trouble};
use koan_backup_tests::stores::Moto;

use crate::rig::{backup, koan, shop};

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
    /// The archives that are there.
    fn archives(&self) -> Vec<String> {
        self.moto.objects().into_iter().filter(|path| path.contains("/archives/")).collect()
    }

    async fn nothing_stays(&self) {
        for _ in 0..100 {
            if self.moto.unfinished_uploads().is_empty() && self.archives().is_empty() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("left: {:?} {:?}", self.moto.unfinished_uploads(), self.archives());
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
    bucket.proxy.fail([Fault::always("PUT", "partNumber=2", Trouble::Slow(1500))]);
    let token = CancellationToken::new();
    let backup = bucket.koan.backup("nightly").compression(Compression::stored()).cancel_on(token.clone());
    let cancel = async {
        while bucket.proxy.seen("PUT", "partNumber=2").is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(bucket.moto.unfinished_uploads().len(), 1, "there is nothing to be left");
        token.cancel();
    };
    let (ended, ()) = tokio::join!(backup.into_future(), cancel);
    assert_eq!(ended.expect_err("cancelled").kind(), ErrorKind::Cancelled);
    assert_eq!((bucket.moto.unfinished_uploads(), bucket.archives()), (vec![], vec![]));
    assert_eq!(bucket.koan.backups().await.expect("listed"), []);
}

#[tokio::test]
async fn a_backup_that_is_dropped_leaves_no_unfinished_upload() {
    let bucket = bucket().await;
    bucket.proxy.fail([Fault::always("PUT", "partNumber=2", Trouble::Slow(1500))]);
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
        // A copy goes the same way.
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

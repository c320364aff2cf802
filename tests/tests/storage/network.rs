//! Failures of the network in front of a real store: temporary failures are retried, refusals are not, and a
//! permanent failure leaves no archive.

use std::path::Path;
use std::time::{Duration, Instant};

use koan_backup::prelude::*;
use koan_backup_tests::proxy::{Fault, Proxy, Trouble};
use koan_backup_tests::stores::S3s;

use crate::fixture::{Customer, backup, customers, customers_of, koan, shop};

struct Bucket {
    s3: S3s,
    proxy: Proxy,
    koan: Koan,
}

async fn bucket() -> Bucket {
    bucket_with(|options| options).await
}

async fn bucket_with(
    alter: impl FnOnce(koan_backup::storage::StorageOptions) -> koan_backup::storage::StorageOptions,
) -> Bucket {
    let s3 = S3s::start();
    let proxy = Proxy::before(s3.port());
    let storage = alter(s3.storage_by(proxy.port(), "shop")).open().expect("a profile");
    Bucket { koan: koan(shop(12 << 20), [("store", storage)]).await, s3, proxy }
}

impl Bucket {
    fn archives(&self) -> Vec<String> {
        files(&self.s3.bucket().join("shop/archives"))
    }

    /// Runs a backup that fails, and verifies that no archive is left.
    async fn failed(&self, fault: Fault) -> Error {
        self.proxy.fail([fault]);
        let error = backup(&self.koan, "nightly").await.expect_err("the store failed");
        assert_eq!(error.kind(), ErrorKind::Storage, "{fault:?}: {}", error.chain());
        assert_eq!(self.archives(), [""; 0], "{fault:?}");
        error
    }
}

fn files(folder: &Path) -> Vec<String> {
    let found = std::fs::read_dir(folder).into_iter().flatten().flatten();
    found.map(|file| file.file_name().to_string_lossy().into_owned()).collect()
}

#[tokio::test]
async fn what_passes_is_tried_again_and_the_backup_is_whole() {
    let bucket = bucket().await;
    for (method, target, trouble) in [
        ("POST", "uploads", Trouble::Status(503)),
        ("PUT", "partNumber=2", Trouble::CutInRequest),
        ("PUT", "partNumber=2", Trouble::AnswerLost),
        ("PUT", "partNumber=1", Trouble::Status(500)),
        ("PUT", "partNumber=1", Trouble::Status(429)),
        ("POST", "uploadId", Trouble::Status(503)),
        ("HEAD", "archives", Trouble::Status(503)),
        ("PUT", "manifests", Trouble::Status(503)),
        ("PUT", "manifests", Trouble::AnswerLost),
        ("PUT", "partNumber=2", Trouble::Slow(500)),
    ] {
        bucket.proxy.fail([Fault::once(method, target, trouble)]);
        let made = backup(&bucket.koan, "nightly").await;
        let made = made.unwrap_or_else(|error| panic!("{method} {target} {trouble:?}: {}", error.chain()));
        let again = matches!(trouble, Trouble::Status(_) | Trouble::CutInRequest);
        let tries = bucket.proxy.requests(method, target).len();
        assert!(tries > usize::from(again), "{method} {target} {trouble:?}: {tries} tries");
        assert!(
            bucket.koan.verify(made.id).await.expect("a report").is_valid(),
            "{method} {target} {trouble:?}"
        );
    }
    let listed = bucket.koan.backups().await.expect("listed");
    assert_eq!(
        (listed.len(), bucket.archives().len()),
        (10, 10),
        "one backup is there twice, or one is missing"
    );
}

#[tokio::test]
async fn a_fault_that_stays_is_told_after_a_few_tries_with_pauses_and_nothing_stays() {
    let bucket = bucket_with(|options| options.retries(3, Duration::from_secs(30))).await;
    for (status, told) in [(503, "503"), (429, "429"), (500, "500")] {
        let began = Instant::now();
        let error = bucket.failed(Fault::always("PUT", "partNumber=2", Trouble::Status(status))).await;
        // The back-off begins with 100 ms, so three retries wait at least 300 ms. A busy machine only makes
        // this longer.
        assert!(began.elapsed() >= 3 * Duration::from_millis(100), "{status}: {:?}", began.elapsed());
        let chain = error.chain();
        assert!(chain.contains(told) && chain.contains("after 3 retries"), "{chain}");
        assert!(chain.contains("try again later") && chain.contains("s3://backups/shop"), "{chain}");
        assert_eq!(bucket.proxy.requests("PUT", "partNumber=2").len(), 4, "{status}");
    }
    let error = bucket.failed(Fault::always("PUT", "partNumber=2", Trouble::CutInRequest)).await;
    assert!(error.chain().contains("check the endpoint, the network"), "{}", error.chain());
    assert_eq!(bucket.proxy.requests("PUT", "partNumber=2").len(), 4);
}

#[tokio::test]
async fn a_refusal_is_told_at_once() {
    let bucket = bucket().await;
    for (status, told) in
        [(403, "check the credentials"), (401, "check the credentials"), (404, "404"), (400, "400")]
    {
        for (method, target) in
            [("POST", "uploads"), ("PUT", "partNumber=1"), ("POST", "uploadId"), ("PUT", "manifests")]
        {
            let error = bucket.failed(Fault::always(method, target, Trouble::Status(status))).await;
            assert!(error.chain().contains(&status.to_string()), "{}", error.chain());
            assert!(error.chain().contains(told), "{}", error.chain());
            let tries = bucket.proxy.requests(method, target).len();
            // A second manifest is written to record the failure.
            let most = if target == "manifests" { 2 } else { 1 };
            assert!((1..=most).contains(&tries), "{method} {target} {status}: {tries} tries");
        }
    }
}

#[tokio::test]
async fn reads_that_are_cut_are_made_again_and_what_stays_short_is_not_trusted() {
    let bucket = bucket_with(|options| options.retries(2, Duration::from_secs(10))).await;
    let made = backup(&bucket.koan, "nightly").await.expect("a backup");
    for (target, after) in [("manifests", 0), ("archives", 0), ("archives", 3), ("archives", 9)] {
        for trouble in
            [Trouble::CutInAnswer(100), Trouble::AnswerLost, Trouble::Status(500), Trouble::Status(429)]
        {
            bucket.proxy.fail([Fault::once("GET", target, trouble).after(after)]);
            let report = bucket.koan.verify(made.id).await;
            let report = report.unwrap_or_else(|error| panic!("{target} {trouble:?}: {}", error.chain()));
            assert!(report.is_valid(), "{target} {trouble:?} {after}: {:?}", report.issues());
        }
    }
    for trouble in [Trouble::CutInAnswer(100), Trouble::AnswerLost, Trouble::Status(500)] {
        bucket.proxy.fail([Fault::always("GET", "archives", trouble)]);
        let verified = bucket.koan.verify(made.id).await;
        assert!(!verified.as_ref().is_ok_and(koan_backup::report::VerifyReport::is_valid), "{trouble:?}");
        bucket.koan.data::<Customer>().clear().await.expect("cleared");
        bucket.koan.restore(made.id).await.expect_err("it cannot be read");
        assert_eq!(customers_of(&bucket.koan).await, []);
    }
    bucket.proxy.fail([]);
    bucket.koan.restore(made.id).await.expect("the network is there again");
    assert_eq!(customers_of(&bucket.koan).await, customers());
}

#[tokio::test]
async fn a_list_that_is_cut_is_an_error_and_never_a_short_list() {
    let bucket = bucket_with(|options| options.retries(1, Duration::from_secs(10))).await;
    backup(&bucket.koan, "nightly").await.expect("a backup");
    for trouble in
        [Trouble::CutInAnswer(200), Trouble::AnswerLost, Trouble::Status(500), Trouble::Status(403)]
    {
        bucket.proxy.fail([Fault::always("GET", "list-type=2", trouble)]);
        let error = bucket.koan.backups().await.expect_err("not listed");
        assert_eq!(error.kind(), ErrorKind::Storage, "{trouble:?}");
        assert!(error.to_string().contains("s3://backups/shop"), "{error}");
        assert_eq!(bucket.koan.restore("nightly").await.expect_err("not listed").kind(), ErrorKind::Storage);
    }
}

#[tokio::test]
async fn what_never_answers_is_given_up() {
    let bucket =
        bucket_with(|options| options.option("timeout", "1s").retries(1, Duration::from_secs(10))).await;
    let error = bucket.failed(Fault::always("PUT", "partNumber=2", Trouble::Held)).await;
    assert!(error.chain().contains("check the endpoint"), "{}", error.chain());
}

#[tokio::test]
async fn a_copy_over_a_bad_line_is_whole_or_not_there() {
    let bucket = bucket_with(|options| options.retries(1, Duration::from_secs(10))).await;
    let far = S3s::start();
    let proxy = Proxy::before(far.port());
    let there =
        far.storage_by(proxy.port(), "dr").retries(1, Duration::from_secs(10)).open().expect("a profile");
    let here = bucket.s3.storage_by(bucket.proxy.port(), "shop").open().expect("a profile");
    let koan = koan(shop(12 << 20), [("here", here), ("dr", there)]).await;
    let made = backup(&koan, "nightly").await.expect("a backup");
    let archives = || files(&far.bucket().join("dr/archives"));
    for fault in [
        Fault::always("PUT", "partNumber=2", Trouble::CutInRequest),
        Fault::always("POST", "uploadId", Trouble::Status(403)),
        Fault::always("GET", "archives", Trouble::CutInAnswer(100)),
        Fault::always("PUT", "manifests", Trouble::Status(500)),
    ] {
        proxy.fail([fault]);
        koan.copy(made.id).to_profile("dr").await.expect_err("the line is bad");
        assert_eq!(archives(), [""; 0], "{fault:?}");
    }
    bucket.proxy.fail([Fault::once("GET", "archives", Trouble::CutInAnswer(1000))]);
    proxy.fail([
        Fault::once("PUT", "partNumber=1", Trouble::AnswerLost),
        Fault::once("PUT", "manifests", Trouble::AnswerLost),
        Fault::once("GET", "archives", Trouble::CutInAnswer(1000)).after(2),
    ]);
    let report = koan.copy(made.id).to_profile("dr").await.expect("what passes is tried again");
    assert!(report.verification.expect("read back").is_valid());
    assert_eq!(archives().len(), 1);
}

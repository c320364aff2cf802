//! Failures of the network in front of a real store: temporary failures are retried, refused requests are not
//! retried, and a permanent failure leaves no archive.

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
    let storage = alter(s3.storage_at_port(proxy.port(), "shop")).open().expect("a profile");
    Bucket { koan: koan(shop(12 << 20), [("store", storage)]).await, s3, proxy }
}

impl Bucket {
    fn archives(&self) -> Vec<String> {
        files(&self.s3.bucket().join("shop/archives"))
    }

    /// Runs a backup that fails, verifies that no archive is left, and returns the error.
    async fn failed_backup(&self, fault: Fault) -> Error {
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
async fn temporary_failures_are_retried_and_the_backup_is_valid() {
    let bucket = bucket().await;
    for (method, target, trouble) in [
        ("POST", "uploads", Trouble::Status(503)),
        ("PUT", "partNumber=2", Trouble::CutInRequest),
        ("PUT", "partNumber=2", Trouble::ResponseLost),
        ("PUT", "partNumber=1", Trouble::Status(500)),
        ("PUT", "partNumber=1", Trouble::Status(429)),
        ("POST", "uploadId", Trouble::Status(503)),
        ("HEAD", "archives", Trouble::Status(503)),
        ("PUT", "manifests", Trouble::Status(503)),
        ("PUT", "manifests", Trouble::ResponseLost),
        ("PUT", "partNumber=2", Trouble::Slow(500)),
    ] {
        bucket.proxy.fail([Fault::once(method, target, trouble)]);
        let manifest = backup(&bucket.koan, "nightly").await;
        let manifest =
            manifest.unwrap_or_else(|error| panic!("{method} {target} {trouble:?}: {}", error.chain()));
        let is_retried = matches!(trouble, Trouble::Status(_) | Trouble::CutInRequest);
        let requests = bucket.proxy.requests(method, target).len();
        assert!(requests > usize::from(is_retried), "{method} {target} {trouble:?}: {requests} requests");
        assert!(
            bucket.koan.verify(manifest.id).await.expect("a report").is_valid(),
            "{method} {target} {trouble:?}"
        );
    }
    let listed = bucket.koan.backups().await.expect("listed");
    assert_eq!(
        (listed.len(), bucket.archives().len()),
        (10, 10),
        "each backup must be published exactly once"
    );
}

#[tokio::test]
async fn a_permanent_failure_is_reported_after_retries_with_pauses_and_leaves_no_archive() {
    let bucket = bucket_with(|options| options.retries(3, Duration::from_secs(30))).await;
    for (status, expected_text) in [(503, "503"), (429, "429"), (500, "500")] {
        let began = Instant::now();
        let error = bucket.failed_backup(Fault::always("PUT", "partNumber=2", Trouble::Status(status))).await;
        // The back-off begins with 100 ms, so three retries wait at least 300 ms. The wait is longer on a
        // busy machine, and never shorter.
        assert!(began.elapsed() >= 3 * Duration::from_millis(100), "{status}: {:?}", began.elapsed());
        let chain = error.chain();
        assert!(chain.contains(expected_text) && chain.contains("after 3 retries"), "{chain}");
        assert!(chain.contains("try again later") && chain.contains("s3://backups/shop"), "{chain}");
        assert_eq!(bucket.proxy.requests("PUT", "partNumber=2").len(), 4, "{status}");
    }
    let error = bucket.failed_backup(Fault::always("PUT", "partNumber=2", Trouble::CutInRequest)).await;
    assert!(error.chain().contains("check the endpoint, the network"), "{}", error.chain());
    assert_eq!(bucket.proxy.requests("PUT", "partNumber=2").len(), 4);
}

#[tokio::test]
async fn a_refused_request_is_reported_without_retries() {
    let bucket = bucket().await;
    for (status, expected_text) in
        [(403, "check the credentials"), (401, "check the credentials"), (404, "404"), (400, "400")]
    {
        for (method, target) in
            [("POST", "uploads"), ("PUT", "partNumber=1"), ("POST", "uploadId"), ("PUT", "manifests")]
        {
            let error = bucket.failed_backup(Fault::always(method, target, Trouble::Status(status))).await;
            assert!(error.chain().contains(&status.to_string()), "{}", error.chain());
            assert!(error.chain().contains(expected_text), "{}", error.chain());
            let requests = bucket.proxy.requests(method, target).len();
            // A second manifest is written as the record of the failure.
            let max_requests = if target == "manifests" { 2 } else { 1 };
            assert!(
                (1..=max_requests).contains(&requests),
                "{method} {target} {status}: {requests} requests"
            );
        }
    }
}

#[tokio::test]
async fn interrupted_reads_are_retried_and_data_that_stays_incomplete_is_not_trusted() {
    let bucket = bucket_with(|options| options.retries(2, Duration::from_secs(10))).await;
    let manifest = backup(&bucket.koan, "nightly").await.expect("a backup");
    for (target, after) in [("manifests", 0), ("archives", 0), ("archives", 3), ("archives", 9)] {
        for trouble in
            [Trouble::CutInResponse(100), Trouble::ResponseLost, Trouble::Status(500), Trouble::Status(429)]
        {
            bucket.proxy.fail([Fault::once("GET", target, trouble).after(after)]);
            let report = bucket.koan.verify(manifest.id).await;
            let report = report.unwrap_or_else(|error| panic!("{target} {trouble:?}: {}", error.chain()));
            assert!(report.is_valid(), "{target} {trouble:?} {after}: {:?}", report.issues());
        }
    }
    for trouble in [Trouble::CutInResponse(100), Trouble::ResponseLost, Trouble::Status(500)] {
        bucket.proxy.fail([Fault::always("GET", "archives", trouble)]);
        let verified = bucket.koan.verify(manifest.id).await;
        assert!(!verified.as_ref().is_ok_and(koan_backup::report::VerifyReport::is_valid), "{trouble:?}");
        bucket.koan.data::<Customer>().clear().await.expect("cleared");
        bucket.koan.restore(manifest.id).await.expect_err("the archive cannot be read");
        assert_eq!(customers_of(&bucket.koan).await, []);
    }
    bucket.proxy.fail([]);
    let _ = bucket.koan.restore(manifest.id).await.expect("the network works again");
    assert_eq!(customers_of(&bucket.koan).await, customers());
}

#[tokio::test]
async fn an_interrupted_list_is_an_error_and_never_a_shorter_list() {
    let bucket = bucket_with(|options| options.retries(1, Duration::from_secs(10))).await;
    backup(&bucket.koan, "nightly").await.expect("a backup");
    for trouble in
        [Trouble::CutInResponse(200), Trouble::ResponseLost, Trouble::Status(500), Trouble::Status(403)]
    {
        bucket.proxy.fail([Fault::always("GET", "list-type=2", trouble)]);
        let error = bucket.koan.backups().await.expect_err("the list is incomplete or refused");
        assert_eq!(error.kind(), ErrorKind::Storage, "{trouble:?}");
        assert!(error.to_string().contains("s3://backups/shop"), "{error}");
        assert_eq!(
            bucket.koan.restore("nightly").await.expect_err("the list is incomplete or refused").kind(),
            ErrorKind::Storage
        );
    }
}

#[tokio::test]
async fn a_request_without_a_response_times_out() {
    let bucket =
        bucket_with(|options| options.option("timeout", "1s").retries(1, Duration::from_secs(10))).await;
    let error = bucket.failed_backup(Fault::always("PUT", "partNumber=2", Trouble::Held)).await;
    assert!(error.chain().contains("check the endpoint"), "{}", error.chain());
}

#[tokio::test]
async fn a_copy_over_an_unreliable_network_is_complete_or_removed() {
    let bucket = bucket_with(|options| options.retries(1, Duration::from_secs(10))).await;
    let remote = S3s::start();
    let proxy = Proxy::before(remote.port());
    let target = remote
        .storage_at_port(proxy.port(), "dr")
        .retries(1, Duration::from_secs(10))
        .open()
        .expect("a profile");
    let source = bucket.s3.storage_at_port(bucket.proxy.port(), "shop").open().expect("a profile");
    let koan = koan(shop(12 << 20), [("source", source), ("dr", target)]).await;
    let manifest = backup(&koan, "nightly").await.expect("a backup");
    let archives = || files(&remote.bucket().join("dr/archives"));
    for fault in [
        Fault::always("PUT", "partNumber=2", Trouble::CutInRequest),
        Fault::always("POST", "uploadId", Trouble::Status(403)),
        Fault::always("GET", "archives", Trouble::CutInResponse(100)),
        Fault::always("PUT", "manifests", Trouble::Status(500)),
    ] {
        proxy.fail([fault]);
        koan.copy(manifest.id).to_profile("dr").await.expect_err("the network fails");
        assert_eq!(archives(), [""; 0], "{fault:?}");
    }
    bucket.proxy.fail([Fault::once("GET", "archives", Trouble::CutInResponse(1000))]);
    proxy.fail([
        Fault::once("PUT", "partNumber=1", Trouble::ResponseLost),
        Fault::once("PUT", "manifests", Trouble::ResponseLost),
        Fault::once("GET", "archives", Trouble::CutInResponse(1000)).after(2),
    ]);
    let report = koan.copy(manifest.id).to_profile("dr").await.expect("temporary failures are retried");
    assert!(report.verification.expect("read back").is_valid());
    assert_eq!(archives().len(), 1);
}

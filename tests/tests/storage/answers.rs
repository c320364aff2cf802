//! An error answer of a store is explained by its code, with the remedy for that cause.

use std::time::Duration;

use koan_backup::prelude::*;
use koan_backup::storage::StorageOptions;
use koan_backup_tests::stores::{Asked, Moto, answering, request};

use crate::fixture::{backup, koan, shop};

const EMPTY: &str = "<ListBucketResult><Name>b</Name><KeyCount>0</KeyCount><IsTruncated>false</IsTruncated></ListBucketResult>";

fn error(code: &str) -> String {
    format!("<Error><Code>{code}</Code><Message>No.</Message></Error>")
}

/// Answers a request as a store with an empty bucket does.
fn empty(asked: &Asked) -> (u16, String) {
    match asked.method.as_str() {
        "GET" if asked.target.contains("list-type=2") => (200, EMPTY.to_owned()),
        "GET" | "HEAD" => (404, error("NoSuchKey")),
        _ => (200, String::new()),
    }
}

fn s3(port: u16) -> StorageOptions {
    let options = Storage::options("s3://backups/shop").without_environment();
    options.endpoint(format!("http://127.0.0.1:{port}")).credentials("koan", "koan-secret")
}

/// Returns the error with which a backup into a store is refused.
async fn refusal(options: StorageOptions) -> String {
    let options = options.retries(0, Duration::from_secs(5));
    let koan = koan(shop(0), [("store", options.open().expect("a profile"))]).await;
    backup(&koan, "nightly").await.expect_err("refused").chain()
}

#[tokio::test]
async fn a_store_without_conditional_writes_is_told_from_one_that_is_out_of_order() {
    let port = answering(|asked| match asked.has_header("if-none-match") {
        true => (501, error("NotImplemented")),
        false => empty(asked),
    });
    let told = refusal(s3(port)).await;
    assert!(told.contains("does not support conditional writes (`If-None-Match`)"), "{told}");
    let port = answering(|asked| match asked.has_header("if-none-match") {
        true => (503, error("ServiceUnavailable")),
        false => empty(asked),
    });
    let told = refusal(s3(port)).await;
    assert!(told.contains("busy or unavailable") && !told.contains("conditional"), "{told}");
}

#[tokio::test]
async fn a_code_counts_and_neither_its_status_nor_its_message() {
    for (code, status, remedy) in [
        ("RequestTimeTooSkewed", 403, "set the clock"),
        ("RequestTimeTooSkewed", 400, "set the clock"),
        ("InvalidRequest", 400, "checksum_algorithm"),
        ("SignatureDoesNotMatch", 403, "AWS_SECRET_ACCESS_KEY"),
        ("AccessDenied", 403, "permissions to list, read, write and delete"),
    ] {
        let port = answering(move |asked| match asked.method.as_str() {
            "PUT" => (status, error(code)),
            _ => empty(asked),
        });
        let told = refusal(s3(port)).await;
        assert!(told.contains(remedy), "{code}: {told}");
    }
}

#[tokio::test]
async fn a_blob_that_is_archived_is_not_taken_for_one_that_is_there_already() {
    let port = answering(|_| (409, error("BlobArchived")));
    let options = Storage::options("az://backups/shop").without_environment();
    let options = options
        .endpoint(format!("http://127.0.0.1:{port}"))
        .credentials("koan", "aG9sYQ==")
        .retries(0, Duration::from_secs(5));
    let told = refusal(options).await;
    assert!(told.contains("restore it there first"), "{told}");
}

#[tokio::test]
async fn a_clock_that_azure_does_not_accept_is_named_with_the_key() {
    let port = answering(|_| (403, error("AuthenticationFailed")));
    let options = Storage::options("az://backups/shop").without_environment();
    let told =
        refusal(options.endpoint(format!("http://127.0.0.1:{port}")).credentials("koan", "aG9sYQ==")).await;
    assert!(told.contains("clock") && told.contains("AZURE_STORAGE_ACCOUNT_KEY"), "{told}");
}

#[tokio::test]
async fn credentials_that_nobody_gave_are_named_by_their_variables() {
    let machine = answering(|_| (404, String::new()));
    let port = answering(empty);
    let options = Storage::options("s3://backups/shop")
        .without_environment()
        .endpoint(format!("http://127.0.0.1:{port}"))
        .option("metadata_endpoint", format!("http://127.0.0.1:{machine}"));
    let told = refusal(options).await;
    assert!(told.contains("AWS_ACCESS_KEY_ID") && told.contains("AWS_SECRET_ACCESS_KEY"), "{told}");
    assert!(!told.contains(&machine.to_string()) && !told.contains("the bucket does not exist"), "{told}");
}

#[tokio::test]
async fn an_archive_in_a_cold_storage_class_says_that_it_is_to_be_restored_there() {
    let server = Moto::start();
    let koan = koan(shop(0), [("store", server.storage("cold").open().expect("a profile"))]).await;
    let made = backup(&koan, "nightly").await.expect("a backup");
    let archive = format!("/backups/cold/{}", made.archive.expect("an archive").file);
    let headers = [("x-amz-copy-source", archive.as_str()), ("x-amz-storage-class", "GLACIER")];
    let moved = request(server.port(), "PUT", &archive, &headers, "").expect("moto answers");
    assert_eq!(moved.status, 200, "{moved:?}");
    let told = koan.restore(made.id).await.expect_err("it is cold").chain();
    assert!(told.contains("InvalidObjectState") && told.contains("restore it there first"), "{told}");
}

#[test]
fn an_endpoint_that_holds_credentials_is_refused_and_not_shown() {
    for endpoint in
        ["https://ann:hunter22@minio", "https://ann:hun@hunter22@minio:9000", "ann:hunter22@minio"]
    {
        let error = Storage::options("s3://backups").without_environment().endpoint(endpoint).open();
        let told = error.expect_err("credentials").chain();
        assert!(told.contains("`endpoint`") && !told.contains("hunter22"), "{told}");
    }
}

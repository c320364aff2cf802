//! The error code in the response of a store determines the message and its remedy.

use std::time::Duration;

use koan_backup::prelude::*;
use koan_backup::storage::StorageOptions;
use koan_backup_tests::stores::{Moto, ReceivedRequest, request, start_responder};

use crate::fixture::{backup, koan, shop};

const EMPTY_LIST: &str = "<ListBucketResult><Name>b</Name><KeyCount>0</KeyCount><IsTruncated>false</IsTruncated></ListBucketResult>";

fn error_body(code: &str) -> String {
    format!("<Error><Code>{code}</Code><Message>No.</Message></Error>")
}

/// Responds to a request like a store with an empty bucket.
fn respond_with_empty_bucket(request: &ReceivedRequest) -> (u16, String) {
    match request.method.as_str() {
        "GET" if request.target.contains("list-type=2") => (200, EMPTY_LIST.to_owned()),
        "GET" | "HEAD" => (404, error_body("NoSuchKey")),
        _ => (200, String::new()),
    }
}

fn s3(port: u16) -> StorageOptions {
    let options = Storage::options("s3://backups/shop").without_environment();
    options.endpoint(format!("http://127.0.0.1:{port}")).credentials("koan", "koan-secret")
}

/// Returns the error of a backup that a store refuses.
async fn refusal(options: StorageOptions) -> String {
    let options = options.retries(0, Duration::from_secs(5));
    let koan = koan(shop(0), [("store", options.open().expect("a profile"))]).await;
    backup(&koan, "nightly").await.expect_err("the store refuses the backup").chain()
}

#[tokio::test]
async fn a_store_without_conditional_writes_is_distinguished_from_an_unavailable_store() {
    let port = start_responder(|request| match request.has_header("if-none-match") {
        true => (501, error_body("NotImplemented")),
        false => respond_with_empty_bucket(request),
    });
    let message = refusal(s3(port)).await;
    assert!(message.contains("does not support conditional writes (`If-None-Match`)"), "{message}");
    let port = start_responder(|request| match request.has_header("if-none-match") {
        true => (503, error_body("ServiceUnavailable")),
        false => respond_with_empty_bucket(request),
    });
    let message = refusal(s3(port)).await;
    assert!(message.contains("busy or unavailable") && !message.contains("conditional"), "{message}");
}

#[tokio::test]
async fn the_error_code_of_a_store_and_not_the_status_determines_the_remedy() {
    for (code, status, remedy) in [
        ("RequestTimeTooSkewed", 403, "set the clock"),
        ("RequestTimeTooSkewed", 400, "set the clock"),
        ("InvalidRequest", 400, "checksum_algorithm"),
        ("SignatureDoesNotMatch", 403, "AWS_SECRET_ACCESS_KEY"),
        ("AccessDenied", 403, "permissions to list, read, write and delete"),
    ] {
        let port = start_responder(move |request| match request.method.as_str() {
            "PUT" => (status, error_body(code)),
            _ => respond_with_empty_bucket(request),
        });
        let message = refusal(s3(port)).await;
        assert!(message.contains(remedy), "{code}: {message}");
    }
}

#[tokio::test]
async fn an_archived_blob_is_not_treated_as_an_existing_file() {
    let port = start_responder(|_| (409, error_body("BlobArchived")));
    let options = Storage::options("az://backups/shop").without_environment();
    let options = options
        .endpoint(format!("http://127.0.0.1:{port}"))
        .credentials("koan", "aG9sYQ==")
        .retries(0, Duration::from_secs(5));
    let message = refusal(options).await;
    assert!(message.contains("first restore the file"), "{message}");
}

#[tokio::test]
async fn a_request_that_azure_does_not_authenticate_is_explained_with_clock_and_key() {
    let port = start_responder(|_| (403, error_body("AuthenticationFailed")));
    let options = Storage::options("az://backups/shop").without_environment();
    let message =
        refusal(options.endpoint(format!("http://127.0.0.1:{port}")).credentials("koan", "aG9sYQ==")).await;
    assert!(message.contains("clock") && message.contains("AZURE_STORAGE_ACCOUNT_KEY"), "{message}");
}

#[tokio::test]
async fn missing_credentials_are_reported_with_their_environment_variables() {
    let metadata_server = start_responder(|_| (404, String::new()));
    let port = start_responder(respond_with_empty_bucket);
    let options = Storage::options("s3://backups/shop")
        .without_environment()
        .endpoint(format!("http://127.0.0.1:{port}"))
        .option("metadata_endpoint", format!("http://127.0.0.1:{metadata_server}"));
    let message = refusal(options).await;
    assert!(message.contains("AWS_ACCESS_KEY_ID") && message.contains("AWS_SECRET_ACCESS_KEY"), "{message}");
    assert!(
        !message.contains(&metadata_server.to_string()) && !message.contains("the bucket does not exist"),
        "{message}"
    );
}

#[tokio::test]
async fn the_error_for_an_archive_in_a_cold_storage_class_contains_the_remedy() {
    let server = Moto::start();
    let koan = koan(shop(0), [("store", server.storage("cold").open().expect("a profile"))]).await;
    let manifest = backup(&koan, "nightly").await.expect("a backup");
    let archive = format!("/backups/cold/{}", manifest.archive.expect("an archive").file);
    let headers = [("x-amz-copy-source", archive.as_str()), ("x-amz-storage-class", "GLACIER")];
    let response = request(server.port(), "PUT", &archive, &headers, "").expect("moto responds");
    assert_eq!(response.status, 200, "{response:?}");
    let message =
        koan.restore(manifest.id).await.expect_err("the archive is in a cold storage class").chain();
    assert!(
        message.contains("InvalidObjectState") && message.contains("first restore the file"),
        "{message}"
    );
}

#[test]
fn an_endpoint_with_credentials_is_refused_and_not_shown() {
    for endpoint in
        ["https://ann:hunter22@minio", "https://ann:hun@hunter22@minio:9000", "ann:hunter22@minio"]
    {
        let error = Storage::options("s3://backups").without_environment().endpoint(endpoint).open();
        let message = error.expect_err("the endpoint contains credentials").chain();
        assert!(message.contains("`endpoint`") && !message.contains("hunter22"), "{message}");
    }
}

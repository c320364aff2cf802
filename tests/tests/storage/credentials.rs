//! A request that a store refuses is reported without retries, and the error states what to check.

use std::time::Duration;

use koan_backup::prelude::*;
use koan_backup::storage::StorageOptions;
use koan_backup_tests::proxy::{Fault, Proxy, Trouble};
use koan_backup_tests::stores::{Azurite, GoogleEmulator, Moto, S3s};

use crate::fixture::{Customer, backup, customers, customers_of, koan, shop};

/// Runs several operations on a store that refuses all requests, and returns their errors.
async fn errors_of_all_operations(options: StorageOptions) -> Vec<Error> {
    let koan = koan(shop(0), [("store", options.open().expect("opening sends no request"))]).await;
    let id = "01a20039-2e20-73ff-b80d-43944b669d73";
    let errors = vec![
        backup(&koan, "nightly").await.expect_err("the store refuses all requests"),
        koan.backups().await.expect_err("the store refuses all requests"),
        koan.restore("nightly").await.expect_err("the store refuses all requests"),
        koan.verify(id).await.expect_err("the store refuses all requests"),
    ];
    for error in &errors {
        assert!(
            !error.chain().contains("retries"),
            "a refused request must not be retried: {}",
            error.chain()
        );
    }
    errors
}

#[tokio::test]
async fn wrong_credentials_are_refused_without_retries_and_no_secret_is_shown() {
    let s3 = S3s::start();
    let proxy = Proxy::before(s3.port());
    for (id, secret, code) in
        [("koan", "hunter22", "SignatureDoesNotMatch"), ("nobody", "koan-secret", "NotSignedUp")]
    {
        proxy.fail([]);
        let options = s3.storage_at_port(proxy.port(), "shop").credentials(id, secret);
        for error in errors_of_all_operations(options).await {
            let message = error.chain();
            assert_eq!(error.kind(), ErrorKind::Storage, "{message}");
            assert!(message.contains("403") && message.contains(code), "{message}");
            assert!(
                message.contains("check the credentials") && message.contains("s3://backups/shop"),
                "{message}"
            );
            assert!(!message.contains("hunter22") && !message.contains("koan-secret"), "{message}");
        }
        let request_counts = ["GET", "HEAD", "POST", "PUT"].map(|method| proxy.requests(method, "").len());
        // A refused backup sends a second request to record its failure; every other operation sends one
        // request.
        assert!(
            request_counts.iter().sum::<usize>() <= 6,
            "refused requests must not be retried: {request_counts:?}"
        );
    }
}

#[tokio::test]
async fn a_missing_bucket_is_refused_without_retries_and_not_reported_as_a_missing_backup() {
    // s3s-fs is not tested because it creates a missing bucket.
    let (moto, azurite) = (Moto::start(), Azurite::start());
    for (name, options) in
        [("moto", moto.storage_in("nowhere", "shop")), ("azurite", azurite.storage_in("nowhere", "shop"))]
    {
        for error in errors_of_all_operations(options).await {
            let message = error.chain();
            assert_eq!(error.kind(), ErrorKind::Storage, "{name}: {message}");
            assert!(
                message.contains("404") && message.contains("the bucket does not exist"),
                "{name}: {message}"
            );
            assert!(message.contains("://nowhere/shop"), "{name}: {message}");
        }
    }
}

#[tokio::test]
async fn an_unreachable_store_is_reported_after_the_configured_retries() {
    let unused_address =
        std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    let options = Storage::options("s3://backups")
        .without_environment()
        .endpoint(format!("http://{unused_address}"))
        .credentials("koan", "koan-secret")
        .retries(2, Duration::from_secs(5));
    let koan = koan(shop(0), [("store", options.open().expect("opening sends no request"))]).await;
    let error = koan.backups().await.expect_err("no server listens at the endpoint");
    assert_eq!(error.kind(), ErrorKind::Storage);
    let message = error.chain();
    assert!(message.contains("after 2 retries") && message.contains("check the endpoint"), "{message}");
}

#[tokio::test]
async fn the_missing_functions_of_the_google_emulator_are_reported() {
    let google = GoogleEmulator::start();
    let proxy = Proxy::before(google.port());
    let storage = google.storage("shop").endpoint(format!("http://127.0.0.1:{}", proxy.port()));
    let koan = koan(shop(0), [("store", storage.open().expect("a profile"))]).await;
    // The emulator does not support multipart uploads.
    let error = koan.backup("nightly").await.expect_err("the emulator does not support multipart uploads");
    assert_eq!(error.kind(), ErrorKind::Storage);
    assert!(error.chain().contains("gs://backups/shop"), "{}", error.chain());
    // A missing file is reported as missing. For an existing file, the response lacks the modification time.
    let id = "01a20039-2e20-73ff-b80d-43944b669d73";
    assert_eq!(koan.verify(id).await.expect_err("no such backup").kind(), ErrorKind::NotFound);
    google.put(&format!("shop/manifests/{id}.json"), "{}");
    let error = koan.verify(id).await.expect_err("the response lacks the modification time");
    assert_eq!(error.kind(), ErrorKind::Storage);
    assert!(error.chain().contains("Last-Modified"), "{}", error.chain());
    proxy.fail([Fault::always("GET", "manifests", Trouble::Status(403))]);
    let error = koan.verify(id).await.expect_err("the proxy responds with status 403");
    assert!(error.chain().contains("check the credentials"), "{}", error.chain());
    assert_eq!(proxy.requests("GET", "manifests").len(), 1, "a refused request must not be retried");
}

#[tokio::test]
async fn a_signature_in_the_address_of_azure_is_not_shown() {
    let azurite = Azurite::start();
    let options = Storage::options("az://backups/shop")
        .without_environment()
        .endpoint(format!("http://127.0.0.1:{}/devstoreaccount1", azurite.port()))
        .option("account_name", "devstoreaccount1")
        .option("sas_token", "sv=2023-11-03&sp=rwdl&sig=hunter22hunter22");
    for error in errors_of_all_operations(options).await {
        let message = error.chain();
        assert!(message.contains("403") && message.contains("check the credentials"), "{message}");
        assert!(!message.contains("hunter22"), "{message}");
    }
}

#[tokio::test]
async fn records_are_restored_from_s3_after_the_database_was_cleared() {
    let s3 = S3s::start();
    let koan = koan(shop(1 << 20), [("store", s3.storage("shop").open().expect("a profile"))]).await;
    let manifest = backup(&koan, "nightly").await.expect("a backup");
    // The file in the bucket has the path and the size that the manifest records.
    let archive = manifest.archive.expect("an archive");
    let stored = std::fs::read(s3.bucket().join("shop").join(&archive.file)).expect("a file");
    assert_eq!(u64::try_from(stored.len()), Ok(archive.size_bytes));
    koan.data::<Customer>().clear().await.expect("cleared");
    let _ = koan.restore("nightly").await.expect("restored");
    assert_eq!(customers_of(&koan).await, customers());
}

/// The environment variable that passes the URL to the child process of the test below.
const CHILD_URL_VARIABLE: &str = "KOAN_TEST_STORAGE_URL";

#[tokio::test]
async fn the_usual_environment_variables_are_read() {
    if let Some(url) = std::env::var_os(CHILD_URL_VARIABLE) {
        let storage = Storage::url(url.into_string().expect("a text")).expect("a profile");
        assert!(!format!("{storage:?}").contains("hunter22"));
        let koan = koan(shop(0), [("store", storage)]).await;
        match backup(&koan, "nightly").await {
            Ok(manifest) => assert!(koan.verify(manifest.id).await.expect("a report").is_valid()),
            Err(error) => panic!("{}", error.chain()),
        }
        return;
    }
    let (s3, azurite) = (S3s::start(), Azurite::start());
    let s3_endpoint = format!("http://127.0.0.1:{}", s3.port());
    let azure_endpoint = format!("http://127.0.0.1:{}/devstoreaccount1", azurite.port());
    let s3_variables = |secret| {
        vec![
            ("AWS_ACCESS_KEY_ID", "koan"),
            ("AWS_SECRET_ACCESS_KEY", secret),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ENDPOINT_URL", s3_endpoint.as_str()),
        ]
    };
    let azure_variables = |key| {
        vec![
            ("AZURE_STORAGE_ACCOUNT_NAME", "devstoreaccount1"),
            ("AZURE_STORAGE_ACCOUNT_KEY", key),
            ("AZURE_STORAGE_ENDPOINT", azure_endpoint.as_str()),
        ]
    };
    for (url, variables, is_accepted) in [
        ("s3://backups/shop", s3_variables("koan-secret"), true),
        ("s3://backups/shop", s3_variables("hunter22"), false),
        ("az://backups/shop", azure_variables(koan_backup_tests::stores::AZURITE_KEY), true),
        ("az://backups/shop", azure_variables("aHVudGVyMjI="), false),
    ] {
        let test = "credentials::the_usual_environment_variables_are_read";
        let child = koan_backup_tests::test_process::run_test(test, |command| {
            command.env(CHILD_URL_VARIABLE, url).envs(variables);
        });
        let output = [child.stderr, child.stdout].concat();
        let output = String::from_utf8_lossy(&output);
        assert_eq!(child.status.success(), is_accepted, "{url}: {output}");
        assert!(is_accepted || output.contains("403"), "{url}: {output}");
        assert!(!output.contains("hunter22") && !output.contains("aHVudGVyMjI"), "{url}: {output}");
    }
}

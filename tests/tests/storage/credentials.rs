//! Verifies that a refusal of a store is reported without retries, and that the error says what to check.

use std::time::Duration;

use koan_backup::prelude::*;
use koan_backup::storage::StorageOptions;
use koan_backup_tests::proxy::{Fault, Proxy, Trouble};
use koan_backup_tests::stores::{Azurite, GoogleEmulator, Moto, S3s};

use crate::fixture::{Customer, backup, customers, customers_of, koan, shop};

/// Runs several operations on a store that refuses all requests, and returns their errors.
async fn refused(options: StorageOptions) -> Vec<Error> {
    let koan = koan(shop(0), [("store", options.open().expect("nothing is asked yet"))]).await;
    let id = "01a20039-2e20-73ff-b80d-43944b669d73";
    let errors = vec![
        backup(&koan, "nightly").await.expect_err("refused"),
        koan.backups().await.expect_err("refused"),
        koan.restore("nightly").await.expect_err("refused"),
        koan.verify(id).await.expect_err("refused"),
    ];
    for error in &errors {
        assert!(!error.chain().contains("retries"), "it was tried again: {}", error.chain());
    }
    errors
}

#[tokio::test]
async fn wrong_credentials_are_refused_at_once_and_no_secret_is_shown() {
    let s3 = S3s::start();
    let proxy = Proxy::before(s3.port());
    for (id, secret, code) in
        [("koan", "hunter22", "SignatureDoesNotMatch"), ("nobody", "koan-secret", "NotSignedUp")]
    {
        proxy.fail([]);
        let options = s3.storage_by(proxy.port(), "shop").credentials(id, secret);
        for error in refused(options).await {
            let told = error.chain();
            assert_eq!(error.kind(), ErrorKind::Storage, "{told}");
            assert!(told.contains("403") && told.contains(code), "{told}");
            assert!(told.contains("check the credentials") && told.contains("s3://backups/shop"), "{told}");
            assert!(!told.contains("hunter22") && !told.contains("koan-secret"), "{told}");
        }
        let asked = ["GET", "HEAD", "POST", "PUT"].map(|method| proxy.seen(method, "").len());
        // A refused backup sends a second request to record its failure; every other operation sends one
        // request.
        assert!(asked.iter().sum::<usize>() <= 6, "it was tried again: {asked:?}");
    }
}

#[tokio::test]
async fn a_missing_bucket_is_refused_at_once_and_does_not_pass_for_a_missing_backup() {
    // s3s-fs is not tested because it creates a missing bucket.
    let (moto, azurite) = (Moto::start(), Azurite::start());
    for (name, options) in
        [("moto", moto.storage_in("nowhere", "shop")), ("azurite", azurite.storage_in("nowhere", "shop"))]
    {
        for error in refused(options).await {
            let told = error.chain();
            assert_eq!(error.kind(), ErrorKind::Storage, "{name}: {told}");
            assert!(told.contains("404") && told.contains("the bucket does not exist"), "{name}: {told}");
            assert!(told.contains("://nowhere/shop"), "{name}: {told}");
        }
    }
}

#[tokio::test]
async fn a_store_that_is_not_there_is_told_after_a_few_tries() {
    let nobody =
        std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    let options = Storage::options("s3://backups")
        .without_environment()
        .endpoint(format!("http://{nobody}"))
        .credentials("koan", "koan-secret")
        .retries(2, Duration::from_secs(5));
    let koan = koan(shop(0), [("store", options.open().expect("nothing is asked yet"))]).await;
    let error = koan.backups().await.expect_err("nobody is there");
    assert_eq!(error.kind(), ErrorKind::Storage);
    let told = error.chain();
    assert!(told.contains("after 2 retries") && told.contains("check the endpoint"), "{told}");
}

#[tokio::test]
async fn google_s_emulator_knows_too_little_and_that_is_told() {
    let google = GoogleEmulator::start();
    let proxy = Proxy::before(google.port());
    let storage = google.storage("shop").endpoint(format!("http://127.0.0.1:{}", proxy.port()));
    let koan = koan(shop(0), [("store", storage.open().expect("a profile"))]).await;
    // The emulator does not support multipart uploads.
    let error = koan.backup("nightly").await.expect_err("it takes no uploads in parts");
    assert_eq!(error.kind(), ErrorKind::Storage);
    assert!(error.chain().contains("gs://backups/shop"), "{}", error.chain());
    // A missing file is reported as missing. For an existing file, the response lacks the modification time.
    let id = "01a20039-2e20-73ff-b80d-43944b669d73";
    assert_eq!(koan.verify(id).await.expect_err("none").kind(), ErrorKind::NotFound);
    google.put(&format!("shop/manifests/{id}.json"), "{}");
    let error = koan.verify(id).await.expect_err("an answer that is not whole");
    assert_eq!(error.kind(), ErrorKind::Storage);
    assert!(error.chain().contains("Last-Modified"), "{}", error.chain());
    proxy.fail([Fault::always("GET", "manifests", Trouble::Status(403))]);
    let error = koan.verify(id).await.expect_err("refused");
    assert!(error.chain().contains("check the credentials"), "{}", error.chain());
    assert_eq!(proxy.seen("GET", "manifests").len(), 1, "it was tried again");
}

#[tokio::test]
async fn a_signature_in_the_address_of_azure_is_not_shown() {
    let azurite = Azurite::start();
    let options = Storage::options("az://backups/shop")
        .without_environment()
        .endpoint(format!("http://127.0.0.1:{}/devstoreaccount1", azurite.port()))
        .option("account_name", "devstoreaccount1")
        .option("sas_token", "sv=2023-11-03&sp=rwdl&sig=hunter22hunter22");
    for error in refused(options).await {
        let told = error.chain();
        assert!(told.contains("403") && told.contains("check the credentials"), "{told}");
        assert!(!told.contains("hunter22"), "{told}");
    }
}

#[tokio::test]
async fn a_shop_on_s3_survives_its_database() {
    let s3 = S3s::start();
    let koan = koan(shop(1 << 20), [("store", s3.storage("shop").open().expect("a profile"))]).await;
    let made = backup(&koan, "nightly").await.expect("a backup");
    // The file in the bucket has the path and the size that the manifest records.
    let archive = made.archive.expect("an archive");
    let stored = std::fs::read(s3.bucket().join("shop").join(&archive.file)).expect("a file");
    assert_eq!(u64::try_from(stored.len()), Ok(archive.size_bytes));
    koan.data::<Customer>().clear().await.expect("cleared");
    koan.restore("nightly").await.expect("restored");
    assert_eq!(customers_of(&koan).await, customers());
}

/// The environment variable that passes the URL to the child process of the test below.
const CHILD: &str = "KOAN_TEST_STORAGE_URL";

#[tokio::test]
async fn the_usual_environment_variables_are_read() {
    if let Some(url) = std::env::var_os(CHILD) {
        let storage = Storage::url(url.into_string().expect("text")).expect("a place");
        assert!(!format!("{storage:?}").contains("hunter22"));
        let koan = koan(shop(0), [("store", storage)]).await;
        match backup(&koan, "nightly").await {
            Ok(made) => assert!(koan.verify(made.id).await.expect("a report").is_valid()),
            Err(error) => panic!("{}", error.chain()),
        }
        return;
    }
    let (s3, azurite) = (S3s::start(), Azurite::start());
    let s3_endpoint = format!("http://127.0.0.1:{}", s3.port());
    let azure_endpoint = format!("http://127.0.0.1:{}/devstoreaccount1", azurite.port());
    let s3_with = |secret| {
        vec![
            ("AWS_ACCESS_KEY_ID", "koan"),
            ("AWS_SECRET_ACCESS_KEY", secret),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ENDPOINT_URL", s3_endpoint.as_str()),
        ]
    };
    let azure_with = |key| {
        vec![
            ("AZURE_STORAGE_ACCOUNT_NAME", "devstoreaccount1"),
            ("AZURE_STORAGE_ACCOUNT_KEY", key),
            ("AZURE_STORAGE_ENDPOINT", azure_endpoint.as_str()),
        ]
    };
    for (url, variables, works) in [
        ("s3://backups/shop", s3_with("koan-secret"), true),
        ("s3://backups/shop", s3_with("hunter22"), false),
        ("az://backups/shop", azure_with(koan_backup_tests::stores::AZURITE_KEY), true),
        ("az://backups/shop", azure_with("aHVudGVyMjI="), false),
    ] {
        let child = std::process::Command::new(std::env::current_exe().expect("this program"))
            .args(["--exact", "credentials::the_usual_environment_variables_are_read", "--nocapture"])
            .env(CHILD, url)
            .envs(variables)
            .output()
            .expect("a process");
        let told = [child.stderr, child.stdout].concat();
        let told = String::from_utf8_lossy(&told);
        assert_eq!(child.status.success(), works, "{url}: {told}");
        assert!(works || told.contains("403"), "{url}: {told}");
        assert!(!told.contains("hunter22") && !told.contains("aHVudGVyMjI"), "{url}: {told}");
    }
}

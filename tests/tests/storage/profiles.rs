//! Storage profiles that are opened by URL, several profiles of one context, and their bandwidth limits.

use std::time::{Duration, Instant};

use koan_backup::prelude::*;
use koan_backup::{CancellationToken, Event};
use koan_backup_tests::archive_surgery::Vault;

use crate::fixture::{backup, koan, shop};

#[test]
fn the_location_of_a_profile_is_its_url() {
    for (url, location) in [
        ("s3://backups", "s3://backups"),
        ("s3://backups/shop/daily/", "s3://backups/shop/daily"),
        ("gs://backups/shop", "gs://backups/shop"),
        ("memory:", "memory"),
    ] {
        let storage = Storage::options(url).without_environment().open().expect("a profile");
        assert_eq!(storage.location(), location);
        assert_eq!(format!("{storage:?}"), format!("Storage({location})"));
    }
    let folder = tempfile::tempdir().expect("a directory");
    let storage = Storage::url(format!("file://{}/a%20b", folder.path().display())).expect("a directory");
    assert!(storage.location().ends_with("/a b"), "{storage:?}");
    assert!(
        !folder.path().join("a b").exists(),
        "the directory must not be created before a context is built"
    );
}

#[test]
fn errors_contain_the_names_of_invalid_options_but_never_the_values() {
    let s3 = || Storage::options("s3://backups").without_environment();
    for (options, expected_text) in [
        (
            s3().option("acess_key_id", "hunter22"),
            "`acess_key_id` is unknown; common options are `access_key_id`",
        ),
        (s3().option("bucket", "hunter22"), "`bucket` is part of the URL"),
        (s3().option("conditional_put", "disabled"), "`conditional_put` cannot be set"),
        (s3().option("allow_http", "hunter22"), "cannot be opened"),
        (s3().endpoint("http://store.example.com"), "without TLS"),
        (
            Storage::options("gs://b").without_environment().option("account_key", "hunter22"),
            "`account_key` is unknown",
        ),
        (
            Storage::options("gs://b").without_environment().option("service_account_key", "hunter22"),
            "cannot be opened",
        ),
        (Storage::options("az://c").without_environment(), "cannot be opened"),
        (
            Storage::options("az://c").without_environment().option("container_name", "x"),
            "is part of the URL",
        ),
        (
            Storage::options("memory:").option("region", "hunter22"),
            "does not support options; remove `region`",
        ),
        (Storage::options("file:///tmp").option("region", "hunter22"), "does not support options"),
    ] {
        let shown = format!("{options:?}");
        let error = options.open().expect_err("the options are invalid");
        assert_eq!(error.kind(), ErrorKind::Configuration, "{error}");
        assert!(error.to_string().contains(expected_text), "{error}");
        assert!(!error.chain().contains("hunter22"), "{}", error.chain());
        assert!(!shown.contains("hunter22"), "{shown}");
    }
    s3().option("AWS_REGION", "eu-central-1")
        .option("allow_http", "true")
        .endpoint("http://x.example")
        .open()
        .expect("the endpoint without TLS is allowed explicitly");
}

#[tokio::test]
async fn the_first_profile_is_the_default_unless_another_profile_is_configured() {
    let (local, dr) = (Vault::default(), Vault::default());
    let both_profiles = || [("local", local.storage()), ("dr", dr.storage())];
    let first = koan(shop(0), both_profiles()).await;
    backup(&first, "a").await.expect("a backup");
    let _ = first.backup("b").to_profile("dr").await.expect("a backup");
    // A backup consists of an archive and a manifest.
    let file_count =
        async |vault: &Vault| vault.files().await.iter().filter(|file| !file.starts_with("leases/")).count();
    assert_eq!((file_count(&local).await, file_count(&dr).await), (2, 2));
    let builder =
        Koan::builder().provider(shop(0)).storage(local.storage()).named_storage("dr", dr.storage());
    let koan_with_default = builder.default_storage("dr").build().await.expect("a context");
    backup(&koan_with_default, "c").await.expect("a backup");
    assert_eq!((file_count(&local).await, file_count(&dr).await), (2, 4));
    let names: Vec<_> = koan_with_default
        .backups()
        .await
        .expect("listed")
        .iter()
        .map(|manifest| manifest.name.to_string())
        .collect();
    assert_eq!(names, ["c", "b"]);
}

#[tokio::test]
async fn an_unknown_profile_is_refused_and_the_error_lists_the_known_profiles() {
    let builder = || Koan::builder().provider(shop(0)).storage(Vault::default().storage());
    let error = builder().default_storage("dr").build().await.expect_err("no such profile");
    assert_eq!(error.kind(), ErrorKind::Configuration);
    assert!(error.to_string().contains("`dr`") && error.to_string().contains("`local`"), "{error}");
    let error = builder()
        .storage(Vault::default().storage())
        .build()
        .await
        .expect_err("two profiles have the same name");
    assert!(error.to_string().contains("two storage profiles have the name `local`"), "{error}");
    let koan = builder().build().await.expect("a context");
    for error in [
        koan.backup("x").to_profile("dr").await.map(drop).expect_err("no such profile"),
        koan.restore("x").from_profile("dr").await.map(drop).expect_err("no such profile"),
        koan.verify("x").from_profile("dr").await.map(drop).expect_err("no such profile"),
        koan.backups_in(Some("dr")).await.map(drop).expect_err("no such profile"),
    ] {
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(error.to_string().contains("`dr`") && error.to_string().contains("`local`"), "{error}");
    }
}

#[tokio::test]
async fn a_backup_and_a_verification_respect_the_bandwidth_limit_of_the_profile() {
    let limited = Storage::memory().bandwidth_limit(4 << 20).expect("a limit");
    let koan = koan(shop(5 << 20), [("slow", limited)]).await;
    let started = Instant::now();
    let manifest = backup(&koan, "nightly").await.expect("a backup");
    // Five parts of 1 MiB are sent at 4 MiB per second, and the last part waits until the first four were
    // sent. A busy machine may take longer, but never less time.
    assert!(started.elapsed() >= Duration::from_millis(990), "{:?}", started.elapsed());
    let started = Instant::now();
    assert!(koan.verify(manifest.id).await.expect("a report").is_valid());
    assert!(started.elapsed() >= Duration::from_millis(990), "{:?}", started.elapsed());
    let error = Storage::memory().bandwidth_limit(0).expect_err("a limit of zero");
    assert!(error.to_string().contains("bytes per second"), "{error}");
}

#[tokio::test]
async fn a_backup_that_waits_for_bandwidth_can_be_cancelled() {
    let limited = Storage::memory().bandwidth_limit(1000).expect("a limit");
    let koan = koan(shop(5 << 20), [("slow", limited)]).await;
    let token = CancellationToken::new();
    let backup =
        koan.backup("nightly").compression(koan_backup::Compression::stored()).cancel_on(token.clone());
    // After the first records were read, the upload waits for bandwidth for more than an hour.
    let cancel = token.clone();
    let backup = backup.on_event(move |event| {
        if matches!(event, Event::BatchRead { .. }) {
            cancel.cancel();
        }
    });
    assert_eq!(backup.await.expect_err("cancelled").kind(), ErrorKind::Cancelled);
}

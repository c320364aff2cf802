//! Tests that a backup records who started it and why.

use koan_backup::prelude::*;
use koan_backup_tests::archive_surgery::Vault;
use koan_backup_tests::scripted::Script;

use super::shop::builder;

#[tokio::test]
async fn a_backup_records_who_started_it_and_why() {
    let vault = Vault::default();
    let koan = builder(vault.storage(), Script::default()).build().await.expect("a context");
    let backup = || koan.backup("nightly").triggered_by("alice").reason("prices change");
    let id = backup().await.expect("a backup").id();
    let stored: serde_json::Value =
        serde_json::from_slice(&vault.stored(id).await.manifest).expect("a manifest is JSON");
    assert_eq!((&stored["triggeredBy"], &stored["reason"]), (&"alice".into(), &"prices change".into()));
    assert_eq!(stored["description"], "started by alice: prices change");
    let described = backup().description("before the sale").await.expect("a backup");
    assert_eq!(described.manifest().description.as_deref(), Some("before the sale"));
    for (backup, description) in [
        (koan.backup("nightly").triggered_by("alice"), "started by alice"),
        (koan.backup("nightly").reason("prices change"), "prices change"),
    ] {
        let report = backup.await.expect("a backup");
        assert_eq!(report.manifest().description.as_deref(), Some(description));
    }
    let id = koan.backup("nightly").await.expect("a backup").id();
    let stored: serde_json::Value =
        serde_json::from_slice(&vault.stored(id).await.manifest).expect("a manifest is JSON");
    assert!(stored["description"].is_null());
    assert!(stored.get("triggeredBy").is_none() && stored.get("reason").is_none(), "{stored}");
    assert!(koan.verify(id).await.expect("verified").is_valid());
}

#[tokio::test]
async fn a_text_that_is_empty_or_too_long_is_refused_with_its_name() {
    let koan = builder(Storage::memory(), Script::default()).build().await.expect("a context");
    let backup = || koan.backup("nightly");
    for (backup, field) in [
        (backup().triggered_by("é".repeat(201)), "`triggered_by`"),
        (backup().reason("é".repeat(1001)), "`reason`"),
        (backup().triggered_by(" "), "`triggered_by`"),
        (backup().reason(""), "`reason`"),
    ] {
        let error = backup.await.expect_err("the text is refused");
        assert_eq!(error.kind(), ErrorKind::Configuration);
        assert!(error.to_string().contains(field), "{error}");
    }
    let _ = backup().triggered_by("é".repeat(200)).reason("é".repeat(1000)).await.expect("a backup");
}

#[tokio::test]
async fn a_directory_tree_and_an_encrypted_archive_record_it_as_well() {
    let key = age::x25519::Identity::generate().to_public().to_string();
    let storage = Storage::memory().archive_encryption(koan_backup::ArchiveEncryption::Always);
    let builder = builder(storage, Script::default());
    let builder = builder.encrypt_to(koan_backup::Recipients::key(key).expect("a key"));
    let koan = builder.build().await.expect("a context");
    let folder = tempfile::tempdir().expect("a directory");
    let tree = folder.path().join("tree");
    let _ = koan.backup("nightly").triggered_by("alice").reason("a copy").await.expect("a backup");
    let envelope = koan.find("nightly").await.expect("found").manifest;
    assert_eq!(envelope.triggered_by.as_deref().zip(envelope.reason.as_deref()), Some(("alice", "a copy")));
    let backup = koan.backup("nightly").triggered_by("alice").reason("a copy");
    let _ = backup.to_directory(&tree).await.expect("a backup");
    let registry = std::fs::read_to_string(tree.join("manifest.json")).expect("a registry");
    let registry: serde_json::Value = serde_json::from_str(&registry).expect("JSON");
    assert_eq!(registry["backups"][0]["triggeredBy"], "alice", "{registry}");
    assert_eq!(registry["backups"][0]["reason"], "a copy", "{registry}");
}

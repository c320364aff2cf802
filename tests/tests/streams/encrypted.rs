//! Single backups of an encrypted type.

use koan_backup::prelude::*;
use koan_backup::{ArchiveEncryption, ConflictMode, MemoryEvents};

use crate::shop::{PLAIN, SECRET, SECRET_ID, Shop, content};

/// Checks that no name and no byte of a file contains what must be encrypted.
fn assert_no_leak(shop: &Shop, secrets: &[&str]) {
    let files = shop.files("streams/");
    assert!(!files.is_empty());
    for file in files {
        let (name, bytes) = (file.display().to_string(), std::fs::read(&file).expect("the file is read"));
        for secret in secrets {
            assert!(!name.contains(secret), "{name}");
            let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!found, "{name} contains {secret:?}");
        }
    }
}

#[tokio::test]
async fn neither_paths_nor_files_contain_the_id_the_description_or_the_events() {
    let shop = Shop::new();
    let koan = shop.koan().await;
    let patients = koan.streams("patient").expect("declared");
    let backup =
        patients.backup(SECRET_ID).description("for Ada").metadata("ward", "oncology").tag("urgent-x");
    let handle = backup.without_compression().await.expect("made");
    assert!(handle.is_encrypted() && handle.location.ends_with(".json.age"));
    assert_no_leak(&shop, &[SECRET_ID, "4711", SECRET, "for Ada", "ward", "oncology", "urgent-x"]);

    let other = patients.backup(SECRET_ID).await.expect("made");
    let folder = |location: &str| location.rsplit_once('/').map(|(folder, _)| folder.to_owned());
    assert_eq!(folder(&handle.location), folder(&other.location), "the backups of one stream are together");
    assert_eq!(
        koan.stream_backup(handle.id).await.expect("found"),
        handle,
        "with the key, everything is known"
    );

    let before = content(&shop.events, "patient", SECRET_ID).await;
    let empty = MemoryEvents::new();
    let restored = shop.koan_for(&empty).await.streams("patient").expect("declared");
    restored.restore(&handle).await.expect("restored");
    assert_eq!(content(&empty, "patient", SECRET_ID).await, before);
    restored.restore_as(&other, "patient-2").await.expect("cloned");
}

#[tokio::test]
async fn without_the_key_backups_are_listed_without_id_and_cannot_be_restored() {
    let shop = Shop::new();
    let handle =
        shop.koan().await.streams("patient").expect("declared").backup(SECRET_ID).await.expect("made");
    let builder = shop.builder().storage(shop.storage()).event_store(shop.events.clone());
    let koan = builder.build().await.expect("a context");
    let page = koan.stream_backups().object("patient").await.expect("listed");
    assert_eq!((page.backups.len(), page.backups[0].object_id.clone(), page.without_key), (1, None, 0));
    let page = koan.stream_backups().object_id(SECRET_ID).await.expect("listed");
    assert_eq!((page.backups.len(), page.without_key), (0, 1), "whether it matches is not known");
    let with_key = shop.koan().await;
    let page = with_key.stream_backups().object_id(SECRET_ID).without_keys().await.expect("listed");
    assert_eq!((page.backups.len(), page.without_key), (0, 1), "the key is not used");
    let restore =
        koan.streams("patient").expect("declared").restore(&handle).on_conflict(ConflictMode::Overwrite);
    let error = restore.await.expect_err("no key");
    assert_eq!(error.kind(), ErrorKind::Encryption);
    assert!(error.chain().contains(&handle.key_ids[0]) && !error.chain().contains(SECRET_ID), "{error:?}");
    let verified = koan.verify_stream_backup(handle.id).await.expect("the hash is compared");
    assert!(verified.is_valid() && verified.note.is_some() && verified.events.is_none());
    let file = shop.root().join(&handle.location);
    let mut bytes = std::fs::read(&file).expect("read");
    *bytes.last_mut().expect("the file is not empty") ^= 1;
    std::fs::write(&file, bytes).expect("written");
    assert!(!koan.verify_stream_backup(handle.id).await.expect("read").is_valid());
}

#[tokio::test]
async fn a_lost_path_key_changes_only_the_grouping() {
    let shop = Shop::new();
    let first =
        shop.koan().await.streams("patient").expect("declared").backup(SECRET_ID).await.expect("made");
    std::fs::remove_file(shop.directory.path().join("state/stream-paths.key")).expect("the key exists");
    let koan = shop.koan().await;
    let second = koan.streams("patient").expect("declared").backup(SECRET_ID).await.expect("made");
    let page = koan.stream_backups().object("patient").object_id(SECRET_ID).await.expect("listed");
    assert_eq!(page.backups.len(), 2);
    assert_ne!(first.location.split('/').nth(2), second.location.split('/').nth(2));
    for handle in [first, second] {
        koan.verify_stream_backup(&handle).await.expect("read").require_valid().expect("valid");
    }
}

#[tokio::test]
async fn a_profile_that_encrypts_everything_encrypts_single_backups() {
    let shop = Shop::new();
    let storage = shop.storage().archive_encryption(ArchiveEncryption::Always);
    let koan = shop.koan_with(&shop.events, storage).await;
    let handle = koan.streams("order").expect("declared").backup(PLAIN).await.expect("made");
    assert!(handle.location.ends_with(".json.gz.age"));
    assert_no_leak(&shop, &[PLAIN, "Order%202", "Placed"]);
}

#[tokio::test]
async fn a_description_that_was_moved_to_another_backup_is_refused() {
    let shop = Shop::new();
    let koan = shop.koan().await;
    let patients = koan.streams("patient").expect("declared");
    shop.events.append("patient", "patient-2", []).expect("nothing");
    patients.backup(SECRET_ID).description("first").await.expect("made");
    let second = patients.backup(SECRET_ID).description("second").await.expect("made");
    let read = |path: &std::path::Path| -> serde_json::Value {
        serde_json::from_slice(&std::fs::read(path).expect("read")).expect("JSON")
    };
    let metas = shop.files(".meta");
    let own = metas
        .iter()
        .find(|path| path.display().to_string().contains(&second.id.to_string()))
        .expect("a file");
    let other = metas.iter().find(|path| *path != own).expect("another file");
    let mut forged = read(own);
    forged["sealed"] = read(other)["sealed"].clone();
    std::fs::write(own, serde_json::to_vec(&forged).expect("JSON")).expect("written");
    assert_eq!(koan.stream_backup(second.id).await.expect_err("moved").kind(), ErrorKind::Corrupt);
    assert_eq!(koan.stream_backups().await.expect("listed").unreadable.len(), 1);
    koan.delete_stream_backup(second.id).await.expect("a damaged description does not prevent the deletion");
}

#[tokio::test]
async fn an_encrypted_content_of_another_aggregate_is_damage() {
    let shop = Shop::new();
    let koan = shop.koan().await;
    let handle = koan.streams("patient").expect("declared").backup(SECRET_ID).without_compression().await;
    let handle = handle.expect("made");
    let path = shop.root().join(&handle.location);
    let text = shop.decrypt(&std::fs::read(&path).expect("read"));
    let other = String::from_utf8(text).expect("text").replace(SECRET_ID, "patient-0815");
    shop.forge(&handle, &shop.encrypt(other.as_bytes()));
    let before = content(&shop.events, "patient", SECRET_ID).await;
    let verified = koan.verify_stream_backup(handle.id).await.expect("read");
    let problem = verified.problem.expect("the ids differ");
    assert!(problem.contains("another aggregate") && !problem.contains("0815"), "{problem}");
    let patients = koan.streams("patient").expect("declared");
    for round in ["verified", "not verified"] {
        let restore = patients.restore(handle.id).on_conflict(ConflictMode::Overwrite);
        let restore = if round == "verified" { restore } else { restore.without_verification() };
        let refused = restore.await.expect_err(round);
        assert!(refused.chain().contains("another aggregate"), "{round}: {refused:?}");
        assert_eq!(content(&shop.events, "patient", SECRET_ID).await, before, "{round}");
        assert!(shop.events.events("patient", "patient-0815").is_empty(), "{round}");
    }
}

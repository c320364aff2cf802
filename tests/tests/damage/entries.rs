//! Tests archives with entries, documents or manifests that are missing, exchanged, added, or from another
//! backup.

use koan_backup::prelude::*;
use koan_backup_tests::archive_surgery::{
    Forgery, Recompute, Stored, Vault, Zip, ZipEntry, document, inner_copy, with_forged_archive,
};
use koan_backup_tests::scripted::Script;
use serde_json::{Value, json};

use super::shop::{ORDERS, Shop, USERS, sentinel, shop, source, with_archive};

#[tokio::test]
async fn a_completed_entity_without_a_file_is_never_silently_left_out() {
    let shop = shop().await;
    let mut forgery = Forgery::parse(&shop.stored);
    forgery.entity("User")["storageFile"] = Value::Null;
    forgery.zip.remove(USERS);
    let altered = forgery.rebuild(Recompute::Documents);
    assert_eq!(shop.acceptance_problem(&altered).await, None);
    assert_eq!(shop.unverified_restore_problem(&altered).await, None);
}

#[tokio::test]
async fn entries_exchanged_renamed_duplicated_removed_or_added_are_found() {
    let shop = shop().await;
    type Alter = fn(&mut Zip);
    let alterations: [(&str, Alter); 9] = [
        ("records exchanged", |zip| {
            let (users, orders) = (zip.entry(USERS).clone(), zip.entry(ORDERS).clone());
            *zip.entry_mut(USERS) = ZipEntry { name: USERS.into(), ..orders };
            *zip.entry_mut(ORDERS) = ZipEntry { name: ORDERS.into(), ..users };
        }),
        ("records renamed", |zip| zip.entry_mut(USERS).name = "entities/Users.jsonl".into()),
        ("records duplicated", |zip| {
            let copy = zip.entry(USERS).clone();
            zip.entries.push(copy);
        }),
        ("an entry with other records and the same name", |zip| {
            zip.entries.push(ZipEntry::deflated(USERS, b""))
        }),
        ("records removed", |zip| drop(zip.remove(USERS))),
        ("records added", |zip| zip.entries.push(ZipEntry::deflated("entities/Stray.jsonl", b"{}\n"))),
        ("a document added", |zip| zip.entries.push(ZipEntry::deflated("metadata/stray.json", b"{}\n"))),
        ("the manifest duplicated", |zip| {
            let copy = zip.entry(document::MANIFEST).clone();
            zip.entries.push(copy);
        }),
        ("the checksums removed", |zip| drop(zip.remove(document::CHECKSUMS))),
    ];
    for (alteration, alter) in alterations {
        let mut forgery = Forgery::parse(&shop.stored);
        alter(&mut forgery.zip);
        let altered = forgery.rebuild(Recompute::Archive);
        assert_eq!(shop.acceptance_problem(&altered).await, None, "{alteration}");
        assert_eq!(shop.unverified_restore_problem(&altered).await, None, "{alteration}");
    }
    for name in [
        document::SCHEMAS,
        document::PROVIDERS,
        document::DISCOVERY,
        document::BLOCKS,
        document::MANIFEST,
        "metadata/backup-stats.json",
    ] {
        for recompute in [Recompute::Nothing, Recompute::Archive] {
            let mut forgery = Forgery::parse(&shop.stored);
            forgery.zip.remove(name);
            assert_eq!(shop.acceptance_problem(&forgery.rebuild(recompute)).await, None, "{name} removed");
        }
    }
}

#[tokio::test]
async fn entries_that_belong_to_no_entity_or_to_two_entities_are_found_even_if_every_hash_matches() {
    let shop = shop().await;
    let mut forgery = Forgery::parse(&shop.stored);
    forgery.zip.entries.push(ZipEntry::deflated("entities/Stray.jsonl", b"{}\n"));
    let issues = shop.issues(&forgery.rebuild(Recompute::Records)).await;
    assert!(issues[0].problem.contains("entities/Stray.jsonl"), "{issues:?}");
    let mut forgery = Forgery::parse(&shop.stored);
    forgery.entity("User")["storageFile"] = json!(ORDERS);
    forgery.zip.remove(USERS);
    assert_eq!(shop.acceptance_problem(&forgery.rebuild(Recompute::Records)).await, None);
    let mut forgery = Forgery::parse(&shop.stored);
    forgery.zip.remove(USERS);
    assert_eq!(shop.acceptance_problem(&forgery.rebuild(Recompute::Documents)).await, None);
    let error =
        shop.koan.restore(shop.id).viability().await.expect_err("viability refuses the archive as well");
    assert_eq!(error.kind(), ErrorKind::Corrupt);
}

#[tokio::test]
async fn an_entry_that_overlaps_the_directory_is_found() {
    let shop = shop().await;
    let mut archive = Forgery::parse(&shop.stored).zip.write();
    let (name, data) = Zip::ranges(&archive).pop().expect("an entry");
    let local = data.start - name.len() - 30;
    let directory = archive.windows(4).rposition(|bytes| bytes == b"PK\x01\x02").expect("a directory");
    // The compressed size in the local header and in the directory is increased, so that the data seem to
    // reach into the directory.
    for position in [local + 18, directory + 20] {
        let length = archive[position..].first_chunk().copied().map(u32::from_le_bytes).expect("a length");
        archive[position..position + 4].copy_from_slice(&(length + 8).to_le_bytes());
    }
    let issues = shop.issues(&with_forged_archive(&shop.stored, archive)).await;
    assert!(issues[0].problem.contains("overlap"), "{issues:?}");
}

#[tokio::test]
async fn a_document_that_was_altered_with_its_checksum_is_found_by_its_hash() {
    let shop = shop().await;
    let manifest = Forgery::parse(&shop.stored).manifest;
    for name in [
        document::SCHEMAS,
        document::PROVIDERS,
        document::DISCOVERY,
        document::BLOCKS,
        document::CHECKSUMS,
        document::MANIFEST,
        "metadata/backup-stats.json",
    ] {
        let mut forgery = Forgery::parse(&shop.stored);
        let added = match name {
            document::SCHEMAS => forgery.document(name)["User"].clone(),
            document::PROVIDERS => forgery.document(name)["main"].clone(),
            document::BLOCKS => json!([]),
            _ => json!("x"),
        };
        forgery.alter_document(name, |content| content["added"] = added);
        let issues = shop.issues(&forgery.rebuild(Recompute::Archive)).await;
        assert!(issues.iter().all(|issue| issue.file == shop.stored.archive_path), "{name}: {issues:?}");
    }
    // The forgery alters the hash of the records only in the document with the checksums.
    let mut forgery = Forgery::parse(&shop.stored);
    forgery.alter_document(document::CHECKSUMS, |sums| sums[USERS] = json!("sha256:0"));
    let altered = forgery.rebuild(Recompute::Documents);
    assert_ne!(serde_json::from_slice::<Value>(&altered.manifest).expect("JSON"), manifest);
    let issues = shop.issues(&altered).await;
    assert_eq!((issues[0].entity.as_deref(), issues[0].file.as_str()), (Some("User"), USERS), "{issues:?}");
    // The forgery alters the hash over the checksums in the published manifest and in its copy.
    let mut forgery = Forgery::parse(&shop.stored);
    forgery.manifest["verification"]["overallChecksum"] = json!("sha256:0");
    let inner = inner_copy(&forgery.manifest);
    forgery.set_document(document::MANIFEST, &inner);
    let issues = shop.issues(&forgery.rebuild(Recompute::Archive)).await;
    assert!(issues[0].problem.contains("checksums"), "{issues:?}");
}

#[tokio::test]
async fn a_wrong_checksum_of_records_in_the_directory_is_found() {
    let shop = shop().await;
    let mut forgery = Forgery::parse(&shop.stored);
    forgery.zip.entry_mut(USERS).crc32 ^= 1;
    let issues = shop.issues(&forgery.rebuild(Recompute::Records)).await;
    assert_eq!((issues[0].entity.as_deref(), issues[0].file.as_str()), (Some("User"), USERS), "{issues:?}");
}

#[tokio::test]
async fn the_end_of_a_stream_of_records_is_checked() {
    let shop = shop().await;
    let mut forgery = Forgery::parse(&shop.stored);
    *forgery.zip.entry_mut(USERS).data.last_mut().expect("not empty") ^= 1;
    let issues = shop.issues(&forgery.rebuild(Recompute::Archive)).await;
    assert_eq!((issues[0].entity.as_deref(), issues[0].file.as_str()), (Some("User"), USERS), "{issues:?}");
}

#[tokio::test]
async fn a_missing_archive_is_an_issue_and_not_an_empty_backup() {
    let shop = shop().await;
    shop.vault.remove(&shop.stored.archive_path).await;
    let report = shop.verify().await.expect("a report");
    assert!(report.issues()[0].problem.contains("missing"), "{:?}", report.issues());
    let error = shop.restore_refused().await.expect("refused");
    assert!(error.to_string().contains(&shop.stored.archive_path), "{error}");
}

#[tokio::test]
async fn an_archive_without_its_manifest_is_not_a_backup() {
    let shop = shop().await;
    shop.vault.remove(&shop.stored.manifest_path).await;
    assert_eq!(shop.verify().await.expect_err("not found").kind(), ErrorKind::NotFound);
    assert_eq!(shop.restore_refused().await.expect("refused").kind(), ErrorKind::NotFound);
    assert_eq!(shop.koan.restore("nightly").await.expect_err("not found").kind(), ErrorKind::NotFound);
    assert!(shop.koan.backups().await.expect("listed").is_empty());
}

#[tokio::test]
async fn the_manifest_of_another_backup_is_refused() {
    let shop = shop().await;
    let other = source(&shop.vault, Script::default()).await.backup("other").await.expect("a backup").id();
    let other_stored = shop.vault.stored(other).await;
    shop.vault.write(&shop.stored.manifest_path, &other_stored.manifest).await;
    assert_eq!(shop.verify().await.expect_err("refused").kind(), ErrorKind::Corrupt);
    assert_eq!(shop.restore_refused().await.expect("refused").kind(), ErrorKind::Corrupt);
    let listed = shop.koan.backups().await.expect("the other backups are listed");
    assert_eq!(listed.iter().map(|manifest| manifest.id).collect::<Vec<_>>(), [other]);
    let unreadable = shop.koan.catalog().unreadable().await.expect("listed");
    assert_eq!(unreadable.len(), 1, "{unreadable:?}");
    assert!(format!("{unreadable:?}").contains(&shop.stored.manifest_path), "{unreadable:?}");
    let mut renamed: Value = serde_json::from_slice(&other_stored.manifest).expect("JSON");
    renamed["id"] = json!(shop.id);
    let renamed = Stored { manifest: renamed.to_string().into(), ..shop.stored.clone() };
    assert_eq!(shop.acceptance_problem(&renamed).await, None);
    let mut moved: Value = serde_json::from_slice(&shop.stored.manifest).expect("JSON");
    moved["archive"] =
        serde_json::from_slice::<Value>(&other_stored.manifest).expect("JSON")["archive"].clone();
    let moved = Stored { manifest: moved.to_string().into(), ..shop.stored.clone() };
    assert_eq!(shop.acceptance_problem(&moved).await, None);
}

#[tokio::test]
async fn a_failed_backup_cannot_be_made_to_look_complete() {
    let vault = Vault::default();
    let script = Script { disconnects_at: Some(("Order".into(), 3)), ..Script::default() };
    let failing = source(&vault, script).await;
    failing.backup("nightly").await.expect_err("the connection is lost");
    let manifests = failing.backups().await.expect("listed");
    let id = manifests[0].id;
    let path = format!("manifests/{id}.json");
    let complete = source(&vault, Script::default()).await.backup("good").await.expect("a backup").id();
    let complete = vault.stored(complete).await;
    let koan = sentinel(&vault).await;
    assert!(!koan.verify(id).await.expect("a report").is_valid());
    let mut manifest: Value = serde_json::from_slice(&vault.read(&path).await).expect("JSON");
    manifest["status"] = json!("completed");
    manifest["error"] = Value::Null;
    let forged = Stored { manifest_path: path, manifest: manifest.to_string().into(), ..complete.clone() };
    let shop = Shop { vault, koan, id, stored: forged.clone() };
    assert_eq!(shop.acceptance_problem(&forged).await, None, "a manifest without an archive");
    manifest["archive"] =
        serde_json::from_slice::<Value>(&complete.manifest).expect("JSON")["archive"].clone();
    let forged = Stored { manifest: manifest.to_string().into(), ..forged };
    assert_eq!(shop.acceptance_problem(&forged).await, None, "a manifest with the archive of another backup");
}

#[tokio::test]
async fn damage_in_a_partial_backup_is_found_before_its_complete_entities_are_restored() {
    let vault = Vault::default();
    let script = Script { disconnects_at: Some(("Order".into(), 3)), ..Script::default() };
    let partial = source(&vault, script).await.backup("partial").continue_on_error().await.expect("a report");
    let shop = Shop {
        koan: sentinel(&vault).await,
        id: partial.id(),
        stored: vault.stored(partial.id()).await,
        vault,
    };
    let ranges = Zip::ranges(&shop.stored.archive);
    let (_, range) = ranges.into_iter().find(|(name, _)| name == USERS).expect("the archive contains users");
    let mut archive = shop.stored.archive.clone();
    archive[range.start + 5] ^= 1;
    for altered in
        [with_archive(&shop, |stored| *stored = archive.clone()), with_forged_archive(&shop.stored, archive)]
    {
        shop.vault.write_backup(&altered).await;
        let error = shop.koan.restore(shop.id).allow_partial().await.expect_err("refused");
        assert!(error.to_string().contains("is not valid"), "{error}");
        assert_eq!(shop.check_unchanged().await, Ok(()));
    }
    shop.vault.write_backup(&shop.stored).await;
    let report = shop.verify().await.expect("a report");
    assert!(report.issues()[0].problem.contains("failed"), "{:?}", report.issues());
    let error = shop.restore_refused().await.expect("refused");
    assert!(error.to_string().contains(".allow_partial()"), "{error}");
    let restored = shop.koan.restore(shop.id).allow_partial().replace_existing().await.expect("restored");
    assert_eq!(restored.record_count(), 6);
}

//! Tests a sync that fails once and succeeds when it is repeated, as on Linux: an operation must fail
//! although a second sync would succeed.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use age::secrecy::ExposeSecret as _;
use koan_backup::prelude::*;
use koan_backup::{ArchiveEncryption, ErrorKind, Keys, Recipients};
use koan_backup_tests::disk_shim::{fail, have_all_happened, run_test};

use super::fixture::{FOLDER, builder, child_folder, files, koan, local};

/// Returns the folder of the test if this process is the child process, in which system calls can be made to
/// fail. In the parent process, runs the test in such a child process and returns `None`.
pub(super) fn in_process_with_faults(test: &str) -> Option<std::path::PathBuf> {
    if let Some(folder) = child_folder() {
        return Some(folder);
    }
    let folder = tempfile::tempdir().expect("a folder");
    run_test(test, &[(FOLDER, folder.path().to_str().expect("UTF-8"))]);
    None
}

/// Returns the temporary files of unfinished writes.
fn temporary_files(folder: &Path) -> Vec<std::path::PathBuf> {
    files(folder).into_iter().filter(|path| path.to_string_lossy().contains('#')).collect()
}

#[tokio::test]
async fn a_sync_that_fails_once_fails_the_backup_and_leaves_none_of_its_files() {
    let Some(folder) = in_process_with_faults(
        "durability::a_sync_that_fails_once_fails_the_backup_and_leaves_none_of_its_files",
    ) else {
        return;
    };
    let koan = koan(&folder).await.expect("a context");
    let first = koan.backup("nightly").await.expect("a backup").id();
    let before = files(&folder.join("backups"));
    for fault in [
        "syncdir /manifests 5 once",
        "syncdir /archives 5 once",
        "sync /manifests/ 5 once",
        "sync /archives/ 5 once",
    ] {
        fail(&[fault]);
        let error = koan.backup("nightly").await.expect_err(fault);
        assert!(have_all_happened(), "{fault}");
        assert_eq!(error.kind(), ErrorKind::Storage, "{fault}");
        assert!(
            error.chain().contains("syncing") && error.chain().contains("os error 5"),
            "{fault}: {error:?}"
        );
        let backups = koan.backups().await.expect("listed");
        let complete: Vec<_> = backups.iter().filter(|backup| backup.status.is_complete()).collect();
        assert_eq!(complete.len(), 1, "{fault}");
        assert!(koan.verify(first).await.expect("verified").is_valid(), "{fault}");
        let archives = files(&folder.join("backups/archives"));
        assert!(archives.iter().all(|archive| before.contains(archive)), "{fault}: {archives:?}");
        assert!(temporary_files(&folder).is_empty(), "{fault}");
    }
    let _ = koan.backup("nightly").await.expect("the disk works again");
}

#[tokio::test]
async fn a_backup_succeeds_after_a_backup_that_could_not_make_a_folder_durable() {
    let Some(folder) = in_process_with_faults(
        "durability::a_backup_succeeds_after_a_backup_that_could_not_make_a_folder_durable",
    ) else {
        return;
    };
    let koan = koan(&folder).await.expect("a context");
    let root = folder.join("backups");
    assert!(!root.join("archives").exists());
    // The first write is the write of the lease, which creates a folder.
    fail(&["syncdir /backups 5 once"]);
    koan.backup("nightly").await.expect_err("the folder is not durable");
    assert!(have_all_happened());
    assert!(!root.join("leases").exists() || !root.join("archives").exists());
    let backup = koan.backup("nightly").await.expect("the disk works again");
    assert!(koan.verify(backup.id()).await.expect("verified").is_valid());
}

#[tokio::test]
async fn a_manifest_that_may_not_be_durable_keeps_both_archives_of_a_rekey() {
    let Some(folder) = in_process_with_faults(
        "durability::a_manifest_that_may_not_be_durable_keeps_both_archives_of_a_rekey",
    ) else {
        return;
    };
    let key = age::x25519::Identity::generate();
    let koan = builder(&folder)
        .storage(local(&folder).archive_encryption(ArchiveEncryption::Always))
        .encrypt_to(Recipients::keys([key.to_public().to_string()]).expect("a public key"))
        .keys(Keys::text(key.to_string().expose_secret()))
        .build()
        .await
        .expect("a context");
    let backup = koan.backup("nightly").await.expect("a backup");
    let archives = files(&folder.join("backups/archives"));
    fail(&["sync /archives/ 5 once"]);
    koan.rekey(backup.id()).await.expect_err("the new archive is not durable");
    assert_eq!(files(&folder.join("backups/archives")), archives, "only the old archive exists");
    fail(&["syncdir /manifests 5 once"]);
    let error = koan.rekey(backup.id()).await.expect_err("the manifest is not durable");
    assert!(have_all_happened());
    assert!(error.chain().contains("both archives stay"), "{error:?}");
    let now = files(&folder.join("backups/archives"));
    assert_eq!(now.len(), 2, "{now:?}");
    assert!(archives.iter().all(|archive| now.contains(archive)), "{now:?}");
    assert!(koan.verify(backup.id()).await.expect("verified").is_valid());

    // After a loss of power, the old manifest may reappear, and it contains the path of the old archive.
    // Until the new manifest is durable, both archives must stay.
    let manifest = folder.join(format!("backups/manifests/{}.json", backup.id()));
    let unsynced = std::fs::metadata(&manifest).expect("exists").ino();
    fail(&["syncdir /manifests 5 always"]);
    let report = koan.maintenance().without_verification().await.expect("a report");
    assert_eq!(files(&folder.join("backups/archives")), now, "{report:?}");
    let failures = report.profiles[0].failures.join("; ");
    assert!(
        failures.contains("may not survive a loss of power") && failures.contains("os error 5"),
        "{failures}"
    );
    fail(&[]);
    let report = koan.maintenance().without_verification().await.expect("a report");
    let left = files(&folder.join("backups/archives"));
    assert!(left.len() == 1 && !archives.contains(&left[0]), "{left:?}: {report:?}");
    assert_ne!(
        std::fs::metadata(&manifest).expect("exists").ino(),
        unsynced,
        "the manifest was not rewritten"
    );
    assert!(koan.verify(backup.id()).await.expect("verified").is_valid());
}

#[tokio::test]
async fn a_superseded_archive_stays_until_the_manifest_is_durable() {
    let Some(folder) =
        in_process_with_faults("durability::a_superseded_archive_stays_until_the_manifest_is_durable")
    else {
        return;
    };
    let koan = koan(&folder).await.expect("a context");
    let backup = koan.backup("nightly").await.expect("a backup");
    let archive = files(&folder.join("backups/archives")).remove(0);
    // The archive from before a rekey still exists, without a removal record.
    let name = archive.file_name().expect("a name").to_string_lossy().replace(".zip", "-00000001.zip");
    let old = archive.with_file_name(name);
    std::fs::copy(&archive, &old).expect("copied");
    let week_ago = std::time::SystemTime::now() - std::time::Duration::from_secs(7 * 86_400);
    std::fs::File::options()
        .append(true)
        .open(&old)
        .expect("opened")
        .set_modified(week_ago)
        .expect("the modification time is set");
    fail(&["syncdir /manifests 5 always"]);
    let report = koan.maintenance().without_verification().await.expect("a report");
    assert!(old.exists(), "{report:?}");
    fail(&[]);
    let report = koan.maintenance().without_verification().await.expect("a report");
    assert!(!old.exists() && archive.exists(), "{report:?}");
    assert!(koan.verify(backup.id()).await.expect("verified").is_valid());
}

#[tokio::test]
async fn a_backup_whose_removal_is_not_durable_stays_complete() {
    let Some(folder) =
        in_process_with_faults("durability::a_backup_whose_removal_is_not_durable_stays_complete")
    else {
        return;
    };
    let koan = koan(&folder).await.expect("a context");
    let deleted = koan.backup("nightly").await.expect("a backup");
    let other = koan.backup("nightly").await.expect("a backup");
    let root = folder.join("backups");
    for fault in [
        // The remaining files are made durable before anything is removed.
        "syncdir /archives 5 once",
        "syncdir /manifests 5 once",
        // The removed manifest may reappear after a loss of power.
        "syncdir /manifests 5 second",
    ] {
        fail(&[fault]);
        let error = koan.delete(deleted.id()).await.expect_err(fault);
        assert!(have_all_happened(), "{fault}");
        assert!(error.chain().contains("os error 5"), "{fault}: {error:?}");
        for id in [deleted.id(), other.id()] {
            assert!(koan.verify(id).await.expect("verified").is_valid(), "{fault}");
        }
        assert!(files(&root.join("removals")).is_empty(), "{fault}: the removal record was not removed");
    }
    let retention = koan.retention(koan_backup::Retention::new().keep_last(1));
    let plan = retention.plan().await.expect("a plan");
    fail(&["syncdir /archives 5 once"]);
    retention.apply(&plan).await.expect_err("the remaining backups are not durable");
    assert!(have_all_happened());
    assert_eq!(files(&root.join("archives")).len(), 2);
    koan.delete(deleted.id()).await.expect("the disk works again");
    assert_eq!(files(&root.join("archives")).len(), 1);
}

#[tokio::test]
async fn an_archive_to_be_removed_stays_until_the_removal_of_its_manifest_is_durable() {
    let Some(folder) = in_process_with_faults(
        "durability::an_archive_to_be_removed_stays_until_the_removal_of_its_manifest_is_durable",
    ) else {
        return;
    };
    let koan = koan(&folder).await.expect("a context");
    let deleted = koan.backup("nightly").await.expect("a backup");
    let _ = koan.backup("nightly").await.expect("a backup");
    let root = folder.join("backups");
    // This is the state if the process that deletes the backup ends right after the removal of the manifest.
    let archive = deleted.manifest().archive.as_ref().expect("an archive").file.clone();
    let name = archive.strip_prefix("archives/").expect("a path");
    let record = serde_json::json!({
        "archive": archive, "id": deleted.id(), "reason": "deleted", "replacement": null,
        "decidedAt": deleted.manifest().created_at,
    });
    std::fs::create_dir_all(root.join("removals")).expect("created");
    std::fs::write(root.join(format!("removals/{name}.json")), record.to_string()).expect("written");
    std::fs::remove_file(root.join(format!("manifests/{}.json", deleted.id()))).expect("removed");
    fail(&["syncdir /manifests 5 always"]);
    let report = koan.maintenance().without_verification().await.expect("a report");
    assert!(root.join(&archive).exists(), "{report:?}");
    fail(&[]);
    let report = koan.maintenance().without_verification().await.expect("a report");
    assert!(!root.join(&archive).exists(), "{report:?}");
}

#[tokio::test]
async fn a_copy_that_is_not_durable_is_an_error() {
    let Some(folder) = in_process_with_faults("durability::a_copy_that_is_not_durable_is_an_error") else {
        return;
    };
    let koan = builder(&folder)
        .storage(local(&folder))
        .named_storage("other", Storage::local(folder.join("other")).expect("a directory"))
        .build()
        .await
        .expect("a context");
    let backup = koan.backup("nightly").await.expect("a backup");
    for fault in
        ["syncdir /other/manifests 5 once", "syncdir /other/archives 5 once", "sync /other/manifests/ 5 once"]
    {
        fail(&[fault]);
        koan.copy(backup.id()).to_profile("other").await.expect_err(fault);
        assert!(have_all_happened(), "{fault}");
        assert!(files(&folder.join("other/manifests")).is_empty(), "{fault}");
        assert!(files(&folder.join("other/archives")).is_empty(), "{fault}");
        assert!(koan.verify(backup.id()).await.expect("verified").is_valid(), "{fault}");
    }
    let _ = koan.copy(backup.id()).to_profile("other").await.expect("copied");
    // A copy that exists already may not be durable, so it is synced again.
    for fault in ["syncdir /other/manifests 5 once", "syncdir /other/archives 5 once"] {
        fail(&[fault]);
        koan.copy(backup.id()).to_profile("other").await.expect_err(fault);
        assert!(have_all_happened(), "{fault}");
    }
    assert!(koan.copy(backup.id()).to_profile("other").await.expect("copied").already_existed);
}

#[tokio::test]
async fn backups_work_without_hard_links_and_without_replacing_files() {
    let Some(folder) =
        in_process_with_faults("durability::backups_work_without_hard_links_and_without_replacing_files")
    else {
        return;
    };
    for errno in ["1", "95", "38"] {
        let folder = folder.join(errno);
        std::fs::create_dir(&folder).expect("created");
        let fault = format!("link * {errno} always");
        fail(&[&fault]);
        let koan = koan(&folder).await.expect("a context");
        let first = koan.backup("nightly").await.expect("a backup");
        let second = koan.backup("nightly").await.expect("the lease is acquired a second time");
        for id in [first.id(), second.id()] {
            assert!(koan.verify(id).await.expect("verified").is_valid(), "{errno}");
        }
        assert!(temporary_files(&folder).is_empty(), "{errno}");
        // Without hard links, a file gets its final name by another method. The directory must be synced as
        // well.
        fail(&[&fault, "syncdir /manifests 5 once"]);
        koan.backup("nightly").await.expect_err("not durable");
        assert_eq!(
            koan.backups().await.expect("listed").iter().filter(|backup| backup.status.is_complete()).count(),
            2
        );
    }
}

#[tokio::test]
async fn a_file_system_that_cannot_sync_directories_is_synced_completely() {
    let Some(folder) =
        in_process_with_faults("durability::a_file_system_that_cannot_sync_directories_is_synced_completely")
    else {
        return;
    };
    fail(&["syncdir * 22 always"]);
    let koan = koan(&folder).await.expect("a context");
    let backup = koan.backup("nightly").await.expect("a backup");
    assert!(koan.verify(backup.id()).await.expect("verified").is_valid());
}

#[tokio::test]
async fn a_file_system_that_cannot_make_files_durable_is_refused_at_the_start() {
    let Some(folder) = in_process_with_faults(
        "durability::a_file_system_that_cannot_make_files_durable_is_refused_at_the_start",
    ) else {
        return;
    };
    // The profile exists already, so that only the probe file is written.
    drop(koan(&folder).await.expect("a context"));
    for fault in [
        "sync /backups/ 22 always",
        "sync /backups/ 5 always",
        "syncdir /backups 5 always",
        "link /backups/ 28 always",
    ] {
        fail(&[fault]);
        let error = koan(&folder).await.expect_err(fault);
        assert_eq!(error.kind(), ErrorKind::Storage, "{fault}");
        assert!(error.chain().contains("is not safe for backups"), "{fault}: {error:?}");
        let left: Vec<_> = files(&folder.join("backups"));
        assert_eq!(left, [folder.join("backups/koan-profile.json")], "{fault}");
    }
}

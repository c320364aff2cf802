//! Tests that a storage profile that this machine has used before is refused if its directory is missing or
//! empty, or is another directory.

use std::path::Path;

use koan_backup::ErrorKind;
use koan_backup::prelude::*;
use koan_backup_tests::log::Log;

use super::fixture::{builder, child_folder, files, koan, local, run_in_child_process};

const MARK: &str = "koan-profile.json";
const PRODUCTION: (&str, &str) = ("KOAN_ENV", "production");

/// Empties a directory, so that it looks like the mount point of a disk that is not mounted.
fn empty(directory: &Path) {
    std::fs::remove_dir_all(directory).expect("removed");
    std::fs::create_dir(directory).expect("created");
}

/// Checks that an error refuses a profile because this machine has used it before.
fn assert_refused(error: &Error) {
    assert_eq!(error.kind(), ErrorKind::Storage, "{error:?}");
    assert!(error.chain().contains("this machine has used it before"), "{error:?}");
}

#[tokio::test]
async fn a_first_run_needs_no_preparation_and_marks_the_profile() {
    let folder = tempfile::tempdir().expect("a folder");
    let _ = koan(folder.path()).await.expect("a context").backup("nightly").await.expect("a backup");
    assert!(folder.path().join("backups").join(MARK).exists());
    let _ = koan(folder.path()).await.expect("a second context").backup("nightly").await.expect("a backup");
}

#[tokio::test]
async fn a_profile_without_its_directory_or_its_mark_is_refused_at_the_start() {
    let folder = tempfile::tempdir().expect("a folder");
    let backups = folder.path().join("backups");
    let _ = koan(folder.path()).await.expect("a context").backup("nightly").await.expect("a backup");
    std::fs::rename(&backups, folder.path().join("unmounted")).expect("renamed");
    assert_refused(&koan(folder.path()).await.expect_err("the directory is missing"));
    assert!(!backups.exists(), "the missing directory was created");
    std::fs::create_dir(&backups).expect("created");
    assert_refused(&koan(folder.path()).await.expect_err("the directory is empty"));
    assert!(files(&backups).is_empty(), "a file was written into the empty directory");
    std::fs::remove_dir(&backups).expect("removed");
    std::fs::rename(folder.path().join("unmounted"), &backups).expect("renamed");
    std::fs::remove_file(backups.join(MARK)).expect("removed");
    assert_refused(&koan(folder.path()).await.expect_err("the mark is missing"));
}

#[tokio::test]
async fn a_profile_that_disappears_while_the_program_runs_is_refused_by_the_next_operations() {
    let folder = tempfile::tempdir().expect("a folder");
    let (backups, unmounted) = (folder.path().join("backups"), folder.path().join("unmounted"));
    let koan = koan(folder.path()).await.expect("a context");
    let backup = koan.backup("nightly").await.expect("a backup");
    std::fs::rename(&backups, &unmounted).expect("renamed");
    for state in ["missing", "empty"] {
        // While a disk is not mounted, its mount point is an empty directory.
        if state == "empty" {
            std::fs::create_dir(&backups).expect("created");
        }
        koan.backup("nightly").await.expect_err(state);
        koan.backups().await.expect_err(state);
        koan.catalog().all().await.expect_err(state);
        koan.verify(backup.id()).await.expect_err(state);
        koan.retention(koan_backup::Retention::new().keep_last(1)).plan().await.expect_err(state);
        assert!(!koan.maintenance().await.expect("a report").is_clean(), "{state}");
        assert!(files(&backups).is_empty(), "{state}");
    }
    std::fs::remove_dir(&backups).expect("removed");
    std::fs::rename(&unmounted, &backups).expect("renamed");
    let _ = koan.backup("nightly").await.expect("the directory is mounted again");
    assert_eq!(koan.backups().await.expect("listed").len(), 2);
}

#[tokio::test]
async fn a_directory_with_another_inode_and_the_same_mark_is_the_same_profile() {
    let folder = tempfile::tempdir().expect("a folder");
    let backups = folder.path().join("backups");
    let koan = koan(folder.path()).await.expect("a context");
    let _ = koan.backup("nightly").await.expect("a backup");
    let copied =
        std::process::Command::new("cp").arg("-r").arg(&backups).arg(folder.path().join("copy")).status();
    assert!(copied.expect("copied").success());
    std::fs::remove_dir_all(&backups).expect("removed");
    std::fs::rename(folder.path().join("copy"), &backups).expect("renamed");
    let _ = koan.backup("nightly").await.expect("a backup");
}

#[tokio::test]
async fn a_profile_that_was_emptied_on_purpose_can_be_used_when_its_state_file_is_removed() {
    let folder = tempfile::tempdir().expect("a folder");
    let _ = koan(folder.path()).await.expect("a context").backup("nightly").await.expect("a backup");
    empty(&folder.path().join("backups"));
    let error = koan(folder.path()).await.expect_err("the directory is empty").chain();
    let quoted = error.split('`').find(|text| text.ends_with(".json") && text.contains("state"));
    let file = quoted.expect("the error contains the path of the file in the state directory");
    // The state directory has an entry for the configured path, and a second entry for the path without
    // symbolic links if the two paths differ.
    let entries = Path::new(file).parent().expect("a directory");
    std::fs::remove_file(file).expect("removed");
    if std::fs::read_dir(entries).expect("listed").next().is_none() {
        let _ = koan(folder.path()).await.expect("a new profile").backup("nightly").await.expect("a backup");
    }
}

#[tokio::test]
async fn remembered_locations_can_be_listed_and_forgotten() {
    let folder = tempfile::tempdir().expect("a folder");
    let _ = koan(folder.path()).await.expect("a context").backup("nightly").await.expect("a backup");
    empty(&folder.path().join("backups"));
    let error = koan(folder.path()).await.expect_err("the directory is empty");
    assert!(error.chain().contains("MachineState::forget_location"), "{error:?}");
    let state = koan_backup::storage::MachineState::open(folder.path().join("state")).expect("a state");
    let entries = state.locations().expect("listed");
    assert!(
        entries.iter().any(|entry| entry.kind == "storage profile" && entry.location.ends_with("backups")),
        "{entries:?}"
    );
    for entry in entries {
        assert!(
            state.forget_location(&entry.kind, &entry.location).expect("the state file is removed"),
            "{entry:?}"
        );
    }
    assert!(state.locations().expect("listed").is_empty());
    let _ = koan(folder.path()).await.expect("a new profile").backup("nightly").await.expect("a backup");
}

#[tokio::test]
async fn a_mark_for_an_existing_profile_is_created_and_logged() {
    let folder = tempfile::tempdir().expect("a folder");
    let _ = koan(folder.path()).await.expect("a context").backup("nightly").await.expect("a backup");
    std::fs::remove_file(folder.path().join("backups").join(MARK)).expect("removed");
    std::fs::remove_dir_all(folder.path().join("state")).expect("removed");
    let (log, _guard) = Log::capture();
    let koan = koan(folder.path()).await.expect("a context");
    assert!(log.lines().iter().any(|line| line.contains("a mark is created for")), "{:?}", log.lines());
    assert!(folder.path().join("backups").join(MARK).exists());
    assert_eq!(koan.backups().await.expect("listed").len(), 1);
}

#[tokio::test]
async fn a_profile_that_another_machine_created_is_accepted_by_its_mark() {
    let folder = tempfile::tempdir().expect("a folder");
    let _ = koan(folder.path()).await.expect("a context").backup("nightly").await.expect("a backup");
    std::fs::remove_dir_all(folder.path().join("state")).expect("removed");
    let _ = koan(folder.path()).await.expect("a context").backup("nightly").await.expect("a backup");
    empty(&folder.path().join("backups"));
    assert_refused(&koan(folder.path()).await.expect_err("this machine has used the profile"));
}

#[tokio::test]
async fn in_production_no_profile_is_created_without_an_explicit_option() {
    const TEST: &str = "marks::in_production_no_profile_is_created_without_an_explicit_option";
    let Some(folder) = child_folder() else {
        let folder = tempfile::tempdir().expect("a folder");
        return run_in_child_process(TEST, folder.path(), &[PRODUCTION]);
    };
    let backups = folder.join("backups");
    for state in ["missing", "empty"] {
        let error = koan(&folder).await.expect_err(state);
        assert!(error.chain().contains(".create_if_missing()"), "{state}: {error:?}");
        assert!(files(&backups).is_empty(), "{state}");
        assert_eq!(backups.exists(), state == "empty");
        let _ = std::fs::create_dir(&backups);
    }
    std::fs::remove_dir(&backups).expect("removed");
    let built = builder(&folder).storage(local(&folder).create_if_missing()).build().await;
    let _ = built.expect("a context").backup("nightly").await.expect("a backup");
    let _ = koan(&folder)
        .await
        .expect("the directory contains its mark")
        .backup("nightly")
        .await
        .expect("a backup");
    empty(&backups);
    let storage = Storage::options(format!("file://{}", backups.display())).create_if_missing().open();
    let error = builder(&folder).storage(storage.expect("a directory")).build().await;
    assert_refused(&error.expect_err("this machine has used the directory, and it is empty"));
}

#[tokio::test]
async fn processes_that_create_a_profile_concurrently_agree_on_its_mark() {
    let folder = tempfile::tempdir().expect("a folder");
    let contexts = (0..8).map(|_| koan(folder.path()));
    for context in futures::future::join_all(contexts).await {
        context.expect("a context").backups().await.expect("listed");
    }
    let marks = files(&folder.path().join("backups"));
    assert_eq!(marks, [folder.path().join("backups").join(MARK)]);
}

#[tokio::test]
async fn a_read_only_directory_can_be_verified() {
    let folder = tempfile::tempdir().expect("a folder");
    let backup = koan(folder.path()).await.expect("a context").backup("nightly").await.expect("a backup");
    let backups = folder.path().join("backups");
    let mounted =
        std::process::Command::new("mount").args(["--bind", "-o", "ro"]).arg(&backups).arg(&backups).status();
    let remounted =
        std::process::Command::new("mount").args(["-o", "remount,ro,bind"]).arg(&backups).status();
    if !mounted.is_ok_and(|status| status.success()) || !remounted.is_ok_and(|status| status.success()) {
        koan_backup_tests::not_run::not_run("a directory must be mounted read-only; run the tests as root");
        return;
    }
    let result = async {
        let koan = koan(folder.path()).await?;
        let report = koan.verify(backup.id()).await?;
        Ok::<_, Error>((report.is_valid(), koan.backup("nightly").await.is_err()))
    };
    let result = result.await;
    let _ = std::process::Command::new("umount").arg(&backups).status();
    let (is_valid, backup_failed) = result.expect("a context and a verification");
    assert!(is_valid && backup_failed, "valid: {is_valid}, backup failed: {backup_failed}");
}

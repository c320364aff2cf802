//! A profile that this machine has used before is refused if it is missing, empty or a different one.

use std::path::Path;

use koan_backup::ErrorKind;
use koan_backup::prelude::*;
use koan_backup_tests::log::Log;

use super::fixture::{builder, child_folder, files, koan, local, run_again};

const MARK: &str = "koan-profile.json";
const PRODUCTION: (&str, &str) = ("KOAN_ENV", "production");

/// Empties a directory, as the mount point of a disk that is not mounted is empty.
fn empty(directory: &Path) {
    std::fs::remove_dir_all(directory).expect("removed");
    std::fs::create_dir(directory).expect("made");
}

fn refused(error: &Error) {
    assert_eq!(error.kind(), ErrorKind::Storage, "{error:?}");
    assert!(error.chain().contains("this machine has used it before"), "{error:?}");
}

#[tokio::test]
async fn a_first_run_needs_nothing_and_marks_the_profile() {
    let folder = tempfile::tempdir().expect("a folder");
    koan(folder.path()).await.expect("a context").backup("nightly").await.expect("a backup");
    assert!(folder.path().join("backups").join(MARK).exists());
    koan(folder.path()).await.expect("a second context").backup("nightly").await.expect("a backup");
}

#[tokio::test]
async fn a_profile_that_lost_its_directory_or_its_mark_is_refused_at_the_start() {
    let folder = tempfile::tempdir().expect("a folder");
    let backups = folder.path().join("backups");
    koan(folder.path()).await.expect("a context").backup("nightly").await.expect("a backup");
    std::fs::rename(&backups, folder.path().join("unmounted")).expect("renamed");
    refused(&koan(folder.path()).await.expect_err("it is gone"));
    assert!(!backups.exists(), "a directory that is gone is not made again");
    std::fs::create_dir(&backups).expect("made");
    refused(&koan(folder.path()).await.expect_err("it is empty"));
    assert!(files(&backups).is_empty(), "nothing is written into it");
    std::fs::remove_dir(&backups).expect("removed");
    std::fs::rename(folder.path().join("unmounted"), &backups).expect("renamed");
    std::fs::remove_file(backups.join(MARK)).expect("removed");
    refused(&koan(folder.path()).await.expect_err("its mark is lost"));
}

#[tokio::test]
async fn a_profile_that_goes_while_the_program_runs_is_refused_by_what_comes_next() {
    let folder = tempfile::tempdir().expect("a folder");
    let (backups, away) = (folder.path().join("backups"), folder.path().join("unmounted"));
    let koan = koan(folder.path()).await.expect("a context");
    let made = koan.backup("nightly").await.expect("a backup");
    std::fs::rename(&backups, &away).expect("renamed");
    for state in ["gone", "empty"] {
        if state == "empty" {
            std::fs::create_dir(&backups).expect("made");
        }
        koan.backup("nightly").await.expect_err(state);
        koan.backups().await.expect_err(state);
        koan.catalog().all().await.expect_err(state);
        koan.verify(made.id()).await.expect_err(state);
        koan.retention(koan_backup::Retention::new().keep_last(1)).plan().await.expect_err(state);
        assert!(!koan.maintenance().await.expect("a report").is_clean(), "{state}");
        assert!(files(&backups).is_empty(), "{state}");
    }
    std::fs::remove_dir(&backups).expect("removed");
    std::fs::rename(&away, &backups).expect("renamed");
    koan.backup("nightly").await.expect("it is mounted again");
    assert_eq!(koan.backups().await.expect("listed").len(), 2);
}

#[tokio::test]
async fn a_disk_that_is_mounted_again_as_another_file_is_the_same_profile_by_its_mark() {
    let folder = tempfile::tempdir().expect("a folder");
    let backups = folder.path().join("backups");
    let koan = koan(folder.path()).await.expect("a context");
    koan.backup("nightly").await.expect("a backup");
    let copied =
        std::process::Command::new("cp").arg("-r").arg(&backups).arg(folder.path().join("copy")).status();
    assert!(copied.expect("copied").success());
    std::fs::remove_dir_all(&backups).expect("removed");
    std::fs::rename(folder.path().join("copy"), &backups).expect("renamed");
    koan.backup("nightly").await.expect("a backup");
}

#[tokio::test]
async fn a_profile_that_was_emptied_on_purpose_begins_anew_when_the_machine_forgets_it() {
    let folder = tempfile::tempdir().expect("a folder");
    koan(folder.path()).await.expect("a context").backup("nightly").await.expect("a backup");
    empty(&folder.path().join("backups"));
    let error = koan(folder.path()).await.expect_err("it is empty").chain();
    let file =
        error.split('`').find(|part| part.ends_with(".json") && part.contains("state")).expect("named");
    // The state directory has an entry for the path as it was given, and another one for the path without
    // symbolic links if the two paths differ.
    let places = Path::new(file).parent().expect("a directory");
    std::fs::remove_file(file).expect("removed");
    if std::fs::read_dir(places).expect("listed").next().is_none() {
        koan(folder.path()).await.expect("a new profile").backup("nightly").await.expect("a backup");
    }
}

#[tokio::test]
async fn places_that_are_remembered_are_listed_and_forgotten_by_a_call() {
    let folder = tempfile::tempdir().expect("a folder");
    koan(folder.path()).await.expect("a context").backup("nightly").await.expect("a backup");
    empty(&folder.path().join("backups"));
    let error = koan(folder.path()).await.expect_err("it is empty");
    assert!(error.chain().contains("MachineState::forget_location"), "{error:?}");
    let state = koan_backup::storage::MachineState::open(folder.path().join("state")).expect("a state");
    let places = state.locations().expect("listed");
    assert!(
        places.iter().any(|place| place.kind == "storage profile" && place.location.ends_with("backups")),
        "{places:?}"
    );
    for place in places {
        assert!(state.forget_location(&place.kind, &place.location).expect("forgotten"), "{place:?}");
    }
    assert!(state.locations().expect("listed").is_empty());
    koan(folder.path()).await.expect("a new profile").backup("nightly").await.expect("a backup");
}

#[tokio::test]
async fn a_profile_from_before_marks_is_adopted_with_a_message() {
    let folder = tempfile::tempdir().expect("a folder");
    koan(folder.path()).await.expect("a context").backup("nightly").await.expect("a backup");
    std::fs::remove_file(folder.path().join("backups").join(MARK)).expect("removed");
    std::fs::remove_dir_all(folder.path().join("state")).expect("removed");
    let (log, _guard) = Log::capture();
    let koan = koan(folder.path()).await.expect("a context");
    assert!(log.lines().iter().any(|line| line.contains("a mark is created for")), "{:?}", log.lines());
    assert!(folder.path().join("backups").join(MARK).exists());
    assert_eq!(koan.backups().await.expect("listed").len(), 1);
}

#[tokio::test]
async fn a_profile_of_another_machine_is_used_by_its_mark() {
    let folder = tempfile::tempdir().expect("a folder");
    koan(folder.path()).await.expect("a context").backup("nightly").await.expect("a backup");
    std::fs::remove_dir_all(folder.path().join("state")).expect("removed");
    koan(folder.path()).await.expect("a context").backup("nightly").await.expect("a backup");
    empty(&folder.path().join("backups"));
    refused(&koan(folder.path()).await.expect_err("it is known now"));
}

#[tokio::test]
async fn in_production_nothing_is_made_unless_that_is_asked_for() {
    const TEST: &str = "marks::in_production_nothing_is_made_unless_that_is_asked_for";
    let Some(folder) = child_folder() else {
        let folder = tempfile::tempdir().expect("a folder");
        return run_again(TEST, folder.path(), &[PRODUCTION]);
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
    let made = builder(&folder).storage("local", local(&folder).create_if_missing()).build().await;
    made.expect("a context").backup("nightly").await.expect("a backup");
    koan(&folder).await.expect("it bears its mark").backup("nightly").await.expect("a backup");
    empty(&backups);
    let again = || Storage::options(format!("file://{}", backups.display())).create_if_missing().open();
    let error = builder(&folder).storage("local", again().expect("a directory")).build().await;
    refused(&error.expect_err("it is known and empty"));
}

#[tokio::test]
async fn processes_that_begin_a_profile_at_once_agree_on_its_mark() {
    let folder = tempfile::tempdir().expect("a folder");
    let contexts = (0..8).map(|_| koan(folder.path()));
    for context in futures::future::join_all(contexts).await {
        context.expect("a context").backups().await.expect("listed");
    }
    let marks = files(&folder.path().join("backups"));
    assert_eq!(marks, [folder.path().join("backups").join(MARK)]);
}

#[tokio::test]
async fn a_directory_that_can_only_be_read_can_be_restored_from() {
    let folder = tempfile::tempdir().expect("a folder");
    let made = koan(folder.path()).await.expect("a context").backup("nightly").await.expect("a backup");
    let backups = folder.path().join("backups");
    let mounted =
        std::process::Command::new("mount").args(["--bind", "-o", "ro"]).arg(&backups).arg(&backups).status();
    let remounted =
        std::process::Command::new("mount").args(["-o", "remount,ro,bind"]).arg(&backups).status();
    if !mounted.is_ok_and(|done| done.success()) || !remounted.is_ok_and(|done| done.success()) {
        assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "CI must be able to mount");
        return;
    }
    let ended = async {
        let koan = koan(folder.path()).await?;
        let report = koan.verify(made.id()).await?;
        Ok::<_, Error>((report.is_valid(), koan.backup("nightly").await.is_err()))
    };
    let ended = ended.await;
    let _ = std::process::Command::new("umount").arg(&backups).status();
    assert_eq!(ended.expect("a context"), (true, true));
}

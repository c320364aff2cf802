//! Tests restores of JSON files on a disk on which a sync fails once.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use koan_backup::JsonFiles;
use koan_backup::prelude::*;
use koan_backup_tests::disk_shim::{fail, have_all_happened, run_test};

use super::fixture::{FOLDER, child_folder, files};

async fn koan(folder: &Path) -> Koan {
    Koan::builder()
        .state_directory(folder.join("state"))
        .provider(JsonFiles::documents(folder.join("data")).expect("a directory"))
        .storage(Storage::local(folder.join("backups")).expect("a directory"))
        .build()
        .await
        .expect("a context")
}

/// Writes the document of customer 1 with this name.
fn write(folder: &Path, name: &str) {
    std::fs::write(folder.join("data/Customer/1.json"), format!("{{\"id\":1,\"name\":\"{name}\"}}"))
        .expect("written");
}

/// Returns the document of customer 1.
fn read(folder: &Path) -> String {
    std::fs::read_to_string(folder.join("data/Customer/1.json")).expect("read")
}

#[tokio::test]
async fn a_restore_changes_nothing_if_its_journal_is_not_durable_and_is_finished_later_if_its_files_are_not()
{
    const TEST: &str = "journal::a_restore_changes_nothing_if_its_journal_is_not_durable_and_is_finished_later_if_its_files_are_not";
    let Some(folder) = child_folder() else {
        let folder = tempfile::tempdir().expect("a folder");
        run_test(TEST, &[(FOLDER, folder.path().to_str().expect("UTF-8"))]);
        return;
    };
    std::fs::create_dir_all(folder.join("data/Customer")).expect("created");
    write(&folder, "Ada");
    let context = koan(&folder).await;
    let backup = context.backup("nightly").await.expect("a backup");
    write(&folder, "Changed");
    for fault in ["sync /.koan/commit.json 5 once", "syncdir /data/.koan 5 once"] {
        fail(&[fault]);
        context.restore(backup.id()).await.expect_err(fault);
        assert!(have_all_happened(), "{fault}");
        assert!(read(&folder).contains("Changed"), "{fault}");
        assert!(!folder.join("data/.koan/commit.json").exists(), "{fault}");
    }
    fail(&["syncdir /data/Customer 5 once"]);
    let error =
        context.restore(backup.id()).await.expect_err("the directory of the restored file is not durable");
    assert!(have_all_happened());
    assert!(error.chain().contains("is committed but incomplete"), "{error:?}");
    let unsynced = std::fs::metadata(folder.join("data/Customer/1.json")).expect("exists").ino();
    fail(&[]);
    drop(koan(&folder).await);
    assert!(read(&folder).contains("Ada"));
    let now = std::fs::metadata(folder.join("data/Customer/1.json")).expect("exists").ino();
    assert_ne!(now, unsynced, "the file was not copied and renamed again");
    let left = files(&folder.join("data/.koan"));
    assert!(
        left.iter().all(|path| path.extension().is_some_and(|extension| extension == "lock")),
        "{left:?}"
    );
}

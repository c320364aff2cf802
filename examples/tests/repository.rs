//! The example `repository` backs up and restores customers through `sqlx`.

use koan_backup::archive::BackupStatus;

#[path = "../repository.rs"]
#[expect(dead_code, reason = "the test does not call `main` of the example")]
mod repository;

#[tokio::test]
async fn customers_are_backed_up_and_restored_by_the_code_of_the_application() {
    let folder = tempfile::tempdir().expect("a temporary folder is created");
    let outcome = repository::run(folder.path()).await.expect("the example runs");
    assert_eq!((outcome.backup.status(), outcome.backup.item_count()), (BackupStatus::Completed, 3));
    assert_eq!(outcome.restored.counts().inserted, 1);
    assert_eq!(outcome.restored.counts().updated, 1);
    assert_eq!(outcome.restored.counts().unchanged, 1);
    assert_eq!(outcome.restored.counts().deleted, 1);
    assert_eq!(outcome.after, outcome.before);

    let manifest =
        std::fs::read_dir(folder.path().join("backups/manifests")).expect("the profile has manifests");
    let path = manifest
        .map(|entry| entry.expect("the entry is readable").path())
        .next()
        .expect("there is a manifest");
    assert!(std::fs::read_to_string(path).expect("the manifest is readable").contains("repository"));
}

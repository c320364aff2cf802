//! The example of two places does what it prints.

#[path = "../offsite.rs"]
#[expect(dead_code, reason = "its `main` is not called here")]
mod offsite;

#[tokio::test]
async fn a_backup_is_copied_elsewhere_and_restored_from_there() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    offsite::shop(folder.path()).expect("a shop");
    let elsewhere = format!("file://{}/elsewhere", folder.path().display());
    let outcome = offsite::run(folder.path(), &elsewhere).await.expect("the example runs");
    assert_eq!(outcome.copy.id, outcome.backup.id());
    assert!(outcome.copy.verification.is_some_and(|verification| verification.is_valid()));
    assert!(!outcome.copy.already_existed && outcome.again.already_existed);
    assert_eq!(outcome.restored.counts().inserted, 3);
    assert!(!folder.path().join("backups").exists(), "it was restored from the directory");
}

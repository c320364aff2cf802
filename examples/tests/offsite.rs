//! The example `offsite` copies a backup and restores it from the copy.

#[path = "../offsite.rs"]
#[expect(dead_code, reason = "the test does not call `main` of the example")]
mod offsite;

#[tokio::test]
async fn a_backup_is_copied_to_another_profile_and_restored_from_it() {
    let folder = tempfile::tempdir().expect("a temporary folder is created");
    offsite::create_shop(folder.path()).expect("the database of the shop is created");
    let target = format!("file://{}/offsite", folder.path().display());
    let outcome = offsite::run(folder.path(), &target).await.expect("the example runs");
    assert_eq!(outcome.copy.id, outcome.backup.id());
    assert!(outcome.copy.verification.is_some_and(|verification| verification.is_valid()));
    assert!(!outcome.copy.already_existed && outcome.second_copy.already_existed);
    assert_eq!(outcome.restored.counts().inserted, 3);
    assert!(
        !folder.path().join("backups").exists(),
        "the first backup must be removed, so that the restore uses the copy"
    );
}

//! Tests manifests that cannot be opened, because of the file, the process or the disk.

use koan_backup::{ErrorKind, Retention};
use koan_backup_tests::disk_shim::fail;

use super::durability::in_process_with_faults;
use super::fixture::koan;

#[tokio::test]
async fn a_process_or_disk_that_cannot_open_a_manifest_fails_the_call_and_no_older_backup_is_used() {
    let Some(folder) = in_process_with_faults(
        "opening::a_process_or_disk_that_cannot_open_a_manifest_fails_the_call_and_no_older_backup_is_used",
    ) else {
        return;
    };
    let (fresh, koan) =
        (koan(&folder).await.expect("a context"), koan(&folder).await.expect("a second context"));
    let _ = koan.backup("nightly").await.expect("a backup");
    let newest = koan.backup("nightly").await.expect("a backup").id();
    // Opening the newest manifest fails with EMFILE, ENFILE, ENOMEM, ESTALE and ETIMEDOUT; opening any
    // manifest fails with EIO.
    let (newest_path, any_path) = (format!("/manifests/{newest}"), "/manifests/".to_owned());
    let newest_fails = [24, 23, 12, 116, 110].map(|errno| (&koan, &newest_path, errno));
    // The context `fresh` has not read any of the manifests before.
    for (koan, path, errno) in newest_fails.into_iter().chain([(&fresh, &any_path, 5)]) {
        fail(&[&format!("open {path} {errno} always")]);
        for error in [
            koan.backups().await.expect_err("a manifest cannot be opened"),
            koan.catalog().all().await.map(drop).expect_err("a manifest cannot be opened"),
            koan.verify("nightly").await.map(drop).expect_err("a manifest cannot be opened"),
            koan.restore("latest").await.map(drop).expect_err("a manifest cannot be opened"),
            koan.retention(Retention::new().keep_last(1))
                .plan()
                .await
                .map(drop)
                .expect_err("a manifest cannot be opened"),
        ] {
            assert_eq!(error.kind(), ErrorKind::Storage, "{errno}: {error:?}");
            assert!(error.chain().contains(&format!("os error {errno}")), "{errno}: {error:?}");
        }
    }
}

#[tokio::test]
async fn a_manifest_that_cannot_be_read_is_reported_and_the_others_are_listed() {
    let Some(folder) = in_process_with_faults(
        "opening::a_manifest_that_cannot_be_read_is_reported_and_the_others_are_listed",
    ) else {
        return;
    };
    let koan = koan(&folder).await.expect("a context");
    let older = koan.backup("nightly").await.expect("a backup").id();
    let newest = koan.backup("nightly").await.expect("a backup").id();
    // The errors are EACCES, and EIO as on a bad sector of the disk.
    for errno in [13, 5] {
        fail(&[&format!("open /manifests/{newest} {errno} always")]);
        let listed = koan.backups().await.expect("listed");
        assert_eq!(listed.iter().map(|backup| backup.id).collect::<Vec<_>>(), [older], "{errno}");
        let unreadable = koan.catalog().unreadable().await.expect("listed");
        let [(_, manifest)] = unreadable.as_slice() else { panic!("{errno}: {unreadable:?}") };
        assert_eq!(manifest.id, newest, "{errno}");
        assert!(manifest.problem.contains(&format!("os error {errno}")), "{manifest:?}");
        let verified = koan.verify("nightly").await.expect("verified");
        assert!(
            verified.notes.iter().any(|note| note.contains("there may be a newer backup")),
            "{errno}: {verified:?}"
        );
        let plan = koan.retention(Retention::new().keep_last(1)).plan().await.expect("a plan");
        assert_eq!(plan.removals().count(), 0, "{errno}: {plan}");
        koan.verify(newest).await.map(drop).expect_err("the manifest cannot be read");
    }
}

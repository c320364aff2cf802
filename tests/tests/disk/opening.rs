//! Manifests that cannot be opened: because of the file, or because of the process or the disk.

use koan_backup::{ErrorKind, Retention};
use koan_backup_tests::disk_shim::fail;

use super::durability::in_a_process_that_can_fail;
use super::rig::koan;

#[tokio::test]
async fn a_process_or_disk_that_cannot_open_a_manifest_fails_the_call_and_takes_no_older_backup() {
    let Some(folder) = in_a_process_that_can_fail(
        "opening::a_process_or_disk_that_cannot_open_a_manifest_fails_the_call_and_takes_no_older_backup",
    ) else {
        return;
    };
    let koan = koan(&folder).await.expect("a context");
    let older = koan.backup("nightly").await.expect("a backup").id();
    let newest = koan.backup("nightly").await.expect("a backup").id();
    // EMFILE, ENFILE, ENOMEM, EIO, ESTALE, ETIMEDOUT.
    for errno in [24, 23, 12, 5, 116, 110] {
        fail(&[&format!("open /manifests/{newest} {errno} always")]);
        for error in [
            koan.backups().await.expect_err("incomplete"),
            koan.catalog().all().await.map(drop).expect_err("incomplete"),
            koan.verify("nightly").await.map(drop).expect_err("incomplete"),
            koan.restore("latest").await.map(drop).expect_err("incomplete"),
            koan.retention(Retention::new().keep_last(1)).plan().await.map(drop).expect_err("incomplete"),
        ] {
            assert_eq!(error.kind(), ErrorKind::Storage, "{errno}: {error:?}");
            assert!(error.chain().contains(&format!("os error {errno}")), "{errno}: {error:?}");
        }
    }
    // EACCES: one file that cannot be read hides no other.
    fail(&[&format!("open /manifests/{newest} 13 always")]);
    let listed = koan.backups().await.expect("listed");
    assert_eq!(listed.iter().map(|backup| backup.id).collect::<Vec<_>>(), [older]);
    let unreadable = koan.catalog().unreadable().await.expect("listed");
    assert_eq!(unreadable.iter().map(|(_, manifest)| manifest.id).collect::<Vec<_>>(), [newest]);
}

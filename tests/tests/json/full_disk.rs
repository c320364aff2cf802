//! Tests a disk that becomes full during a restore.

use koan_backup::prelude::*;
use koan_backup_tests::small_disk::SmallDisk;

use super::fixture::{Book, context, files_of};

/// Returns books that fit on the disk once, but not twice.
fn books(title: &str) -> impl Iterator<Item = Book> {
    let title = title.to_owned();
    (0..60).map(move |id| Book {
        id,
        title: format!("{title} {id}").repeat(1700),
        pages: 1,
        tags: Vec::new(),
    })
}

#[tokio::test]
async fn a_restore_into_a_full_disk_leaves_the_files_unchanged_and_names_the_path() {
    for (name, layout) in [("lines", JsonFiles::lines as fn(_) -> _), ("documents", JsonFiles::documents)] {
        let Some(disk) = SmallDisk::mount() else { return };
        let backups = tempfile::tempdir().expect("a directory");
        let root = disk.path().join("data");
        let provider: JsonFiles = layout(root.clone()).expect("a directory");
        let koan = context(provider, backups.path()).await;
        koan.data::<Book>().upsert_many(books("archived")).await.expect("written");
        let _ = koan.backup("nightly").await.expect("a backup");
        koan.data::<Book>().clear().await.expect("cleared");
        koan.data::<Book>().upsert_many(books("new title")).await.expect("written");
        let before = files_of(&root);

        for restore in [koan.restore("nightly"), koan.restore("nightly").replace_existing()] {
            let error = restore.await.expect_err("the disk is full");
            let text = error.chain();
            assert!(text.contains("the disk is full; free space"), "{name}: {text}");
            assert!(text.contains(&root.join(".koan/restore-").display().to_string()), "{name}: {text}");
            assert!(files_of(&root) == before, "{name}: the failed restore changed files");
            let left: Vec<_> = std::fs::read_dir(root.join(".koan"))
                .expect("listed")
                .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
                .filter(|entry| entry.starts_with("restore-") || entry.starts_with("commit.json"))
                .collect();
            assert_eq!(left, [] as [&str; 0], "{name}: the failed restore left staged files");
        }

        koan.data::<Book>().clear().await.expect("cleared");
        let _ = koan.restore("nightly").await.expect("restored");
        assert_eq!(koan.data::<Book>().count().await.expect("counted"), 60);
    }
}

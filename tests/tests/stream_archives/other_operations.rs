//! Operations that treat event streams like entities.

use koan_backup::MemoryEvents;

use super::shop::{SECRET, SECRET_ID, Shop, event, orders};

#[tokio::test]
async fn a_comparison_names_the_events_that_were_added() {
    let shop = Shop::new();
    let koan = shop.koan().await;
    let first = koan.backup("nightly").await.expect("a backup");
    shop.events.append("order", "order-2", [event("Paid", r#""Paid""#)]).expect("appended");
    let second = koan.backup("nightly").await.expect("a backup");
    let diff = koan.diff(first.id(), second.id()).await.expect("a comparison");
    let order = diff.entities.iter().find(|entity| entity.entity == "order").expect("the events");
    assert_eq!((order.added, order.removed, order.changed), (1, 0, 0), "{order:?}");
}

#[tokio::test]
async fn a_directory_tree_contains_streams_and_restores_them() {
    let shop = Shop::new();
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path().join("tree");
    let koan = shop.koan().await;
    let _ = koan.backup("nightly").to_directory(&root).await.expect("a backup");
    let target = MemoryEvents::new();
    let empty = shop.koan_for(&target).await;
    let _ = empty.restore_directory(&root).at("latest").await.expect("a restore");
    assert_eq!(orders(&target), orders(&shop.events));
    assert_eq!(target.events("patient", SECRET_ID), shop.events.events("patient", SECRET_ID));
    let mut folders = vec![root];
    while let Some(folder) = folders.pop() {
        for entry in
            std::fs::read_dir(&folder).expect("a folder").map(|entry| entry.expect("an entry").path())
        {
            assert!(!entry.display().to_string().contains(SECRET_ID), "{}", entry.display());
            if entry.is_dir() {
                folders.push(entry);
            } else {
                let content = std::fs::read(&entry).expect("a file");
                let text = String::from_utf8_lossy(&content);
                assert!(!text.contains(SECRET) && !text.contains(SECRET_ID), "{}", entry.display());
            }
        }
    }
}

#[tokio::test]
async fn extracted_files_have_the_names_of_their_entries() {
    let shop = Shop::new();
    let koan = shop.koan().await;
    let backup = koan.backup("nightly").await.expect("a backup");
    let folder = tempfile::tempdir().expect("a folder");
    let target = folder.path().join("out");
    let _ = koan.extract(backup.id()).to_files(&target).await.expect("an extraction");
    for file in ["order.jsonl", "order.documents.jsonl", "order.snapshots.jsonl", "patient.jsonl"] {
        assert!(target.join("streams").join(file).is_file(), "{file}");
    }
}

#[tokio::test]
async fn rekey_and_copy_keep_streams() {
    let shop = Shop::new();
    let koan = shop.koan().await;
    let backup = koan.backup("nightly").await.expect("a backup");
    let _ = koan.rekey(backup.id()).await.expect("a rekey");
    assert!(koan.verify(backup.id()).await.expect("a report").is_valid());
    let target = MemoryEvents::new();
    let _ = shop.koan_for(&target).await.restore(backup.id()).await.expect("a restore");
    assert_eq!(orders(&target), orders(&shop.events));
}

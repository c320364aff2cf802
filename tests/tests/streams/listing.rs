//! The listing of single backups.

use std::collections::BTreeSet;

use futures::future::join_all;
use koan_backup::prelude::*;

use crate::shop::{FULL, PLAIN, Shop};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_concurrent_backups_are_all_listed() {
    let shop = Shop::new();
    let koan = shop.koan().await;
    let orders = koan.streams("order").expect("declared");
    let backups = (0..50).map(|_| tokio::spawn(orders.backup(FULL).into_future()));
    let made: BTreeSet<_> = join_all(backups)
        .await
        .into_iter()
        .map(|made| made.expect("the task ends").expect("the backup is made").id)
        .collect();
    let page = koan.stream_backups().object("order").object_id(FULL).await.expect("listed");
    assert_eq!(made.len(), 50);
    assert_eq!(page.backups.iter().map(|backup| backup.id).collect::<BTreeSet<_>>(), made);
    assert!(page.unreadable.is_empty());
}

#[tokio::test]
async fn each_condition_selects_backups_newest_first() {
    let shop = Shop::new();
    let koan = shop.koan().await;
    let orders = koan.streams("order").expect("declared");
    let first = orders.backup(FULL).metadata("environment", "production").tag("a").await.expect("made");
    shop.clock.pass(1);
    let second =
        orders.backup(PLAIN).metadata("environment", "staging").tag("a").tag("b").await.expect("made");
    shop.clock.pass(1);
    let third =
        koan.streams("patient").expect("declared").backup(crate::shop::SECRET_ID).await.expect("made");
    let (a, b, c) = (first.id, second.id, third.id);
    let query = || koan.stream_backups();
    for (query, expected) in [
        (query(), vec![c, b, a]),
        (query().take(2), vec![c, b]),
        (query().object("order"), vec![b, a]),
        (query().object("order").object_id(FULL), vec![a]),
        (query().object_id(crate::shop::SECRET_ID), vec![c]),
        (query().created_after(second.created_at), vec![c, b]),
        (query().created_before(second.created_at), vec![a]),
        (query().metadata("environment", "production"), vec![a]),
        (query().metadata("environment", "production").tag("b"), vec![]),
        (query().tag("a"), vec![b, a]),
        (query().tag("a").tag("b"), vec![b]),
        (query().object("invoice"), vec![]),
        (query().from_application("other", "development"), vec![]),
        (query().from_all_applications().take(1), vec![c]),
    ] {
        let page = query.await.expect("listed");
        assert_eq!(page.backups.iter().map(|backup| backup.id).collect::<Vec<_>>(), expected);
        assert_eq!(page.without_key, 0);
    }
    let error = query().profiles("elsewhere").await.expect_err("no such profile");
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn a_content_without_meta_is_no_backup_and_foreign_files_are_reported() {
    let shop = Shop::new();
    let koan = shop.koan().await;
    let orders = koan.streams("order").expect("declared");
    let handle = orders.backup(PLAIN).await.expect("made");
    let other = orders.backup(PLAIN).await.expect("made");
    let folder = shop.root().join("streams/order/Order%202%2Fb");
    std::fs::remove_file(folder.join(format!("{}.meta", handle.id))).expect("removed");
    std::fs::write(folder.join("notes.meta"), "mine").expect("written");
    std::fs::write(folder.join(format!("{}.meta", handle.id)).with_extension("txt"), "mine")
        .expect("written");
    let newer = std::fs::read_to_string(folder.join(format!("{}.meta", other.id))).expect("read");
    let newer = newer.replace("\"formatVersion\": 1", "\"formatVersion\": 9");
    std::fs::write(folder.join(format!("{}.meta", other.id)), newer).expect("written");

    assert_eq!(koan.stream_backup(handle.id).await.expect_err("unlisted").kind(), ErrorKind::NotFound);
    let error = orders.restore(&handle).await.expect_err("unlisted");
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let error = koan.stream_backup(other.id).await.expect_err("a newer format");
    assert_eq!(error.kind(), ErrorKind::Incompatible);
    assert!(error.chain().contains("format version 9") && error.chain().contains("update"), "{error:?}");
    let page = koan.stream_backups().await.expect("listed");
    assert!(page.backups.is_empty());
    let mut paths: Vec<_> =
        page.unreadable.iter().map(|file| file.path.rsplit('/').next().expect("a name")).collect();
    paths.sort_unstable();
    assert_eq!(paths, [format!("{}.meta", other.id).as_str(), "notes.meta"]);
}

#[tokio::test]
async fn backups_of_another_application_are_found_by_id_only() {
    let shop = Shop::new();
    let other = shop.builder().application("other").storage(shop.storage()).event_store(shop.events.clone());
    let other = other.build().await.expect("a context");
    let handle = other.streams("order").expect("declared").backup(PLAIN).await.expect("made");
    let koan = shop.koan().await;
    assert!(koan.stream_backups().await.expect("listed").backups.is_empty());
    assert_eq!(koan.stream_backup(handle.id).await.expect("found by its id"), handle);
    let page = koan.stream_backups().from_application("other", "development").await.expect("listed");
    assert_eq!(page.backups, [handle]);
}

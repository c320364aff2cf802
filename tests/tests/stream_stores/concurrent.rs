//! Fifty single backups at the same time.

use std::collections::BTreeSet;

use futures::future::try_join_all;
use koan_backup_tests::stores::{Azurite, Moto};

use crate::stores::{Machine, OBJECT, TestEvents, TestStorage};

/// Makes fifty single backups of ten aggregates at the same time, and requires that all are listed and valid.
async fn fifty_backups_are_listed(profiles: TestStorage) {
    let (machine, events, storage) = (Machine::new(), TestEvents::memory(), profiles.open("fifty"));
    for number in 0..10 {
        events.append(&format!("order-{number}"), 0..number + 1).await;
    }
    let koan = machine.koan(&events, &storage).await;
    let orders = koan.streams(OBJECT).expect("declared");
    let backups =
        (0..50).map(|number| tokio::spawn(orders.backup(format!("order-{}", number % 10)).into_future()));
    let mut made = BTreeSet::new();
    for handle in try_join_all(backups).await.expect("the tasks end") {
        made.insert(handle.unwrap_or_else(|error| panic!("{}", error.chain())).id);
    }
    assert_eq!(made.len(), 50, "each backup has an id of its own");
    let page = koan.stream_backups().await.expect("listed");
    assert!(page.unreadable.is_empty(), "{:?}", page.unreadable);
    assert_eq!(page.backups.iter().map(|handle| handle.id).collect::<BTreeSet<_>>(), made);
    for number in 0..10u64 {
        let id = format!("order-{number}");
        let found = page.backups.iter().filter(|handle| handle.object_id.as_ref() == Some(&id));
        let counts: Vec<_> = found.map(|handle| handle.event_count).collect();
        assert_eq!(counts, [number + 1; 5], "{id}");
    }
    for handle in &page.backups {
        let verified = koan.verify_stream_backup(handle).await.expect("read");
        verified.require_valid().expect("the backup is valid");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_backups_to_memory_are_listed() {
    fifty_backups_are_listed(TestStorage::Memory).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_backups_to_a_directory_are_listed() {
    fifty_backups_are_listed(TestStorage::directory()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_backups_to_s3_by_moto_are_listed() {
    fifty_backups_are_listed(TestStorage::Moto(Moto::start())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_backups_to_azure_by_azurite_are_listed() {
    fifty_backups_are_listed(TestStorage::Azurite(Azurite::start())).await;
}

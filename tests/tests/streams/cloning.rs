//! Clones: a restore with another object id.

use koan_backup::ConflictMode;
use koan_backup::prelude::*;

use crate::shop::{FULL, PLAIN, Shop, content};

#[tokio::test]
async fn a_clone_preserves_everything_but_ids_and_positions_and_leaves_the_source() {
    let shop = Shop::new();
    let orders = shop.koan().await.streams("order").expect("declared");
    let handle = orders.backup(FULL).full().await.expect("the backup is made");
    let source = content(&shop.events, "order", FULL).await;
    let report = orders.restore_as(&handle, "order-18").await.expect("cloned");
    assert_eq!((report.object_id.as_str(), report.events, report.snapshots), ("order-18", 7, 2));
    assert_eq!(content(&shop.events, "order", FULL).await, source, "the source is unchanged");

    let clone = content(&shop.events, "order", "order-18").await;
    let streams = &clone.opened.as_ref().expect("the clone exists").streams;
    assert_eq!(streams[0].stream_id, "order-18", "a stream with the object id has the new object id");
    assert!(
        !["continued", "order-18"].contains(&streams[1].stream_id.as_str()),
        "another stream has a new id"
    );
    let document = clone.opened.as_ref().and_then(|opened| opened.document.as_ref()).expect("a document");
    assert_eq!(document.active_stream, streams[1].stream_id);
    assert_eq!(document.terminated_streams[0].continued_by.as_ref(), Some(&streams[1].stream_id));
    assert_eq!(document.chunks.len(), 3);
    assert_eq!(clone.events.len(), source.events.len());
    for (cloned, original) in clone.events.iter().zip(&source.events) {
        assert_ne!(cloned.position, original.position, "the store assigns another position");
        let mut expected = original.clone();
        expected.object_id.clone_from(&cloned.object_id);
        expected.stream_id.clone_from(&cloned.stream_id);
        expected.position = cloned.position;
        assert_eq!(*cloned, expected);
    }
    assert_eq!(clone.snapshots.len(), 2);
    assert_eq!(clone.snapshots[0].payload, source.snapshots[0].payload);
}

#[tokio::test]
async fn a_clone_obeys_the_conflict_mode_and_needs_another_id() {
    let shop = Shop::new();
    let orders = shop.koan().await.streams("order").expect("declared");
    let handle = orders.backup(PLAIN).await.expect("the backup is made");
    let error = orders.restore_as(&handle, FULL).await.expect_err("the target exists");
    assert_eq!(error.kind(), ErrorKind::Conflict);
    let error = orders.restore_as(&handle, PLAIN).await.expect_err("the id is that of the source");
    assert_eq!(error.kind(), ErrorKind::Configuration);
    let report =
        orders.restore_as(&handle, FULL).on_conflict(ConflictMode::Overwrite).await.expect("replaced");
    assert_eq!(report.kept_terminated_streams, 0, "the only terminated stream has the id of the cloned one");
    assert_eq!(shop.events.events("order", FULL).len(), 2);
}

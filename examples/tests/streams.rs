//! The example `streams` backs up, damages, restores and clones orders whose source of truth is a log of events.

use koan_backup::ErrorKind;

#[path = "../streams.rs"]
#[expect(dead_code, reason = "the test does not call `main` of the example")]
mod streams;

#[tokio::test]
async fn an_order_is_restored_to_exactly_the_events_of_its_backup() {
    let folder = tempfile::tempdir().expect("a temporary folder is created");
    let outcome = streams::run(folder.path()).await.expect("the example runs");

    assert_eq!(outcome.archived_events, 61, "20 orders with three events, and one more event");
    assert_eq!(outcome.refused.kind(), ErrorKind::Conflict);
    assert_eq!(outcome.before.due_cents, 900);
    assert_eq!(outcome.damaged.due_cents, 0);
    assert_eq!(outcome.restored, outcome.before, "neither the changed event nor the later one remains");
    assert_eq!(outcome.cloned, outcome.before);
    assert_eq!(outcome.later_events, 5, "the clone has four events, and one was appended");
    assert_eq!(outcome.removed_events, 5, "the restore removes the clone and the appended event");
}

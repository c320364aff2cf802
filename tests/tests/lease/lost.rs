//! Verifies that a backup that loses its lease while it runs publishes nothing.

use std::sync::Arc;
use std::time::Duration;

use koan_backup::prelude::*;
use koan_backup::{Event, archive::BackupStatus};
use koan_backup_tests::virtual_clock::VirtualClock;

use super::shop::{NAME, Shared, builder_with_hanging_read, complete_backups, failed_backup, wait_until};

/// Checks that an error reports the loss of the lease.
fn assert_lost(error: &Error) {
    assert_eq!(error.kind(), ErrorKind::Busy);
    for text in ["the lease `leases/backup/nightly-", "was lost", "`thief`", "nothing was published"] {
        assert!(error.to_string().contains(text), "{text} is not in {error}");
    }
}

/// Verifies the state after a backup that lost its lease: a manifest with the status `failed` exists, no
/// archive exists, and the lease of the new holder is unchanged.
async fn assert_not_published(shared: &Shared, koan: &Koan) {
    assert_eq!(shared.archives(), 0);
    let failure = failed_backup(koan).await;
    assert_eq!((failure.status, &failure.archive), (BackupStatus::Failed, &None));
    assert!(
        failure.error.as_ref().is_some_and(|error| error.contains("the lease")),
        "the manifest does not contain the reason of the failure: {:?}",
        failure.error
    );
    assert_eq!(
        koan.restore(NAME).await.expect_err("there is no complete backup").kind(),
        ErrorKind::NotFound
    );
    // The backup does not change the lease of the new holder.
    let lease = shared.lease("backup/nightly");
    assert_eq!(
        (lease["holder"]["application"].as_str(), lease["released"].as_bool()),
        (Some("thief"), Some(false))
    );
}

#[tokio::test(start_paused = true)]
async fn a_backup_stops_when_another_holder_acquires_its_lease() {
    let shared = Shared::new();
    let koan = builder_with_hanging_read("shop", shared.storage()).lease_time(Duration::from_secs(1));
    let koan = koan.clock(VirtualClock::start()).build().await.expect("a context");
    let thief = async {
        wait_until(async || !shared.leases("backup/nightly").is_empty()).await;
        shared.take_over("backup/nightly");
    };
    // The database never responds, so only the loss of the lease ends the backup.
    let (backup, ()) = tokio::join!(koan.backup(NAME).into_future(), thief);
    assert_lost(&backup.expect_err("another holder has the lease"));
    assert_not_published(&shared, &koan).await;
}

#[tokio::test]
async fn a_backup_that_loses_its_lease_right_before_publication_is_not_published() {
    let shared = Arc::new(Shared::new());
    let koan = shared.koan("shop", Duration::ZERO).await;
    let taken = Arc::clone(&shared);
    let backup = koan.backup(NAME).on_event(move |event| {
        // This is the last event before the publication, and the lease is not renewed in between.
        if matches!(event, Event::EntityCompleted { .. }) {
            taken.take_over("backup/nightly");
        }
    });
    assert_lost(&backup.await.expect_err("another holder has the lease"));
    assert_not_published(&shared, &koan).await;
}

#[tokio::test]
async fn the_failure_of_a_backup_that_lost_its_lease_does_not_hide_an_earlier_backup() {
    let shared = Arc::new(Shared::new());
    let koan = shared.koan("shop", Duration::ZERO).await;
    let first = koan.backup(NAME).await.expect("a backup");
    let taken = Arc::clone(&shared);
    let backup = koan.backup(NAME).on_event(move |event| {
        if matches!(event, Event::EntityCompleted { .. }) {
            taken.take_over("backup/nightly");
        }
    });
    assert_lost(&backup.await.expect_err("another holder has the lease"));
    assert_eq!(complete_backups(&koan).await, [first.id()]);
    assert_eq!(koan.restore(NAME).await.expect("restored").id, first.id());
}

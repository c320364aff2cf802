//! Tests a clock that is behind: a new backup is never ordered before the newest existing backup.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use koan_backup::prelude::*;
use koan_backup::{Clock, archive::BackupStatus};

use super::shop::{NAME, Shared, builder};

/// A clock that always returns the same time.
#[derive(Debug)]
struct FixedClock(Timestamp);

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        self.0
    }
}

/// Builds a context whose clock always returns this time.
async fn koan_at(shared: &Shared, now: &str) -> Koan {
    let clock = FixedClock(now.parse().expect("an instant"));
    let koan = builder("shop", shared.storage(), Duration::ZERO).clock(clock);
    koan.build().await.expect("a context")
}

#[tokio::test]
async fn a_backup_made_while_the_clock_is_behind_is_the_newest_and_has_a_warning() {
    let shared = Shared::new();
    let first = koan_at(&shared, "2026-05-01T12:00:00.0004Z").await.backup(NAME).await.expect("a backup");
    assert_eq!(first.status(), BackupStatus::Completed);
    let koan = koan_at(&shared, "2026-05-01T11:00:00Z").await;
    let second = koan.backup(NAME).await.expect("a backup");
    assert_eq!(second.status(), BackupStatus::CompletedWithWarnings);
    let location = shared.path().display();
    assert_eq!(
        second.manifest().warnings,
        [format!(
            "the clock is 1h behind the newest backup in storage `{location}`, which is dated 2026-05-01T12:00:00Z, so this \
             backup is dated right after it; correct the clock"
        )]
    );
    let (older, newer) = (first.manifest(), second.manifest());
    assert!(newer.id > older.id && newer.created_at > older.created_at);
    assert_eq!(newer.created_at, "2026-05-01T12:00:00.001Z".parse().expect("an instant"));
    assert!(newer.completed_at >= newer.created_at);
    assert_eq!(koan.backups().await.expect("listed")[0].id, newer.id);
    assert_eq!(koan.restore(NAME).dry_run().await.expect("compared").id, newer.id);
    // The same applies to a backup with another name.
    let third = koan.backup("weekly").await.expect("a backup");
    assert!(third.id() > newer.id);
}

#[tokio::test]
async fn backups_started_at_the_same_time_are_ordered_without_a_warning() {
    let shared = Shared::new();
    let koan = koan_at(&shared, "2026-05-01T12:00:00Z").await;
    let mut last = None;
    for _ in 0..5 {
        let backup = koan.backup(NAME).await.expect("a backup");
        assert_eq!(backup.status(), BackupStatus::Completed, "{:?}", backup.manifest().warnings);
        let order = Some((backup.manifest().created_at, backup.id()));
        assert!(order > last);
        last = order;
    }
    let (created_at, _) = last.expect("a backup");
    let begun: Timestamp = "2026-05-01T12:00:00Z".parse().expect("an instant");
    assert_eq!(created_at.duration_since(begun), SignedDuration::from_millis(4));
}

#[tokio::test]
async fn files_that_are_not_manifests_do_not_affect_the_clock_check() {
    let shared = Shared::new();
    let koan = koan_at(&shared, "2026-05-01T12:00:00Z").await;
    let folder = shared.path().join("manifests");
    std::fs::create_dir(&folder).expect("created");
    for name in [
        "notes.txt",
        "latest.json",
        // The times in these ids are far in the future. The files are ignored because of their extension, the
        // version of the UUID, or a time that is out of range.
        "01ffffff-0000-7000-8000-000000000000.bak",
        "01ffffff-0000-4000-8000-000000000000.json",
        "ffffffff-ffff-7000-8000-000000000000.json",
    ] {
        std::fs::write(folder.join(name), "x").expect("written");
    }
    let backup = koan.backup(NAME).await.expect("a backup");
    assert_eq!(backup.manifest().created_at, "2026-05-01T12:00:00Z".parse().expect("an instant"));
    assert_eq!(backup.status(), BackupStatus::Completed);
}

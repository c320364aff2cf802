//! A clock that is behind: a new backup never sorts before the latest.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use koan_backup::prelude::*;
use koan_backup::{Clock, archive::BackupStatus};

use super::shop::{NAME, Shared, builder};

/// A clock that stands still.
#[derive(Debug)]
struct Still(Timestamp);

impl Clock for Still {
    fn now(&self) -> Timestamp {
        self.0
    }
}

async fn at(shared: &Shared, now: &str) -> Koan {
    let clock = Still(now.parse().expect("an instant"));
    let koan = builder("shop", shared.storage(), Duration::ZERO).clock(clock);
    koan.build().await.expect("a context")
}

#[tokio::test]
async fn a_backup_made_by_a_clock_that_is_behind_is_the_newest_and_says_so() {
    let shared = Shared::new();
    let first = at(&shared, "2026-05-01T12:00:00.0004Z").await.backup(NAME).await.expect("a backup");
    assert_eq!(first.status(), BackupStatus::Completed);
    let koan = at(&shared, "2026-05-01T11:00:00Z").await;
    let second = koan.backup(NAME).await.expect("a backup");
    assert_eq!(second.status(), BackupStatus::CompletedWithWarnings);
    let place = shared.path().display();
    assert_eq!(
        second.manifest().warnings,
        [format!(
            "the clock is 1h behind the newest backup in storage `{place}`, that of 2026-05-01T12:00:00Z: this backup is \
             dated right after that one; set the clock"
        )]
    );
    let (older, newer) = (first.manifest(), second.manifest());
    assert!(newer.id > older.id && newer.created_at > older.created_at);
    assert_eq!(newer.created_at, "2026-05-01T12:00:00.001Z".parse().expect("an instant"));
    assert!(newer.completed_at >= newer.created_at);
    assert_eq!(koan.backups().await.expect("listed")[0].id, newer.id);
    assert_eq!(koan.restore(NAME).dry_run().await.expect("compared").id, newer.id);
    // Under another name as well, and after one that failed.
    let third = koan.backup("weekly").await.expect("a backup");
    assert!(third.id() > newer.id);
}

#[tokio::test]
async fn backups_of_one_moment_follow_each_other_without_a_warning() {
    let shared = Shared::new();
    let koan = at(&shared, "2026-05-01T12:00:00Z").await;
    let mut last = None;
    for _ in 0..5 {
        let backup = koan.backup(NAME).await.expect("a backup");
        assert_eq!(backup.status(), BackupStatus::Completed, "{:?}", backup.manifest().warnings);
        let place = Some((backup.manifest().created_at, backup.id()));
        assert!(place > last);
        last = place;
    }
    let (created_at, _) = last.expect("a backup");
    let begun: Timestamp = "2026-05-01T12:00:00Z".parse().expect("an instant");
    assert_eq!(created_at.duration_since(begun), SignedDuration::from_millis(4));
}

#[tokio::test]
async fn files_that_are_no_manifests_tell_nothing_of_the_time() {
    let shared = Shared::new();
    let koan = at(&shared, "2026-05-01T12:00:00Z").await;
    let folder = shared.path().join("manifests");
    std::fs::create_dir(&folder).expect("made");
    for name in [
        "notes.txt",
        "latest.json",
        // Far in the future, and of another layout, of another version, or beyond all time.
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

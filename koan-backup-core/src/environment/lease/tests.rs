//! Tests of the states of a lease, with a manual clock.

mod fixture;

use std::time::Duration;

use futures::executor::block_on;
use object_store::ObjectStoreExt;

use self::fixture::{Fixture, LEASE_TIME, nightly, wait_until};
use super::{LeasedWork, Subject, check_time, loss_in_place_of};
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::foundation::id::{BackupId, BackupName};
use crate::storage::Storage;

/// How long after the expiry of a lease other processes may acquire it.
const GRACE: Duration = Duration::from_secs(30);
const MILLISECOND: Duration = Duration::from_millis(1);

#[test]
fn a_lost_lease_does_not_hide_what_was_left_in_a_database() {
    let lost = || Error::new(ErrorKind::Busy, "the lease was lost");
    let error = Error::cancelled().context("records of Line were written").with_remaining_changes();
    let error = loss_in_place_of(&error, lost());
    assert_eq!((error.kind(), error.has_remaining_changes()), (ErrorKind::Busy, true));
    assert_eq!(error.chain(), "records of Line were written: the lease was lost");
    assert_eq!(loss_in_place_of(&Error::cancelled(), lost()).chain(), "the lease was lost");
}

#[tokio::test]
async fn a_contender_gets_an_error_with_holder_and_expiry() {
    let fixture = Fixture::new();
    let first = fixture.acquire(nightly()).await.expect("the lease is free");
    fixture.clock.advance(Duration::from_secs(5));
    let error = fixture.acquire(nightly()).await.expect_err("the lease is held");
    assert_eq!(error.kind(), ErrorKind::Busy);
    assert_eq!(
        error.to_string(),
        format!(
            "another process is backing up `nightly` in storage `memory`: application `shop`, process {} on \
             host `till`, since 2026-01-01T00:00:00Z; wait until it has finished. If that process was \
             killed, its lease expires at 2026-01-01T00:01:30Z, and no manual unlock is necessary",
            std::process::id()
        )
    );
    first.release().await;
    fixture.acquire(nightly()).await.expect("the lease was released");
}

#[tokio::test]
async fn generations_never_start_again_and_the_last_two_stay() {
    let fixture = Fixture::new();
    for generation in 1..=5 {
        let lease = fixture.acquire(nightly()).await.expect("the lease is free");
        let expected: Vec<_> = (generation - 1..=generation)
            .filter(|&number| number > 0)
            .map(|number| format!("leases/backup/nightly/{number:010}.json"))
            .collect();
        assert_eq!(fixture.files().await, expected);
        lease.release().await;
    }
}

#[tokio::test]
async fn the_holder_gives_up_an_expired_lease_before_others_may_acquire_it() {
    let fixture = Fixture::new();
    let first = fixture.acquire(nightly()).await.expect("the lease is free");
    fixture.clock.advance(LEASE_TIME - MILLISECOND);
    assert!(fixture.read(nightly()).await.free_at() > fixture.now());
    fixture.clock.advance(MILLISECOND);
    let error = first.confirm().await.expect_err("the lease has expired");
    assert_eq!(error.kind(), ErrorKind::Busy);
    assert_eq!(
        error.to_string(),
        "the lease `leases/backup/nightly` in storage `memory` was lost: it expired at 2026-01-01T00:01:00Z; \
         nothing was published"
    );
    assert!(first.stop_token().is_cancelled());
    fixture.clock.advance(GRACE);
    assert_eq!(
        fixture.acquire(nightly()).await.expect_err("the lease is not free yet").kind(),
        ErrorKind::Busy
    );
    fixture.clock.advance(MILLISECOND);
    let second = fixture.acquire(nightly()).await.expect("the lease is free");
    // A lost lease stays lost, and its release does not change the lease of the other process.
    first.confirm().await.expect_err("another process holds the lease");
    first.release().await;
    second.confirm().await.expect("the lease is held");
}

#[tokio::test]
async fn a_renewed_lease_is_valid_for_the_full_lease_time() {
    let fixture = Fixture::new();
    let first = fixture.acquire(nightly()).await.expect("the lease is free");
    for _ in 0..5 {
        fixture.clock.advance(LEASE_TIME - MILLISECOND);
        let left = first.confirm().await.expect("the lease is held").time_left();
        assert!(left > LEASE_TIME / 2 && left <= LEASE_TIME, "{left:?}");
        fixture.acquire(nightly()).await.expect_err("the lease is held");
    }
}

#[tokio::test]
async fn a_later_generation_means_that_the_lease_is_lost() {
    let fixture = Fixture::new();
    let first = fixture.acquire(nightly()).await.expect("the lease is free");
    fixture.write(nightly(), 2, &fixture.foreign(nightly())).await;
    let error = first.confirm().await.expect_err("another process holds the lease");
    assert!(
        error.to_string().contains("application `other`, process 7 on host `elsewhere` acquired it"),
        "{error}"
    );
    assert!(first.stop_token().is_cancelled());
}

#[tokio::test]
async fn a_foreign_token_or_a_missing_file_means_that_the_lease_is_lost() {
    let fixture = Fixture::new();
    let first = fixture.acquire(nightly()).await.expect("the lease is free");
    fixture.write(nightly(), 1, &fixture.foreign(nightly())).await;
    let error = first.confirm().await.expect_err("another process wrote the file");
    assert!(
        error.to_string().contains("it is held by application `other`, process 7 on host `elsewhere`"),
        "{error}"
    );
    let prune = Subject::Prune;
    let second = fixture.acquire(prune).await.expect("the lease is free");
    fixture
        .storage
        .store()
        .delete(&"leases/prune/0000000001.json".into())
        .await
        .expect("the file is deleted");
    let error = second.confirm().await.expect_err("the file of the lease no longer exists");
    assert!(error.to_string().contains("its file no longer exists"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_lease_is_renewed_in_the_background_and_its_loss_cancels_the_operation() {
    let fixture = Fixture::with_lease_time(Duration::from_millis(300));
    let first = fixture.acquire(nightly()).await.expect("the lease is free");
    let stop_token = first.stop_token();
    let holder = fixture.read(nightly()).await.holder;
    let expired = fixture.read(nightly()).await.expires_at;
    fixture.clock.advance(Duration::from_millis(100));
    wait_until(async || fixture.read(nightly()).await.expires_at > expired).await;
    assert_eq!(fixture.read(nightly()).await.holder, holder);
    assert!(!stop_token.is_cancelled());
    fixture.write(nightly(), 2, &fixture.foreign(nightly())).await;
    wait_until(async || stop_token.is_cancelled()).await;
}

#[tokio::test]
async fn a_contender_that_was_paused_does_not_get_the_lease() {
    let fixture = Fixture::new();
    fixture.acquire(nightly()).await.expect("the lease is free").release().await;
    // Between the read and the creation, other processes acquire and release the lease, and remove the
    // generation that the contender is about to create.
    let others = fixture.clone();
    fixture.clock.on_next_read(move || {
        let foreign = others.foreign(nightly());
        block_on(others.write(nightly(), 3, &others.released(nightly())));
        block_on(others.write(nightly(), 4, &foreign));
        block_on(others.remove(nightly(), 1));
    });
    let error = fixture.acquire(nightly()).await.expect_err("the contender is too late");
    assert_eq!(error.kind(), ErrorKind::Busy);
    assert!(error.to_string().contains("`elsewhere`"), "{error}");
    let files = fixture.files().await;
    assert!(!files.iter().any(|file| file.ends_with("2.json")), "{files:?}");
}

#[tokio::test]
async fn a_contender_that_creates_second_gets_an_error_with_the_holder() {
    let fixture = Fixture::new();
    fixture.acquire(nightly()).await.expect("the lease is free").release().await;
    let others = fixture.clone();
    fixture.clock.on_next_read(move || {
        block_on(others.write(nightly(), 2, &others.foreign(nightly())));
    });
    let error = fixture.acquire(nightly()).await.expect_err("another contender was faster");
    assert!(error.kind() == ErrorKind::Busy && error.to_string().contains("`elsewhere`"), "{error}");
    assert_eq!(fixture.read_generation(nightly(), 2).await.holder.host.as_deref(), Some("elsewhere"));
}

#[tokio::test]
async fn clocks_may_differ_by_half_a_lease_time() {
    let (holder, mut contender) = (Fixture::new(), Fixture::new());
    contender.storage = holder.storage.clone();
    let first = holder.acquire(nightly()).await.expect("the lease is free");
    for fixture in [&holder, &contender] {
        fixture.clock.advance(LEASE_TIME - MILLISECOND);
    }
    contender.clock.advance(GRACE);
    // The holder may still rely on its lease.
    assert_eq!(contender.acquire(nightly()).await.expect_err("the lease is held").kind(), ErrorKind::Busy);
    contender.clock.advance(MILLISECOND * 2);
    // If a clock is ahead by more than half a lease time, another process can acquire the lease too early,
    // and the holder detects the loss.
    let _second = contender.acquire(nightly()).await.expect("the lease is free");
    assert!(first.confirm().await.expect_err("the lease is lost").to_string().contains("acquired it at"));
}

#[tokio::test]
async fn an_unreadable_lease_is_never_treated_as_free() {
    let fixture = Fixture::new();
    for (content, kind, remedy) in [
        ("", ErrorKind::Corrupt, "Remove the file"),
        ("{}", ErrorKind::Corrupt, "Remove the file"),
        (r#"{"formatVersion":1,"released":true}"#, ErrorKind::Corrupt, "Remove the file"),
        (r#"{"formatVersion":2,"released":true}"#, ErrorKind::Incompatible, "update koan-backup"),
    ] {
        fixture.put("leases/backup/nightly/0000000003.json", content).await;
        let listed = super::all(&fixture.storage).await.map(drop);
        for error in [fixture.acquire(nightly()).await.map(drop), listed] {
            let error = error.expect_err("the lease may be held");
            assert_eq!(error.kind(), kind, "{content}");
            for expected in ["`leases/backup/nightly/0000000003.json`", remedy] {
                assert!(error.to_string().contains(expected), "{expected} is not in {error}");
            }
        }
    }
}

#[tokio::test]
async fn names_with_the_same_safe_name_have_separate_leases() {
    let fixture = Fixture::new();
    let mut leases = Vec::new();
    for name in ["nightly", "Nightly", "nightly!", "日本", "中国"] {
        let name = BackupName::new(name).expect("the name is valid");
        leases.push(fixture.acquire(Subject::Backup(name)).await.expect("the lease is free"));
    }
}

#[tokio::test]
async fn a_lease_that_is_dropped_is_released() {
    let fixture = Fixture::new();
    drop(fixture.acquire(nightly()).await.expect("the lease is free"));
    wait_until(async || fixture.read(nightly()).await.is_free(fixture.now())).await;
    let shared = Subject::Restore(BackupId::from_uuid(uuid::Uuid::now_v7()));
    drop(fixture.acquire(shared).await.expect("the lease is free"));
    wait_until(async || !fixture.files().await.iter().any(|file| file.contains("restore"))).await;
}

#[tokio::test]
async fn restores_share_a_subject_and_expired_leases_are_removed() {
    let fixture = Fixture::new();
    let id = BackupId::from_uuid(uuid::Uuid::now_v7());
    let killed = fixture.acquire(Subject::Restore(id)).await.expect("the lease is free");
    std::mem::forget(killed);
    let first = fixture.acquire(Subject::Restore(id)).await.expect("the lease is shared");
    assert_eq!(fixture.held().await.len(), 2);
    fixture.clock.advance(LEASE_TIME + GRACE + MILLISECOND);
    let second = fixture.acquire(Subject::Restore(id)).await.expect("the lease is shared");
    assert_eq!(fixture.files().await.len(), 1);
    assert_eq!(fixture.held().await, [Subject::Restore(id)]);
    first.release().await;
    second.release().await;
    assert_eq!(fixture.files().await, Vec::<String>::new());
}

#[tokio::test]
async fn held_leases_contain_the_backup_and_the_archive_of_the_work() {
    let fixture = Fixture::new();
    let id = BackupId::from_uuid(uuid::Uuid::now_v7());
    let released = fixture.acquire(Subject::Prune).await.expect("the lease is free");
    released.release().await;
    let backup = fixture.acquire(nightly()).await.expect("the lease is free");
    let _restore = fixture.acquire(Subject::Restore(id)).await.expect("the lease is free");
    let work = LeasedWork { backup: Some(id), archive: Some("archives/a.zip".to_owned()) };
    backup.set_work(work.clone()).await.expect("the lease is held");
    assert_eq!(fixture.held().await, [nightly(), Subject::Restore(id)]);
    assert_eq!(fixture.found().await[0].file.work, work);
    fixture.clock.advance(LEASE_TIME + GRACE + MILLISECOND);
    assert_eq!(fixture.held().await, []);
}

#[tokio::test]
async fn only_the_leases_of_one_backup_are_read() {
    let fixture = Fixture::new();
    let [id, other_id] = [1, 2].map(|number| BackupId::from_uuid(uuid::Uuid::from_u128(number)));
    fixture.put("leases/backup/nightly/0000000003.json", "not a lease").await;
    for subject in Subject::protecting(id) {
        let clock = fixture.clock.shared();
        let held = async |subject| {
            super::find_held(&fixture.storage, &clock, &subject).await.expect("the leases are readable")
        };
        assert_eq!(held(subject.clone()).await, None);
        let lease = fixture.acquire(subject.clone()).await.expect("the lease is free");
        assert_eq!(held(subject.clone()).await.map(|file| file.subject), Some(subject.clone()));
        for subject in Subject::protecting(other_id) {
            assert_eq!(held(subject).await, None);
        }
        lease.release().await;
        assert_eq!(held(subject).await, None);
    }
}

#[tokio::test]
async fn unneeded_leases_are_removed_and_generations_never_start_again() {
    const DAY: Duration = Duration::from_secs(86_400);
    let fixture = Fixture::new();
    let [removed, existing] = [1, 2].map(|number| BackupId::from_uuid(uuid::Uuid::from_u128(number)));
    for subject in [nightly(), Subject::Prune, Subject::Rekey(removed), Subject::Rekey(existing)] {
        for _ in 0..3 {
            fixture.acquire(subject.clone()).await.expect("the lease is free").release().await;
        }
    }
    // Adds leases of killed processes, for a backup that exists and for a backup that was removed.
    for subject in [Subject::Restore(removed), Subject::Restore(existing), Subject::Copy(removed)] {
        std::mem::forget(fixture.acquire(subject).await.expect("the lease is shared"));
    }
    let before = fixture.files().await;
    let remove_unneeded = async || {
        let found = fixture.found().await;
        let lease = Fixture { storage: Storage::memory(), ..fixture.clone() };
        let lease = lease.acquire(Subject::Prune).await.expect("the lease is free");
        let result = super::collect_garbage(&lease, &fixture.storage, &found, DAY, fixture.now(), |id| {
            *id == existing
        })
        .await;
        result.expect("the leases are removed");
        fixture.files().await
    };
    assert_eq!(
        remove_unneeded().await,
        before,
        "some leases are held, and the others were released less than a day ago"
    );
    fixture.clock.advance(LEASE_TIME + GRACE + DAY);
    assert_eq!(remove_unneeded().await, before, "the leases have been free for less than a day");
    // One process restores a removed backup, and another process rekeys it, with the next generation.
    let restoring = fixture.acquire(Subject::Restore(removed)).await.expect("the lease is shared");
    let copying = fixture.foreign(Subject::Copy(existing));
    fixture
        .put(&format!("leases/copy/{existing}/other.json"), &String::from_utf8_lossy(&copying.to_json()))
        .await;
    fixture.clock.advance(MILLISECOND);
    let found = fixture.found().await;
    let rekeying = fixture.acquire(Subject::Rekey(removed)).await.expect("the lease is free");
    let lease = Fixture { storage: Storage::memory(), ..fixture.clone() };
    let lease = lease.acquire(Subject::Prune).await.expect("the lease is free");
    let result =
        super::collect_garbage(&lease, &fixture.storage, &found, DAY, fixture.now(), |id| *id == existing)
            .await;
    result.expect("the leases are removed");
    assert_eq!(fixture.held().await.len(), 3, "{:?}", fixture.files().await);
    rekeying.confirm().await.expect("the lease was acquired less than a day ago");
    restoring.confirm().await.expect("the lease was acquired less than a day ago");
    rekeying.release().await;
    restoring.release().await;
    fixture.clock.advance(LEASE_TIME + GRACE + DAY + MILLISECOND);
    let remaining = remove_unneeded().await;
    let numbers = |folder: &str| [2, 3].map(|number| format!("leases/{folder}/{number:010}.json"));
    let expected = [numbers("backup/nightly"), numbers("prune"), numbers(&format!("rekey/{existing}"))];
    assert_eq!(remaining, expected.concat());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn exactly_one_of_many_contenders_gets_the_lease() {
    for _ in 0..100 {
        let fixture = Fixture::new();
        let contenders = (0..8).map(|_| {
            let fixture = fixture.clone();
            tokio::spawn(async move { fixture.acquire(nightly()).await })
        });
        let results = futures::future::join_all(contenders).await;
        let results: Vec<_> = results.into_iter().map(|result| result.expect("the task ends")).collect();
        assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
        let mut errors = results.iter().filter_map(|result| result.as_ref().err());
        assert!(errors.all(|error| error.kind() == ErrorKind::Busy));
    }
}

#[test]
fn a_lease_time_out_of_range_is_refused_with_the_name_of_the_option() {
    for time in [Duration::ZERO, Duration::from_millis(999), Duration::from_secs(3601)] {
        let error = check_time(time).expect_err("the lease time is out of range");
        assert_eq!(error.kind(), ErrorKind::Configuration);
        assert!(error.to_string().starts_with("`lease_time` is "), "{error}");
    }
    for time in [1, 60, 3600] {
        check_time(Duration::from_secs(time)).expect("the lease time is in range");
    }
}

#[tokio::test]
async fn a_step_runs_only_while_the_lease_is_held() {
    let fixture = Fixture::new();
    let lease = fixture.acquire(Subject::Prune).await.expect("the lease is free");
    let run_step = async || {
        let mut has_run = false;
        let step = async {
            has_run = true;
            Ok(())
        };
        (lease.step("the file was removed", step).await, has_run)
    };
    let (result, has_run) = run_step().await;
    result.expect("the lease is held");
    assert!(has_run);
    // Simulates that this process was paused after the storage confirmed the lease.
    let confirmed = lease.confirm().await.expect("the lease is held");
    fixture.clock.advance(LEASE_TIME);
    let error = confirmed
        .within("the file was removed", async { panic!("the step was started") as Result<()> })
        .await;
    assert_eq!(error.expect_err("the lease has expired").kind(), ErrorKind::Busy);
    let (result, has_run) = run_step().await;
    let error = result.expect_err("the lease has expired");
    assert_eq!(error.kind(), ErrorKind::Busy);
    assert!(error.to_string().contains("nothing more is removed"), "{error}");
    assert!(!has_run);
}

#[tokio::test(start_paused = true)]
async fn a_step_without_a_response_ends_when_the_lease_expires() {
    let fixture = Fixture::new();
    let lease = fixture.acquire(Subject::Prune).await.expect("the lease is free");
    let confirmed = lease.confirm().await.expect("the lease is held");
    let result: Result<()> = confirmed.within("`x` was removed", std::future::pending()).await;
    let error = result.expect_err("the storage does not respond");
    assert_eq!(error.kind(), ErrorKind::Storage);
    assert!(error.to_string().contains("it is not known whether `x` was removed"), "{error}");
}

//! The states of a lease, by a clock that is moved by hand.

mod fixture;

use std::time::Duration;

use futures::executor::block_on;
use object_store::ObjectStoreExt;

use self::fixture::{HOLDS, Scene, nightly, patiently};
use super::{LeasedWork, Subject, check_time};
use crate::foundation::error::{ErrorKind, Result};
use crate::foundation::id::{BackupId, BackupName};
use crate::storage::Storage;

const GRACE: Duration = Duration::from_secs(30);
const MOMENT: Duration = Duration::from_millis(1);

#[tokio::test]
async fn who_comes_second_is_told_who_holds_it_and_until_when() {
    let scene = Scene::new();
    let first = scene.acquire(nightly()).await.expect("free");
    scene.clock.go_on(Duration::from_secs(5));
    let error = scene.acquire(nightly()).await.expect_err("held");
    assert_eq!(error.kind(), ErrorKind::Busy);
    assert_eq!(
        error.to_string(),
        format!(
            "somebody is backing up `nightly` in storage `memory` already: application `shop`, process {} on \
             host `till`, since 2026-01-01T00:00:00Z; wait until that is done. Without a sign of life it is \
             over at 2026-01-01T00:01:30Z, and nothing has to be unlocked",
            std::process::id()
        )
    );
    first.release().await;
    scene.acquire(nightly()).await.expect("free again");
}

#[tokio::test]
async fn generations_never_start_again_and_the_last_two_stay() {
    let scene = Scene::new();
    for generation in 1..=5 {
        let lease = scene.acquire(nightly()).await.expect("free");
        let expected: Vec<_> = (generation - 1..=generation)
            .filter(|&number| number > 0)
            .map(|number| format!("leases/backup/nightly/{number:010}.json"))
            .collect();
        assert_eq!(scene.files().await, expected);
        lease.release().await;
    }
}

#[tokio::test]
async fn others_take_it_half_a_lease_after_it_expired_and_the_holder_gives_it_up_before() {
    let scene = Scene::new();
    let first = scene.acquire(nightly()).await.expect("free");
    scene.clock.go_on(HOLDS - MOMENT);
    assert!(scene.read(nightly()).await.free_at() > scene.now());
    scene.clock.go_on(MOMENT);
    let error = first.confirm().await.expect_err("it has expired");
    assert_eq!(error.kind(), ErrorKind::Busy);
    assert_eq!(
        error.to_string(),
        "the lease `leases/backup/nightly` in storage `memory` was lost: it expired at 2026-01-01T00:01:00Z; \
         nothing was published"
    );
    assert!(first.lost().is_cancelled());
    scene.clock.go_on(GRACE);
    assert_eq!(scene.acquire(nightly()).await.expect_err("not yet").kind(), ErrorKind::Busy);
    scene.clock.go_on(MOMENT);
    let second = scene.acquire(nightly()).await.expect("now");
    // What was lost stays lost, and its release does not touch that of the other.
    first.confirm().await.expect_err("it is another's");
    first.release().await;
    second.confirm().await.expect("held");
}

#[tokio::test]
async fn a_renewed_lease_holds_from_then_on() {
    let scene = Scene::new();
    let first = scene.acquire(nightly()).await.expect("free");
    for _ in 0..5 {
        scene.clock.go_on(HOLDS - MOMENT);
        let left = first.confirm().await.expect("held").left();
        assert!(left > HOLDS / 2 && left <= HOLDS, "{left:?}");
        scene.acquire(nightly()).await.expect_err("held");
    }
}

#[tokio::test]
async fn whoever_finds_a_later_generation_has_lost() {
    let scene = Scene::new();
    let first = scene.acquire(nightly()).await.expect("free");
    scene.write(nightly(), 2, &scene.foreign(nightly())).await;
    let error = first.confirm().await.expect_err("another has it");
    assert!(
        error.to_string().contains("application `other`, process 7 on host `elsewhere` took it"),
        "{error}"
    );
    assert!(first.lost().is_cancelled());
}

#[tokio::test]
async fn whoever_finds_anothers_token_in_its_file_or_no_file_has_lost() {
    let scene = Scene::new();
    let first = scene.acquire(nightly()).await.expect("free");
    scene.write(nightly(), 1, &scene.foreign(nightly())).await;
    let error = first.confirm().await.expect_err("another wrote it");
    assert!(error.to_string().contains("process 7 on host `elsewhere` holds it"), "{error}");
    let weekly = Subject::Prune;
    let second = scene.acquire(weekly).await.expect("free");
    scene.storage.store().delete(&"leases/prune/0000000001.json".into()).await.expect("removed");
    let error = second.confirm().await.expect_err("its file is gone");
    assert!(error.to_string().contains("its file is gone"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn it_is_renewed_in_the_background_and_a_loss_stops_the_work() {
    let scene = Scene::of(Duration::from_millis(300));
    let first = scene.acquire(nightly()).await.expect("free");
    let lost = first.lost();
    let token = scene.read(nightly()).await.holder;
    let expired = scene.read(nightly()).await.expires_at;
    scene.clock.go_on(Duration::from_millis(100));
    patiently(async || scene.read(nightly()).await.expires_at > expired).await;
    assert_eq!(scene.read(nightly()).await.holder, token);
    assert!(!lost.is_cancelled());
    scene.write(nightly(), 2, &scene.foreign(nightly())).await;
    patiently(async || lost.is_cancelled()).await;
}

#[tokio::test]
async fn a_contender_that_slept_for_long_finds_that_it_comes_too_late() {
    let scene = Scene::new();
    scene.acquire(nightly()).await.expect("free").release().await;
    // Between looking and creating, others come and go, and remove the generation that it is about to create.
    let others = scene.clone();
    scene.clock.when_it_is_looked_at(move || {
        let foreign = others.foreign(nightly());
        block_on(others.write(nightly(), 3, &others.released(nightly())));
        block_on(others.write(nightly(), 4, &foreign));
        block_on(others.remove(nightly(), 1));
    });
    let error = scene.acquire(nightly()).await.expect_err("it comes too late");
    assert_eq!(error.kind(), ErrorKind::Busy);
    assert!(error.to_string().contains("`elsewhere`"), "{error}");
    let files = scene.files().await;
    assert!(!files.iter().any(|file| file.ends_with("2.json")), "{files:?}");
}

#[tokio::test]
async fn a_contender_that_was_not_the_first_to_create_is_told_who_was() {
    let scene = Scene::new();
    scene.acquire(nightly()).await.expect("free").release().await;
    let others = scene.clone();
    scene.clock.when_it_is_looked_at(move || {
        block_on(others.write(nightly(), 2, &others.foreign(nightly())));
    });
    let error = scene.acquire(nightly()).await.expect_err("another was faster");
    assert!(error.kind() == ErrorKind::Busy && error.to_string().contains("`elsewhere`"), "{error}");
    assert_eq!(scene.read_generation(nightly(), 2).await.holder.host.as_deref(), Some("elsewhere"));
}

#[tokio::test]
async fn clocks_may_differ_by_half_a_lease() {
    let (holder, mut other) = (Scene::new(), Scene::new());
    other.storage = holder.storage.clone();
    let first = holder.acquire(nightly()).await.expect("free");
    for scene in [&holder, &other] {
        scene.clock.go_on(HOLDS - MOMENT);
    }
    other.clock.go_on(GRACE);
    // The holder may still believe in it.
    assert_eq!(other.acquire(nightly()).await.expect_err("held").kind(), ErrorKind::Busy);
    other.clock.go_on(MOMENT * 2);
    // Further ahead than that: the holder finds out.
    let _second = other.acquire(nightly()).await.expect("taken");
    assert!(first.confirm().await.expect_err("lost").to_string().contains("took it at"));
}

#[tokio::test]
async fn what_cannot_be_read_is_never_taken_for_free() {
    let scene = Scene::new();
    for (content, kind, told) in [
        ("", ErrorKind::Corrupt, "remove that file"),
        ("{}", ErrorKind::Corrupt, "remove that file"),
        (r#"{"formatVersion":1,"released":true}"#, ErrorKind::Corrupt, "remove that file"),
        (r#"{"formatVersion":2,"released":true}"#, ErrorKind::Incompatible, "update it"),
    ] {
        scene.put("leases/backup/nightly/0000000003.json", content).await;
        let held = super::all(&scene.storage).await.map(drop);
        for error in [scene.acquire(nightly()).await.map(drop), held] {
            let error = error.expect_err("it may be held");
            assert_eq!(error.kind(), kind, "{content}");
            for part in ["`leases/backup/nightly/0000000003.json`", told] {
                assert!(error.to_string().contains(part), "{part} is not in {error}");
            }
        }
    }
}

#[tokio::test]
async fn names_that_share_a_safe_name_do_not_keep_each_other_waiting() {
    let scene = Scene::new();
    let mut leases = Vec::new();
    for name in ["nightly", "Nightly", "nightly!", "日本", "中国"] {
        let name = BackupName::new(name).expect("a name");
        leases.push(scene.acquire(Subject::Backup(name)).await.expect("free"));
    }
}

#[tokio::test]
async fn a_lease_that_is_dropped_is_released() {
    let scene = Scene::new();
    drop(scene.acquire(nightly()).await.expect("free"));
    patiently(async || scene.read(nightly()).await.is_free(scene.now())).await;
    let shared = Subject::Restore(BackupId::from_uuid(uuid::Uuid::now_v7()));
    drop(scene.acquire(shared).await.expect("free"));
    patiently(async || !scene.files().await.iter().any(|file| file.contains("restore"))).await;
}

#[tokio::test]
async fn restores_share_and_what_the_dead_leave_is_removed() {
    let scene = Scene::new();
    let id = BackupId::from_uuid(uuid::Uuid::now_v7());
    let dead = scene.acquire(Subject::Restore(id)).await.expect("free");
    std::mem::forget(dead);
    let first = scene.acquire(Subject::Restore(id)).await.expect("shared");
    assert_eq!(scene.held().await.len(), 2);
    scene.clock.go_on(HOLDS + GRACE + MOMENT);
    let second = scene.acquire(Subject::Restore(id)).await.expect("shared");
    assert_eq!(scene.files().await.len(), 1);
    assert_eq!(scene.held().await, [Subject::Restore(id)]);
    first.release().await;
    second.release().await;
    assert_eq!(scene.files().await, Vec::<String>::new());
}

#[tokio::test]
async fn what_is_held_is_told_with_what_is_worked_on() {
    let scene = Scene::new();
    let id = BackupId::from_uuid(uuid::Uuid::now_v7());
    let released = scene.acquire(Subject::Prune).await.expect("free");
    released.release().await;
    let backup = scene.acquire(nightly()).await.expect("free");
    let _restore = scene.acquire(Subject::Restore(id)).await.expect("free");
    let work = LeasedWork { backup: Some(id), archive: Some("archives/a.zip".to_owned()) };
    backup.works_on(work.clone()).await.expect("held");
    assert_eq!(scene.held().await, [nightly(), Subject::Restore(id)]);
    assert_eq!(scene.found().await[0].file.work, work);
    scene.clock.go_on(HOLDS + GRACE + MOMENT);
    assert_eq!(scene.held().await, []);
}

#[tokio::test]
async fn leases_of_one_backup_are_asked_for_alone() {
    let scene = Scene::new();
    let [id, other] = [1, 2].map(|number| BackupId::from_uuid(uuid::Uuid::from_u128(number)));
    scene.put("leases/backup/nightly/0000000003.json", "what cannot be read").await;
    for subject in Subject::holding(id) {
        let clock = scene.clock.shared();
        let held = async |subject| super::find_held(&scene.storage, &clock, &subject).await.expect("read");
        assert_eq!(held(subject.clone()).await, None);
        let lease = scene.acquire(subject.clone()).await.expect("free");
        assert_eq!(held(subject.clone()).await.map(|file| file.subject), Some(subject.clone()));
        for subject in Subject::holding(other) {
            assert_eq!(held(subject).await, None);
        }
        lease.release().await;
        assert_eq!(held(subject).await, None);
    }
}

#[tokio::test]
async fn leases_that_nobody_will_ask_for_go_and_numbers_do_not_start_again() {
    const DAY: Duration = Duration::from_secs(86_400);
    let scene = Scene::new();
    let [gone, there] = [1, 2].map(|number| BackupId::from_uuid(uuid::Uuid::from_u128(number)));
    for subject in [nightly(), Subject::Prune, Subject::Rekey(gone), Subject::Rekey(there)] {
        for _ in 0..3 {
            scene.acquire(subject.clone()).await.expect("free").release().await;
        }
    }
    // What the killed leave, whether their backup is there or not.
    for subject in [Subject::Restore(gone), Subject::Restore(there), Subject::Copy(gone)] {
        std::mem::forget(scene.acquire(subject).await.expect("shared"));
    }
    let before = scene.files().await;
    let trim = async || {
        let found = scene.found().await;
        let lease = Scene { storage: Storage::memory(), ..scene.clone() };
        let lease = lease.acquire(Subject::Prune).await.expect("free");
        let trimmed = super::trim(&lease, &scene.storage, &found, DAY, scene.now(), |id| *id == there).await;
        trimmed.expect("trimmed");
        scene.files().await
    };
    assert_eq!(trim().await, before, "some are held, the others were released a moment ago");
    scene.clock.go_on(HOLDS + GRACE + DAY);
    assert_eq!(trim().await, before, "not a day yet");
    // Somebody who restores now, and somebody who seals a backup that is gone, with the number after the
    // highest.
    let restoring = scene.acquire(Subject::Restore(gone)).await.expect("shared");
    let copying = scene.foreign(Subject::Copy(there));
    scene.put(&format!("leases/copy/{there}/other.json"), &String::from_utf8_lossy(&copying.to_json())).await;
    scene.clock.go_on(MOMENT);
    let found = scene.found().await;
    let sealing = scene.acquire(Subject::Rekey(gone)).await.expect("free");
    let lease = Scene { storage: Storage::memory(), ..scene.clone() };
    let lease = lease.acquire(Subject::Prune).await.expect("free");
    let trimmed = super::trim(&lease, &scene.storage, &found, DAY, scene.now(), |id| *id == there).await;
    trimmed.expect("trimmed");
    assert_eq!(scene.held().await.len(), 3, "{:?}", scene.files().await);
    sealing.confirm().await.expect("it was taken a moment ago");
    restoring.confirm().await.expect("it was taken a moment ago");
    sealing.release().await;
    restoring.release().await;
    scene.clock.go_on(HOLDS + GRACE + DAY + MOMENT);
    let left = trim().await;
    let numbers = |folder: &str| [2, 3].map(|number| format!("leases/{folder}/{number:010}.json"));
    let expected = [numbers("backup/nightly"), numbers("prune"), numbers(&format!("rekey/{there}"))];
    assert_eq!(left, expected.concat());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_who_want_it_at_once_one_gets_it() {
    for _ in 0..100 {
        let scene = Scene::new();
        let contenders = (0..8).map(|_| {
            let scene = scene.clone();
            tokio::spawn(async move { scene.acquire(nightly()).await })
        });
        let ended = futures::future::join_all(contenders).await;
        let ended: Vec<_> = ended.into_iter().map(|ended| ended.expect("it ends")).collect();
        assert_eq!(ended.iter().filter(|ended| ended.is_ok()).count(), 1);
        let mut lost = ended.iter().filter_map(|ended| ended.as_ref().err());
        assert!(lost.all(|error| error.kind() == ErrorKind::Busy));
    }
}

#[test]
fn a_lease_that_holds_for_too_short_or_too_long_is_refused_by_name() {
    for time in [Duration::ZERO, Duration::from_millis(999), Duration::from_secs(3601)] {
        let error = check_time(time).expect_err("refused");
        assert_eq!(error.kind(), ErrorKind::Configuration);
        assert!(error.to_string().starts_with("`lease_time` is "), "{error}");
    }
    for time in [1, 60, 3600] {
        check_time(Duration::from_secs(time)).expect("accepted");
    }
}

#[tokio::test]
async fn a_step_is_taken_only_while_the_lease_is_held() {
    let scene = Scene::new();
    let lease = scene.acquire(Subject::Prune).await.expect("free");
    let taken = async || {
        let mut is_taken = false;
        let step = async {
            is_taken = true;
            Ok(())
        };
        (lease.step("it was removed", step).await, is_taken)
    };
    let (done, is_taken) = taken().await;
    done.expect("held");
    assert!(is_taken);
    // This process was suspended since the storage confirmed the lease.
    let confirmed = lease.confirm().await.expect("held");
    scene.clock.go_on(HOLDS);
    let error = confirmed.within("it was removed", async { panic!("it was begun") as Result<()> }).await;
    assert_eq!(error.expect_err("expired").kind(), ErrorKind::Busy);
    let (done, is_taken) = taken().await;
    let error = done.expect_err("expired");
    assert_eq!(error.kind(), ErrorKind::Busy);
    assert!(error.to_string().contains("nothing more is removed"), "{error}");
    assert!(!is_taken);
}

#[tokio::test(start_paused = true)]
async fn a_step_that_is_not_answered_ends_with_the_lease() {
    let scene = Scene::new();
    let lease = scene.acquire(Subject::Prune).await.expect("free");
    let confirmed = lease.confirm().await.expect("held");
    let never: Result<()> = confirmed.within("`x` was removed", std::future::pending()).await;
    let error = never.expect_err("no answer");
    assert_eq!(error.kind(), ErrorKind::Storage);
    assert!(error.to_string().contains("whether `x` was removed is not known"), "{error}");
}

//! The common steps of every backup and restore: the choice of entities and of the backup, progress, the log,
//! and timeouts.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt as _;
use futures::stream::{self, BoxStream};
use koan_backup::prelude::*;
use koan_backup::{Event, Repositories, Repository, RepositoryError, SetName, archive::BackupStatus};
use koan_backup_tests::archive_surgery::{Forgery, Recompute, Vault};
use koan_backup_tests::hand_clock::HandClock;
use koan_backup_tests::log::Log;
use koan_backup_tests::scripted::{Script, Scripted};
use serde::{Deserialize, Serialize};

koan_backup::entity_backup_scope!(mode = All);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Entity)]
struct User {
    id: i64,
    name: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Entity)]
#[entity(provider = "second")]
struct Order {
    id: i64,
    total: i64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Entity)]
#[entity(provider = "second")]
#[entity_backup(include_schema = false)]
struct Invoice {
    id: i64,
    total: i64,
}

struct Shop {
    koan: Koan,
    directory: tempfile::TempDir,
}

/// Creates a shop with its users in a scripted provider, and its orders and invoices in memory.
async fn shop_with(
    script: Script,
    change: impl FnOnce(koan_backup::KoanBuilder) -> koan_backup::KoanBuilder,
) -> Shop {
    let (main, second) = (Scripted::new(script), Memory::new());
    for id in 0..5 {
        main.put(&SetName::root(), &User { id, name: format!("user {id}") });
    }
    let directory = tempfile::tempdir().expect("a directory");
    let builder = Koan::builder()
        .provider(main)
        .named_provider("second", second)
        .storage(Storage::local(directory.path()).expect("a directory"));
    let koan = change(builder).build().await.expect("a context");
    koan.data::<Order>().upsert_many((0..3).map(|id| Order { id, total: id })).await.expect("written");
    koan.data::<Invoice>().upsert_many((0..3).map(|id| Invoice { id, total: id })).await.expect("written");
    Shop { koan, directory }
}

async fn shop() -> Shop {
    shop_with(Script::default(), |builder| builder).await
}

fn entities(report: &koan_backup::report::BackupReport) -> Vec<&str> {
    report.manifest().entities.iter().map(|entity| entity.entity.as_str()).collect()
}

#[tokio::test]
async fn provider_filters_match_names_and_kinds_in_backups_and_restores() {
    let Shop { koan, directory: _directory } = shop().await;
    for filter in ["second", "memory"] {
        let only = koan.backup("only").providers([filter]).await.expect("a backup");
        assert_eq!(entities(&only), ["Invoice", "Order"], "{filter}");
        let others = koan.backup("others").exclude_providers([filter]).await.expect("a backup");
        assert_eq!(entities(&others), ["User"], "{filter}");
    }
    let _ = koan.backup("all").await.expect("a backup");
    for filter in ["second", "memory"] {
        assert_eq!(koan.restore("all").providers([filter]).await.expect("restored").record_count(), 6);
        assert_eq!(
            koan.restore("all").exclude_providers([filter]).await.expect("restored").record_count(),
            5
        );
    }
    for error in [
        koan.backup("none").providers(["postgres"]).await.map(drop).expect_err("no provider matches"),
        koan.backup("none").exclude_providers(["postgres"]).await.map(drop).expect_err("no provider matches"),
        koan.restore("all").exclude_providers(["postgres"]).await.map(drop).expect_err("no provider matches"),
        koan.restore("latest").providers(["postgres"]).await.map(drop).expect_err("no provider matches"),
    ] {
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(
            error.to_string().contains("`postgres`")
                && error.to_string().contains("`second`")
                && error.to_string().contains("`memory`"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn schemas_can_be_omitted_from_one_backup_and_are_never_added() {
    let shop = shop().await;
    let schemas = |report: &koan_backup::report::BackupReport| {
        let path = shop.directory.path().join(&report.manifest().archive.as_ref().expect("an archive").file);
        let mut archive =
            zip::ZipArchive::new(std::fs::File::open(path).expect("opened")).expect("an archive");
        let names: Vec<_> = archive.file_names().map(|name| name.expect("a name").into_owned()).collect();
        let name = names.iter().find(|name| name.contains("schema")).expect("a document");
        let document = archive.by_name(name).expect("an entry");
        let schemas: serde_json::Map<String, serde_json::Value> =
            serde_json::from_reader(document).expect("a document");
        schemas.keys().cloned().collect::<Vec<_>>()
    };
    let backup_with_schemas = shop.koan.backup("with").await.expect("a backup");
    assert_eq!(schemas(&backup_with_schemas), ["Order", "User"]);
    let backup_without_schemas = shop.koan.backup("without").without_schemas().await.expect("a backup");
    assert!(schemas(&backup_without_schemas).is_empty());
    assert!(shop.koan.verify(backup_without_schemas.id()).await.expect("verified").is_valid());
    assert_eq!(shop.koan.restore(backup_without_schemas.id()).await.expect("restored").record_count(), 11);
}

#[tokio::test]
async fn latest_is_the_newest_completed_backup_that_contains_the_selected_entities() {
    let shop = shop().await;
    let koan = &shop.koan;
    let error = koan.restore("latest").await.expect_err("there is no backup");
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let users = koan.backup("users").entities(["User"]).await.expect("a backup").id();
    assert_eq!(
        koan.restore("latest").await.expect("restored").id,
        users,
        "the only backup contains every entity that any backup contains"
    );
    let all = koan.backup("all").await.expect("a backup").id();
    let orders = koan.backup("orders").entities(["Order"]).await.expect("a backup").id();
    assert_eq!(koan.restore("latest").await.expect("restored").id, all);
    assert_eq!(koan.restore("LATEST").entities(["Order"]).await.expect("restored").id, orders);
    assert_eq!(koan.restore("Latest").entity::<Order>().await.expect("restored").id, orders);
    assert_eq!(koan.restore("latest").entities(["Order", "User"]).await.expect("restored").id, all);
    assert_eq!(koan.restore("latest").exclude(["User", "Invoice"]).await.expect("restored").id, orders);

    assert_eq!(koan.restore("latest").providers(["main"]).await.expect("restored").id, all);
    assert_eq!(koan.restore("latest").entities(["Order"]).viability().await.expect("assessed").id, orders);
    assert_eq!(koan.verify("latest").await.expect("verified").id, all);
    let diff = koan.diff("users", "latest").await.expect("compared");
    assert_eq!((diff.before, diff.after), (users, all));
}

#[tokio::test]
async fn latest_skips_failed_backups() {
    let shop = shop().await;
    let good = shop.koan.backup("good").await.expect("a backup").id();
    let failing_koan = koan_with_unreadable_users(&shop).await;
    failing_koan
        .backup("bad")
        .continue_on_error()
        .await
        .expect("a partial backup")
        .require_complete()
        .expect_err("the backup fails");
    assert_eq!(shop.koan.restore("latest").await.expect("restored").id, good);
    assert_eq!(shop.koan.restore("latest").allow_partial().await.expect("restored").id, good);
}

/// Creates a context with the storage of the shop and with a provider that cannot read the users.
async fn koan_with_unreadable_users(shop: &Shop) -> Koan {
    let main = Scripted::new(Script { disconnects_at: Some(("User".into(), 0)), ..Script::default() });
    main.put(&SetName::root(), &User { id: 1, name: "a".into() });
    Koan::builder()
        .provider(main)
        .named_provider("second", Memory::new())
        .storage(Storage::local(shop.directory.path()).expect("a directory"))
        .build()
        .await
        .expect("a context")
}

#[tokio::test]
async fn names_reserved_for_references_are_refused_for_new_backups() {
    let shop = shop().await;
    for name in ["latest", "LATEST", "Latest", " latest ", "deadbeef", "01234567", "DEADBEEF"] {
        let error = shop.koan.backup(name).await.map(drop).expect_err(name);
        assert_eq!(error.kind(), ErrorKind::InvalidName, "{name}");
    }
    for name in ["latest-2", "the latest", "deadbee", "deadbeef0", "deadbeeg"] {
        let _ = shop.koan.backup(name).await.expect(name);
    }
}

#[tokio::test]
async fn existing_backups_with_reserved_names_are_listed_and_restored_by_id() {
    let vault = Vault::default();
    let main = Scripted::new(Script::default());
    main.put(&SetName::root(), &User { id: 1, name: "a".into() });
    let builder = Koan::builder().provider(main).named_provider("second", Memory::new());
    let koan = builder.named_storage("vault", vault.storage()).build().await.expect("a context");
    for name in ["latest", "deadbeef"] {
        let id = koan.backup("older").await.expect("a backup").id();
        // The manifest gets a name that earlier versions allowed.
        let mut forgery = Forgery::parse(&vault.stored(id).await);
        forgery.manifest["name"] = name.into();
        vault.write_backup(&forgery.rebuild(Recompute::Documents)).await;
        assert!(koan.backups().await.expect("listed").iter().any(|found| found.name.as_str() == name));
        assert_eq!(koan.restore(id).await.expect("restored").record_count(), 1);
    }
}

/// The percentages that a backup or restore emitted, each with whether the operation had already finished.
#[derive(Clone, Default)]
struct PercentRecorder(Arc<Mutex<Vec<(u8, bool)>>>);

impl PercentRecorder {
    fn listen(&self) -> impl Fn(&Event) + Send + Sync + 'static {
        let (all, finished) = (Arc::clone(&self.0), std::sync::atomic::AtomicBool::new(false));
        move |event| match event {
            Event::Progress { percent, .. } => {
                let is_finished = finished.load(std::sync::atomic::Ordering::Relaxed);
                all.lock().expect("the lock is not poisoned").push((*percent, is_finished));
            }
            Event::BackupFinished { .. } | Event::RestoreFinished { .. } => {
                finished.store(true, std::sync::atomic::Ordering::Relaxed);
            }
            _ => {}
        }
    }

    fn assert_increasing(&self, is_complete: bool) {
        let all = self.0.lock().expect("the lock is not poisoned").clone();
        assert!(all.windows(2).all(|pair| pair[0].0 < pair[1].0), "{all:?}");
        assert!(all.iter().all(|&(percent, is_finished)| (percent == 100) == is_finished), "{all:?}");
        assert_eq!(all.iter().any(|&(percent, _)| percent == 100), is_complete, "{all:?}");
        assert!(all.len() > 2, "{all:?}");
    }
}

#[tokio::test]
async fn percent_grows_through_all_phases_and_is_100_only_at_the_end() {
    let Shop { koan, directory: _directory } = shop().await;
    let recorder = PercentRecorder::default();
    let _ = koan.backup("all").batch_size(1).on_event(recorder.listen()).await.expect("a backup");
    recorder.assert_increasing(true);
    let recorder = PercentRecorder::default();
    let _ = koan.restore("all").batch_size(1).on_event(recorder.listen()).await.expect("restored");
    recorder.assert_increasing(true);
    let recorder = PercentRecorder::default();
    let _ = koan.restore("all").dry_run().batch_size(1).on_event(recorder.listen()).await.expect("compared");
    recorder.assert_increasing(true);
}

#[tokio::test]
async fn percent_of_a_backup_that_failed_is_never_100() {
    let script = Script { disconnects_at: Some(("User".into(), 3)), ..Script::default() };
    let Shop { koan, directory: _directory } = shop_with(script, |builder| builder).await;
    let recorder = PercentRecorder::default();
    koan.backup("all")
        .batch_size(1)
        .on_event(recorder.listen())
        .await
        .map(drop)
        .expect_err("the backup fails");
    recorder.assert_increasing(false);
    let recorder = PercentRecorder::default();
    let partial_backup =
        koan.backup("all").batch_size(1).continue_on_error().on_event(recorder.listen()).await;
    assert_eq!(partial_backup.expect("a partial backup").status(), BackupStatus::Failed);
    recorder.assert_increasing(false);
}

#[tokio::test]
async fn backups_and_restores_are_logged_within_spans() {
    let (log, _guard) = Log::capture();
    let clock = HandClock::at("2026-11-29T12:00:00Z");
    let Shop { koan, directory: _directory } =
        shop_with(Script::default(), |builder| builder.clock(clock.clone())).await;
    let advancing_clock = clock.clone();
    let backup = koan.backup("nightly").on_event(move |event| {
        if matches!(event, Event::BlockWritten { .. }) {
            advancing_clock.set(
                jiff::Timestamp::from_second(koan_backup::Clock::now(&advancing_clock).as_second() + 11)
                    .expect("an instant"),
            );
        }
    });
    let id = backup.await.expect("a backup").id();
    let _ = koan.restore(id).await.expect("restored");
    koan.restore("nothing").await.map(drop).expect_err("no backup has this name");
    let lines = log.lines();
    let assert_logged = |parts: &[&str]| {
        let found = lines.iter().any(|line| parts.iter().all(|part| line.contains(part)));
        assert!(found, "{parts:?}\n{}", lines.join("\n"));
    };
    assert_logged(&["INFO", "backup{name=nightly", "backup started"]);
    assert_logged(&[&format!("backup{{name=nightly id={id}}}"), "backup prepared", "entries=3"]);
    assert_logged(&[&format!("id={id}}}:entity{{entity=\"User\" set=root}}"), "entity started"]);
    assert_logged(&["entity=\"User\"", "progress", "percent=", "phase=\"written\""]);
    assert_logged(&["entity=\"Order\"", "entity completed", "records=3"]);
    assert_logged(&["backup{name=nightly", "backup completed", "records=11"]);
    assert_logged(&[&format!("restore{{id={id} name=nightly}}"), "restore started"]);
    assert_logged(&["restore{id=", "restore prepared", "entries=3", "records=11"]);
    assert_logged(&["restore{id=", "entity=\"Order\"", "entity prepared"]);
    assert_logged(&["restore{id=", "entity=\"Order\"", "entity completed"]);
    assert_logged(&["restore{id=", "restore completed", "records=11"]);
}

#[tokio::test]
async fn failures_are_logged_and_the_log_can_be_turned_off() {
    let script = Script { disconnects_at: Some(("User".into(), 3)), ..Script::default() };
    let (log, _guard) = Log::capture();
    let Shop { koan, directory: _directory } = shop_with(script.clone(), |builder| builder).await;
    koan.backup("nightly").await.map(drop).expect_err("the backup fails");
    let lines = log.lines();
    for part in ["entity failed", "backup failed"] {
        let found =
            lines.iter().any(|line| line.contains("WARN") && line.contains(part) && line.contains("error="));
        assert!(found, "{part}\n{}", lines.join("\n"));
    }
    drop(_guard);

    let (log, _guard) = Log::capture();
    let Shop { koan, directory: _directory } =
        shop_with(script, |builder| builder.without_operation_log()).await;
    let _ = koan.backup("orders").entities(["Order"]).await.expect("a backup");
    koan.backup("nightly").await.map(drop).expect_err("the backup fails");
    let _ = koan.restore("orders").await.expect("restored");
    let lines = log.lines();
    for part in [
        "backup started",
        "entity",
        "backup completed",
        "backup failed",
        "restore started",
        "restore completed",
    ] {
        let found = lines.iter().any(|line| line.contains(part) && !line.contains("inventory"));
        let is_boot = |line: &String| line.contains('→');
        assert!(
            !found || lines.iter().filter(|line| line.contains(part)).all(is_boot),
            "{part}\n{}",
            lines.join("\n")
        );
    }
}

#[tokio::test]
async fn a_backup_that_exceeds_its_timeout_fails_with_the_timeout_in_the_error_and_publishes_no_archive() {
    let script = Script { delay_per_record: Duration::from_secs(3600), ..Script::default() };
    let Shop { koan, directory: _directory } = shop_with(script, |builder| builder).await;
    // If the timeout expires before the backup has started, the test proves nothing. The timeout is therefore
    // doubled until the backup starts.
    let mut limit = Duration::from_millis(40);
    let text = loop {
        let final_status = Arc::new(Mutex::new(None));
        let recorder = Arc::clone(&final_status);
        let backup = koan.backup(format!("nightly {limit:?}")).timeout(limit).on_event(move |event| {
            if let Event::BackupFinished { id: Some(_), status, .. } = event {
                *recorder.lock().expect("the lock is not poisoned") = Some(*status);
            }
        });
        let error = backup.await.map(drop).expect_err("the backup takes hours");
        assert_eq!(error.kind(), ErrorKind::Timeout);
        let text = format!("{limit:?}");
        assert!(error.to_string().contains(&text), "{error}");
        let status = *final_status.lock().expect("the lock is not poisoned");
        if let Some(status) = status {
            assert_eq!(status, BackupStatus::Failed);
            break text;
        }
        limit *= 2;
    };
    let manifests = koan.backups().await.expect("listed");
    assert_eq!(manifests.len(), 1);
    assert_eq!(manifests[0].status, BackupStatus::Failed);
    assert!(
        manifests[0].archive.is_none()
            && manifests[0].error.as_ref().expect("the reason of the failure").contains(&text)
    );
}

#[tokio::test]
async fn a_timeout_that_is_not_reached_changes_nothing() {
    let Shop { koan, directory: _directory } = shop().await;
    let hour = Duration::from_secs(3600);
    let _ = koan.backup("nightly").timeout(hour).await.expect("a backup");
    let _ = koan.restore("nightly").timeout(hour).await.expect("restored");
}

#[tokio::test]
async fn a_backup_that_is_cancelled_before_its_timeout_fails_as_cancelled() {
    let script = Script { delay_per_record: Duration::from_secs(3600), ..Script::default() };
    let Shop { koan, directory: _directory } = shop_with(script, |builder| builder).await;
    let token = koan_backup::CancellationToken::new();
    let cancel = token.clone();
    let backup =
        koan.backup("nightly").timeout(Duration::from_secs(3600)).cancel_on(token).on_event(move |event| {
            if matches!(event, Event::BackupStarted { .. }) {
                cancel.cancel();
            }
        });
    assert_eq!(backup.await.map(drop).expect_err("cancelled").kind(), ErrorKind::Cancelled);
}

/// A database that never completes a write. Its record changes with every read, so that a restore must write
/// it.
#[derive(Default)]
struct NeverWrites(AtomicU64);

#[async_trait]
impl Repository<User> for NeverWrites {
    fn all(&self) -> BoxStream<'_, Result<User, RepositoryError>> {
        let name = self.0.fetch_add(1, Ordering::Relaxed).to_string();
        stream::iter([Ok(User { id: 1, name })]).boxed()
    }

    async fn upsert_many(&self, _: Vec<User>) -> Result<(), RepositoryError> {
        futures::future::pending().await
    }
}

#[tokio::test]
async fn a_restore_that_exceeds_its_timeout_fails_with_the_timeout_in_the_error() {
    let directory = tempfile::tempdir().expect("a directory");
    let koan = Koan::builder()
        .provider(Repositories::new().with(NeverWrites::default()))
        .named_provider("second", Memory::new())
        .storage(Storage::local(directory.path()).expect("a directory"))
        .build()
        .await
        .expect("a context");
    let _ = koan.backup("nightly").entities(["User"]).await.expect("a backup");
    let mut limit = Duration::from_millis(40);
    loop {
        let event_error = Arc::new(Mutex::new(None));
        let recorder = Arc::clone(&event_error);
        let restore = koan.restore("nightly").timeout(limit).on_event(move |event| {
            if let Event::RestoreFinished { error, .. } = event {
                recorder.lock().expect("the lock is not poisoned").clone_from(error);
            }
        });
        let result = restore.await.map(|report| report.record_count());
        let error = result.expect_err("the write never completes");
        assert_eq!(error.kind(), ErrorKind::Timeout);
        let text = format!("{limit:?}");
        assert!(error.to_string().contains(&text), "{error}");
        let event_error = event_error.lock().expect("the lock is not poisoned").clone();
        if let Some(event_error) = event_error {
            assert!(event_error.contains(&text), "{event_error}");
            return;
        }
        limit *= 2;
    }
}

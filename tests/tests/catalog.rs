//! Tests the catalog, which finds backups by their properties, computes statistics and assesses the health of
//! backups. It reports every manifest that it cannot read.

use std::sync::Arc;
use std::time::Duration;

use futures::TryStreamExt as _;
use koan_backup::prelude::*;
use koan_backup::{
    BackupId, Clock as _, SetName,
    archive::BackupStatus,
    catalog::{CatalogEntry, Expectations, Order, SortBy},
};
use koan_backup_tests::faulty_store::{Failure, Fault, FaultyStore, Operation};
use koan_backup_tests::hand_clock::HandClock;
use koan_backup_tests::scripted::Scripted;
use object_store::memory::InMemory;
use serde::{Deserialize, Serialize};

koan_backup::entity_backup_scope!(mode = All);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Entity)]
struct Invoice {
    id: i64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Entity)]
struct Visit {
    id: i64,
    page: String,
}

struct Shop {
    koan: Koan,
    clock: HandClock,
    store: FaultyStore,
    database: Scripted,
    cache: tempfile::TempDir,
}

async fn shop() -> Shop {
    shop_over(FaultyStore::over(Arc::new(InMemory::new())), tempfile::tempdir().expect("a folder")).await
}

async fn shop_over(store: FaultyStore, cache: tempfile::TempDir) -> Shop {
    let clock = HandClock::at("2026-11-01T03:00:00Z");
    let database = Scripted::default();
    for id in 0..10 {
        database.put(&SetName::root(), &Invoice { id });
    }
    database.put(&SetName::root(), &Visit { id: 1, page: "x".repeat(5000) });
    let koan = Koan::builder()
        .provider(database.clone())
        .storage(store.storage())
        .named_storage("far", Storage::memory())
        .catalog_cache(cache.path())
        .clock(clock.clone())
        .build()
        .await
        .expect("a context");
    Shop { koan, clock, store, database, cache }
}

fn ids(entries: &[CatalogEntry]) -> Vec<BackupId> {
    entries.iter().map(CatalogEntry::id).collect()
}

#[tokio::test]
async fn backups_are_found_by_their_properties() {
    let Shop { koan, clock, store, .. } = shop().await;
    let a = koan
        .backup("nightly")
        .tags(["daily", "eu"])
        .description("Before the Move")
        .await
        .expect("a backup")
        .id();
    clock.pass(24);
    let b = koan
        .backup("visits")
        .entity::<Visit>()
        .tags(["daily"])
        .to_profile("far")
        .await
        .expect("a backup")
        .id();
    clock.pass(24);
    store.fail([Fault::once(Operation::Begin, "archives", Failure::Forbidden)]);
    koan.backup("nightly").tags(["eu"]).await.expect_err("the store refuses");
    store.fail([]);
    clock.pass(24);
    let d = koan.backup("nightly").await.expect("a backup").id();
    let catalog = koan.catalog();
    let all = catalog.all().await.expect("listed");
    let failed = all[1].id();
    assert_eq!(ids(&all), [d, failed, b, a], "newest first");
    assert_eq!(all[2].profile(), "far");
    assert_eq!(catalog.latest().await.expect("listed").map(|entry| entry.id()), Some(d));
    assert_eq!(catalog.get(b).await.expect("the backup exists").manifest().name.as_str(), "visits");
    let missing = BackupId::from_uuid(uuid::Uuid::from_u128(1));
    assert_eq!(catalog.get(missing).await.expect_err("no such backup").kind(), ErrorKind::NotFound);
    assert_eq!(ids(&catalog.by_name("nightly").await.expect("listed")), [d, failed, a]);
    assert_eq!(
        ids(&catalog.recent(1).await.expect("listed")),
        [d, failed],
        "an age of exactly one day is included"
    );

    let query = || catalog.query();
    let found = async |query: koan_backup::builders::CatalogQuery| ids(&query.await.expect("listed").entries);
    assert_eq!(found(query().any_tag(["eu", "us"])).await, [failed, a]);
    assert_eq!(found(query().all_tags(["eu", "daily"])).await, [a]);
    assert_eq!(found(query().containing(["Invoice"])).await, [d, a]);
    assert_eq!(found(query().containing(["Invoice", "Visit"])).await, [d, a]);
    assert_eq!(found(query().containing_type::<Visit>()).await, [d, b, a]);
    assert_eq!(found(query().profiles(["far"])).await, [b]);
    assert_eq!(found(query().providers(["main"])).await, [d, b, a]);
    assert_eq!(found(query().providers(["other"])).await, []);
    assert_eq!(found(query().statuses([BackupStatus::Failed])).await, [failed]);
    assert_eq!(found(query().healthy()).await, [d, b, a]);
    assert_eq!(found(query().requiring_attention()).await, [failed]);
    assert_eq!(found(query().text("before the MOVE")).await, [a]);
    assert_eq!(found(query().text("isit")).await, [b]);
    assert_eq!(found(query().text("dail")).await, [b, a], "the text is also searched in tags");
    let start = clock.now() - jiff::Span::new().hours(72);
    assert_eq!(found(query().between(..=start)).await, [a]);
    assert_eq!(found(query().between(start..clock.now())).await, [failed, b, a]);
    assert_eq!(found(query().last(Duration::from_secs(3600))).await, [d]);
    assert_eq!(found(query().size_bytes(1..)).await, [d, b, a]);
    assert_eq!(found(query().sort_by(SortBy::Time, Order::Ascending)).await, [a, b, failed, d]);
    assert_eq!(found(query().sort_by(SortBy::Name, Order::Ascending)).await, [a, failed, d, b]);
    assert_eq!(found(query().sort_by(SortBy::Size, Order::Ascending).take(2)).await, [failed, b]);
    assert_eq!(found(query().sort_by(SortBy::Duration, Order::Descending)).await.len(), 4);
    let page = query().skip(1).take(2).await.expect("listed");
    assert_eq!((ids(&page.entries), page.total), (vec![failed, b], 4));
    assert_eq!(query().first().await.expect("listed").map(|entry| entry.id()), Some(d));
    let streamed: Vec<_> = query().stream().try_collect().await.expect("listed");
    assert_eq!(ids(&streamed), ids(&all));
    let error = query().profiles(["faar"]).await.expect_err("no such profile");
    assert!(error.to_string().contains("`far`"), "{error:?}");
}

#[tokio::test]
async fn a_listing_that_fails_is_an_error_and_not_an_empty_catalog() {
    let Shop { koan, store, .. } = shop().await;
    let _ = koan.backup("nightly").await.expect("a backup");
    koan.catalog().all().await.expect("listed");
    for fault in [
        Fault::always(Operation::List, "manifests", Failure::Forbidden),
        Fault::always(Operation::List, "manifests", Failure::Broken),
    ] {
        store.fail([fault]);
        assert_eq!(
            koan.catalog().all().await.expect_err("the store fails to list manifests").kind(),
            ErrorKind::Storage
        );
        assert!(koan.catalog().query().stream().try_collect::<Vec<_>>().await.is_err());
        assert!(koan.catalog().statistics().await.is_err() && koan.catalog().latest().await.is_err());
        assert!(koan.catalog().health(&Expectations::new()).await.is_err());
    }
}

#[tokio::test]
async fn manifests_are_read_once_and_reread_when_the_cache_is_damaged() {
    let before = shop().await;
    for _ in 0..3 {
        let _ = before.koan.backup("nightly").await.expect("a backup");
        before.clock.pass(24);
    }
    let all = ids(&before.koan.catalog().all().await.expect("listed"));
    // From here on, no manifest can be read. The catalog uses the manifests that it has in memory, and after
    // a restart those of its cache on disk.
    let unreadable = [Fault::always(Operation::Get, "manifests", Failure::Forbidden)];
    before.store.fail(unreadable);
    assert_eq!(ids(&before.koan.catalog().all().await.expect("the manifests are in memory")), all);
    let Shop { store, cache, .. } = before;
    let after = shop_over(store, cache).await;
    assert_eq!(ids(&after.koan.catalog().all().await.expect("the manifests are in the cache on disk")), all);

    let mut cached_files = Vec::new();
    for folder in std::fs::read_dir(after.cache.path()).expect("a folder") {
        for file in std::fs::read_dir(folder.expect("a folder").path()).expect("a folder") {
            cached_files.push(file.expect("a file").path());
        }
    }
    assert_eq!(cached_files.len(), 3);
    let texts: Vec<_> =
        cached_files.iter().map(|file| std::fs::read_to_string(file).expect("read")).collect();
    let damages: [fn(&str) -> String; 5] = [
        |_| String::new(),
        |_| "{}".to_owned(),
        |text| text[..text.len() / 2].to_owned(),
        |text| text.replace("nightly", "nichtly"),
        |_| "\0\0\0".to_owned(),
    ];
    for damage in damages {
        for (file, text) in cached_files.iter().zip(&texts) {
            std::fs::write(file, damage(text)).expect("written");
        }
        let store = &after.store;
        let koan = Koan::builder()
            .provider(after.database.clone())
            .storage(store.storage())
            .catalog_cache(after.cache.path())
            .build()
            .await
            .expect("a context");
        store.fail(unreadable);
        koan.catalog().all().await.expect_err("a damaged file of the cache is not used");
        store.fail([]);
        assert_eq!(ids(&koan.catalog().all().await.expect("read again")), all);
    }
}

#[tokio::test]
async fn backups_are_counted_by_entity_profile_and_month() {
    let Shop { koan, clock, .. } = shop().await;
    let _ = koan.backup("nightly").await.expect("a backup");
    clock.pass(24 * 30);
    let _ = koan.backup("visits").entity::<Visit>().to_profile("far").await.expect("a backup");
    let statistics = koan.catalog().statistics().await.expect("counted");
    assert_eq!((statistics.backups, statistics.complete, statistics.failed), (2, 2, 0));
    assert_eq!((statistics.by_entity["Invoice"].backups, statistics.by_entity["Invoice"].records), (1, 10));
    assert_eq!((statistics.by_entity["Visit"].backups, statistics.by_entity["Visit"].records), (2, 1));
    assert_eq!(statistics.by_profile.values().map(|profile| profile.backups).collect::<Vec<_>>(), [1, 1]);
    let months: Vec<_> =
        statistics.growth.iter().map(|grown| (grown.month.as_str(), grown.backups)).collect();
    assert_eq!(months, [("2026-11", 1), ("2026-12", 1)]);
    assert_eq!(statistics.growth.iter().map(|grown| grown.size_bytes).sum::<u64>(), statistics.size_bytes);
}

#[tokio::test]
async fn health_reports_missing_outdated_failed_and_shrunk_backups() {
    let Shop { koan, clock, store, database, .. } = shop().await;
    let day = Duration::from_secs(86_400);
    let expected = Expectations::new()
        .every(day)
        .backup_every("visits", day)
        .entities_within(7 * day)
        .verified_within(7 * day);
    let problems = async || koan.catalog().health(&expected).await.expect("assessed").problems.join("\n");
    let text = problems().await;
    for problem in [
        "no backup was ever completed",
        "`Invoice` is in no completed backup",
        "`Visit` is in no completed backup",
        "no backup was verified",
    ] {
        assert!(text.contains(problem), "the problem `{problem}` is not reported: {text}");
    }
    let _ = koan.backup("nightly").entity::<Invoice>().await.expect("a backup");
    let _ = koan.backup("visits").entity::<Visit>().await.expect("a backup");
    let maintained = koan.maintenance().await.expect("maintenance runs");
    assert!(maintained.is_clean(), "{maintained:?}");
    assert_eq!(problems().await, "");
    clock.pass(25);
    let text = problems().await;
    assert!(
        text.contains("no backup has been completed since 2026-11-01 03:00:00")
            && text.contains("called `visits`"),
        "{text}"
    );
    database.truncate("Invoice", &SetName::root(), 4);
    let shrunk = koan.backup("nightly").entity::<Invoice>().await.expect("a backup").id();
    store.fail([Fault::once(Operation::Begin, "archives", Failure::Forbidden)]);
    koan.backup("visits").await.expect_err("the store refuses");
    store.fail([]);
    let health = koan.catalog().health(&expected).await.expect("assessed");
    assert!(!health.is_healthy());
    assert_eq!(health.last_success.map(|(id, _)| id), Some(shrunk));
    assert_eq!(health.failed.len(), 1);
    let [loss] = health.size_drops.as_slice() else { panic!("{health:?}") };
    assert_eq!((loss.entity.as_str(), loss.before, loss.after, loss.backup), ("Invoice", 10, 4, shrunk));
    let _ = koan.copy("nightly").to_profile("far").await.expect("copied");
    let copied = koan.catalog().health(&expected).await.expect("assessed");
    assert_eq!(copied.size_drops, health.size_drops, "a copy does not count as another backup");
    let tolerant = Expectations::new().max_loss_percent(60);
    assert!(koan.catalog().health(&tolerant).await.expect("assessed").size_drops.is_empty());
    clock.pass(24 * 8);
    let stale = koan.catalog().health(&expected).await.expect("assessed").stale_entities;
    assert_eq!(stale.iter().map(|stale| stale.entity.as_str()).collect::<Vec<_>>(), ["Invoice", "Visit"]);
}

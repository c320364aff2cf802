//! Catalogs with unusual contents: extreme dates, unknown fields, directories and links in place of files,
//! and very many manifests.

use std::path::PathBuf;

use koan_backup::SetName;
use koan_backup::prelude::*;
use koan_backup::{BackupId, Retention, catalog::Expectations};
use koan_backup_tests::hand_clock::HandClock;
use koan_backup_tests::scripted::Scripted;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
#[entity_backup]
struct Item {
    id: i64,
}

struct Shop {
    koan: Koan,
    clock: HandClock,
    folder: tempfile::TempDir,
}

impl Shop {
    async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let clock = HandClock::at(&jiff::Timestamp::now().to_string());
        let koan = Self::koan_with(folder.path().join("backups"), folder.path().join("state"), &clock).await;
        Self { koan, clock, folder }
    }

    async fn koan_with(storage: PathBuf, state: PathBuf, clock: &HandClock) -> Koan {
        let database = Scripted::default();
        database.put(&SetName::root(), &Item { id: 1 });
        let builder =
            Koan::builder().only_registered().register::<Item>().provider(database).clock(clock.clone());
        let builder = builder.state_directory(state).storage(Storage::local(storage).expect("a folder"));
        builder.build().await.expect("a context")
    }

    fn storage_path(&self, path: &str) -> PathBuf {
        self.folder.path().join("backups").join(path)
    }

    async fn backup(&self) -> BackupId {
        self.clock.pass(24);
        self.koan.backup("nightly").await.expect("a backup").id()
    }

    fn alter(&self, id: BackupId, alter: impl FnOnce(&mut serde_json::Value)) {
        let path = self.storage_path(&format!("manifests/{id}.json"));
        let mut manifest = serde_json::from_slice(&std::fs::read(&path).expect("a manifest")).expect("JSON");
        alter(&mut manifest);
        std::fs::write(path, serde_json::to_vec(&manifest).expect("JSON")).expect("written");
    }

    async fn listed(&self) -> Vec<BackupId> {
        self.koan.backups().await.expect("listed").into_iter().map(|manifest| manifest.id).collect()
    }
}

#[tokio::test]
async fn folders_and_broken_links_in_place_of_manifests_do_not_stop_any_operation() {
    let shop = Shop::new().await;
    let (first, second) = (shop.backup().await, shop.backup().await);
    let unusual_path = |name: &str| shop.storage_path(&format!("manifests/{name}.json"));
    std::fs::create_dir(unusual_path("01990000-0000-7000-8000-000000000001")).expect("a folder");
    std::fs::write(unusual_path("01990000-0000-7000-8000-000000000001").join("x"), "x").expect("written");
    std::os::unix::fs::symlink("/nowhere", unusual_path("01990000-0000-7000-8000-000000000002"))
        .expect("a link");
    std::os::unix::fs::symlink(
        unusual_path("01990000-0000-7000-8000-000000000003"),
        unusual_path("01990000-0000-7000-8000-000000000003"),
    )
    .expect("a link to itself");
    std::os::unix::fs::symlink("/", unusual_path("01990000-0000-7000-8000-000000000004"))
        .expect("a link to a folder");
    std::fs::create_dir(shop.storage_path("archives/01990000-0000-7000-8000-000000000001.koan.zip"))
        .expect("a folder");
    std::os::unix::fs::symlink(
        "/nowhere",
        shop.storage_path("archives/01990000-0000-7000-8000-000000000002.koan.zip"),
    )
    .expect("a link");
    assert!(shop.listed().await.contains(&first));
    let _ = shop.koan.restore("nightly").replace_existing().await.expect("restored");
    assert_eq!(shop.koan.catalog().latest().await.expect("listed").map(|entry| entry.id()), Some(second));
    // A link that cannot be followed may be a manifest, so it is reported as unreadable.
    let unreadable = shop.koan.catalog().unreadable().await.expect("listed");
    assert_eq!(unreadable.len(), 1, "{unreadable:?}");
    let health = shop.koan.catalog().health(&Expectations::new()).await.expect("the health was read");
    assert!(!health.is_healthy(), "{health:?}");
    let report = shop
        .koan
        .maintenance()
        .retention(Retention::new().keep_last(1))
        .await
        .expect("maintenance completed");
    assert!(!report.is_clean() && report.profiles[0].failures.is_empty(), "{report:?}");
    let _ = shop.koan.catalog().recover().await.expect("recovery completed");
    assert!(shop.listed().await.contains(&second));
    let _ = shop.koan.verify(second).await.expect("read").require_valid().expect("the backup is valid");
}

#[tokio::test]
async fn a_manifest_with_fields_of_a_later_version_is_listed_and_kept() {
    let shop = Shop::new().await;
    let id = shop.backup().await;
    shop.alter(id, |manifest| manifest["laterThing"] = serde_json::json!({"deep": [1, 2, {"x": null}]}));
    assert_eq!(shop.listed().await, [id]);
    let _ = shop
        .koan
        .maintenance()
        .retention(Retention::new().keep_last(1))
        .await
        .expect("maintenance completed");
    assert_eq!(shop.listed().await, [id]);
}

#[tokio::test]
async fn backups_with_extreme_dates_are_listed_or_reported_and_no_operation_panics() {
    // The last two values cannot be read as dates, so their manifests are reported and kept.
    for (date, is_readable) in [
        ("1970-01-01T00:00:00Z", true),
        ("2026-11-29T12:00:00+14:00", true),
        ("9999-12-30T22:00:00Z", true),
        ("9999-12-31T23:59:59Z", false),
        ("-009999-01-01T00:00:00Z", false),
    ] {
        let shop = Shop::new().await;
        let (first, second) = (shop.backup().await, shop.backup().await);
        shop.alter(first, |manifest| {
            for name in ["createdAt", "completedAt", "startedAt"] {
                if manifest.get(name).is_some() {
                    manifest[name] = date.into();
                }
            }
        });
        assert_eq!(
            shop.koan.catalog().unreadable().await.expect("listed").len(),
            usize::from(!is_readable),
            "{date}"
        );
        let day = std::time::Duration::from_secs(86_400);
        let _ = shop
            .koan
            .catalog()
            .health(&Expectations::new().every(day).verified_within(day))
            .await
            .expect("the health was read");
        shop.koan.catalog().statistics().await.expect("counted");
        for age in [std::time::Duration::MAX, std::time::Duration::ZERO] {
            shop.koan.catalog().query().last(age).await.expect("queried");
        }
        shop.koan.catalog().recent(u32::MAX).await.expect("queried");
        let retention = || Retention::new().keep_last(1).daily(1).weekly(1).monthly(1);
        // The plan may fail because of a backup with a date in the future. Maintenance reports such a failure
        // and completes.
        drop(shop.koan.retention(retention()).plan().await);
        let _ = shop.koan.maintenance().retention(retention()).await.expect("maintenance completed");
        assert!(shop.listed().await.contains(&second), "{date}");
    }
}

#[tokio::test]
async fn an_archive_that_a_user_renamed_is_not_removed_and_can_be_recovered() {
    let shop = Shop::new().await;
    let ids = [shop.backup().await, shop.backup().await, shop.backup().await];
    let archive = |id: BackupId| {
        let text =
            std::fs::read_to_string(shop.storage_path(&format!("manifests/{id}.json"))).expect("a manifest");
        let manifest: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        shop.storage_path(manifest["archive"]["file"].as_str().expect("a path"))
    };
    let old = archive(ids[2]);
    let new = old.with_file_name("saved by Ann.koan.zip");
    std::fs::rename(&old, &new).expect("renamed");
    shop.clock.pass(24 * 30);
    let report = shop
        .koan
        .maintenance()
        .retention(Retention::new().keep_last(1))
        .await
        .expect("maintenance completed");
    assert!(!report.is_clean(), "{report:?}");
    assert!(new.is_file(), "{report:?}");
    // Retention keeps the newest backup that can be verified.
    assert!(shop.listed().await.contains(&ids[1]), "{report:?}");
    let recovered = shop.koan.catalog().recover().await.expect("recovery completed");
    assert!(recovered.archives.len() == 1 && new.is_file(), "{recovered:?}");
    assert!(format!("{recovered:?}").contains("is already listed"), "{recovered:?}");
    // The remedy in the report works: the user moves the manifest away and runs the recovery again.
    std::fs::remove_file(shop.storage_path(&format!("manifests/{}.json", ids[2]))).expect("moved away");
    let _ = shop.koan.catalog().recover().await.expect("recovery completed");
    let _ = shop.koan.verify(ids[2]).await.expect("read").require_valid().expect("the backup is valid");
}

#[tokio::test]
async fn two_profiles_with_the_same_location_are_reported_and_no_copy_is_made_between_them() {
    let shop = Shop::new().await;
    let id = shop.backup().await;
    let link = shop.folder.path().join("link");
    std::os::unix::fs::symlink(shop.folder.path().join("backups"), &link).expect("a link");
    let linked = Shop::koan_with(link.clone(), shop.folder.path().join("state"), &shop.clock).await;
    assert_eq!(linked.backups().await.expect("listed").len(), 1);
    let _ = linked.restore(id).await.expect("restored");
    let database = Scripted::default();
    database.put(&SetName::root(), &Item { id: 1 });
    let koan_with_two_profiles = Koan::builder()
        .only_registered()
        .register::<Item>()
        .provider(database)
        .clock(shop.clock.clone())
        .state_directory(shop.folder.path().join("state"))
        .named_storage("one", Storage::local(shop.folder.path().join("backups")).expect("a folder"))
        .named_storage("two", Storage::local(&link).expect("a folder"))
        .build()
        .await
        .expect("a context");
    let warnings = koan_with_two_profiles.inventory().warnings.join("\n");
    assert!(warnings.contains("`one` and `two` have the same location"), "{warnings}");
    assert!(!linked.inventory().warnings.join("\n").contains("the same location"));
    let error = koan_with_two_profiles
        .copy(id)
        .from_profile("one")
        .to_profile("two")
        .await
        .expect_err("both profiles have the same location");
    assert_eq!(error.kind(), ErrorKind::Configuration, "{error:?}");
    assert!(error.to_string().contains("have the same location"), "{error}");
    let _ = koan_with_two_profiles
        .maintenance()
        .retention(Retention::new().keep_last(1))
        .await
        .expect("maintenance completed");
    let _ =
        koan_with_two_profiles.verify(id).await.expect("read").require_valid().expect("the backup is valid");
}

#[tokio::test]
async fn a_profile_in_a_folder_of_another_profile_keeps_its_backups() {
    let shop = Shop::new().await;
    let outer = shop.backup().await;
    for folder in ["inner", "archives/inner", "manifests"] {
        let inner =
            Shop::koan_with(shop.storage_path(folder), shop.folder.path().join("state"), &shop.clock).await;
        let id = inner.backup("nightly").await.expect("a backup").id();
        shop.clock.pass(24 * 60);
        let report = shop
            .koan
            .maintenance()
            .retention(Retention::new().keep_last(1))
            .await
            .expect("maintenance completed");
        assert!(report.is_clean(), "{folder}: {report:?}");
        let _ = inner.verify(id).await.expect(folder).require_valid().expect(folder);
        let _ = inner
            .maintenance()
            .retention(Retention::new().keep_last(1))
            .await
            .expect("maintenance completed");
        assert_eq!(shop.listed().await, [outer], "{folder}");
        let _ = shop.koan.verify(outer).await.expect(folder).require_valid().expect(folder);
    }
}

#[tokio::test]
async fn a_clock_that_was_set_back_a_year_removes_nothing() {
    let shop = Shop::new().await;
    let ids = [shop.backup().await, shop.backup().await];
    let now = jiff::Timestamp::now();
    shop.clock.set(now - jiff::Span::new().hours(24 * 365));
    let error =
        shop.koan.retention(Retention::new().keep_last(1)).plan().await.expect_err("the clock is wrong");
    assert!(error.to_string().contains("clock"), "{error}");
    let report = shop
        .koan
        .maintenance()
        .retention(Retention::new().keep_last(1))
        .await
        .expect("maintenance completed");
    assert!(!report.is_clean(), "{report:?}");
    let mut listed = shop.listed().await;
    listed.sort();
    assert_eq!(listed, ids);
}

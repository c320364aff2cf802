//! Retention for directory trees.

use std::fs;
use std::path::PathBuf;

use async_trait::async_trait;
use koan_backup::prelude::*;
use koan_backup::report::DirectoryBackupReport;
use koan_backup::retention::{KeepReason, RemoveReason};
use koan_backup::{BackupId, Identities, KeySource, Retention};
use koan_backup_tests::wait;

use crate::shop::{Shop, files, names};

fn keep_last(count: usize) -> Retention {
    Retention::new().keep_last(count)
}

/// Writes several backups into the tree, oldest first.
async fn backups(shop: &Shop, koan: &Koan, count: usize) -> Vec<DirectoryBackupReport> {
    let mut reports = Vec::new();
    for _ in 0..count {
        reports.push(shop.backup(koan).await);
    }
    reports
}

/// Returns the ids in the registry.
fn listed(shop: &Shop) -> Vec<BackupId> {
    let registry = shop.registry();
    let backups = registry["backups"].as_array().expect("a list");
    backups.iter().map(|backup| backup["id"].as_str().expect("an id").parse().expect("an id")).collect()
}

/// Returns the directory of an entity in a backup.
fn directory(shop: &Shop, entity: &str, backup: &DirectoryBackupReport) -> PathBuf {
    shop.tree().join(entity).join(&backup.directory)
}

const ENTITIES: [&str; 2] = ["tree.shop.Customer", "tree.shop.Card"];

#[tokio::test]
async fn a_plan_has_reasons_and_changes_nothing_and_its_application_removes_what_it_lists() {
    let shop = Shop::new(3);
    let koan = shop.koan().await;
    let made = backups(&shop, &koan, 3).await;
    let before = files(&shop.tree());
    let retention = koan.retention(keep_last(1)).in_directory(shop.tree());
    let plan = retention.plan().await.expect("a plan");
    assert_eq!(files(&shop.tree()), before, "a plan changes nothing");
    assert_eq!(plan.directory, Some(shop.tree().display().to_string()));
    let decided: Vec<_> = plan.decisions.iter().map(|decision| decision.id).collect();
    assert_eq!(decided, [made[2].id, made[1].id, made[0].id], "newest first");
    assert!(plan.decisions[0].kept.contains(&KeepReason::LastGood), "{plan}");
    assert_eq!(plan.decisions[1].removed, Some(RemoveReason::NoRule), "{plan}");
    assert!(plan.decisions[1].size_bytes > 0, "{plan}");

    let report = retention.apply(&plan).await.expect("applied");
    let removed: Vec<_> = report.removed.iter().map(|backup| backup.id).collect();
    assert_eq!(removed, [made[0].id, made[1].id], "oldest first");
    assert_eq!(report.freed_bytes(), plan.freed_bytes(), "the size in the plan is that of the files");
    assert_eq!(report.verified, [made[2].id]);
    assert_eq!(listed(&shop), [made[2].id]);
    assert_eq!(shop.leftovers(), [""; 0]);
    for entity in ENTITIES {
        assert_eq!(names(&shop.tree().join(entity)), [made[2].directory.as_str(), "latest"]);
        let link = fs::read_link(shop.tree().join(entity).join("latest")).expect("a link");
        assert_eq!(link.to_str(), Some(made[2].directory.as_str()));
    }
    let kept = files(&shop.tree());
    assert!(kept.iter().all(|(path, content)| path == "manifest.json" || before.get(path) == Some(content)));
    let restored =
        koan.restore_directory(shop.tree()).at("latest").replace_existing().await.expect("restored");
    assert_eq!(restored.id, made[2].id);
    let error = koan.restore_directory(shop.tree()).at(made[0].id).await.expect_err("it was removed");
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn a_plan_that_is_out_of_date_is_refused() {
    let shop = Shop::new(1);
    let koan = shop.koan().await;
    let _ = backups(&shop, &koan, 2).await;
    let retention = koan.retention(keep_last(1)).in_directory(shop.tree());
    let plan = retention.plan().await.expect("a plan");
    let added = shop.backup(&koan).await;
    let before = files(&shop.tree());
    let error = retention.apply(&plan).await.expect_err("the plan is out of date");
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(error.to_string().contains(&added.id.to_string()), "{error}");
    assert_eq!(files(&shop.tree()), before, "nothing was removed");
    let idle = koan.retention(keep_last(1).exempt_tag("leagl")).in_directory(shop.tree());
    let error = idle.apply(&idle.plan().await.expect("a plan")).await.expect_err("a rule keeps no backup");
    assert!(error.to_string().contains("leagl"), "{error}");
    let both = koan.retention(keep_last(1)).in_directory(shop.tree()).in_profile("local");
    assert_eq!(both.plan().await.expect_err("both are set").kind(), ErrorKind::Configuration);
    let missing = koan.retention(keep_last(1)).in_directory(shop.path("missing"));
    assert_eq!(missing.plan().await.expect_err("there is no tree").kind(), ErrorKind::NotFound);
    assert!(!shop.path("missing").exists(), "a plan creates no tree");
}

#[tokio::test]
async fn the_newest_valid_backup_is_kept_although_newer_ones_are_damaged() {
    let shop = Shop::new(3);
    let koan = shop.koan().await;
    let made = backups(&shop, &koan, 3).await;
    // The size is the same, so only a verification of the content finds the damage.
    let path = directory(&shop, ENTITIES[0], &made[2]).join("data.json");
    let mut content = fs::read(&path).expect("a file");
    content[10] ^= 1;
    fs::write(&path, &content).expect("written");
    let retention = koan.retention(keep_last(1)).in_directory(shop.tree());
    let plan = retention.plan().await.expect("a plan");
    let report = retention.apply(&plan).await.expect("applied");
    assert_eq!(report.removed.iter().map(|backup| backup.id).collect::<Vec<_>>(), [made[0].id], "{plan}");
    assert_eq!(listed(&shop), [made[1].id, made[2].id]);
    assert!(report.damaged.iter().any(|(id, damage)| *id == made[2].id && damage.contains("data.json")));
    // Without any valid backup, nothing is removed.
    fs::remove_file(directory(&shop, ENTITIES[0], &made[1]).join("data.json")).expect("removed");
    let another = shop.backup(&koan).await;
    fs::remove_file(directory(&shop, ENTITIES[0], &another).join("metadata.json")).expect("removed");
    let plan = retention.plan().await.expect("a plan");
    if plan.removals().next().is_some() {
        let error = retention.apply(&plan).await.expect_err("no backup is valid");
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{}", error.chain());
    }
    assert_eq!(listed(&shop), [made[1].id, made[2].id, another.id]);
}

#[tokio::test]
async fn files_of_a_person_are_kept_and_links_are_not_followed() {
    let shop = Shop::new(1);
    let koan = shop.koan().await;
    let made = backups(&shop, &koan, 2).await;
    let outside = shop.path("outside");
    fs::create_dir(&outside).expect("created");
    fs::write(outside.join("data.json"), "of a person").expect("written");
    let [customers, cards] = ENTITIES.map(|entity| directory(&shop, entity, &made[0]));
    fs::write(customers.join("mine.txt"), "of a person").expect("written");
    fs::remove_file(customers.join("data.json")).expect("removed");
    std::os::unix::fs::symlink(outside.join("data.json"), customers.join("data.json")).expect("a link");
    fs::remove_dir_all(&cards).expect("removed");
    std::os::unix::fs::symlink(&outside, &cards).expect("a link");
    let retention = koan.retention(keep_last(1)).in_directory(shop.tree());
    let report = retention.apply(&retention.plan().await.expect("a plan")).await.expect("applied");
    let mut foreign = report.foreign_files.clone();
    foreign.sort();
    let time = &made[0].directory;
    let expected = [
        format!("{}/{time}", ENTITIES[1]),
        format!("{}/{time}/data.json", ENTITIES[0]),
        format!("{}/{time}/mine.txt", ENTITIES[0]),
    ];
    assert_eq!(foreign, expected);
    assert_eq!(names(&customers), ["data.json", "mine.txt"]);
    assert!(fs::symlink_metadata(&cards).is_ok(), "the link of a person is kept");
    assert_eq!(names(&outside), ["data.json"], "a link was followed out of the tree");
    assert_eq!(listed(&shop), [made[1].id]);
    let _ = shop.backup(&koan).await;
}

#[tokio::test]
async fn backups_of_other_applications_are_not_considered() {
    let shop = Shop::new(1);
    let builder = shop.builder().application("other").encrypt_to(shop.recipients());
    let other = builder.build().await.expect("a context");
    let theirs = backups(&shop, &other, 2).await;
    let koan = shop.koan().await;
    let ours = backups(&shop, &koan, 2).await;
    let retention = koan.retention(keep_last(1)).in_directory(shop.tree());
    let plan = retention.plan().await.expect("a plan");
    assert_eq!((plan.decisions.len(), plan.other_applications), (2, 2));
    let _ = retention.apply(&plan).await.expect("applied");
    assert_eq!(listed(&shop), [theirs[0].id, theirs[1].id, ours[1].id]);
}

/// Writes what a process leaves that is killed while it removes a backup.
fn interrupt_removal(shop: &Shop, backup: &DirectoryBackupReport) {
    let staging = shop.tree().join(".staging-00000001");
    fs::create_dir(&staging).expect("created");
    fs::write(staging.join("koan-backup-staging"), "").expect("written");
    let directory = |entity| {
        serde_json::json!({
            "path": format!("{entity}/{}", backup.directory),
            "files": ["data.json", "data.json.age", "metadata.json", "metadata.json.age"],
        })
    };
    let directories: Vec<_> = ENTITIES.iter().map(directory).collect();
    let list = serde_json::json!({ "backups": [{ "id": backup.id, "directories": directories }] });
    fs::write(staging.join("removals.json"), list.to_string()).expect("written");
}

/// Removes a backup from the registry only.
fn unlist(shop: &Shop, id: BackupId) {
    let mut registry = shop.registry();
    let backups = registry["backups"].as_array_mut().expect("a list");
    backups.retain(|backup| backup["id"] != id.to_string());
    fs::write(shop.tree().join("manifest.json"), registry.to_string()).expect("written");
}

#[tokio::test]
async fn the_next_operation_completes_a_removal_that_was_interrupted() {
    for maintained in [false, true] {
        let shop = Shop::new(1);
        let koan = shop.koan().await;
        let made = backups(&shop, &koan, 2).await;
        let next = async || match maintained {
            true => {
                let report = koan.maintenance().directory_retention(shop.tree(), keep_last(9)).await;
                assert!(report.expect("maintained").is_clean());
            }
            false => drop(shop.backup(&koan).await),
        };
        // The process was killed before the registry was replaced: nothing is removed.
        interrupt_removal(&shop, &made[1]);
        next().await;
        assert!(listed(&shop).contains(&made[1].id));
        assert!(directory(&shop, ENTITIES[0], &made[1]).join("data.json").exists());
        let trial = koan.restore_directory(shop.tree()).at(made[1].id).replace_existing().dry_run().await;
        let _ = trial.expect("the backup is complete");
        assert_eq!(shop.leftovers(), [""; 0]);
        // The process was killed after that, before the links and the files. Within the same second, the next backup
        // would have the name of the removed one.
        wait::until("the second of the backup has passed", async || {
            jiff::Timestamp::now().strftime("%Y-%m-%dT%H-%M-%SZ").to_string() > made[1].directory
        })
        .await;
        interrupt_removal(&shop, &made[1]);
        unlist(&shop, made[1].id);
        next().await;
        for entity in ENTITIES {
            assert!(!directory(&shop, entity, &made[1]).exists(), "{entity}: the files were left");
            let link = fs::read_link(shop.tree().join(entity).join("latest")).expect("a link");
            assert!(shop.tree().join(entity).join(link).exists(), "{entity}: `latest` refers to nothing");
        }
        assert_eq!(shop.leftovers(), [""; 0]);
    }
}

#[tokio::test]
async fn maintenance_prunes_only_the_trees_that_are_set() {
    let shop = Shop::new(1);
    let builder = shop.builder().encrypt_to(shop.recipients()).directory_retention(shop.tree(), keep_last(1));
    let koan = builder.build().await.expect("a context");
    let made = backups(&shop, &koan, 2).await;
    let other = shop.path("other");
    for _ in 0..2 {
        let _ = koan.backup("fixtures").to_directory(&other).await.expect("a backup");
    }
    let untouched = (files(&shop.tree()), files(&other));
    let report = koan.maintenance().without_retention().await.expect("maintained");
    assert!(report.directories.is_empty());
    let report = koan.maintenance().profiles("local").await.expect("maintained");
    assert!(report.directories.is_empty(), "only a profile was selected");
    assert_eq!((files(&shop.tree()), files(&other)), untouched);

    // While another operation writes into the tree, maintenance skips it.
    let lock = fs::File::open(shop.tree().join(".lock")).expect("a lock file");
    lock.lock().expect("locked");
    let report = koan.maintenance().await.expect("maintained");
    assert!(report.is_busy() && report.directories[0].skipped.is_some(), "{report:?}");
    drop(lock);

    let report = koan.maintenance().await.expect("maintained");
    let [directory] = report.directories.as_slice() else { panic!("one tree: {report:?}") };
    assert_eq!(directory.root, shop.tree().display().to_string());
    let pruned = directory.pruned.as_ref().expect("pruned");
    assert_eq!(pruned.removed.iter().map(|backup| backup.id).collect::<Vec<_>>(), [made[0].id]);
    assert!(report.is_clean() && !report.is_busy(), "{report:?}");
    assert_eq!(files(&other), untouched.1, "a tree without a policy was changed");

    let report = koan.maintenance().directory_retention(shop.path("missing"), keep_last(1)).await;
    let report = report.expect("maintained");
    assert!(!report.is_clean() && report.directories[1].failure.is_some(), "{report:?}");
    let error = koan.maintenance().directory_retention(&other, Retention::new()).await.expect_err("no rule");
    assert!(error.chain().contains("other") && error.kind() == ErrorKind::Configuration, "{}", error.chain());
}

/// A source of keys that removes backups before it returns them.
#[derive(Debug)]
struct RemovingKeys {
    keys: Keys,
    remover: Koan,
    tree: PathBuf,
}

#[async_trait]
impl KeySource for RemovingKeys {
    async fn identities(&self) -> koan_backup::Result<Identities> {
        let retention = self.remover.retention(keep_last(1)).in_directory(&self.tree);
        let plan = retention.plan().await?;
        let _ = retention.apply(&plan).await?;
        self.keys.identities().await
    }

    fn describe(&self) -> String {
        "keys that remove backups".to_owned()
    }
}

#[tokio::test]
async fn a_restore_of_a_backup_that_is_removed_meanwhile_changes_nothing() {
    let shop = Shop::new(3);
    let remover = shop.koan().await;
    let made = backups(&shop, &remover, 2).await;
    let keys = RemovingKeys { keys: shop.keys(), remover: remover.clone(), tree: shop.tree() };
    let builder = shop.builder().encrypt_to(shop.recipients()).keys(keys);
    let koan = builder.build().await.expect("a context");
    shop.sql("DELETE FROM customers WHERE id = 1");
    let before = shop.rows("customers");
    let restore = koan.restore_directory(shop.tree()).at(made[0].id).replace_existing();
    let error = restore.await.expect_err("the backup was removed while it was read");
    assert_eq!(error.kind(), ErrorKind::Conflict, "{}", error.chain());
    assert_eq!(shop.rows("customers"), before, "a part of the backup was restored");
    assert_eq!(listed(&shop), [made[1].id]);
}

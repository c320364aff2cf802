//! Backups that fail, are cancelled, or whose process is killed.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use koan_backup::prelude::*;
use koan_backup::{CancellationToken, Event};
use koan_backup_tests::faulty_store::{Failure, Fault, FaultyStore, Operation};
use koan_backup_tests::small_disk::SmallDisk;
use koan_backup_tests::test_process::start_test;
use koan_backup_tests::wait::HANG_TIMEOUT;
use object_store::memory::InMemory;

use crate::shop::{Shop, files, names};

/// The environment variable with the folder of the shop, in the process that is killed.
const FOLDER: &str = "KOAN_BACKUP_TREE_FOLDER";

#[tokio::test]
async fn a_cancelled_backup_leaves_nothing_and_the_next_one_succeeds() {
    let shop = Shop::new(5000);
    let koan = shop.koan().await;
    let token = CancellationToken::new();
    let cancel = token.clone();
    let backup = koan.backup("fixtures").cancel_on(token).on_event(move |event| {
        if matches!(event, Event::BlockWritten { .. }) {
            cancel.cancel();
        }
    });
    let error = backup.to_directory(shop.tree()).await.expect_err("cancelled");
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    assert_eq!(names(&shop.tree()), [".lock"]);
    let _ = shop.backup(&koan).await;
}

#[tokio::test]
async fn a_failed_backup_leaves_the_tree_as_it_was() {
    let shop = Shop::new(3);
    let koan = shop.koan().await;
    let _ = shop.backup(&koan).await;
    let before = files(&shop.tree());
    shop.sql("INSERT INTO customers VALUES (77, CAST(x'ff' AS TEXT))");
    let error = koan.backup("fixtures").to_directory(shop.tree()).await.expect_err("a name is not text");
    assert_eq!(error.kind(), ErrorKind::Record, "{}", error.chain());
    assert_eq!(files(&shop.tree()), before);
    // The other entities are written, the tree records the failure, and only a partial restore is possible.
    let report =
        koan.backup("partial").continue_on_error().to_directory(shop.tree()).await.expect("a backup");
    assert_eq!(report.failed, ["Customer"]);
    report.clone().require_complete().expect_err("an entity failed");
    let restored = koan.restore_directory(shop.tree()).at(report.id).allow_partial().await.expect("restored");
    assert_eq!(restored.record_count(), 2);
    koan.restore_directory(shop.tree()).at(report.id).await.expect_err("the backup is partial");
}

#[tokio::test]
async fn a_conversion_that_is_cancelled_or_fails_leaves_nothing() {
    let shop = Shop::new(40_000);
    let store = FaultyStore::over(Arc::new(InMemory::new()));
    let koan = shop.builder().named_storage("faulty", store.storage()).encrypt_to(shop.recipients());
    let koan = koan.keys(shop.keys()).build().await.expect("a context");
    let id = koan.backup("fixtures").to_profile("faulty").await.expect("a backup").id();

    // The reads after those that open the backup are reads of its records.
    store.resume();
    let _ = koan.records(id).from_profile("faulty").entity("Customer").await.expect("opened");
    let opening = store.call_count(Operation::Get, "archives/");
    for failure in [Failure::Forbidden, Failure::Never] {
        for target in [shop.tree(), shop.path("files")] {
            store.fail([Fault::always(Operation::Get, "archives/", failure).after(opening + 2)]);
            let token = CancellationToken::new();
            let extract = koan.extract(id).from_profile("faulty").cancel_on(token.clone());
            let extracting = async {
                match target.ends_with("tree") {
                    true => extract.to_directory(&target).await.map(drop),
                    false => extract.to_files(&target).await.map(drop),
                }
            };
            let cancelling = async {
                if failure == Failure::Never {
                    store.until_called(Operation::Get, "archives/", opening + 3).await;
                    token.cancel();
                }
            };
            let (result, ()) = tokio::join!(extracting, cancelling);
            let error = result.expect_err("the extraction did not complete");
            let kind = if failure == Failure::Never { ErrorKind::Cancelled } else { ErrorKind::Storage };
            assert_eq!(error.kind(), kind, "{}", error.chain());
            match target.ends_with("tree") {
                true => assert_eq!(names(&target), [".lock"]),
                false => assert!(!target.exists(), "{target:?}"),
            }
        }
    }
    for target in [shop.tree(), shop.path("files")] {
        store.fail([Fault::always(Operation::Get, "archives/", Failure::Never).after(opening + 2)]);
        let extract = koan.extract(id).from_profile("faulty");
        let extracting = async {
            match target.ends_with("tree") {
                true => extract.to_directory(&target).await.map(drop),
                false => extract.to_files(&target).await.map(drop),
            }
        };
        tokio::select! {
            result = extracting => panic!("a read never ends: {result:?}"),
            () = store.until_called(Operation::Get, "archives/", opening + 3) => {}
        }
        match target.ends_with("tree") {
            true => assert_eq!(names(&target), [".lock"], "the future was dropped"),
            false => assert!(!target.exists(), "the future was dropped"),
        }
    }
    store.resume();
}

/// The backup that is killed. It does nothing in a normal run of the suite.
#[tokio::test]
async fn a_backup_in_the_process_that_is_killed() {
    let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) else { return };
    let shop = Shop::opened(folder);
    let koan = shop.koan().await;
    let _ = koan
        .backup("fixtures")
        .on_event(|event| {
            if matches!(event, Event::BlockWritten { .. }) {
                koan_backup_tests::random_seed::print_line("writing");
                // This read ends when the parent process has ended.
                let _ = std::io::Read::read_to_end(&mut std::io::stdin(), &mut Vec::new());
            }
        })
        .to_directory(shop.tree())
        .await;
}

#[tokio::test]
async fn the_next_backup_removes_what_a_killed_process_has_left() {
    let shop = Shop::new(3);
    let (mut child, lines) =
        start_test("interrupted::a_backup_in_the_process_that_is_killed", FOLDER, shop.folder());
    let is_writing =
        std::iter::from_fn(|| lines.recv_timeout(HANG_TIMEOUT).ok()).any(|line| line.contains("writing"));
    assert!(is_writing, "the process writes the staged archive");
    let koan = shop.koan().await;
    let busy = koan.backup("fixtures").to_directory(shop.tree()).await.expect_err("the tree is locked");
    assert_eq!(busy.kind(), ErrorKind::Busy);
    child.kill().expect("killed");
    child.wait().expect("ended");
    let left: Vec<_> = names(&shop.tree()).into_iter().filter(|name| name.starts_with(".staging-")).collect();
    assert_eq!(left.len(), 1, "{left:?}");
    let _ = shop.backup(&koan).await;
    assert_eq!(shop.leftovers(), [""; 0]);
}

#[tokio::test]
async fn only_marked_directories_of_an_interrupted_backup_are_removed() {
    let shop = Shop::new(1);
    let koan = shop.koan().await;
    let _ = shop.backup(&koan).await;
    let complete = files(&shop.tree());
    let id = "0197f1a0-0000-7000-8000-000000000001";
    let write = |path: &str, content: &str| {
        let path = shop.tree().join(path);
        fs::create_dir_all(path.parent().expect("a directory")).expect("created");
        fs::write(path, content).expect("written");
    };
    write(".staging-00000001/koan-backup-staging", "");
    let directories =
        ["a.Gone/t", "a.Mixed/t", "a.Unmarked/t", "a.Other/t", "tree.shop.Card/t", "../../outside"];
    let (listed, outside) = directories.split_at(5);
    let plan = serde_json::json!({ "id": id, "directories": listed });
    write(".staging-00000001/directories.json", &plan.to_string());
    for directory in ["a.Gone", "a.Mixed", "tree.shop.Card"] {
        write(&format!("{directory}/t/.incomplete"), id);
        write(&format!("{directory}/t/data.json"), "[\n{");
    }
    write("a.Mixed/t/mine.txt", "of a person");
    write("a.Unmarked/t/data.json", "of a person");
    write("a.Other/t/.incomplete", "0197f1a0-0000-7000-8000-000000000002");
    write(".staging-notes/mine.txt", "of a person");
    // A list with a path that leaves the root is not used.
    write(".staging-00000002/koan-backup-staging", "");
    let plan = serde_json::json!({ "id": id, "directories": outside });
    write(".staging-00000002/directories.json", &plan.to_string());
    fs::create_dir(shop.tree().join(".staging-00000003")).expect("created");

    let report = shop.backup(&koan).await;
    let added = format!("/{}/", report.directory);
    let mut left: Vec<_> = files(&shop.tree()).into_keys().collect();
    left.retain(|path| !complete.contains_key(path) && !path.contains(&added));
    let kept = [
        ".staging-notes/mine.txt",
        "a.Mixed/t/.incomplete",
        "a.Mixed/t/mine.txt",
        "a.Other/t/.incomplete",
        "a.Unmarked/t/data.json",
    ];
    assert_eq!(left, kept);
    assert!(!shop.tree().join("a.Gone").exists());
}

#[tokio::test]
async fn a_first_backup_that_was_interrupted_does_not_block_its_tree() {
    let shop = Shop::new(1);
    let koan = shop.koan().await;
    let id = "0197f1a0-0000-7000-8000-000000000001";
    fs::create_dir_all(shop.tree().join(".staging-00000001")).expect("created");
    fs::create_dir_all(shop.tree().join("tree.shop.Card/t")).expect("created");
    fs::write(shop.tree().join(".staging-00000001/koan-backup-staging"), "").expect("written");
    let plan = serde_json::json!({ "id": id, "directories": ["tree.shop.Card/t", "tree.shop.Customer/t"] });
    fs::write(shop.tree().join(".staging-00000001/directories.json"), plan.to_string()).expect("written");
    let _ = shop.backup(&koan).await;
    assert_eq!(shop.leftovers(), [""; 0]);
    assert!(!shop.tree().join("tree.shop.Card/t").exists());
}

#[tokio::test]
async fn a_full_disk_registers_nothing_and_leaves_nothing() {
    // Random names fill the disk while the archive is staged, repeated names when it is converted.
    for names_are_random in [true, false] {
        let Some(disk) = SmallDisk::mount() else { return };
        let shop = Shop::new(30_000);
        if !names_are_random {
            shop.sql("UPDATE customers SET name = 'always the same name ' || substr(name, 1, 40) || hex(zeroblob(40))");
        }
        let koan = shop.koan().await;
        let tree = disk.path().join("tree");
        let error = koan.backup("fixtures").to_directory(&tree).await.expect_err("the disk is too small");
        assert_eq!(error.kind(), ErrorKind::Storage, "{}", error.chain());
        assert_eq!(error.chain().contains("data.json"), !names_are_random, "{}", error.chain());
        assert_eq!(names(&tree), [".lock"]);
    }
}

#[tokio::test]
async fn a_registry_that_cannot_be_written_leaves_the_tree_as_it_was() {
    let shop = Shop::new(1);
    let koan = shop.koan().await;
    let _ = shop.backup(&koan).await;
    // A directory has the name under which the new registry is written first.
    fs::create_dir(shop.tree().join(".manifest.json.new")).expect("created");
    let before = files(&shop.tree());
    let error =
        koan.backup("fixtures").to_directory(shop.tree()).await.expect_err("the registry cannot be written");
    assert_eq!(error.kind(), ErrorKind::Storage);
    assert!(error.to_string().contains("manifest.json"), "{error}");
    assert_eq!(files(&shop.tree()), before);
    assert_eq!(names(&shop.tree().join("tree.shop.Customer")).len(), 2, "one backup and the link");
}

#[tokio::test]
async fn maintenance_leaves_trees_alone() {
    let shop = Shop::new(1);
    let koan = shop.koan().await;
    let _ = shop.backup(&koan).await;
    let before = files(&shop.tree());
    let _ = koan.backup("in the profile").await.expect("a backup");
    let _ = koan.maintenance().await.expect("maintained");
    assert_eq!(files(&shop.tree()), before);
}

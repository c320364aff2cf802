//! Extractions into files whose process is killed.

use std::fs;
use std::path::{Path, PathBuf};

use koan_backup::prelude::*;
use koan_backup_tests::faulty_store::{Failure, Fault, FaultyStore, Operation};
use koan_backup_tests::test_process::start_test;
use koan_backup_tests::wait::HANG_TIMEOUT;

use crate::shop::{Shop, files, names};

/// The environment variable with the folder of the shop, in the process that is killed.
const FOLDER: &str = "KOAN_BACKUP_EXTRACTION_FOLDER";
/// The file that marks a directory that is not complete.
const MARK: &str = "koan-backup-incomplete";

/// The extraction that is killed. It does nothing in a normal run of the suite.
#[tokio::test]
async fn an_extraction_in_the_process_that_is_killed() {
    let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) else { return };
    let shop = Shop::opened(folder);
    let store = FaultyStore::over(std::sync::Arc::new(object_store::memory::InMemory::new()));
    let builder = shop.builder().named_storage("faulty", store.storage()).encrypt_to(shop.recipients());
    let koan = builder.keys(shop.keys()).build().await.expect("a context");
    let id = koan.backup("fixtures").to_profile("faulty").await.expect("a backup").id();
    store.resume();
    let _ = koan.records(id).from_profile("faulty").entity("Customer").await.expect("opened");
    let opening = store.call_count(Operation::Get, "archives/");
    // The reads after those that open the backup are reads of its records.
    store.fail([Fault::always(Operation::Get, "archives/", Failure::Never).after(opening + 4)]);
    let extracting = async {
        let _ = koan.extract(id).from_profile("faulty").to_files(shop.path("files")).await;
    };
    let waiting = async {
        store.until_called(Operation::Get, "archives/", opening + 5).await;
        koan_backup_tests::random_seed::print_line("extracting");
        // This read ends when the parent process has ended.
        let read = || std::io::Read::read_to_end(&mut std::io::stdin(), &mut Vec::new());
        tokio::task::spawn_blocking(read).await
    };
    tokio::select! {
        () = extracting => {}
        _ = waiting => {}
    }
}

#[tokio::test]
async fn the_next_extraction_removes_what_a_killed_one_has_left_and_never_disturbs_a_running_one() {
    let shop = Shop::new(40_000);
    let koan = shop.koan().await;
    let id = koan.backup("fixtures").await.expect("a backup").id();
    let (mut child, lines) = start_test(
        "interrupted_extraction::an_extraction_in_the_process_that_is_killed",
        FOLDER,
        shop.folder(),
    );
    let is_extracting =
        std::iter::from_fn(|| lines.recv_timeout(HANG_TIMEOUT).ok()).any(|line| line.contains("extracting"));
    assert!(is_extracting, "the process writes the files");
    let target = shop.path("files");
    let partial = files(&target);
    assert!(partial.contains_key(MARK) && partial.len() > 1, "{:?}", partial.keys());
    let error = koan.extract(id).to_files(&target).await.expect_err("the extraction is running");
    assert_eq!(error.kind(), ErrorKind::Busy, "{}", error.chain());
    assert_eq!(files(&target).len(), partial.len(), "the running extraction was disturbed");
    child.kill().expect("killed");
    child.wait().expect("ended");
    assert!(target.join(MARK).exists(), "a directory that is not complete is marked");
    let report = koan.extract(id).to_files(&target).await.expect("extracted");
    assert!(!target.join(MARK).exists(), "a complete directory has no mark");
    assert_eq!(files(&target).len(), report.files.len());
    let error = koan.extract(id).to_files(&target).await.expect_err("a complete directory is not replaced");
    assert_eq!(error.kind(), ErrorKind::Configuration);
}

/// Writes a directory as a killed extraction leaves it.
fn interrupted(target: &Path, mark: &str) {
    fs::create_dir_all(target.join("entities")).expect("created");
    fs::write(target.join("entities/Customer.jsonl"), "{}").expect("written");
    fs::write(target.join(MARK), mark).expect("written");
}

#[tokio::test]
async fn only_the_recorded_files_of_an_interrupted_extraction_are_removed() {
    let shop = Shop::new(1);
    let koan = shop.koan().await;
    let id = koan.backup("fixtures").await.expect("a backup").id();
    fs::write(shop.path("outside"), "of a person").expect("written");
    let recorded = "koan-backup extraction\n\"entities\"\n\"entities/Customer.jsonl\"\n";
    for (case, mark, file_of_a_person) in [
        ("other", recorded, Some("entities/mine.txt")),
        ("leaving", &*format!("{recorded}\"../outside\"\n\"manif"), None),
        ("foreign", "another program\n\"entities/Customer.jsonl\"\n", Some("entities/Customer.jsonl")),
    ] {
        let target = shop.path(case);
        interrupted(&target, mark);
        if let Some(path) = file_of_a_person {
            fs::write(target.join(path), "of a person").expect("written");
        }
        let extracted = koan.extract(id).to_files(&target).await;
        match file_of_a_person {
            Some(path) => {
                let error = extracted.expect_err("the directory contains a file of a person");
                assert_eq!(error.kind(), ErrorKind::Configuration, "{case}: {}", error.chain());
                assert!(target.join(path).exists(), "{case}: a file of a person was removed");
            }
            None => drop(extracted.expect("the directory is empty after the removal")),
        }
        assert!(shop.path("outside").exists(), "{case}: a file outside of the directory was removed");
    }
    // A process may have been killed before it had written the mark completely.
    let target = shop.path("begun");
    fs::create_dir(&target).expect("created");
    fs::write(target.join(MARK), "koan-ba").expect("written");
    let _ = koan.extract(id).to_files(&target).await.expect("extracted");
    assert!(!names(&target).contains(&MARK.to_owned()));
}

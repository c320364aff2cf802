//! The event store of JSON files, in each kind of storage.

use std::cell::Cell;

use koan_backup::event_store::conformance;
use koan_backup::prelude::*;
use koan_backup::{EventFiles, storage::StorageOptions};
use koan_backup_tests::stores::{Azurite, Moto};

use super::{REFUSALS, conforms, not_declared};

/// Runs the suite in storages that `open` opens by their names.
async fn files_conform(open: impl Fn(&str) -> Storage) {
    let number = Cell::new(0);
    let conformance = conforms(async || {
        number.set(number.get() + 1);
        let storage = open(&format!("case-{}", number.get()));
        Ok(conformance::provider_of(EventFiles::in_storage(storage)))
    })
    .await;
    let expected = [
        &REFUSALS[..3],
        &[
            "positions are preserved, and assigned where they are missing",
            "events of all object names are found by their positions",
            "a position that belongs to another event is refused",
        ],
    ];
    assert_eq!(not_declared(&conformance), expected.concat(), "{conformance}");
}

fn open(options: StorageOptions) -> Storage {
    options.open().expect("a storage")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_in_memory_conform() {
    files_conform(|_| Storage::memory()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_in_a_directory_conform() {
    let folder = tempfile::tempdir().expect("a directory");
    files_conform(|name| Storage::local(folder.path().join(name)).expect("a directory")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_in_s3_by_moto_conform() {
    let server = Moto::start();
    files_conform(|name| open(server.storage(name))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_in_azure_by_azurite_conform() {
    let server = Azurite::start();
    files_conform(|name| open(server.storage(name))).await;
}

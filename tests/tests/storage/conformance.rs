//! What every store is held to.

use koan_backup::prelude::*;

use crate::rig::{Customer, Place, backup, customers, customers_of, koan, shop};
use koan_backup_tests::stores::{Azurite, GoogleByMoto, Moto, S3s};

#[tokio::test]
async fn a_directory_keeps_backups() {
    conform(Place::Directory(tempfile::tempdir().expect("a directory"))).await;
}

#[tokio::test]
async fn memory_keeps_backups() {
    conform(Place::Memory(Vec::new())).await;
}

#[tokio::test]
async fn s3_by_moto_keeps_backups() {
    conform(Place::Moto(Moto::start())).await;
}

#[tokio::test]
async fn s3_by_s3s_keeps_backups() {
    conform(Place::S3s(S3s::start())).await;
}

#[tokio::test]
async fn azure_by_azurite_keeps_backups() {
    conform(Place::Azurite(Azurite::start())).await;
}

#[tokio::test]
async fn google_by_moto_keeps_backups() {
    conform(Place::Google(GoogleByMoto::start())).await;
}

async fn conform(mut place: Place) {
    backups_come_back(place.storage("come-back")).await;
}

/// Backed up, listed, verified, restored.
async fn backups_come_back(storage: Storage) {
    let koan = koan(shop(12 << 20), [("store", storage)]).await;
    let first = backup(&koan, "nightly").await.expect("a backup");
    let listed = koan.backups().await.expect("listed");
    assert_eq!(listed, [first.clone()]);
    assert!(koan.verify(first.id).await.expect("a report").is_valid());
    koan.data::<Customer>().clear().await.expect("cleared");
    koan.restore("nightly").await.expect("restored");
    assert_eq!(customers_of(&koan).await, customers());
}

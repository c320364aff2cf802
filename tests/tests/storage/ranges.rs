//! Verifies and restores one entity of an archive without reading the rest.

use koan_backup::prelude::*;
use koan_backup::{Keys, Recipients};
use koan_backup_tests::archive_surgery::Vault;
use koan_backup_tests::counting_store::CountingStore;

use crate::fixture::{Customer, Photo, backup, customers, customers_of, koan, shop};

const PHOTO_BYTES: usize = 8 << 20;

#[tokio::test]
async fn the_restore_and_verification_of_a_small_entity_read_a_small_part_of_the_archive() {
    let store = CountingStore::over(Vault::default().store());
    let koan = koan(shop(PHOTO_BYTES), [("store", store.storage())]).await;
    let manifest = backup(&koan, "nightly").await.expect("a backup");
    let archive_bytes = manifest.archive.as_ref().expect("an archive").size_bytes;
    assert!(archive_bytes > 8 << 20, "an archive of {archive_bytes} bytes is too small for this test");

    koan.data::<Customer>().clear().await.expect("cleared");
    store.take_counts();
    let report = koan.restore(manifest.id).entity::<Customer>().await.expect("restored");
    let (bytes, reads) = store.take_counts();
    assert!(bytes < archive_bytes / 10, "{bytes} of {archive_bytes} bytes were read to restore one entity");
    assert!(reads < 60, "{reads} reads were needed to restore one entity");
    assert_eq!(customers_of(&koan).await, customers());
    let verification = report.verification.expect("a restore verifies the entity");
    let verified: Vec<_> = verification.entities.iter().map(|entity| entity.entity.as_str()).collect();
    assert_eq!(verified, ["Customer"]);
    assert_eq!(verification.notes, ["the rest of the archive was not read"]);

    let report = koan.verify(manifest.id).entity::<Customer>().await.expect("a report");
    let (bytes, _) = store.take_counts();
    assert!(
        report.is_valid() && bytes < archive_bytes / 10,
        "{bytes} of {archive_bytes} bytes were read to verify one entity"
    );
    assert!(koan.verify(manifest.id).await.expect("a report").is_valid());
    let (bytes, _) = store.take_counts();
    assert!(bytes >= archive_bytes, "{bytes} of {archive_bytes} bytes were read to verify the whole archive");
}

#[tokio::test]
async fn an_archive_that_is_encrypted_as_a_whole_is_also_read_by_ranges() {
    let (secret, public) = age_key();
    let store = CountingStore::over(Vault::default().store());
    let encrypted = store.storage().archive_encryption(ArchiveEncryption::Always);
    let koan = Koan::builder()
        .provider(shop(PHOTO_BYTES))
        .named_storage("store", encrypted)
        .encrypt_to(Recipients::keys([public]).expect("a public key"))
        .keys(Keys::text(secret))
        .build()
        .await
        .expect("a context");
    let manifest = backup(&koan, "nightly").await.expect("a backup");
    let archive_bytes = manifest.archive.as_ref().expect("an archive").size_bytes;
    koan.data::<Customer>().clear().await.expect("cleared");
    store.take_counts();
    let _ = koan.restore(manifest.id).entity::<Customer>().await.expect("restored");
    let (bytes, _) = store.take_counts();
    assert!(bytes < archive_bytes / 5, "{bytes} of {archive_bytes} bytes were read to restore one entity");
    assert_eq!(customers_of(&koan).await, customers());
}

#[tokio::test]
async fn a_restore_of_one_entity_detects_damage_of_that_entity_only() {
    let vault = Vault::default();
    let koan = koan(shop(PHOTO_BYTES), [("store", vault.storage())]).await;
    let manifest = backup(&koan, "nightly").await.expect("a backup");
    let file = manifest.archive.as_ref().expect("an archive").file.clone();
    let archive = vault.read(&file).await;
    let mut damaged = archive.clone();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    vault.write(&file, &damaged).await;
    koan.data::<Customer>().clear().await.expect("cleared");
    let _ = koan.restore(manifest.id).entity::<Customer>().await.expect("the customers are not damaged");
    assert_eq!(customers_of(&koan).await, customers());
    for error in [
        koan.restore(manifest.id).entity::<Photo>().await.expect_err("the photos are damaged"),
        koan.restore(manifest.id).await.expect_err("the photos are damaged"),
        koan.verify(manifest.id)
            .entity::<Photo>()
            .await
            .expect("a report")
            .require_valid()
            .expect_err("the photos are damaged"),
    ] {
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        assert!(error.to_string().contains("is not valid"), "{error}");
    }
}

#[tokio::test]
async fn the_verification_of_an_entity_that_is_not_in_the_backup_is_refused() {
    let koan = koan(shop(0), [("store", Vault::default().storage())]).await;
    let manifest = backup(&koan, "nightly").await.expect("a backup");
    let error = koan
        .verify(manifest.id)
        .entities(["Invoice"])
        .await
        .expect_err("the backup does not contain the entity");
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("`Invoice`") && error.to_string().contains("`Customer`"), "{error}");
}

/// Generates a key pair of age, and returns the private key and the public key.
fn age_key() -> (String, String) {
    use age::secrecy::ExposeSecret as _;
    let key = age::x25519::Identity::generate();
    (key.to_string().expose_secret().to_owned(), key.to_public().to_string())
}

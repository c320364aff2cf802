//! Verifies and restores one entity of an archive without reading the rest.

use koan_backup::prelude::*;
use koan_backup::{Keys, Recipients};
use koan_backup_tests::archive_surgery::Vault;
use koan_backup_tests::counting_store::CountingStore;

use crate::fixture::{Customer, Photo, backup, customers, customers_of, koan, shop};

const PHOTO_BYTES: usize = 8 << 20;

#[tokio::test]
async fn one_small_entity_is_restored_and_verified_by_a_small_part_of_the_archive() {
    let store = CountingStore::over(Vault::default().store());
    let koan = koan(shop(PHOTO_BYTES), [("store", store.storage())]).await;
    let made = backup(&koan, "nightly").await.expect("a backup");
    let whole = made.archive.as_ref().expect("an archive").size_bytes;
    assert!(whole > 8 << 20, "{whole} bytes are too few to tell");

    koan.data::<Customer>().clear().await.expect("cleared");
    store.counted();
    let report = koan.restore(made.id).entity::<Customer>().await.expect("restored");
    let (bytes, reads) = store.counted();
    assert!(bytes < whole / 10, "{bytes} of {whole} bytes were read to restore one entity");
    assert!(reads < 60, "{reads} reads");
    assert_eq!(customers_of(&koan).await, customers());
    let verification = report.verification.expect("what is restored is verified");
    let verified: Vec<_> = verification.entities.iter().map(|entity| entity.entity.as_str()).collect();
    assert_eq!(verified, ["Customer"]);
    assert_eq!(verification.notes, ["the rest of the archive was not read"]);

    let report = koan.verify(made.id).entity::<Customer>().await.expect("a report");
    let (bytes, _) = store.counted();
    assert!(
        report.is_valid() && bytes < whole / 10,
        "{bytes} of {whole} bytes were read to verify one entity"
    );
    assert!(koan.verify(made.id).await.expect("a report").is_valid());
    let (bytes, _) = store.counted();
    assert!(bytes >= whole, "{bytes} of {whole} bytes were read to verify all");
}

#[tokio::test]
async fn an_archive_that_is_sealed_as_a_whole_is_read_by_ranges_too() {
    let (secret, public) = age_key();
    let store = CountingStore::over(Vault::default().store());
    let sealed = store.storage().archive_encryption(ArchiveEncryption::Always);
    let koan = Koan::builder()
        .provider("main", shop(PHOTO_BYTES))
        .storage("store", sealed)
        .encrypt_to(Recipients::keys([public]).expect("a public key"))
        .keys(Keys::text(secret))
        .build()
        .await
        .expect("a context");
    let made = backup(&koan, "nightly").await.expect("a backup");
    let whole = made.archive.as_ref().expect("an archive").size_bytes;
    koan.data::<Customer>().clear().await.expect("cleared");
    store.counted();
    koan.restore(made.id).entity::<Customer>().await.expect("restored");
    let (bytes, _) = store.counted();
    assert!(bytes < whole / 5, "{bytes} of {whole} bytes were read to restore one entity");
    assert_eq!(customers_of(&koan).await, customers());
}

#[tokio::test]
async fn damage_in_what_is_restored_is_found_and_elsewhere_it_is_not_looked_for() {
    let vault = Vault::default();
    let koan = koan(shop(PHOTO_BYTES), [("store", vault.storage())]).await;
    let made = backup(&koan, "nightly").await.expect("a backup");
    let file = made.archive.as_ref().expect("an archive").file.clone();
    let archive = vault.read(&file).await;
    let mut damaged = archive.clone();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    vault.write(&file, &damaged).await;
    koan.data::<Customer>().clear().await.expect("cleared");
    koan.restore(made.id).entity::<Customer>().await.expect("the customers are whole");
    assert_eq!(customers_of(&koan).await, customers());
    for refused in [
        koan.restore(made.id).entity::<Photo>().await.expect_err("damaged"),
        koan.restore(made.id).await.expect_err("damaged"),
        koan.verify(made.id).entity::<Photo>().await.expect("a report").require_valid().expect_err("damaged"),
    ] {
        assert_eq!(refused.kind(), ErrorKind::Corrupt);
        assert!(refused.to_string().contains("is not valid"), "{refused}");
    }
}

#[tokio::test]
async fn an_entity_that_is_not_in_a_backup_is_not_called_valid() {
    let koan = koan(shop(0), [("store", Vault::default().storage())]).await;
    let made = backup(&koan, "nightly").await.expect("a backup");
    let error = koan.verify(made.id).entities(["Invoice"]).await.expect_err("it is not there");
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("`Invoice`") && error.to_string().contains("`Customer`"), "{error}");
}

fn age_key() -> (String, String) {
    use age::secrecy::ExposeSecret as _;
    let key = age::x25519::Identity::generate();
    (key.to_string().expose_secret().to_owned(), key.to_public().to_string())
}

//! Tests encrypted backups that are damaged, or forged by an attacker without a key.

use koan_backup::prelude::*;
use koan_backup::{BackupId, archive::Manifest};
use koan_backup_tests::archive_surgery::{
    Forgery, Recompute, Stored, Vault, Zip, ZipEntry, with_forged_archive,
};
use serde_json::Value;

use crate::clinic::{Clinic, KeyPair, PATIENTS, recipients};

const ENCRYPTED_DOCUMENT: &str = "verification/sealed.json.age";

/// A backup of a clinic in a vault, and contexts with and without its private key.
struct Hospital {
    clinic: Clinic,
    vault: Vault,
    koan: Koan,
    keyless: Koan,
    id: BackupId,
    stored: Stored,
}

async fn hospital(patients: usize) -> Hospital {
    let (key, clinic, vault) = (KeyPair::new(), Clinic::with_patients(patients), Vault::default());
    let builder = || {
        let database = Sqlite::open(clinic.database()).expect("opened");
        Koan::builder()
            .provider(database)
            .named_storage("vault", vault.storage())
            .encrypt_to(recipients([&key]))
    };
    let koan = builder().keys(Keys::text(&key.private)).build().await.expect("a context");
    let keyless = builder().build().await.expect("a context");
    let id = koan.backup("nightly").await.expect("a backup").id();
    let stored = vault.stored(id).await;
    Hospital { clinic, vault, koan, keyless, id, stored }
}

impl Hospital {
    /// Returns whether a verification with a key, and a verification without a key, detect the alteration.
    async fn detects(&self, altered: &Stored) -> (bool, bool) {
        self.vault.write_backup(altered).await;
        let valid = async |koan: &Koan| match koan.verify(self.id).await {
            Ok(report) => report.is_valid(),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Corrupt, "{error:?}");
                false
            }
        };
        (!valid(&self.koan).await, !valid(&self.keyless).await)
    }

    /// Verifies that a restore of an altered backup fails and changes no row.
    async fn assert_restore_refused(&self, altered: &Stored, alteration: &str) {
        self.vault.write_backup(altered).await;
        let before = self.clinic.dump();
        self.koan.restore(self.id).replace_existing().await.expect_err(alteration);
        assert_eq!(self.clinic.dump(), before, "{alteration}: the restore changed rows");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_flipped_bit_in_any_byte_is_found_with_a_key_and_without() {
    let hospital = hospital(3).await;
    let length = hospital.stored.archive.len();
    for at in 0..length {
        let mut altered = hospital.stored.clone();
        altered.archive[at] ^= 1 << (at % 8);
        assert_eq!(hospital.detects(&altered).await, (true, true), "byte {at}");
    }
    println!("flipped bytes of an encrypted archive: tried {length}, found {length}");
    // Without a key, a sampled verification always checks the whole entry.
    let ranges = Zip::ranges(&hospital.stored.archive);
    let (_, range) =
        ranges.into_iter().find(|(name, _)| name == PATIENTS).expect("the archive contains patients");
    for at in range {
        let mut altered = hospital.stored.clone();
        altered.archive[at] ^= 0x10;
        hospital.vault.write_backup(&altered).await;
        let report = hospital.keyless.verify(hospital.id).sample(1).await.expect("verified");
        assert!(!report.is_valid(), "byte {at}, in a sample");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flipped_bit_in_an_encrypted_entry_is_found_although_every_hash_was_recomputed() {
    let hospital = hospital(3).await;
    let mut tried = 0;
    for entry in [PATIENTS, ENCRYPTED_DOCUMENT] {
        let length = Forgery::parse(&hospital.stored).zip.entry(entry).content().len();
        for at in 0..length {
            let mut forgery = Forgery::parse(&hospital.stored);
            let mut content = forgery.zip.entry(entry).content();
            content[at] ^= 1 << (at % 8);
            *forgery.zip.entry_mut(entry) = ZipEntry { ..stored_as(&hospital.stored, entry, &content) };
            let altered = rebuild(forgery, entry);
            assert!(hospital.detects(&altered).await.0, "{entry}, byte {at}");
            if at % 16 == 0 {
                hospital.assert_restore_refused(&altered, entry).await;
            }
            tried += 1;
        }
    }
    println!("flipped bytes of encrypted entries with recomputed hashes: tried {tried}, found {tried}");
}

/// Creates an entry with this content, stored in the same way as the original entry.
fn stored_as(stored: &Stored, name: &str, content: &[u8]) -> ZipEntry {
    let original = Zip::read(&stored.archive).entry(name).clone();
    if name == ENCRYPTED_DOCUMENT {
        return ZipEntry::deflated(name, content);
    }
    ZipEntry {
        crc32: crc32fast::hash(content),
        size: u64::try_from(content.len()).expect("the length fits into u64"),
        data: content.to_vec(),
        ..original
    }
}

/// Reassembles the backup and corrects every hash that can be computed without a key.
fn rebuild(mut forgery: Forgery, entry: &str) -> Stored {
    if entry == PATIENTS {
        let content = forgery.zip.entry(entry).content();
        forgery.entity("Patient")["contentHash"] =
            koan_backup_tests::archive_surgery::sha256(&content).into();
        forgery.entity("Patient")["compressedBytes"] = content.len().into();
        forgery.alter_document("verification/checksums.json", |sums| {
            sums[entry] = koan_backup_tests::archive_surgery::sha256(&content).into();
        });
    }
    forgery.rebuild(Recompute::Documents)
}

#[tokio::test]
async fn unencrypted_records_under_the_name_of_an_encrypted_entry_are_found_and_not_restored() {
    let hospital = hospital(3).await;
    let mut forgery = Forgery::parse(&hospital.stored);
    *forgery.zip.entry_mut(PATIENTS) = stored_as(&hospital.stored, PATIENTS, b"{\"number\":\"1\"}\n");
    let altered = rebuild(forgery, PATIENTS);
    assert_eq!(hospital.detects(&altered).await, (true, true));
    hospital.assert_restore_refused(&altered, "unencrypted records").await;
}

#[tokio::test]
async fn a_manifest_with_altered_encryption_policies_is_found() {
    let hospital = hospital(3).await;
    let mut forgery = Forgery::parse(&hospital.stored);
    forgery.entity("Patient")["policy"]["encrypt"] = false.into();
    let altered = forgery.rebuild(Recompute::Documents);
    assert_eq!(hospital.detects(&altered).await, (true, true));

    let mut forgery = Forgery::parse(&hospital.stored);
    forgery.entity("Ward")["policy"]["encrypt"] = true.into();
    assert_eq!(hospital.detects(&forgery.rebuild(Recompute::Documents)).await, (true, true));

    let mut forgery = Forgery::parse(&hospital.stored);
    forgery.manifest["encryption"] = Value::Null;
    assert_eq!(hospital.detects(&forgery.rebuild(Recompute::Documents)).await, (true, true));
}

#[tokio::test]
async fn encrypted_records_of_another_backup_are_not_accepted() {
    let hospital = hospital(3).await;
    hospital.clinic.sql("UPDATE patients SET name = 'somebody else'");
    let other = hospital.koan.backup("other").await.expect("a backup").id();
    let other = Forgery::parse(&hospital.vault.stored(other).await);
    let mut forgery = Forgery::parse(&hospital.stored);
    let content = other.zip.entry(PATIENTS).content();
    *forgery.zip.entry_mut(PATIENTS) = stored_as(&hospital.stored, PATIENTS, &content);
    let altered = rebuild(forgery, PATIENTS);
    assert!(hospital.detects(&altered).await.0);
    hospital.assert_restore_refused(&altered, "records of another backup").await;
}

#[tokio::test]
async fn an_encrypted_entry_with_a_changed_length_is_reported() {
    let hospital = hospital(3).await;
    let whole = Forgery::parse(&hospital.stored).zip.entry(PATIENTS).content();
    let mut tried = 0;
    for length in 0..whole.len() {
        let mut forgery = Forgery::parse(&hospital.stored);
        *forgery.zip.entry_mut(PATIENTS) = stored_as(&hospital.stored, PATIENTS, &whole[..length]);
        let altered = rebuild(forgery, PATIENTS);
        assert!(hospital.detects(&altered).await.0, "{length} bytes");
        tried += 1;
    }
    println!("lengths of an encrypted entry with recomputed hashes: tried {tried}, found {tried}");
    let altered = with_forged_archive(
        &hospital.stored,
        hospital.stored.archive[..hospital.stored.archive.len() - 1].to_vec(),
    );
    assert_eq!(hospital.detects(&altered).await, (true, true));
}

#[tokio::test]
async fn a_manifest_contains_no_hash_that_verifies_a_guess_of_encrypted_records() {
    let hospital = hospital(3).await;
    let manifest: Manifest = serde_json::from_slice(&hospital.stored.manifest).expect("a manifest");
    let patients = manifest.entities.iter().find(|entity| entity.entity == "Patient");
    let patients = patients.expect("the manifest contains patients");
    assert!(patients.record_set_hash.is_none(), "an attacker could test guesses with the hash");
    let blocks = Forgery::parse(&hospital.stored).document("metadata/blocks.json");
    assert!(blocks.get(PATIENTS).is_none(), "an attacker could test guesses with the checksums: {blocks}");
}

//! Tests archives that are encrypted as a whole.

use std::process::Command;

use koan_backup::prelude::*;
use koan_backup::{
    ArchiveEncryption,
    archive::{BackupStatus, EncryptionScope},
    entity::{ScopeDeclaration, ScopeMode},
};
use koan_backup_tests::archive_surgery::{Stored, Vault, with_forged_archive};
use serde_json::Value;

use crate::clinic::{Clinic, KeyPair, Ward, files, recipients};
use crate::leaks::{check, check_files};

/// A scope in which no entity is encrypted by default.
static UNENCRYPTED: ScopeDeclaration = ScopeDeclaration {
    module_path: module_path!(),
    file: file!(),
    line: line!(),
    mode: ScopeMode::All,
    encrypt_by_default: None,
    include_schema_by_default: None,
};

/// Builds a context that encrypts each archive as a whole for `to` and has the private keys of `keys`.
async fn context(clinic: &Clinic, storage: Storage, to: &KeyPair, keys: &[&KeyPair]) -> Koan {
    let database = Sqlite::open(clinic.database()).expect("opened");
    let storage = storage.archive_encryption(ArchiveEncryption::Always);
    let builder =
        Koan::builder().provider(database).named_storage("sealed", storage).encrypt_to(recipients([to]));
    keys.iter()
        .fold(builder, |builder, key| builder.keys(Keys::text(&key.private)))
        .build()
        .await
        .expect("a context")
}

fn local(clinic: &Clinic) -> Storage {
    Storage::local(clinic.backups()).expect("a directory")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_archive_that_is_encrypted_as_a_whole_can_be_restored_and_decrypted_with_age() {
    let key = KeyPair::new();
    let clinic = Clinic::with_patients(20_000);
    let before = clinic.dump();
    let koan = context(&clinic, local(&clinic), &key, &[&key]).await;
    let backup = koan.backup("nightly").description("every night").tags(["nightly"]).await.expect("a backup");
    assert_eq!(backup.status(), BackupStatus::Completed, "{:?}", backup.warnings());
    let report = koan.verify("nightly").await.expect("verified");
    assert!(report.is_valid() && report.notes.is_empty(), "{report:?}");
    assert!(report.entities.iter().all(|entity| entity.decoded && entity.records_checked == entity.records));
    clinic.sql("DELETE FROM patients; DELETE FROM wards");
    let _ = koan.restore("nightly").await.expect("restored");
    assert!(clinic.dump() == before, "the restored rows differ");

    std::fs::write(clinic.directory.path().join("key"), &key.private).expect("written");
    let script = "set -e; age -d -i key backups/archives/*.zip.age > opened.zip; unzip -tq opened.zip; \
                  unzip -p opened.zip entities/Ward.jsonl | jq -r .name";
    let output = Command::new("bash")
        .args(["-c", script])
        .current_dir(clinic.directory.path())
        .output()
        .expect("`tests/setup` installs the tools");
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && printed.ends_with("surgery\nmaternity\n"), "{printed}");
}

#[tokio::test]
async fn only_the_envelope_of_the_manifest_is_not_encrypted() {
    let key = KeyPair::new();
    let clinic = Clinic::with_patients(20);
    clinic.sql("UPDATE patients SET blood = 'Leukaemia' WHERE number = 'number-000007'");
    let koan = context(&clinic, local(&clinic), &key, &[]).await;
    let backup = koan.backup("nightly").tags(["nightly"]).await.expect("a backup");
    assert_eq!(backup.status(), BackupStatus::CompletedWithWarnings);
    check_files(&clinic.backups());
    let manifest = std::fs::read(&files(&clinic.backups().join("manifests"))[0]).expect("a manifest");
    check("the manifest", &manifest);
    let text = String::from_utf8(manifest).expect("JSON");
    for inner in ["surgery", "clinic::Patient", "blood", "String"] {
        assert!(!text.contains(inner), "the envelope contains `{inner}`: {text}");
    }
    let listed = &koan.backups().await.expect("listed")[0];
    assert_eq!((listed.name.as_str(), listed.tags.as_slice()), ("nightly", &["nightly".to_owned()][..]));
    assert_eq!(listed.status, BackupStatus::CompletedWithWarnings);
    assert_eq!(listed.encryption.as_ref().map(|encryption| encryption.scope), Some(EncryptionScope::Archive));
    let counts: Vec<_> =
        listed.entities.iter().map(|entity| (entity.entity.as_str(), entity.item_count)).collect();
    assert_eq!(counts, [("Patient", 20), ("Ward", 2)]);
    assert!(
        listed
            .entities
            .iter()
            .all(|entity| entity.content_hash.is_none() && entity.record_set_hash.is_none())
    );
    // The texts of warnings are encrypted with the archive; the fact that there were warnings is not.
    let entry = koan.catalog().get(listed.id).await.expect("exists");
    assert_eq!((entry.warnings(), entry.is_healthy()), (None, false));
    let query = || koan.catalog().query();
    assert_eq!(query().requiring_attention().await.expect("listed").total, 1);
    assert_eq!(query().healthy().await.expect("listed").total, 0);
    clinic.sql("UPDATE patients SET blood = 'AbPositive' WHERE number = 'number-000007'");
    let without = koan.backup("nightly").await.expect("a backup");
    let entry = koan.catalog().get(without.id()).await.expect("exists");
    assert_eq!(
        (entry.warnings(), entry.is_healthy()),
        (Some(&[][..]), true),
        "the status of the manifest shows that there are no warnings"
    );
}

#[tokio::test]
async fn the_published_error_of_a_failed_backup_reveals_nothing_about_records() {
    let key = KeyPair::new();
    let clinic = Clinic::with_patients(3);
    let koan = context(&clinic, local(&clinic), &key, &[]).await;
    clinic.sql("PRAGMA ignore_check_constraints = 1; UPDATE wards SET name = x'ff' WHERE id = 2");
    let error = koan.backup("broken").await.expect_err("the name of a ward is not text");
    assert!(error.chain().contains("Ward") && error.chain().contains("id=(hidden)"), "{error:?}");
    let listed = &koan.backups().await.expect("listed")[0];
    assert_eq!(listed.status, BackupStatus::Failed);
    assert!(listed.error.as_deref().is_some_and(|error| !error.contains("Ward")), "{listed:?}");
    let summary = koan.rekey_all().await.expect("listed");
    assert_eq!(
        (summary.rekeyed.len(), summary.unchanged.len()),
        (0, 1),
        "a failed backup has no archive to rekey"
    );
}

#[tokio::test]
async fn without_a_key_the_bytes_are_checked_and_nothing_is_restored() {
    let (key, other) = (KeyPair::new(), KeyPair::new());
    let clinic = Clinic::with_patients(5);
    let koan = context(&clinic, local(&clinic), &key, &[&other]).await;
    let backup = koan.backup("nightly").await.expect("a backup");
    let report = koan.verify(backup.id()).await.expect("verified");
    assert!(report.is_valid(), "{:?}", report.issues());
    let id = &recipients([&key]).key_ids()[0];
    assert!(
        report.notes.iter().any(|note| note.contains(id) && note.contains("its content was not")),
        "{report:?}"
    );
    let before = clinic.dump();
    for error in [
        koan.restore("nightly").replace_existing().await.expect_err("there is no key"),
        koan.restore("nightly").viability().await.expect_err("the content cannot be read"),
        koan.rekey("nightly").await.expect_err("there is no key"),
    ] {
        assert_eq!(error.kind(), ErrorKind::Encryption);
        assert!(error.chain().contains(id), "{error:?}");
    }
    assert_eq!(clinic.dump(), before);
}

#[tokio::test]
async fn without_recipients_no_context_is_built() {
    let clinic = Clinic::with_patients(1);
    let storage = local(&clinic).archive_encryption(ArchiveEncryption::Always);
    let database = Sqlite::open(clinic.database()).expect("opened");
    let builder = Koan::builder().only_registered().register::<Ward>().register_scope(&UNENCRYPTED);
    let built = builder.provider(database).named_storage("sealed", storage).build().await;
    let error = built.expect_err("there are no recipients");
    assert_eq!(error.kind(), ErrorKind::Encryption);
    assert!(error.to_string().contains(&clinic.backups().display().to_string()), "{error}");
}

#[tokio::test]
async fn a_rekey_encrypts_the_whole_archive_for_the_new_recipients() {
    let (old, new) = (KeyPair::new(), KeyPair::new());
    let clinic = Clinic::with_patients(50);
    let before = clinic.dump();
    let _ = context(&clinic, local(&clinic), &old, &[]).await.backup("nightly").await.expect("a backup");
    let report =
        context(&clinic, local(&clinic), &new, &[&old]).await.rekey("nightly").await.expect("rekeyed");
    assert_eq!((report.scope, report.entries.len()), (Some(EncryptionScope::Archive), 1), "{report:?}");
    clinic.archive();
    clinic.sql("DELETE FROM patients");
    let koan = context(&clinic, local(&clinic), &new, &[&new]).await;
    let verified = koan.verify("nightly").await.expect("verified");
    assert!(verified.is_valid() && verified.notes.is_empty(), "{verified:?}");
    let _ = koan.restore("nightly").await.expect("restored");
    assert_eq!(clinic.dump(), before);
    check_files(&clinic.backups());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_flipped_bit_in_any_byte_of_archive_or_envelope_is_found() {
    let key = KeyPair::new();
    let (clinic, vault) = (Clinic::with_patients(3), Vault::default());
    let koan = context(&clinic, vault.storage(), &key, &[&key]).await;
    let keyless = context(&clinic, vault.storage(), &key, &[]).await;
    let id = koan.backup("nightly").await.expect("a backup").id();
    let stored = vault.stored(id).await;
    let is_valid = async |koan: &Koan, altered: &Stored| {
        vault.write_backup(altered).await;
        koan.verify(id).await.is_ok_and(|report| report.is_valid())
    };
    assert!(is_valid(&koan, &stored).await && is_valid(&keyless, &stored).await);
    for at in 0..stored.archive.len() {
        let mut altered = stored.clone();
        altered.archive[at] ^= 1 << (at % 8);
        assert!(!is_valid(&keyless, &altered).await, "byte {at} of the archive, without a key");
        // An attacker who may write to the storage recomputes the hash of the archive.
        let altered = with_forged_archive(&stored, altered.archive);
        assert!(!is_valid(&koan, &altered).await, "byte {at} of the archive, with a recomputed hash");
    }
    println!("flipped bytes of an encrypted archive: tried {0}, found {0}", stored.archive.len());
    let envelope: Value = serde_json::from_slice(&stored.manifest).expect("JSON");
    for field in envelope.as_object().expect("a map").keys().filter(|name| *name != "archive") {
        let mut altered = envelope.clone();
        altered[field] = match &altered[field] {
            Value::String(text) => format!("{text}x").into(),
            Value::Number(number) => (number.as_u64().unwrap_or_default() + 1).into(),
            Value::Array(_) => Value::Array(vec!["x".into()]),
            _ => Value::Null,
        };
        if altered == envelope {
            continue;
        }
        let manifest = serde_json::to_vec(&altered).expect("JSON");
        let altered = Stored { manifest, ..stored.clone() };
        assert!(!is_valid(&koan, &altered).await, "field {field} of the envelope");
    }
}

#[tokio::test]
async fn an_encrypted_archive_of_another_backup_is_refused() {
    let key = KeyPair::new();
    let (clinic, vault) = (Clinic::with_patients(3), Vault::default());
    let koan = context(&clinic, vault.storage(), &key, &[&key]).await;
    let id = koan.backup("one").await.expect("a backup").id();
    clinic.sql("UPDATE patients SET name = 'somebody else'");
    let other = koan.backup("two").await.expect("a backup").id();
    let (stored, other) = (vault.stored(id).await, vault.stored(other).await);
    vault.write_backup(&with_forged_archive(&stored, other.archive)).await;
    let report = koan.verify(id).await.expect("verified");
    assert!(report.issues()[0].file.starts_with("archives/"), "{:?}", report.issues());
    // The archive is replaced by bytes that are not encrypted.
    vault.write_backup(&with_forged_archive(&stored, vec![0; stored.archive.len()])).await;
    let report = koan.verify(id).await.expect("verified");
    let problem = &report.issues()[0].problem;
    assert!(problem.contains("is damaged") && problem.contains(&report.issues()[0].file), "{problem}");
    let before = clinic.dump();
    koan.restore(id).replace_existing().await.expect_err("the archive was replaced");
    assert_eq!(clinic.dump(), before);
}

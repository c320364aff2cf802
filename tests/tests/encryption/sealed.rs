//! Tests round trips of encrypted entities, and that other tools can decrypt their archives.

use std::process::{Command, Stdio};

use koan_backup::prelude::*;
use koan_backup::{archive::BackupStatus, provider::Severity};

use crate::clinic::{Clinic, KeyPair, PATIENTS, recipients};

/// A number of records that fills several blocks.
const MULTI_BLOCK_COUNT: usize = 20_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_recipient_alone_can_restore_all_records() {
    let (first, second, ssh) = (KeyPair::new(), KeyPair::new(), KeyPair::ssh("ed25519", ""));
    let rsa = KeyPair::ssh("rsa", "");
    let clinic = Clinic::with_patients(MULTI_BLOCK_COUNT);
    let before = clinic.dump();
    let writing = clinic.koan_without_keys(recipients([&first, &second, &ssh, &rsa])).await;
    let backup = writing.backup("nightly").await.expect("a backup");
    assert_eq!(backup.status(), BackupStatus::Completed, "{:?}", backup.warnings());
    let encryption = backup.manifest().encryption.clone().expect("the backup is encrypted");
    assert_eq!((encryption.recipients.len(), encryption.key_ids.len()), (4, 4));
    for key in [&first, &second, &ssh, &rsa] {
        clinic.sql("DELETE FROM patients WHERE number > 'number-000003'; UPDATE patients SET insured = 1;");
        let koan = clinic.koan_with_keys([key]).await;
        let report = koan.verify("nightly").await.expect("verified");
        assert!(report.is_valid(), "{:?}", report.issues());
        assert_eq!(report.notes, [] as [String; 0]);
        assert!(
            report.entities.iter().all(|entity| entity.decoded && entity.records_checked == entity.records)
        );
        assert!(koan.verify("nightly").sample(2).await.expect("verified").is_valid());
        let _ = koan.restore("nightly").replace_existing().await.expect("restored");
        assert!(clinic.dump() == before, "the restored rows differ");
    }
}

#[tokio::test]
async fn other_tools_can_decrypt_and_decompress_every_compression() {
    let key = KeyPair::new();
    for patients in [0, 1, MULTI_BLOCK_COUNT] {
        let clinic = Clinic::with_patients(patients.max(1));
        if patients == 0 {
            clinic.sql("DELETE FROM patients");
        }
        let koan = clinic.koan_with_keys([&key]).await;
        std::fs::write(clinic.directory.path().join("key"), &key.private).expect("written");
        for (compression, entry, tool) in [
            (Compression::default(), PATIENTS, "gunzip"),
            (Compression::zstd(3).expect("valid"), "entities/Patient.jsonl.zst.age", "zstd -d"),
            (Compression::stored(), "entities/Patient.jsonl.age", "cat"),
        ] {
            let backup = koan.backup("nightly").compression(compression).await.expect("a backup");
            assert!(koan.verify(backup.id()).await.expect("verified").is_valid());
            let _ = koan.restore(backup.id()).await.expect("restored");
            let archive = &backup.manifest().archive.as_ref().expect("exists").file;
            let script = format!(
                "set -o pipefail; unzip -p backups/{archive} {entry} | age -d -i key | {tool} | \
                 jq -r .number | sort -u | wc -l"
            );
            let mut command = Command::new("bash");
            command.args(["-c", &script]).current_dir(clinic.directory.path()).stderr(Stdio::inherit());
            let output = command.output().expect("`tests/setup` installs the tools");
            assert!(output.status.success(), "{entry}: {}", output.status);
            let printed = String::from_utf8_lossy(&output.stdout);
            assert_eq!(printed.lines().last(), Some(patients.to_string().as_str()), "{entry}: {printed}");
        }
    }
}

#[tokio::test]
async fn a_verification_without_a_key_checks_only_bytes_and_reports_it() {
    let (key, other) = (KeyPair::new(), KeyPair::new());
    let clinic = Clinic::with_patients(10);
    let writing = clinic.koan_without_keys(recipients([&key])).await;
    let backup = writing.backup("nightly").await.expect("a backup");
    let id = backup.manifest().encryption.as_ref().expect("encrypted").key_ids[0].clone();
    let before = clinic.dump();
    for koan in [writing, clinic.koan_with_keys([&other]).await] {
        let report = koan.verify("nightly").await.expect("verified");
        assert!(report.is_valid(), "{:?}", report.issues());
        let note = report.notes.iter().find(|note| note.contains("its content was not")).expect("a note");
        assert!(note.contains("`Patient`") && note.contains(&id), "{note}");
        let patients = report.entities.iter().find(|entity| entity.entity == "Patient").expect("exists");
        assert!(!patients.decoded && patients.records_checked == 0);

        clinic.sql("UPDATE patients SET name = 'x' WHERE number = 'number-000001'");
        let changed = clinic.dump();
        let error = koan.restore("nightly").await.expect_err("there is no key");
        assert_eq!(error.kind(), ErrorKind::Encryption, "{error:?}");
        assert!(error.chain().contains(&id) && error.chain().contains("`Patient`"), "{error:?}");
        assert_eq!(clinic.dump(), changed, "the restore without a key changed rows");
        let check = koan.restore("nightly").viability().await.expect("assessed");
        assert!(!check.is_viable());
        assert!(
            check
                .findings
                .iter()
                .any(|finding| { finding.severity == Severity::Error && finding.message.contains(&id) })
        );
        // An entity that is not encrypted needs no key.
        let _ = koan.restore("nightly").entities(["Ward"]).await.expect("restored");
    }
    let koan = clinic.koan_with_keys([&key]).await;
    let _ = koan.restore("nightly").replace_existing().await.expect("restored");
    assert_eq!(clinic.dump(), before);
}

#[tokio::test]
async fn a_backup_encrypted_with_a_passphrase_can_be_restored() {
    let clinic = Clinic::with_patients(10);
    let before = clinic.dump();
    let koan = clinic.koan_without_keys(Recipients::passphrase("correct horse").expect("not empty")).await;
    let backup = koan.backup("nightly").await.expect("a backup");
    let encryption = backup.manifest().encryption.as_ref().expect("encrypted");
    assert_eq!(
        (encryption.recipients.as_slice(), encryption.key_ids.as_slice()),
        (&[][..], &["passphrase".to_owned()][..])
    );
    clinic.sql("DELETE FROM patients");
    let wrong = clinic.builder().encrypt_to(Recipients::passphrase("x").expect("not empty"));
    let wrong = wrong.keys(Keys::text("battery staple").as_passphrase()).build().await.expect("a context");
    let error = wrong.restore("nightly").await.expect_err("another passphrase");
    assert_eq!(error.kind(), ErrorKind::Encryption);
    let right = clinic.builder().encrypt_to(Recipients::passphrase("x").expect("not empty"));
    let right = right.keys(Keys::text("correct horse\n").as_passphrase()).build().await.expect("a context");
    let _ = right.restore("nightly").await.expect("restored");
    assert_eq!(clinic.dump(), before);
}

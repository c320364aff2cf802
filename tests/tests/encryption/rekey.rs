//! Other recipients for backups that were made before.

use koan_backup::prelude::*;
use koan_backup::{BackupStatus, Koan};

use crate::clinic::{Clinic, KeyPair, files, recipients};

/// A context that seals for `new`, with the key of `old`.
async fn rekeying(clinic: &Clinic, old: &KeyPair, new: &KeyPair) -> Koan {
    let builder = clinic.builder().encrypt_to(recipients([new])).keys(Keys::text(&old.private));
    builder.build().await.expect("a context")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_new_key_opens_what_the_old_one_did_and_the_old_one_does_not() {
    let (old, new) = (KeyPair::new(), KeyPair::new());
    let clinic = Clinic::of(20_000);
    let before = clinic.dump();
    let backup = clinic.writing(recipients([&old])).await.backup("nightly").await.expect("a backup");
    let first = clinic.archive();
    let koan = rekeying(&clinic, &old, &new).await;
    let report = koan.rekey("nightly").await.expect("sealed anew");
    assert_eq!(report.id, backup.id());
    assert_eq!(report.previous_key_ids, backup.manifest().encryption.as_ref().expect("encrypted").key_ids);
    assert_eq!(report.key_ids, recipients([&new]).key_ids());
    assert_eq!(report.entries.len(), 1);
    assert_eq!(report.warnings, [] as [String; 0]);
    assert!(
        clinic.archive() != first,
        "the archive has another name, so that the old one counts until the new one does"
    );

    let error = koan.restore("nightly").await.expect_err("the old key opens nothing");
    assert_eq!(error.kind(), ErrorKind::Encryption);
    clinic.sql("DELETE FROM patients");
    let koan = clinic.reading([&new]).await;
    let verified = koan.verify("nightly").await.expect("verified");
    assert!(verified.is_valid() && verified.notes.is_empty(), "{verified:?}");
    koan.restore(backup.id()).await.expect("restored");
    assert!(clinic.dump() == before, "rows differ");
    let manifest = &koan.backups().await.expect("listed")[0];
    assert_eq!(manifest.status, BackupStatus::Completed);
    let wards = |manifest: &koan_backup::Manifest| {
        manifest.entities.iter().find(|entity| entity.entity == "Ward").cloned()
    };
    assert_eq!(wards(manifest), wards(backup.manifest()), "what is not encrypted is as it was");
}

#[tokio::test]
async fn a_backup_whose_key_is_missing_is_left_as_it_is() {
    let (old, new, other) = (KeyPair::new(), KeyPair::new(), KeyPair::new());
    let clinic = Clinic::of(5);
    clinic.writing(recipients([&old])).await.backup("nightly").await.expect("a backup");
    let manifest = std::fs::read(&files(&clinic.backups().join("manifests"))[0]).expect("a manifest");
    let archive = std::fs::read(clinic.archive()).expect("an archive");
    let koan = rekeying(&clinic, &other, &new).await;
    let error = koan.rekey("nightly").await.expect_err("the key is missing");
    assert_eq!(error.kind(), ErrorKind::Encryption);
    assert_eq!(std::fs::read(&files(&clinic.backups().join("manifests"))[0]).expect("a manifest"), manifest);
    assert_eq!(std::fs::read(clinic.archive()).expect("an archive"), archive);
}

#[tokio::test]
async fn a_damaged_backup_is_not_sealed_anew() {
    let (old, new) = (KeyPair::new(), KeyPair::new());
    let clinic = Clinic::of(5);
    clinic.writing(recipients([&old])).await.backup("nightly").await.expect("a backup");
    let path = clinic.archive();
    let mut archive = std::fs::read(&path).expect("an archive");
    let middle = archive.len() / 4;
    archive[middle] ^= 1;
    std::fs::write(&path, &archive).expect("written");
    let koan = rekeying(&clinic, &old, &new).await;
    koan.rekey("nightly").await.expect_err("a bit is wrong");
    assert_eq!(clinic.archive(), path);
    assert_eq!(std::fs::read(&path).expect("an archive"), archive);
}

#[tokio::test]
async fn a_whole_profile_is_sealed_anew_and_what_failed_is_told() {
    let (old, new, lost) = (KeyPair::new(), KeyPair::new(), KeyPair::new());
    let clinic = Clinic::of(5);
    let writing = clinic.writing(recipients([&old])).await;
    let one = writing.backup("one").await.expect("a backup").id();
    let two = writing.backup("two").await.expect("a backup").id();
    let clear = writing.backup("clear").entities(["Ward"]).await.expect("a backup").id();
    let hopeless = clinic.writing(recipients([&lost])).await.backup("lost").await.expect("a backup").id();
    let summary = rekeying(&clinic, &old, &new).await.rekey_all().await.expect("listed");
    let mut rekeyed: Vec<_> = summary.rekeyed.iter().map(|report| report.id).collect();
    rekeyed.sort();
    assert_eq!(rekeyed, [one, two]);
    assert_eq!(summary.unencrypted, [clear]);
    assert_eq!(summary.failed.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [hopeless]);
    let error = summary.require_all().expect_err("one failed");
    assert!(error.chain().contains(&hopeless.to_string()), "{error:?}");
    let koan = clinic.reading([&new]).await;
    for id in [one, two] {
        let report = koan.verify(id).await.expect("verified");
        assert!(report.is_valid() && report.notes.is_empty(), "{report:?}");
    }
}

//! Tests unlisted archives that are encrypted: they are recovered if a key is available, and stay otherwise.

use std::path::PathBuf;

use koan_backup::prelude::*;
use koan_backup::{
    ArchiveEncryption,
    catalog::{RemovalReason, UnlistedState},
    report::RecoveryOutcome,
};

use crate::clinic::{Clinic, KeyPair, files, recipients};

/// Builds a context that encrypts each archive as a whole for `to` and has the private keys of `keys`.
async fn whole_archive_koan(clinic: &Clinic, to: &KeyPair, keys: &[&KeyPair]) -> Koan {
    let storage = Storage::local(clinic.backups()).expect("a directory");
    let builder = Koan::builder()
        .provider(Sqlite::open(clinic.database()).expect("opened"))
        .named_storage("sealed", storage.archive_encryption(ArchiveEncryption::Always))
        .encrypt_to(recipients([to]));
    let builder = keys.iter().fold(builder, |builder, key| builder.keys(Keys::text(&key.private)));
    builder.build().await.expect("a context")
}

/// Returns the path of a manifest.
fn manifest(clinic: &Clinic) -> PathBuf {
    files(&clinic.backups().join("manifests")).remove(0)
}

/// Recovers unlisted archives, and returns the outcome for each.
async fn outcomes(koan: &Koan) -> Vec<RecoveryOutcome> {
    let report = koan.catalog().recover().await.expect("completed");
    report.archives.into_iter().map(|archive| archive.outcome).collect()
}

#[tokio::test]
async fn an_archive_that_is_encrypted_as_a_whole_is_recovered_only_with_a_key() {
    let (key, other) = (KeyPair::new(), KeyPair::new());
    let clinic = Clinic::with_patients(50);
    let koan = whole_archive_koan(&clinic, &key, &[&key]).await;
    let id = koan.backup("nightly").await.expect("a backup").id();
    let before = std::fs::read_to_string(manifest(&clinic)).expect("a manifest");
    std::fs::remove_file(manifest(&clinic)).expect("removed");
    for keys in [vec![], vec![&other]] {
        let without_key = whole_archive_koan(&clinic, &key, &keys).await;
        assert_eq!(outcomes(&without_key).await, [RecoveryOutcome::NeedsKey { key_ids: Vec::new() }]);
        let maintained = without_key.maintenance().await.expect("completed");
        assert_eq!(maintained.profiles[0].unlisted[0].state, UnlistedState::Encrypted, "{maintained:?}");
        let error = without_key
            .catalog()
            .recover()
            .await
            .expect("completed")
            .require_all()
            .expect_err("there is no key");
        assert_eq!(error.kind(), ErrorKind::Encryption);
    }
    assert_eq!(outcomes(&koan).await, [RecoveryOutcome::Recovered]);
    let json = |text: &str| serde_json::from_str::<serde_json::Value>(text).expect("JSON");
    let after = std::fs::read_to_string(manifest(&clinic)).expect("a manifest");
    assert_eq!(json(&after), json(&before), "the recovered manifest is not the envelope from before");
    assert!(koan.verify(id).await.expect("read").is_valid());
}

#[tokio::test]
async fn the_recovery_of_an_archive_with_encrypted_entities_reports_the_keys_that_it_needs() {
    let key = KeyPair::new();
    let clinic = Clinic::with_patients(50);
    let koan = clinic.koan_with_keys([&key]).await;
    let id = koan.backup("nightly").await.expect("a backup").id();
    std::fs::remove_file(manifest(&clinic)).expect("removed");
    let without_key = clinic.koan_without_keys(recipients([&key])).await;
    let needed = RecoveryOutcome::NeedsKey { key_ids: recipients([&key]).key_ids() };
    assert_eq!(outcomes(&without_key).await, [needed]);
    let maintained = without_key.maintenance().await.expect("completed");
    assert_eq!(maintained.profiles[0].unlisted[0].id, Some(id));
    assert_eq!(outcomes(&koan).await, [RecoveryOutcome::Recovered]);
    assert!(koan.verify(id).await.expect("read").is_valid());
}

#[tokio::test]
async fn the_old_archive_of_an_interrupted_rekey_is_removed_and_not_recovered() {
    let (old, new) = (KeyPair::new(), KeyPair::new());
    let clinic = Clinic::with_patients(50);
    let koan = whole_archive_koan(&clinic, &old, &[&old, &new]).await;
    let id = koan.backup("nightly").await.expect("a backup").id();
    let first = clinic.archive();
    let bytes = std::fs::read(&first).expect("read");
    let koan = whole_archive_koan(&clinic, &new, &[&old, &new]).await;
    let _ = koan.rekey(id).await.expect("rekeyed").require_replaced().expect("the old archive was removed");
    let removals = || files(&clinic.backups().join("removals"));
    assert!(removals().is_empty(), "a removal record exists after the removal");
    let second = clinic.archive();
    // This is the state that a process leaves if it crashes before it removes the old archive.
    std::fs::write(&first, bytes).expect("written");
    let path = |file: &PathBuf| {
        format!("archives/{}", file.file_name().and_then(|name| name.to_str()).expect("a name"))
    };
    let record = serde_json::json!({
        "archive": path(&first), "id": id, "reason": "rekeyed", "replacement": path(&second),
        "decidedAt": "2026-11-29T00:00:00Z",
    });
    let name = path(&first).replace("archives/", "removals/");
    std::fs::write(clinic.backups().join(format!("{name}.json")), record.to_string()).expect("written");
    std::fs::remove_file(manifest(&clinic)).expect("removed");
    let mut found = outcomes(&koan).await;
    found.sort_by_key(|outcome| format!("{outcome:?}"));
    assert_eq!(
        found,
        [RecoveryOutcome::Recovered, RecoveryOutcome::ToBeRemoved { reason: RemovalReason::Rekeyed }]
    );
    let manifest = koan.backups().await.expect("listed").remove(0);
    assert_eq!(manifest.archive.expect("an archive").file, path(&second));
    let maintained = koan.maintenance().await.expect("completed");
    assert_eq!(maintained.profiles[0].removed_files, [path(&first)], "{maintained:?}");
    assert_eq!(clinic.archive(), second);
}

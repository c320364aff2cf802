//! Encrypted unlisted archives: they are recovered with a key, and stay without one.

use std::path::PathBuf;

use koan_backup::prelude::*;
use koan_backup::{
    ArchiveEncryption,
    catalog::{RemovalReason, UnlistedState},
    report::RecoveryOutcome,
};

use crate::clinic::{Clinic, KeyPair, files, recipients};

async fn sealing(clinic: &Clinic, to: &KeyPair, keys: &[&KeyPair]) -> Koan {
    let storage = Storage::local(clinic.backups()).expect("a directory");
    let builder = Koan::builder()
        .provider("main", Sqlite::open(clinic.database()).expect("opened"))
        .storage("sealed", storage.archive_encryption(ArchiveEncryption::Always))
        .encrypt_to(recipients([to]));
    let builder = keys.iter().fold(builder, |builder, key| builder.keys(Keys::text(&key.private)));
    builder.build().await.expect("a context")
}

fn manifest(clinic: &Clinic) -> PathBuf {
    files(&clinic.backups().join("manifests")).remove(0)
}

async fn outcomes(koan: &Koan) -> Vec<RecoveryOutcome> {
    let report = koan.catalog().recover().await.expect("ran");
    report.archives.into_iter().map(|archive| archive.outcome).collect()
}

#[tokio::test]
async fn an_archive_that_is_encrypted_as_a_whole_is_recovered_with_a_key_only() {
    let (key, other) = (KeyPair::new(), KeyPair::new());
    let clinic = Clinic::of(50);
    let koan = sealing(&clinic, &key, &[&key]).await;
    let id = koan.backup("nightly").await.expect("a backup").id();
    let before = std::fs::read_to_string(manifest(&clinic)).expect("a manifest");
    std::fs::remove_file(manifest(&clinic)).expect("removed");
    for keys in [vec![], vec![&other]] {
        let stranger = sealing(&clinic, &key, &keys).await;
        assert_eq!(outcomes(&stranger).await, [RecoveryOutcome::NeedsKey { key_ids: Vec::new() }]);
        let ran = stranger.maintenance().await.expect("ran");
        assert_eq!(ran.profiles[0].unlisted[0].state, UnlistedState::Encrypted, "{ran:?}");
        let error = stranger.catalog().recover().await.expect("ran").require_all().expect_err("a key");
        assert_eq!(error.kind(), ErrorKind::Encryption);
    }
    assert_eq!(outcomes(&koan).await, [RecoveryOutcome::Recovered]);
    let json = |text: &str| serde_json::from_str::<serde_json::Value>(text).expect("JSON");
    let after = std::fs::read_to_string(manifest(&clinic)).expect("a manifest");
    assert_eq!(json(&after), json(&before), "the envelope, and nothing of what is inside");
    assert!(koan.verify(id).await.expect("read").is_valid());
}

#[tokio::test]
async fn an_archive_with_encrypted_entities_names_the_keys_that_it_needs() {
    let key = KeyPair::new();
    let clinic = Clinic::of(50);
    let koan = clinic.reading([&key]).await;
    let id = koan.backup("nightly").await.expect("a backup").id();
    std::fs::remove_file(manifest(&clinic)).expect("removed");
    let stranger = clinic.writing(recipients([&key])).await;
    let needed = RecoveryOutcome::NeedsKey { key_ids: recipients([&key]).key_ids() };
    assert_eq!(outcomes(&stranger).await, [needed]);
    let ran = stranger.maintenance().await.expect("ran");
    assert_eq!(ran.profiles[0].unlisted[0].id, Some(id));
    assert_eq!(outcomes(&koan).await, [RecoveryOutcome::Recovered]);
    assert!(koan.verify(id).await.expect("read").is_valid());
}

#[tokio::test]
async fn an_old_archive_that_a_rekey_left_goes_and_is_not_recovered_in_place_of_the_new_one() {
    let (old, new) = (KeyPair::new(), KeyPair::new());
    let clinic = Clinic::of(50);
    let koan = sealing(&clinic, &old, &[&old, &new]).await;
    let id = koan.backup("nightly").await.expect("a backup").id();
    let first = clinic.archive();
    let bytes = std::fs::read(&first).expect("read");
    let koan = sealing(&clinic, &new, &[&old, &new]).await;
    let _ = koan.rekey(id).await.expect("rekeyed").require_replaced().expect("the old archive is gone");
    let removals = || files(&clinic.backups().join("removals"));
    assert!(removals().is_empty(), "nothing is kept of what went well");
    let second = clinic.archive();
    // This is the state that a process leaves if it crashes before it removes the old archive.
    std::fs::write(&first, bytes).expect("written");
    let path = |file: &PathBuf| {
        format!("archives/{}", file.file_name().and_then(|name| name.to_str()).expect("a name"))
    };
    let record = serde_json::json!({
        "archive": path(&first), "id": id, "reason": "rekeyed", "replacement": path(&second), "decidedAt": "2026-11-29T00:00:00Z",
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
    let ran = koan.maintenance().await.expect("ran");
    assert_eq!(ran.profiles[0].removed_files, [path(&first)], "{ran:?}");
    assert_eq!(clinic.archive(), second);
}

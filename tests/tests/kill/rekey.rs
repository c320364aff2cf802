//! Tests a rekey whose process is killed.

use std::path::{Path, PathBuf};

use age::secrecy::ExposeSecret;
use koan_backup::prelude::*;
use koan_backup::{ArchiveEncryption, BackupId};

use super::catalog::check_every_backup;
use super::harness::{JobEffect, KillOutcome, OutputTexts, Scenario};
use super::shop::{NAME, Shop};

/// The scenario of a rekey.
pub(super) struct KilledRekey {
    shop: Shop,
    /// A context that has both private keys.
    koan: Koan,
    id: BackupId,
    records: u64,
    /// The key ids of the old key.
    old_key_ids: Vec<String>,
}

impl Scenario for KilledRekey {
    const TEXTS: OutputTexts =
        OutputTexts { job: "rekey", before: "before the manifest was replaced", after: "after it" };

    async fn prepare(folder: &Path, number: u32) -> Self {
        let shop = Shop::open(folder, number);
        for key in ["old", "new"] {
            let identity = age::x25519::Identity::generate();
            write(folder, &format!("{key}.key"), identity.to_string().expose_secret());
            write(folder, &format!("{key}.public"), &identity.to_public().to_string());
        }
        let backup = context(folder, "old").await.backup(NAME).await.expect("a backup");
        copy(&shop.storage(), &original_storage(folder));
        Self {
            koan: context(folder, "new").await,
            id: backup.id(),
            records: backup.manifest().verification.total_item_count,
            old_key_ids: recipients(folder, "old").key_ids(),
            shop,
        }
    }

    fn reset(&self) {
        std::fs::remove_dir_all(self.shop.storage()).expect("removed");
        copy(&original_storage(self.shop.folder()), &self.shop.storage());
    }

    async fn context(folder: &Path) -> Koan {
        context(folder, "new").await
    }

    async fn work(koan: &Koan, on_last_record: fn()) {
        // A rekey has no last record, so `on_last_record` is called at its start, and a kill can come at any
        // time of the rekey.
        on_last_record();
        let _ =
            koan.rekey(NAME).await.expect("rekeyed").require_replaced().expect("the old archive was removed");
    }

    async fn check(&mut self) -> KillOutcome {
        let found = check_every_backup(&self.koan, &self.shop.storage()).await;
        assert_eq!(found.backups.keys().collect::<Vec<_>>(), [&self.id]);
        let manifest = &found.backups[&self.id];
        assert_eq!(manifest.verification.total_item_count, self.records);
        let report = self.koan.verify(self.id).await.expect("verified");
        assert!(report.undecrypted.is_empty(), "neither key decrypts the backup: {report:?}");
        let key_ids = &manifest.encryption.as_ref().expect("the backup is encrypted").key_ids;
        let effect = if key_ids == &self.old_key_ids { JobEffect::NotApplied } else { JobEffect::Applied };
        let has_other_files = found.without_manifest + found.unfinished > 0;
        KillOutcome {
            effect,
            leftover: has_other_files.then_some("an archive without a manifest or an unfinished file"),
        }
    }
}

async fn context(folder: &Path, to: &str) -> Koan {
    let storage = Storage::local(folder.join("backups")).expect("a directory");
    Koan::builder()
        .provider(Sqlite::open(folder.join("shop.db")).expect("opened"))
        .named_storage("sealed", storage.archive_encryption(ArchiveEncryption::Always))
        .encrypt_to(recipients(folder, to))
        .keys(Keys::file(folder.join("old.key")))
        .keys(Keys::file(folder.join("new.key")))
        .build()
        .await
        .expect("a context")
}

fn recipients(folder: &Path, key: &str) -> Recipients {
    Recipients::file(folder.join(format!("{key}.public"))).expect("a public key")
}

fn write(folder: &Path, name: &str, content: &str) {
    std::fs::write(folder.join(name), content).expect("written");
}

/// Returns the folder with the copy of the storage from before the first rekey.
fn original_storage(folder: &Path) -> PathBuf {
    folder.join("original")
}

/// Copies a storage directory.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("created");
    // A directory without the profile mark would be refused.
    std::fs::copy(from.join("koan-profile.json"), to.join("koan-profile.json")).expect("copied");
    for folder in ["archives", "manifests"] {
        std::fs::create_dir_all(to.join(folder)).expect("created");
        for entry in std::fs::read_dir(from.join(folder)).expect("readable") {
            let path = entry.expect("readable").path();
            std::fs::copy(&path, to.join(folder).join(path.file_name().expect("a name"))).expect("copied");
        }
    }
}

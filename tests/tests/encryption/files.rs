//! Tests encrypted entities of JSON files.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use koan_backup::prelude::*;

use super::clinic::{Clinic, KeyPair, files, recipients};

/// A map from the paths of files to their contents.
type Files = BTreeMap<String, Vec<u8>>;

/// Builds a context for JSON files with the storage and the key of a clinic.
async fn koan_with(clinic: &Clinic, provider: JsonFiles, key: &KeyPair) -> Koan {
    let builder = Koan::builder()
        .provider(provider)
        .storage(Storage::local(clinic.backups()).expect("a directory"))
        .encrypt_to(recipients([key]))
        .keys(Keys::text(&key.private));
    builder.build().await.expect("a context")
}

/// Returns the data files of a provider.
fn data(root: &Path) -> Files {
    let mut found = Files::new();
    for folder in files(root).into_iter().filter(|folder| !folder.ends_with(".koan")) {
        for file in files(&folder) {
            let name = file.strip_prefix(root).expect("the file is below the root").display().to_string();
            found.insert(name, fs::read(&file).expect("read"));
        }
    }
    found
}

#[tokio::test]
async fn encrypted_records_of_files_are_restored_and_never_stored_unencrypted() {
    let (clinic, key) = (Clinic::with_patients(40), KeyPair::new());
    let _ = clinic.koan_with_keys([&key]).await.backup("clinic").await.expect("a backup");
    let rows = clinic.dump();
    for (name, layout) in [("lines", JsonFiles::lines as fn(_) -> _), ("documents", JsonFiles::documents)] {
        let root = clinic.directory.path().join(name);
        let provider: JsonFiles = layout(root.clone()).expect("a directory");
        let koan = koan_with(&clinic, provider, &key).await;
        let _ = koan.restore("clinic").await.expect("restored");
        let before = data(&root);
        assert_eq!(before.len(), if name == "lines" { 2 } else { 42 });

        let backup = koan.backup(name).await.expect("a backup");
        assert_eq!(backup.warnings(), [] as [&str; 0]);
        let archive = clinic.backups().join(&backup.manifest().archive.as_ref().expect("an archive").file);
        let manifest = clinic.backups().join(format!("manifests/{}.json", backup.id()));
        for file in [archive, manifest] {
            let bytes = fs::read(&file).expect("read");
            for secret in ["Confidential", "number-0000", "770001.25"] {
                let contains_secret = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
                assert!(!contains_secret, "{name}: `{secret}` is unencrypted in {}", file.display());
            }
        }

        let patients = files(&root)
            .into_iter()
            .find(|folder| folder.ends_with("patients"))
            .expect("the directory of the patients exists");
        for file in files(&patients) {
            fs::remove_file(file).expect("removed");
        }
        let _ = koan.restore(name).replace_existing().await.expect("restored");
        assert!(data(&root) == before, "{name}: the restored files differ");

        clinic.sql("UPDATE patients SET name = 'other', fee = 0; DELETE FROM patients WHERE ward = 1");
        let _ = clinic.koan_with_keys([&key]).await.restore(name).replace_existing().await.expect("restored");
        assert_eq!(clinic.dump(), rows, "{name}");
    }
}

#[tokio::test]
async fn an_error_about_a_broken_document_of_an_encrypted_entity_does_not_contain_its_key() {
    let (clinic, key) = (Clinic::with_patients(3), KeyPair::new());
    let _ = clinic.koan_with_keys([&key]).await.backup("clinic").await.expect("a backup");
    let root = clinic.directory.path().join("documents");
    let koan = koan_with(&clinic, JsonFiles::documents(&root).expect("a directory"), &key).await;
    let _ = koan.restore("clinic").await.expect("restored");
    let broken = root.join("patients/number-000002.json");
    for content in ["{\"number\": ", "{\"number\": 7}", "[]"] {
        assert!(broken.is_file(), "{:?}", data(&root).keys());
        fs::write(&broken, content).expect("written");
        let error = koan.backup("broken").await.expect_err("a broken document");
        let text = error.chain();
        assert!(!text.contains("number-0000"), "{text}");
        assert!(text.contains("patients"), "{text}");
    }
}

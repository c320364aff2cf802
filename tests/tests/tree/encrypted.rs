//! Encrypted entities: they are never on the disk unencrypted, and a backup needs no private key.

use koan_backup::Event;
use std::sync::{Arc, Mutex};

use crate::shop::{Customer, SECRET, Shop, contains, files};

/// The beginning of an encrypted file.
const AGE: &str = "age-encryption.org/v1\n";
use koan_backup::prelude::*;

#[tokio::test]
async fn no_file_of_a_tree_and_of_its_staging_contains_an_encrypted_record() {
    let shop = Shop::new(1);
    // The records do not fit into the buffers of the staged archive.
    shop.sql(&format!(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40000)
         INSERT INTO cards SELECT printf('n%d', i), '{SECRET} ' || hex(randomblob(60)) FROM n"
    ));
    let koan = shop.koan_without_keys().await;
    let tree = shop.tree();
    let staged = Arc::new(Mutex::new(Vec::new()));
    let (recorded, watched) = (Arc::clone(&staged), tree.clone());
    let _ = koan
        .backup("fixtures")
        .on_event(move |event| {
            if matches!(event, Event::EntityCompleted { .. }) {
                recorded.lock().expect("a lock").extend(files(&watched));
            }
        })
        .to_directory(&tree)
        .await
        .expect("a backup");
    let staged = staged.lock().expect("a lock");
    let archive =
        staged.iter().find(|(name, content)| name.contains("/archives/") && content.len() > 1 << 20);
    let (_, archive) = archive.expect("the staged archive was examined");
    assert!(
        contains(archive, "entities/Card.jsonl.gz.age") && contains(archive, AGE),
        "its entry is encrypted"
    );
    for (name, content) in staged.iter().cloned().chain(files(&tree)) {
        assert!(!contains(&content, SECRET), "{name}");
    }
}

#[tokio::test]
async fn without_a_key_only_unencrypted_entities_are_restored() {
    let shop = Shop::new(2);
    let _ = shop.backup(&shop.koan().await).await;
    let koan = shop.koan_without_keys().await;
    let before = shop.rows("cards");
    shop.sql("DELETE FROM customers");
    let error = koan.restore_directory(shop.tree()).at("latest").await.expect_err("a key is missing");
    assert_eq!(error.kind(), ErrorKind::Encryption);
    assert!(error.to_string().contains("`Card` is encrypted"), "{error}");
    assert_eq!(shop.rows("customers").len(), 0, "nothing was written");
    let restored =
        koan.restore_directory(shop.tree()).at("latest").entity::<Customer>().await.expect("restored");
    assert_eq!(restored.record_count(), 2);
    assert_eq!(shop.rows("cards"), before);
    // The bytes of the encrypted file are verified even then.
    let path = shop.directory("Card").join("data.json.age");
    let mut content = std::fs::read(&path).expect("a file");
    *content.last_mut().expect("a byte") ^= 1;
    std::fs::write(&path, content).expect("written");
    let error = koan.restore_directory(shop.tree()).at("latest").entity::<Customer>().await;
    assert!(error.expect_err("the file was changed").to_string().contains("data.json.age"));
}

#[tokio::test]
async fn a_backup_without_recipients_is_refused_before_the_tree_is_written() {
    let shop = Shop::new(1);
    let koan = shop.builder().build().await;
    let error = match koan {
        Ok(koan) => koan.backup("x").to_directory(shop.tree()).await.expect_err("no recipients"),
        Err(error) => error,
    };
    assert_eq!(error.kind(), ErrorKind::Encryption);
    assert!(!shop.tree().exists());
}

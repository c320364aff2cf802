//! Damaged and forged trees: each is refused with the name of the file, and the database is unchanged.

use std::fs;
use std::path::Path;

use koan_backup::ErrorKind;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::shop::{Shop, json};

/// Damages a tree with two backups, whose directories of an entity are passed, and returns the text that the error
/// must contain.
type Damage = fn(&Shop, &Path, &Path) -> &'static str;

fn change(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut content = fs::read(path).expect("a file");
    change(&mut content);
    fs::write(path, content).expect("written");
}

fn change_json(path: &Path, change: impl FnOnce(&mut Value)) {
    let mut value = json(path);
    change(&mut value);
    fs::write(path, serde_json::to_vec_pretty(&value).expect("JSON")).expect("written");
}

const DAMAGES: &[(&str, Damage)] = &[
    ("a missing data file", |_, _, new| {
        fs::remove_file(new.join("data.json")).expect("removed");
        "data.json"
    }),
    ("a truncated data file", |_, _, new| {
        change(&new.join("data.json"), |content| content.truncate(content.len() - 3));
        "data.json"
    }),
    ("a changed record of the same length", |_, _, new| {
        change(&new.join("data.json"), |content| {
            let at = content.windows(8).position(|bytes| bytes == b"Customer").expect("a record");
            content[at] = b'X';
        });
        "data.json"
    }),
    ("a data file of another backup", |_, old, new| {
        fs::copy(old.join("data.json"), new.join("data.json")).expect("copied");
        "data.json"
    }),
    ("a file that does not belong to the backup", |_, _, new| {
        fs::write(new.join("notes.txt"), "mine").expect("written");
        "notes.txt"
    }),
    ("a description that is missing", |_, _, new| {
        fs::remove_file(new.join("metadata.json")).expect("removed");
        "metadata.json"
    }),
    ("a changed description", |_, _, new| {
        change_json(&new.join("metadata.json"), |metadata| metadata["sets"][0]["itemCount"] = 1.into());
        "metadata.json"
    }),
    ("the description of another backup", |_, old, new| {
        fs::copy(old.join("metadata.json"), new.join("metadata.json")).expect("copied");
        "metadata.json"
    }),
    ("a missing directory", |_, _, new| {
        fs::remove_dir_all(new).expect("removed");
        "the directory is missing"
    }),
    ("a path that leaves the root", |shop, _, _| {
        change_json(&shop.tree().join("manifest.json"), |registry| {
            registry["backups"][1]["entities"][1]["directory"] = "../backups/x".into();
        });
        "manifest.json"
    }),
    ("a registry that is not JSON", |shop, _, _| {
        change(&shop.tree().join("manifest.json"), |content| content.truncate(100));
        "manifest.json"
    }),
    ("a registry of a newer version", |shop, _, _| {
        change_json(&shop.tree().join("manifest.json"), |registry| registry["formatVersion"] = 2.into());
        "update koan-backup"
    }),
    ("an encrypted file of another backup", |shop, _, _| {
        let new = shop.directory("Card");
        let old = json(&shop.tree().join("manifest.json"));
        let old = shop.tree().join(old["backups"][0]["entities"][0]["directory"].as_str().expect("a path"));
        fs::copy(old.join("data.json.age"), new.join("data.json.age")).expect("copied");
        "data.json.age"
    }),
    ("a changed encrypted description", |shop, _, _| {
        change(&shop.directory("Card").join("metadata.json.age"), |content| {
            let last = content.len() - 1;
            content[last] ^= 1;
        });
        "metadata.json.age"
    }),
    #[cfg(unix)]
    ("a symbolic link in place of a data file", |shop, _, new| {
        let (path, moved) = (new.join("data.json"), shop.path("moved.json"));
        fs::rename(&path, &moved).expect("moved");
        std::os::unix::fs::symlink(&moved, &path).expect("a link");
        "data.json"
    }),
    #[cfg(unix)]
    ("a symbolic link in place of a directory", |shop, _, new| {
        let moved = shop.path("moved");
        fs::rename(new, &moved).expect("moved");
        std::os::unix::fs::symlink(&moved, new).expect("a link");
        "symbolic link"
    }),
];

#[tokio::test]
async fn damage_is_refused_with_the_name_of_the_file_and_the_database_is_unchanged() {
    for (name, damage) in DAMAGES {
        let shop = Shop::new(3);
        let koan = shop.koan().await;
        let _ = shop.backup(&koan).await;
        let old = shop.directory("Customer");
        shop.sql(
            "INSERT INTO customers VALUES (10, 'Customer 10'); INSERT INTO cards VALUES ('3', 'three');",
        );
        let _ = shop.backup(&koan).await;
        let expected = damage(&shop, &old, &shop_directory(&shop, &old));
        let before = (shop.rows("customers"), shop.rows("cards"));
        shop.sql("DELETE FROM customers WHERE id = 10");
        let now = shop.rows("customers");
        let restored = koan.restore_directory(shop.tree()).at("latest").replace_existing().await;
        let error = restored.expect_err(name).chain();
        assert!(error.contains(expected), "{name}: {error}");
        assert_eq!((shop.rows("customers"), shop.rows("cards")), (now, before.1), "{name}");
    }
}

/// Returns the directory of the customers in the newest backup; it is beside the directory of the older backup.
fn shop_directory(shop: &Shop, old: &Path) -> std::path::PathBuf {
    let new = shop.directory("Customer");
    assert_ne!(new, old);
    new
}

/// An attacker who also adapts the hashes can change records, but not the syntax of the array.
#[tokio::test]
async fn a_data_file_that_is_not_an_array_is_refused_even_if_its_hashes_were_adapted() {
    let shop = Shop::new(2);
    let koan = shop.koan().await;
    let _ = shop.backup(&koan).await;
    let (directory, before) = (shop.directory("Customer"), shop.rows("customers"));
    change(&directory.join("data.json"), |content| {
        let comma = content.windows(2).position(|bytes| bytes == b",\n").expect("two records");
        content[comma] = b' ';
    });
    let hash = |path: &Path| {
        let digest = Sha256::digest(fs::read(path).expect("a file"));
        let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("sha256:{hex}")
    };
    let metadata = directory.join("metadata.json");
    change_json(&metadata, |value| {
        value["sets"][0]["dataFile"]["sha256"] = hash(&directory.join("data.json")).into()
    });
    let (sha256, size) = (hash(&metadata), fs::metadata(&metadata).expect("a file").len());
    change_json(&shop.tree().join("manifest.json"), |registry| {
        registry["backups"][0]["entities"][1]["metadataFile"]["sha256"] = sha256.into();
        registry["backups"][0]["entities"][1]["metadataFile"]["sizeBytes"] = size.into();
    });
    let error = koan.restore_directory(shop.tree()).at("latest").await.expect_err("the comma is missing");
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(error.chain().contains("comma"), "{}", error.chain());
    assert_eq!(shop.rows("customers"), before);
}

#[tokio::test]
async fn the_links_have_no_influence_on_a_restore() {
    let shop = Shop::new(1);
    let koan = shop.koan().await;
    let first = shop.backup(&koan).await;
    let second = shop.backup(&koan).await;
    let link = shop.tree().join("tree.shop.Customer/latest");
    fs::remove_file(&link).expect("removed");
    fs::write(&link, &first.directory).expect("written");
    let restored =
        koan.restore_directory(shop.tree()).at("latest").replace_existing().await.expect("restored");
    assert_eq!(restored.id, second.id);
}

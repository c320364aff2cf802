//! The extraction of stored backups by programs that do not know their types.

use std::fs;

use futures::TryStreamExt as _;
use koan_backup::prelude::*;
use koan_backup::{ArchiveEncryption, Recipients};
use koan_backup_tests::archive_surgery::{Forgery, Recompute, Vault};
use koan_backup_tests::scripted::Scripted;
use koan_backup_tests::state_directory::state_directory;
use serde::{Deserialize, Serialize};

use crate::shop::{Card, Customer, SECRET, Shop, contains, files, json, names};

/// An entity of the program that reads the backups of the shop.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Entity)]
#[entity_backup]
struct Unrelated {
    id: i64,
}

/// Returns the builder of a program that knows no entity of the shop.
fn reader(shop: &Shop) -> koan_backup::KoanBuilder {
    Koan::builder()
        .only_registered()
        .register::<Unrelated>()
        .provider(Scripted::default())
        .storage(Storage::local(shop.path("backups")).expect("a folder"))
        .state_directory(state_directory())
        .application("shop")
        .environment("test")
}

#[tokio::test]
async fn a_backup_is_converted_into_a_tree_without_its_types_and_restored_with_them() {
    let shop = Shop::new(5);
    let koan = shop.koan().await;
    let id = koan.backup("nightly").await.expect("a backup").id();
    let reader =
        reader(&shop).keys(shop.keys()).encrypt_to(shop.recipients()).build().await.expect("a context");
    let report = reader.extract("nightly").to_directory(shop.tree()).await.expect("extracted");
    assert_eq!((report.id, report.item_count()), (id, 7));
    assert_eq!(shop.leftovers(), [""; 0]);
    let error = reader.extract(id).to_directory(shop.tree()).await.expect_err("the tree has this backup");
    assert_eq!(error.kind(), ErrorKind::Conflict);
    let before = (shop.rows("customers"), shop.rows("cards"));
    shop.sql("DELETE FROM customers; DELETE FROM cards;");
    let restored = koan.restore_directory(shop.tree()).at("latest").await.expect("restored");
    assert_eq!(restored.id, id);
    assert_eq!((shop.rows("customers"), shop.rows("cards")), before);
    for (name, content) in files(&shop.tree()) {
        assert!(!contains(&content, SECRET), "{name}");
    }
}

#[tokio::test]
async fn an_encrypted_entity_needs_a_key_and_recipients() {
    let shop = Shop::new(1);
    let _ = shop.koan().await.backup("nightly").await.expect("a backup");
    let without_key = reader(&shop).encrypt_to(shop.recipients()).build().await.expect("a context");
    let without_recipients = reader(&shop).keys(shop.keys()).build().await.expect("a context");
    for (koan, remedy) in [(without_key, ".keys("), (without_recipients, ".encrypt_to(")] {
        let error = koan.extract("nightly").to_directory(shop.tree()).await.expect_err("refused");
        assert_eq!(error.kind(), ErrorKind::Encryption);
        assert!(error.to_string().contains("Card") && error.to_string().contains(remedy), "{error}");
        assert!(!shop.tree().exists(), "nothing was created");
    }
}

#[tokio::test]
async fn files_are_those_of_the_archive_with_decrypted_records() {
    let shop = Shop::new(3);
    let koan = shop.koan().await;
    let id = koan.backup("nightly").await.expect("a backup").id();
    let directory = shop.path("files");
    let reader_koan = reader(&shop).keys(shop.keys()).build().await.expect("a context");
    let report = reader_koan.extract(&*id.to_string()).to_files(&directory).await.expect("extracted");
    assert_eq!((report.id, report.undecrypted.len()), (id, 0));
    let written = files(&directory);
    let names: Vec<_> = written.keys().map(String::as_str).collect();
    for name in
        ["manifest.json", "entities/Customer.jsonl", "entities/Card.jsonl", "verification/checksums.json"]
    {
        assert!(names.contains(&name), "{names:?}");
    }
    assert_eq!(names.len(), report.files.len());
    for file in &report.files {
        assert_eq!(
            written[&file.path].len(),
            usize::try_from(file.size_bytes).expect("small"),
            "{}",
            file.path
        );
    }
    let lines = String::from_utf8(written["entities/Card.jsonl"].clone()).expect("text");
    let cards: Vec<Card> = lines.lines().map(|line| serde_json::from_str(line).expect("a card")).collect();
    assert_eq!(cards.len(), 2);
    let customers = String::from_utf8(written["entities/Customer.jsonl"].clone()).expect("text");
    assert!(customers.lines().all(|line| serde_json::from_str::<Customer>(line).is_ok()));
    assert_eq!(json(&directory.join("manifest.json"))["id"], id.to_string());
    serde_json::to_value(&report).expect("the report is serializable");

    let error = reader_koan.extract(id).to_files(&directory).await.expect_err("the directory is not empty");
    assert_eq!(error.kind(), ErrorKind::Configuration);
    assert_eq!(files(&directory), written);
}

#[tokio::test]
async fn without_a_key_encrypted_files_stay_encrypted() {
    let shop = Shop::new(1);
    let _ = shop.koan().await.backup("nightly").await.expect("a backup");
    let directory = shop.path("files");
    fs::create_dir(&directory).expect("created");
    let koan = reader(&shop).build().await.expect("a context");
    // No entity of this program is in a backup, so `latest` is the newest completed backup.
    let report = koan.extract("latest").to_files(&directory).await.expect("extracted");
    assert_eq!(report.undecrypted, ["Card"]);
    let content = fs::read(directory.join("entities/Card.jsonl.gz.age")).expect("the entry as it is stored");
    assert!(content.starts_with(b"age-encryption.org/v1"));
    let plain = age::decrypt(&shop.identity, &content).expect("decrypted");
    assert!(!plain.is_empty());
    assert!(!directory.join("entities/Card.jsonl").exists());
}

#[tokio::test]
async fn an_archive_that_is_encrypted_as_a_whole_needs_a_key() {
    let shop = Shop::new(1);
    let vault = Vault::default();
    let storage = || vault.storage().archive_encryption(ArchiveEncryption::Always);
    let koan = shop.builder().named_storage("whole", storage()).encrypt_to(shop.recipients()).build().await;
    let _ = koan.expect("a context").backup("nightly").to_profile("whole").await.expect("a backup");
    let (directory, recipients): (_, Recipients) = (shop.path("files"), shop.recipients());
    let locked = reader(&shop)
        .named_storage("whole", storage())
        .encrypt_to(recipients)
        .build()
        .await
        .expect("a context");
    let extract = |koan: &Koan| koan.extract("nightly").from_profile("whole").to_files(&directory);
    let error = extract(&locked).await.expect_err("a key is missing");
    assert_eq!(error.kind(), ErrorKind::Encryption);
    assert!(!directory.exists());
    let open =
        reader(&shop).named_storage("whole", storage()).encrypt_to(shop.recipients()).keys(shop.keys());
    let report = extract(&open.build().await.expect("a context")).await.expect("extracted");
    assert!(report.undecrypted.is_empty() && directory.join("entities/Card.jsonl").exists());
}

#[tokio::test]
async fn latest_is_the_newest_completed_backup_of_the_own_application() {
    let shop = Shop::new(1);
    let koan = shop.koan().await;
    let complete = koan.backup("nightly").await.expect("a backup").id();
    let customers = koan.backup("customers").entity::<Customer>().await.expect("a backup").id();
    let other =
        shop.builder().application("till").encrypt_to(shop.recipients()).build().await.expect("a context");
    let foreign = other.backup("nightly").await.expect("a backup").id();
    let extract = |koan: &Koan, name: &str| koan.extract("latest").to_files(shop.path(name));
    assert_eq!(
        extract(&koan, "known").await.expect("extracted").id,
        complete,
        "the backup has every known entity"
    );
    let reader_koan = reader(&shop).build().await.expect("a context");
    assert_eq!(extract(&reader_koan, "unknown").await.expect("extracted").id, customers);
    let till =
        reader_koan.extract("latest").from_application("till", "test").to_files(shop.path("till")).await;
    assert_eq!(till.expect("extracted").id, foreign);
    let by_id = reader_koan.extract(foreign).to_files(shop.path("by-id")).await.expect("extracted");
    assert!(by_id.notes.iter().any(|note| note.contains("was made by")), "{:?}", by_id.notes);
    let records = reader_koan.records(foreign).entity("Customer").await.expect("opened");
    assert_eq!((records.manifest().id, records.notes()), (foreign, &*by_id.notes));
    let nobody = reader(&shop).application("kiosk").build().await.expect("a context");
    let error = extract(&nobody, "nothing").await.expect_err("no backup of this application");
    assert!(
        error.to_string().contains("`till`") && error.to_string().contains(".from_application"),
        "{error}"
    );
}

#[tokio::test]
async fn records_that_were_replaced_together_with_their_checksums_are_refused() {
    let (shop, vault) = (Shop::new(2), Vault::default());
    let builder = shop.builder().named_storage("vault", vault.storage()).encrypt_to(shop.recipients());
    let koan = builder.keys(shop.keys()).build().await.expect("a context");
    let id = koan.backup("nightly").to_profile("vault").await.expect("a backup").id();
    let mut forgery = Forgery::parse(&vault.stored(id).await);
    let forged = "{\"id\":1,\"name\":\"forged\"}\n{\"id\":2,\"name\":\"forged\"}\n";
    forgery.set_blocks("entities/Customer.jsonl", &[forged]);
    vault.write_backup(&forgery.rebuild(Recompute::Documents)).await;
    let extract = || koan.extract(id).from_profile("vault");
    let files = extract().to_files(shop.path("files")).await.expect_err("the hash differs");
    let tree = extract().to_directory(shop.tree()).await.expect_err("the hash differs");
    let mut records = koan.records(id).from_profile("vault").entity("Customer").await.expect("opened");
    assert!(records.try_next().await.expect("a chunk").is_some(), "the block has the right checksum");
    let stream = records.try_next().await.expect_err("the hash differs");
    for error in [files, tree, stream] {
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{}", error.chain());
        assert!(error.chain().contains("entities/Customer.jsonl"), "{}", error.chain());
    }
    assert!(!shop.path("files").exists());
    assert_eq!(names(&shop.tree()), [".lock"]);
}

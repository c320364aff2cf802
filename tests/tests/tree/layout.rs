//! The names and the content of the files of a tree.

use std::collections::BTreeSet;
use std::fs;
use std::sync::{Arc, Mutex};

use koan_backup::prelude::*;
use koan_backup::{BackupId, SetName};
use koan_backup_tests::hand_clock::HandClock;
use koan_backup_tests::scripted::Scripted;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::shop::{Card, Customer, Shop, json, names};

#[tokio::test]
async fn the_files_have_the_documented_names_and_fields() {
    let shop = Shop::new(3);
    let clock = HandClock::at("2025-10-02T15:30:45Z");
    let koan = shop.builder().encrypt_to(shop.recipients()).clock(clock).build().await.expect("a context");
    let report = koan
        .backup("fixtures")
        .description("for the tests")
        .tags(["a", "b"])
        .to_directory(shop.tree())
        .await
        .expect("a backup");
    assert_eq!(report.directory, "2025-10-02T15-30-45Z");
    assert_eq!(report.item_count(), 5);
    assert_eq!(
        report.files.iter().map(|file| file.file.as_str()).collect::<Vec<_>>(),
        [
            "tree.shop.Card/2025-10-02T15-30-45Z/data.json.age",
            "tree.shop.Customer/2025-10-02T15-30-45Z/data.json"
        ]
    );
    assert_eq!(shop.leftovers(), [""; 0], "the staging directory was removed");
    let customers = shop.tree().join("tree.shop.Customer");
    assert_eq!(names(&customers), ["2025-10-02T15-30-45Z", "latest"]);
    #[cfg(unix)]
    assert_eq!(
        fs::read_link(customers.join("latest")).expect("a link").to_str(),
        Some("2025-10-02T15-30-45Z")
    );
    assert_eq!(names(&shop.directory("Customer")), ["data.json", "metadata.json"]);
    assert_eq!(names(&shop.directory("Card")), ["data.json.age", "metadata.json", "metadata.json.age"]);

    let text = fs::read_to_string(shop.directory("Customer").join("data.json")).expect("text");
    let lines: Vec<_> = text.lines().collect();
    assert_eq!((lines.len(), lines[0], lines[4]), (5, "[", "]"), "{text}");
    let records: Vec<Customer> = serde_json::from_str(&text).expect("one JSON array of customers");
    assert_eq!(records.len(), 3);

    let metadata = json(&shop.directory("Customer").join("metadata.json"));
    assert_eq!(metadata["entity"], "Customer");
    assert_eq!(metadata["typePath"], "tree::shop::Customer");
    assert_eq!(metadata["provider"]["kind"], "sqlite");
    assert_eq!(metadata["policy"]["encrypt"], false);
    assert_eq!(metadata["schema"]["fields"][0]["name"], "id");
    let set = &metadata["sets"][0];
    assert_eq!(
        (&set["set"], &set["file"], &set["itemCount"]),
        (&"root".into(), &"data.json".into(), &3.into())
    );
    for hash in [&set["dataFile"]["sha256"], &set["contentHash"]] {
        assert!(hash.as_str().is_some_and(|hash| hash.starts_with("sha256:")), "{metadata}");
    }
    assert!(set["recordSetHash"].is_string(), "{metadata}");

    let registry = shop.registry();
    assert_eq!(registry["format"], "koan-backup-directory");
    let backup = &registry["backups"][0];
    assert_eq!(backup["id"], report.id.to_string());
    assert_eq!(backup["description"], "for the tests");
    assert_eq!(backup["tags"], serde_json::json!(["a", "b"]));
    assert_eq!(
        (&backup["producer"]["application"], &backup["producer"]["environment"]),
        (&"shop".into(), &"test".into())
    );
    assert_eq!(backup["entities"][1]["directory"], "tree.shop.Customer/2025-10-02T15-30-45Z");
}

#[tokio::test]
async fn an_encrypted_entity_reveals_only_counts_its_policy_and_its_schema() {
    let shop = Shop::new(1);
    let _ = shop.backup(&shop.koan_without_keys().await).await;
    let metadata = json(&shop.directory("Card").join("metadata.json"));
    let set = &metadata["sets"][0];
    assert!(
        set["contentHash"].is_null() && set["recordSetHash"].is_null() && set.get("physical").is_none(),
        "{set}"
    );
    assert_eq!(metadata["policy"]["encrypt"], true);
    assert!(metadata["sealedMetadata"]["sha256"].is_string(), "{metadata}");
    // The reference library decrypts the file, and the result is one JSON array.
    let file = fs::read(shop.directory("Card").join("data.json.age")).expect("a file");
    let plain = age::decrypt(&shop.identity, &file).expect("decrypted by the format's own library");
    let cards: Vec<Card> = serde_json::from_slice(&plain).expect("one JSON array of cards");
    assert_eq!(cards.len(), 2);
}

/// An entity with named sets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Entity)]
#[entity_backup]
struct Event {
    id: i64,
}

#[tokio::test]
async fn each_set_has_a_file_and_is_restored_into_its_set() {
    let shop = Shop::new(0);
    let database = Scripted::default();
    let tenant = SetName::new("tenant a").expect("a set");
    database.put(&SetName::root(), &Event { id: 1 });
    database.put(&tenant, &Event { id: 2 });
    database.put(&tenant, &Event { id: 3 });
    let koan = Koan::builder()
        .only_registered()
        .register::<Event>()
        .provider(database.clone())
        .storage(Storage::memory())
        .build()
        .await
        .expect("a context");
    let _ = koan.backup("sets").to_directory(shop.tree()).await.expect("a backup");
    let directory = shop.directory("Event");
    assert_eq!(names(&directory), ["data#tenant%20a.json", "data.json", "metadata.json"]);
    database.remove("Event", &tenant);
    database.remove("Event", &SetName::root());
    let restored = koan.restore_directory(shop.tree()).at("latest").set("tenant a").await.expect("restored");
    assert_eq!(restored.record_count(), 2);
    assert_eq!((database.len("Event", &tenant), database.len("Event", &SetName::root())), (2, 0));
}

#[tokio::test]
async fn the_second_backup_of_a_second_gets_a_suffix_and_the_time_alone_is_ambiguous() {
    let shop = Shop::new(1);
    let clock = HandClock::at("2025-10-02T15:30:45Z");
    let koan = shop.builder().encrypt_to(shop.recipients()).keys(shop.keys()).clock(clock);
    let koan = koan.build().await.expect("a context");
    let (first, second) = (shop.backup(&koan).await, shop.backup(&koan).await);
    assert_eq!(first.directory, "2025-10-02T15-30-45Z");
    assert_eq!(second.directory, format!("2025-10-02T15-30-45Z-{}", second.id.short()));
    assert!(first.id < second.id, "the second backup is later");
    let restore = |wanted: &str| koan.restore_directory(shop.tree()).at(wanted).replace_existing();
    let error = restore("2025-10-02T15-30-45Z").await.expect_err("two backups have this time");
    let text = error.to_string();
    assert!(text.contains(&first.id.to_string()) && text.contains(&second.id.to_string()), "{text}");
    let ids: Vec<BackupId> = vec![
        restore("latest").await.expect("restored").id,
        restore(&second.directory).await.expect("restored").id,
        restore(&first.id.to_string()).await.expect("restored").id,
        restore(&first.id.short()).await.expect("restored").id,
        restore("fixtures").await.expect("restored").id,
    ];
    assert_eq!(ids, [second.id, second.id, first.id, first.id, second.id]);
    #[cfg(unix)]
    assert_eq!(
        fs::read_link(shop.tree().join("tree.shop.Card/latest")).expect("a link").to_str(),
        Some(second.directory.as_str())
    );
}

#[tokio::test]
async fn a_backup_is_later_than_the_newest_backup_of_its_tree_even_if_the_clock_was_set_back() {
    let shop = Shop::new(1);
    let koan = async |time| {
        let builder = shop.builder().encrypt_to(shop.recipients()).keys(shop.keys());
        builder.clock(HandClock::at(time)).build().await.expect("a context")
    };
    let first = shop.backup(&koan("2025-10-02T15:30:45Z").await).await;
    let koan = koan("2025-10-01T00:00:00Z").await;
    let second = shop.backup(&koan).await;
    assert_eq!(second.directory, format!("2025-10-02T15-30-45Z-{}", second.id.short()));
    let restored =
        koan.restore_directory(shop.tree()).at("latest").replace_existing().await.expect("restored");
    assert_eq!(restored.id, second.id, "{}", first.id);
}

#[tokio::test]
async fn the_end_of_a_backup_is_reported_after_its_registration() {
    let shop = Shop::new(1);
    let koan = shop.koan().await;
    let ends = Arc::new(Mutex::new(Vec::new()));
    let (recorded, registry) = (Arc::clone(&ends), shop.tree().join("manifest.json"));
    let listen = move |event: &koan_backup::Event| {
        if let koan_backup::Event::BackupFinished { status, .. } = event {
            recorded.lock().expect("a lock").push((status.is_complete(), registry.exists()));
        }
    };
    let backup = || koan.backup("fixtures").on_event(listen.clone());
    let _ = backup().to_directory(shop.tree()).await.expect("a backup");
    assert_eq!(std::mem::take(&mut *ends.lock().expect("a lock")), [(true, true)]);
    shop.sql("INSERT INTO customers VALUES (77, CAST(x'ff' AS TEXT))");
    let _ = backup().continue_on_error().to_directory(shop.tree()).await.expect("a backup");
    assert_eq!(std::mem::take(&mut *ends.lock().expect("a lock")), [(false, true)], "the partial backup");
    let _ = backup().to_directory(shop.tree()).await.expect_err("a name is not text");
    assert_eq!(*ends.lock().expect("a lock"), [(false, true)], "the failed backup");
}

#[tokio::test]
async fn a_directory_with_other_files_and_a_missing_parent_are_refused() {
    let shop = Shop::new(1);
    let koan = shop.koan().await;
    let backup = |root| koan.backup("fixtures").to_directory(root);
    let error = backup(shop.folder().to_owned()).await.expect_err("the folder contains a database");
    assert_eq!(error.kind(), ErrorKind::Configuration);
    assert!(error.to_string().contains("is not a directory tree"), "{error}");
    let error = backup(shop.path("missing/tree")).await.expect_err("the parent does not exist");
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let other = shop.path("other");
    fs::create_dir(&other).expect("created");
    fs::write(other.join("manifest.json"), "{\"name\":\"a web application\"}").expect("written");
    let error = backup(other.clone()).await.expect_err("the manifest is that of another program");
    assert!(error.to_string().contains("is not the registry of a directory tree"), "{error}");
    assert_eq!(names(&other), ["manifest.json"], "nothing was written");
    let error =
        koan.restore_directory(shop.path("nothing")).at("latest").await.expect_err("there is no tree");
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let error = koan.backup("x").to_profile("y").to_directory(shop.tree()).await.expect_err("two targets");
    assert_eq!(error.kind(), ErrorKind::Configuration);
    let error =
        koan.restore_directory(shop.tree()).at("latest").from_profile("y").await.expect_err("two sources");
    assert_eq!(error.kind(), ErrorKind::Configuration);
}

#[tokio::test]
async fn a_link_that_cannot_be_written_is_a_warning() {
    let shop = Shop::new(1);
    let koan = shop.koan().await;
    let _ = shop.backup(&koan).await;
    let link = shop.tree().join("tree.shop.Customer/latest");
    fs::remove_file(&link).expect("removed");
    fs::create_dir(&link).expect("created");
    let report = shop.backup(&koan).await;
    assert_eq!(report.warnings.len(), 1, "{:?}", report.warnings);
    assert!(report.warnings[0].contains("is a directory"), "{:?}", report.warnings);
    let restored =
        koan.restore_directory(shop.tree()).at("latest").replace_existing().await.expect("restored");
    assert_eq!(restored.id, report.id);
}

/// Adds the names of the fields of a document. The content of some fields is described elsewhere.
fn add_fields(value: &Value, fields: &mut BTreeSet<String>) {
    const DESCRIBED_ELSEWHERE: [&str; 5] = ["discovery", "metadata", "physical", "policy", "schema"];
    match value {
        Value::Object(object) => {
            for (name, value) in object {
                fields.insert(name.clone());
                if !DESCRIBED_ELSEWHERE.contains(&name.as_str()) {
                    add_fields(value, fields);
                }
            }
        }
        Value::Array(elements) => elements.iter().for_each(|element| add_fields(element, fields)),
        _ => {}
    }
}

#[tokio::test]
async fn the_guide_describes_every_field() {
    let shop = Shop::new(1);
    shop.sql("INSERT INTO customers VALUES (77, CAST(x'ff' AS TEXT))");
    let koan = shop.koan().await;
    let _ = koan.backup("partial").continue_on_error().to_directory(shop.tree()).await.expect("a backup");
    shop.sql("DELETE FROM customers WHERE id = 77");
    let _ = shop.backup(&koan).await;
    let mut fields = BTreeSet::new();
    add_fields(&shop.registry(), &mut fields);
    for entity in ["Customer", "Card"] {
        add_fields(&json(&shop.directory(entity).join("metadata.json")), &mut fields);
    }
    assert!(fields.len() > 40, "{fields:?}");
    let guide = include_str!("../../../koan-backup/docs/directory-layout.md");
    let missing: Vec<_> = fields.iter().filter(|field| !guide.contains(&format!("{field}`"))).collect();
    assert_eq!(missing, [""; 0], "directory-layout.md must describe these fields");
}

//! Round trips through a tree: SQLite, JSON files and PostgreSQL.

use koan_backup::prelude::*;
use koan_backup::{ConflictMode, report::RestoreReport};
use serde::{Deserialize, Serialize};

use crate::shop::{Card, Customer, Shop};

#[tokio::test]
async fn a_tree_restores_the_same_rows_into_sqlite() {
    // The records do not fit into one chunk.
    let shop = Shop::new(20_000);
    shop.sql("UPDATE customers SET name = printf('%s%s', name, hex(randomblob(1200000))) WHERE id = 7");
    let koan = shop.koan().await;
    let before = (shop.rows("customers"), shop.rows("cards"));
    let report = shop.backup(&koan).await;
    assert_eq!(report.item_count(), 20_002);
    shop.sql("DELETE FROM customers WHERE id % 2 = 0; INSERT INTO customers VALUES (0, 'new');");
    shop.sql("UPDATE cards SET owner = 'x'");
    let tree = || koan.restore_directory(shop.tree()).at("latest");

    let check = tree().replace_existing().viability().await.expect("assessed");
    assert!(check.is_viable(), "{:?}", check.findings);
    assert_eq!(check.record_count, 20_002);
    let trial = tree().replace_existing().dry_run().await.expect("compared");
    assert_eq!((trial.counts().inserted, trial.counts().deleted, trial.counts().updated), (10_000, 1, 2));
    assert_eq!(shop.rows("customers").len(), 10_001, "a dry run writes nothing");

    let kept: RestoreReport =
        tree().entity::<Card>().on_conflict(ConflictMode::Keep).await.expect("restored");
    assert_eq!((kept.record_count(), kept.counts().kept), (2, 2));
    let restored = tree().replace_existing().await.expect("restored");
    assert_eq!(restored.id, report.id);
    assert_eq!((shop.rows("customers"), shop.rows("cards")), before);
    assert!(restored.verification.is_some(), "the staged archive was verified");
}

#[tokio::test]
async fn an_empty_table_and_a_selection_are_restored() {
    let shop = Shop::new(2);
    shop.sql("DELETE FROM cards; DELETE FROM customers;");
    let koan = shop.koan().await;
    let _ = koan.backup("fixtures").verify_after().to_directory(shop.tree()).await.expect("a backup");
    shop.sql("INSERT INTO customers VALUES (1, 'new'); INSERT INTO cards VALUES ('1', 'new');");
    let restored =
        koan.restore_directory(shop.tree()).at("latest").entity::<Customer>().replace_existing().await;
    assert_eq!(restored.expect("restored").counts().deleted, 1);
    assert_eq!((shop.rows("customers").len(), shop.rows("cards").len()), (0, 1));
    let error =
        koan.backup("x").entities("Nobody").to_directory(shop.tree()).await.expect_err("no such entity");
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

/// An entity in a directory of JSON files.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Entity)]
#[entity(table = "books")]
#[entity_backup]
struct Book {
    id: i64,
    title: String,
}

#[tokio::test]
async fn a_tree_restores_the_same_records_into_json_files() {
    let folder = tempfile::tempdir().expect("a folder");
    let (data, tree) = (folder.path().join("data"), folder.path().join("tree"));
    let file = data.join("books/root.jsonl");
    std::fs::create_dir_all(data.join("books")).expect("created");
    let books = "{\"id\":1,\"title\":\"One, two\"}\n{\"id\":2,\"title\":\"[\\n]\"}\n";
    std::fs::write(&file, books).expect("written");
    let koan = Koan::builder()
        .only_registered()
        .register::<Book>()
        .provider(JsonFiles::lines(&data).expect("a directory"))
        .storage(Storage::memory())
        .state_directory(koan_backup_tests::state_directory::state_directory())
        .build()
        .await
        .expect("a context");
    let report = koan.backup("books").to_directory(&tree).await.expect("a backup");
    assert_eq!(report.item_count(), 2);
    std::fs::write(&file, "{\"id\":3,\"title\":\"new\"}\n").expect("written");
    let restored = koan.restore_directory(&tree).at(report.id).replace_existing().await.expect("restored");
    assert_eq!((restored.counts().inserted, restored.counts().deleted), (2, 1));
    assert_eq!(std::fs::read_to_string(&file).expect("text"), books);
}

#[cfg(unix)]
#[tokio::test]
async fn a_tree_of_sqlite_is_restored_into_postgresql_and_back() {
    let (shop, server) = (Shop::new(50), koan_backup_tests::postgres::Server::start());
    server.sql(
        "CREATE TABLE customers (id bigint PRIMARY KEY, name text NOT NULL);
         CREATE TABLE cards (number text PRIMARY KEY, owner text NOT NULL);",
    );
    let sqlite = shop.koan().await;
    let before = (shop.rows("customers"), shop.rows("cards"));
    let _ = shop.backup(&sqlite).await;
    let postgres = Koan::builder()
        .only_registered()
        .register::<Customer>()
        .register::<Card>()
        .provider(Postgres::connect(server.address()).expect("an address"))
        .storage(Storage::memory())
        .encrypt_to(shop.recipients())
        .keys(shop.keys())
        .application("shop")
        .environment("test")
        .build()
        .await
        .expect("a context");
    let restored = postgres.restore_directory(shop.tree()).at("latest").await.expect("restored");
    assert_eq!(restored.counts().inserted, 52);
    assert_eq!(server.sql("SELECT count(*) FROM customers"), "50");
    let from_postgres = shop.backup(&postgres).await;
    assert_eq!(from_postgres.item_count(), 52);
    shop.sql("DELETE FROM customers; DELETE FROM cards;");
    let restored = sqlite.restore_directory(shop.tree()).at("latest").await.expect("restored");
    assert_eq!(restored.id, from_postgres.id);
    assert_eq!((shop.rows("customers"), shop.rows("cards")), before);
}

//! Tests values of 64 MiB in SQLite, and the messages about fields that cannot store them.

use koan_backup::prelude::*;
use koan_backup_tests::log::Log;
use rusqlite::Connection;
use serde::{Deserialize, Serialize};

const CONTENT_BYTES: usize = 64 << 20;

/// A record whose bytes are stored as Base64.
#[derive(Clone, PartialEq, Serialize, Deserialize, Entity)]
#[entity_backup]
struct Scan {
    id: i64,
    #[serde(with = "koan_backup::serde::base64")]
    content: Vec<u8>,
    #[serde(default, with = "koan_backup::serde::base64")]
    preview: Option<Box<[u8]>>,
}

/// A record of the same table, whose bytes are stored as lists of numbers.
#[derive(Clone, Serialize, Deserialize, Entity)]
#[entity_backup]
#[entity(table = "scan", name = "BulkyScan")]
struct Bulky {
    id: i64,
    content: Vec<u8>,
    preview: Option<Vec<u8>>,
}

/// A record with a large text.
#[derive(Clone, Serialize, Deserialize, Entity)]
#[entity_backup]
#[entity(table = "page")]
struct Page {
    id: i64,
    title: String,
    text: String,
}

struct Shop {
    folder: tempfile::TempDir,
}

impl Shop {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a directory");
        let shop = Self { folder };
        let connection = shop.connection();
        connection
            .execute_batch(
                "CREATE TABLE scan (id INTEGER PRIMARY KEY, content BLOB NOT NULL, preview BLOB);
                 CREATE TABLE page (id INTEGER PRIMARY KEY, title TEXT NOT NULL, text TEXT NOT NULL);
                 CREATE TABLE migrations (id INTEGER)",
            )
            .expect("tables");
        connection.execute("INSERT INTO scan VALUES (7, ?1, NULL)", [content()]).expect("inserted");
        connection.execute("INSERT INTO scan VALUES (8, x'', x'fbefff')", []).expect("inserted");
        shop
    }

    fn connection(&self) -> Connection {
        Connection::open(self.folder.path().join("shop.db")).expect("a database")
    }

    async fn koan(
        &self,
        entities: impl FnOnce(koan_backup::KoanBuilder) -> koan_backup::KoanBuilder,
    ) -> Koan {
        let provider = Sqlite::options(self.folder.path().join("shop.db"))
            .ignore_table("MIGRATIONS", "kept by sqlx")
            .ignore_table("PAGE", "rendered again")
            .ignore_table("nope", "not there");
        let builder = Koan::builder().only_registered().provider(provider.open().expect("opened"));
        entities(builder.storage(Storage::memory())).build().await.expect("a context")
    }

    fn scans(&self) -> Vec<(i64, Vec<u8>, Option<Vec<u8>>)> {
        let connection = self.connection();
        let mut statement = connection.prepare("SELECT * FROM scan ORDER BY id").expect("valid");
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).expect("rows");
        rows.collect::<Result<_, _>>().expect("read")
    }
}

/// Returns 64 MiB of pseudo-random bytes. Each call returns the same bytes.
fn content() -> Vec<u8> {
    let mut rng = fastrand::Rng::with_seed(64);
    let mut bytes = vec![0; CONTENT_BYTES];
    rng.fill(&mut bytes);
    bytes
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_of_64_mib_are_backed_up_verified_and_restored_as_base64() {
    let shop = Shop::new();
    let koan = shop.koan(|builder| builder.register::<Scan>()).await;
    let backup = koan.backup("nightly").await.expect("a backup");
    assert_eq!(backup.warnings(), [""; 0]);
    assert!(koan.verify(backup.id()).await.expect("verified").is_valid());
    shop.connection()
        .execute_batch("DELETE FROM scan WHERE id = 7; UPDATE scan SET content = 'x'")
        .expect("changed");
    let _ = koan.restore("nightly").await.expect("restored");
    assert!(shop.scans() == [(7, content(), None), (8, Vec::new(), Some(vec![0xfb, 0xef, 0xff]))]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_is_too_large_is_reported_with_field_key_and_remedy() {
    let shop = Shop::new();
    let (log, _guard) = Log::capture();
    let koan = shop.koan(|builder| builder.register::<Bulky>()).await;
    let notes = koan.inventory().notes.join("\n");
    assert!(notes.contains("`content`") && notes.contains("`preview`"), "{notes}");
    assert!(notes.contains("koan_backup::serde::base64"), "{notes}");
    assert!(
        log.lines().join("\n").contains("koan_backup::serde::base64"),
        "the boot report does not mention the attribute"
    );
    let error = koan.backup("nightly").await.expect_err("too long").chain();
    for text in ["BulkyScan `id=7`", "field `content` has 67108864 bytes", "koan_backup::serde::base64"] {
        assert!(error.contains(text), "{text} is not in {error}");
    }
    shop.connection()
        .execute("INSERT INTO page VALUES (3, 'a', ?1)", ["x".repeat(130 << 20)])
        .expect("inserted");
    let koan = shop.koan(|builder| builder.register::<Page>()).await;
    let error = koan.backup("nightly").await.expect_err("too long").chain();
    assert!(error.contains("Page `id=3`") && error.contains("field `text` has"), "{error}");
    assert!(error.contains("store large content in files") && !error.contains("base64"), "{error}");
}

#[tokio::test]
async fn a_list_of_numbers_is_read_like_base64_text() {
    let shop = Shop::new();
    shop.connection().execute("DELETE FROM scan WHERE id = 7", []).expect("deleted");
    let koan = shop.koan(|builder| builder.register::<Scan>()).await;
    let scan: Scan = serde_json::from_str(r#"{"id":1,"content":[1,2],"preview":[3]}"#).expect("a list");
    assert_eq!(serde_json::to_string(&scan).expect("JSON"), r#"{"id":1,"content":"AQI=","preview":"Aw=="}"#);
    assert!(serde_json::from_str::<Scan>(r#"{"id":1,"content":"no base64!","preview":null}"#).is_err());
    let read = koan.data::<Scan>().get(&8).await.expect("read").expect("exists");
    assert_eq!(read.preview.as_deref(), Some(&[0xfb, 0xef, 0xff][..]));
}

#[tokio::test]
async fn an_ignored_table_that_does_not_exist_or_belongs_to_an_entity_causes_a_warning() {
    let shop = Shop::new();
    let koan = shop.koan(|builder| builder.register::<Page>()).await;
    let inventory = koan.inventory();
    let warnings = &inventory.warnings;
    assert_eq!(warnings.len(), 3, "{warnings:?}");
    assert_eq!(warnings[0], "table `scan` of `main` belongs to no entity");
    assert!(
        warnings[1].contains("`ignore_table(\"PAGE\")` has no effect, because Page covers"),
        "{warnings:?}"
    );
    assert!(warnings[2].contains("`ignore_table(\"nope\")` has no effect"), "{warnings:?}");
    assert!(warnings[2].contains("the tables without an entity are `scan`"), "{warnings:?}");
    let inventory = koan.inventory();
    let included = &inventory.included[0];
    assert_eq!((included.table.as_deref(), included.provider.as_deref()), (Some("page"), Some("main")));
}

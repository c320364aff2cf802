//! Keys that the database treats as equal although their spelling differs.

use koan_backup::prelude::*;
use koan_backup::{KoanBuilder, provider::WriteCounts};
use koan_backup_tests::postgres::Server;
use koan_backup_tests::reported_restore::restore_as_reported;
use serde::{Deserialize, Serialize};

use super::fixture::{hashes, koan};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
#[entity_backup]
struct Word {
    id: String,
    note: String,
}

fn counts(report: &koan_backup::report::RestoreReport) -> WriteCounts {
    report.entities[0].counts
}

/// A key type, a key as the archive spells it, another spelling of that key, and a different key.
const KEYS: [(&str, &str, &str, &str); 8] = [
    ("bpchar", "ab", "ab  ", "b"),
    ("public.citext", "Ann@x", "ann@X", "bob@x"),
    ("text COLLATE folded", "Straße", "STRAßE", "b"),
    ("varchar(40) COLLATE folded", "A", "a", "b"),
    ("numeric", "1.0", "1.00", "2"),
    ("interval", "24:00:00", "1 day", "2 days"),
    ("label", "Upper", "UPPER", "other"),
    ("pair", "(Upper,1)", "(UPPER,1)", "(b,2)"),
];

const TYPES: &str = "CREATE EXTENSION citext;
    CREATE COLLATION folded (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
    CREATE DOMAIN label AS public.citext CHECK (VALUE <> ''); CREATE TYPE pair AS (name public.citext, number int);";

fn has_citext(server: &Server) -> bool {
    server.sql("SELECT count(*) FROM pg_available_extensions WHERE name = 'citext'") == "1"
}

/// Returns the SQL that creates the table with two rows.
fn table_of(column_type: &str, key: &str, different_key: &str) -> String {
    format!(
        "DROP TABLE IF EXISTS word; CREATE TABLE word (id {column_type} PRIMARY KEY, note text NOT NULL); \
         INSERT INTO word VALUES ('{key}', 'one'), ('{different_key}', 'two')"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn an_overwrite_restores_the_spelling_of_a_key_and_the_next_restore_changes_nothing() {
    let server = Server::start();
    assert!(has_citext(&server));
    server.sql(TYPES);
    for (column_type, key, equal_key, different_key) in KEYS {
        server.sql(&table_of(column_type, key, different_key));
        let koan = koan(&server, KoanBuilder::register::<Word>).await;
        let backup = koan.backup("nightly").await.expect("a backup");
        let rows = server.sql("SELECT row_to_json(word) FROM word ORDER BY note");
        for level in [RestoreLevel::Fast, RestoreLevel::Safe] {
            server.sql(&format!("UPDATE word SET id = '{equal_key}' WHERE note = 'one'"));
            assert_ne!(server.sql("SELECT row_to_json(word) FROM word ORDER BY note"), rows, "{column_type}");
            let keep_counts =
                counts(&koan.restore("nightly").on_conflict(ConflictMode::Keep).await.expect(column_type));
            assert_eq!((keep_counts.kept, keep_counts.inserted), (2, 0), "{column_type}");
            let error = restore_as_reported(|| koan.restore("nightly").on_conflict(ConflictMode::Fail))
                .await
                .expect_err(column_type);
            assert_eq!(error.kind(), ErrorKind::Conflict, "{column_type}: {error:?}");
            let dry_counts = counts(&koan.restore("nightly").dry_run().await.expect(column_type));
            assert_eq!((dry_counts.updated, dry_counts.unchanged), (1, 1), "{column_type}");
            let written = counts(&koan.restore("nightly").level(level).await.expect(column_type));
            assert_eq!(written, dry_counts, "{column_type}");
            assert_eq!(server.sql("SELECT row_to_json(word) FROM word ORDER BY note"), rows, "{column_type}");
            let dry_counts = counts(&koan.restore("nightly").dry_run().await.expect(column_type));
            assert_eq!((dry_counts.updated, dry_counts.unchanged), (0, 2), "{column_type}");
            let written =
                counts(&koan.restore("nightly").replace_existing().level(level).await.expect(column_type));
            assert_eq!((written.updated, written.unchanged), (0, 2), "{column_type}");
        }
        let second = koan.backup("second").await.expect("a backup");
        assert_eq!(hashes(backup.manifest()), hashes(second.manifest()), "{column_type}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_records_with_keys_that_the_database_treats_as_equal_are_refused_with_both_keys() {
    let server = Server::start();
    server.sql(TYPES);
    for (column_type, key, equal_key, different_key) in KEYS {
        if column_type == "pair" || column_type == "interval" {
            continue;
        }
        // The records come from a table of type `text`, which distinguishes the spellings.
        server.sql(&table_of("text", key, different_key));
        server.sql(&format!("INSERT INTO word VALUES ('{equal_key}', 'three')"));
        let koan = koan(&server, KoanBuilder::register::<Word>).await;
        let _ = koan.backup("nightly").await.expect("a backup");
        for (rows, is_replacement) in [("", false), ("DELETE FROM word", false), ("", true)] {
            for level in [RestoreLevel::Fast, RestoreLevel::Safe] {
                server.sql(&table_of(column_type, key, different_key));
                server.sql(rows);
                let before = server.sql("SELECT row_to_json(word) FROM word ORDER BY note");
                let restore = || match is_replacement {
                    true => koan.restore("nightly").replace_existing(),
                    false => koan.restore("nightly"),
                };
                for error in [
                    restore_as_reported(|| restore().level(level)).await.expect_err(column_type),
                    restore().dry_run().await.expect_err(column_type),
                    restore_as_reported(|| restore().on_conflict(ConflictMode::Keep))
                        .await
                        .expect_err(column_type),
                ] {
                    let text = error.chain();
                    assert_eq!(error.kind(), ErrorKind::Constraint, "{column_type}: {text}");
                    assert!(text.contains(key) && text.contains(equal_key), "{column_type}: {text}");
                    assert!(
                        text.contains("whose keys table `word` considers to be equal"),
                        "{column_type}: {text}"
                    );
                }
                assert_eq!(server.sql("SELECT row_to_json(word) FROM word ORDER BY note"), before);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn padded_texts_are_restored_with_their_spelling() {
    let server = Server::start();
    server.sql("CREATE TABLE word (id char(6) PRIMARY KEY, note text NOT NULL); INSERT INTO word VALUES ('ab', 'one'), (' b', 'two')");
    let koan = koan(&server, |builder| builder.register::<Word>()).await;
    let _ = koan.backup("nightly").await.expect("a backup");
    server.sql("UPDATE word SET note = 'changed' WHERE id = ' b'");
    let dry_counts = koan.restore("nightly").dry_run().await.expect("compared").counts();
    assert_eq!((dry_counts.updated, dry_counts.unchanged), (1, 1));
    assert_eq!(koan.restore("nightly").await.expect("restored").counts(), dry_counts);
    assert_eq!(server.sql("SELECT '<' || id || '>' FROM word ORDER BY note"), "<ab>\n< b>");
    let dry_counts = koan.restore("nightly").dry_run().await.expect("compared").counts();
    assert_eq!((dry_counts.updated, dry_counts.unchanged), (0, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_equality_of_a_type_is_found_with_any_search_path() {
    let server = Server::start();
    server.sql("CREATE SCHEMA sales; CREATE SCHEMA extra; CREATE EXTENSION citext SCHEMA extra;
        CREATE TABLE sales.word (id extra.citext PRIMARY KEY, note text NOT NULL); INSERT INTO sales.word VALUES ('Ann', 'one')");
    let database = Postgres::options(server.address()).schema("sales").connect().expect("an address");
    let koan = super::fixture::koan_of(database, KoanBuilder::register::<Word>).await;
    let _ = koan.backup("nightly").await.expect("a backup");
    server.sql("SET search_path = extra; UPDATE sales.word SET id = 'ANN', note = 'changed'");
    let written = counts(&koan.restore("nightly").await.expect("restored"));
    assert_eq!((written.updated, written.inserted), (1, 0));
    assert_eq!(server.sql("SELECT * FROM sales.word"), "Ann|one");
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_refer_to_a_key_are_kept_when_its_spelling_changes() {
    let server = Server::start();
    server.sql("CREATE EXTENSION citext; CREATE TABLE word (id citext PRIMARY KEY, note text NOT NULL);
        CREATE TABLE cites (word citext REFERENCES word ON DELETE CASCADE ON UPDATE CASCADE, plain citext REFERENCES word);
        INSERT INTO word VALUES ('Ann', 'one'); INSERT INTO cites VALUES ('ann', 'ANN')");
    let koan = koan(&server, KoanBuilder::register::<Word>).await;
    let _ = koan.backup("nightly").await.expect("a backup");
    server.sql("UPDATE word SET id = 'aNN' WHERE id = 'ann'; UPDATE cites SET word = 'anN'");
    let schema = server.schema();
    let _ = koan.restore("nightly").await.expect("restored");
    assert_eq!(server.sql("SELECT * FROM word; SELECT * FROM cites"), "Ann|one\nanN|ANN");
    assert_eq!(server.schema(), schema);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_of_two_rows_with_equal_keys_is_refused_with_both_keys() {
    let server = Server::start();
    server.sql(TYPES);
    for (column_type, key, equal_key, different_key) in KEYS {
        for unique in ["", "CREATE UNIQUE INDEX ON word (id) WHERE note = 'one'"] {
            server.sql(&format!(
                "DROP TABLE IF EXISTS word; CREATE TABLE word (id {column_type}, note text NOT NULL); {unique};
                INSERT INTO word VALUES ('{key}', 'one'), ('{different_key}', 'two'), ('{equal_key}', 'three')"
            ));
            let koan = koan(&server, KoanBuilder::register::<Word>).await;
            let error = koan.backup("twice").await.expect_err(column_type);
            let text = error.chain();
            assert!(
                text.contains("the same key by the key equality of table `word`"),
                "{column_type}: {text}"
            );
            assert!(text.contains("` and `id="), "{column_type}: {text}");
            assert!(
                column_type == "interval" || (text.contains(key) && text.contains(equal_key)),
                "{column_type}: {text}"
            );
        }
        server.sql("DELETE FROM word WHERE note = 'three'");
        let koan = koan(&server, KoanBuilder::register::<Word>).await;
        let _ = koan.backup("once").await.expect(column_type);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_unique_index_that_compares_differently_from_its_column_does_not_make_keys_unique() {
    let server = Server::start();
    server.sql(TYPES);
    server.sql(
        "CREATE TABLE word (id text COLLATE folded NOT NULL, note text NOT NULL); CREATE UNIQUE INDEX ON word (id COLLATE \"C\");
        INSERT INTO word VALUES ('A', 'one'), ('a', 'two')",
    );
    let koan = koan(&server, KoanBuilder::register::<Word>).await;
    let text = koan.backup("twice").await.expect_err("the keys are equal").chain();
    assert!(text.contains(r#"Word `id="A"` and `id="a"`"#), "{text}");
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
#[entity_backup(encrypt)]
#[entity(table = "word")]
struct Secret {
    id: String,
    note: String,
}

#[tokio::test(flavor = "multi_thread")]
async fn equal_keys_of_an_encrypted_entity_are_not_displayed() {
    let server = Server::start();
    server.sql(TYPES);
    server.sql("CREATE TABLE word (id citext, note text NOT NULL); INSERT INTO word VALUES ('Ann', 'one'), ('ANN', 'two')");
    let identity = age::x25519::Identity::generate();
    let recipients = koan_backup::Recipients::keys([identity.to_public().to_string()]).expect("a recipient");
    let koan = koan(&server, |builder| builder.register::<Secret>().encrypt_to(recipients)).await;
    let text = koan.backup("twice").await.expect_err("the keys are equal").chain();
    assert!(text.contains("the same key") && !text.to_lowercase().contains("ann"), "{text}");
}

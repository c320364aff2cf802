//! The objects that a restore suspends, the options that prevent the suspension of objects, and the suspended
//! objects in viability and the report.

use std::time::SystemTime;

use koan_backup::builders::RestoreBuilder;
use koan_backup::prelude::*;
use koan_backup::report::{SuspendedKind, SuspendedObject};
use koan_backup_tests::postgres::Server;
use koan_backup_tests::reported_restore::restore_as_reported;
use serde::{Deserialize, Serialize};

use super::fixture::koan;

/// A book, which is restored before the shelf that it refers to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
#[entity_backup]
struct Book {
    id: i32,
    title: String,
    shelf: i32,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
#[entity_backup]
struct Shelf {
    id: i32,
}

const TABLES: &str = "
    CREATE TABLE shelf (id int PRIMARY KEY);
    CREATE TABLE log (book int);
    CREATE TABLE book (id int PRIMARY KEY, title text CONSTRAINT one_title UNIQUE, shelf int NOT NULL,
        CONSTRAINT on_shelf FOREIGN KEY (shelf) REFERENCES shelf);
    CREATE INDEX by_shelf ON book (shelf);
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'it fires'; END $$;
    INSERT INTO shelf VALUES (1), (2);
    INSERT INTO book VALUES (1, 'a', 1), (2, 'b', 1), (3, 'c', 2);
    CREATE TRIGGER refusal BEFORE INSERT OR UPDATE ON book FOR EACH ROW EXECUTE FUNCTION refuse();
    CREATE RULE logged AS ON INSERT TO book DO ALSO INSERT INTO log VALUES (1);";

async fn context(server: &Server) -> Koan {
    koan(server, |builder| builder.register::<Book>().register::<Shelf>()).await
}

fn delete_rows(server: &Server) {
    server.sql("DELETE FROM book; DELETE FROM shelf");
    server.until_sessions_ended();
}

fn names(suspended: &[SuspendedObject]) -> Vec<(SuspendedKind, &str, &str)> {
    let mut names: Vec<_> =
        suspended.iter().map(|object| (object.kind, object.table.as_str(), object.name.as_str())).collect();
    names.sort_unstable();
    names
}

/// Returns each index with the name of its file. The name changes if the index is recreated.
fn index_files(server: &Server) -> Vec<(String, String)> {
    let rows = server.sql(
        "SELECT indexrelid::regclass || '=' || pg_relation_filenode(indexrelid) FROM pg_index
        WHERE indrelid IN ('book'::regclass, 'shelf'::regclass) ORDER BY 1",
    );
    let pair = |row: &str| row.split_once('=').map(|(name, file)| (name.to_owned(), file.to_owned()));
    rows.lines().filter_map(pair).collect()
}

const TRIGGER: (SuspendedKind, &str, &str) = (SuspendedKind::Trigger, "book", "refusal");
const RULE: (SuspendedKind, &str, &str) = (SuspendedKind::Rule, "book", "logged");
const FOREIGN_KEY: (SuspendedKind, &str, &str) = (SuspendedKind::Constraint, "book", "on_shelf");
const INDEX: (SuspendedKind, &str, &str) = (SuspendedKind::Index, "book", "by_shelf");
const KEYS: [(SuspendedKind, &str, &str); 3] = [
    (SuspendedKind::Constraint, "book", "book_pkey"),
    (SuspendedKind::Constraint, "book", "one_title"),
    (SuspendedKind::Constraint, "shelf", "shelf_pkey"),
];

/// A function that sets options of a restore, a name for these options, and the objects that the restore
/// suspends.
type Case =
    (fn(RestoreBuilder) -> RestoreBuilder, &'static str, Vec<(SuspendedKind, &'static str, &'static str)>);

#[tokio::test(flavor = "multi_thread")]
async fn each_option_prevents_the_suspension_of_its_objects_and_the_report_lists_the_suspended_objects() {
    let server = Server::start();
    server.sql(TABLES);
    // With `keep_constraints`, a book may refer to a shelf that is restored later only if the constraint is
    // deferrable.
    server.sql("ALTER TABLE book ALTER CONSTRAINT on_shelf DEFERRABLE");
    let koan = context(&server).await;
    let _ = koan.backup("nightly").await.expect("a backup");
    let schema = server.schema();
    let all: Vec<_> = [INDEX, FOREIGN_KEY, TRIGGER, RULE].into_iter().chain(KEYS).collect();
    let cases: [Case; 6] = [
        (|restore| restore, "fast", all),
        (RestoreBuilder::keep_indexes, "keep_indexes", vec![FOREIGN_KEY, TRIGGER, RULE]),
        (RestoreBuilder::keep_constraints, "keep_constraints", vec![INDEX, TRIGGER, RULE]),
        (RestoreBuilder::without_bulk_mode, "without_bulk_mode", vec![TRIGGER, RULE]),
        (|restore| restore.level(RestoreLevel::Balanced), "balanced", vec![TRIGGER, RULE]),
        (|restore| restore.level(RestoreLevel::Safe), "safe", vec![TRIGGER, RULE]),
    ];
    for (apply, name, mut expected) in cases {
        expected.sort_unstable();
        delete_rows(&server);
        let before = index_files(&server);
        let viability = apply(koan.restore("nightly")).viability().await.expect("assessed");
        assert!(viability.is_viable(), "{name}: {viability:?}");
        for (_, table, object) in &all_objects() {
            let is_noted = viability.findings.iter().any(|finding| {
                let entity = finding.entity.as_deref().map(str::to_lowercase);
                entity.as_deref() == Some(*table) && finding.message.contains(&format!("`{object}`"))
            });
            let is_suspended = expected.iter().any(|(_, _, suspended)| suspended == object);
            assert_eq!(is_noted, is_suspended, "{name}, {object}: {:?}", viability.findings);
        }
        let started = SystemTime::now();
        let report = apply(koan.restore("nightly")).await.expect(name);
        assert_eq!(names(&report.suspended), expected, "{name}");
        for object in &report.suspended {
            assert_eq!(object.provider, "main");
            let put_back_at = SystemTime::from(object.put_back_at);
            assert!(started <= put_back_at && put_back_at <= SystemTime::now(), "{object:?}");
        }
        // The names of the files show which indexes were recreated.
        for (before, after) in before.iter().zip(index_files(&server)) {
            let is_recreated = expected.iter().any(|(_, _, object)| *object == before.0);
            assert_eq!(before.1 != after.1, is_recreated, "{name}: {}", before.0);
        }
        assert_eq!(server.schema(), schema, "{name}");
        assert_eq!(server.sql("SELECT count(*) FROM book"), "3", "{name}");
        assert_eq!(server.sql("SELECT count(*) FROM log"), "0", "{name}");
    }
    let dry_run = koan.restore("nightly").dry_run().await.expect("compared");
    assert_eq!(dry_run.suspended, []);
}

fn all_objects() -> Vec<(SuspendedKind, &'static str, &'static str)> {
    [INDEX, FOREIGN_KEY, TRIGGER, RULE].into_iter().chain(KEYS).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_immediate_foreign_key_must_be_suspended_to_restore_rows_before_their_targets() {
    let server = Server::start();
    server.sql(TABLES);
    let koan = context(&server).await;
    let _ = koan.backup("nightly").await.expect("a backup");
    let schema = server.schema();
    delete_rows(&server);
    // Without bulk mode, the restore alters the constraint so that it is checked at the end.
    let restore = koan.restore("nightly").without_bulk_mode();
    let viability = koan.restore("nightly").without_bulk_mode().viability().await.expect("assessed");
    let is_noted = |text: &str| {
        viability
            .findings
            .iter()
            .any(|finding| finding.message.contains("`on_shelf`") && finding.message.contains(text))
    };
    assert!(is_noted("checked at the end"), "{:?}", viability.findings);
    let report = restore.await.expect("restored");
    assert!(names(&report.suspended).contains(&FOREIGN_KEY), "{:?}", report.suspended);
    assert_eq!(server.schema(), schema);
    // With `keep_constraints`, the constraint is checked as it is declared, so the restore of a book before
    // its shelf fails.
    delete_rows(&server);
    let viability = koan.restore("nightly").keep_constraints().viability().await.expect("assessed");
    let is_warned = viability.findings.iter().any(|finding| {
        finding.message.contains("`on_shelf`") && finding.message.contains("checked at each statement")
    });
    assert!(is_warned, "{:?}", viability.findings);
    let error = restore_as_reported(|| koan.restore("nightly").keep_constraints()).await;
    let error = error.expect_err("the shelf of a book does not exist yet");
    assert_eq!(error.kind(), ErrorKind::Constraint);
    assert!(error.chain().contains("without `keep_constraints`"), "{}", error.chain());
    assert_eq!((server.sql("SELECT count(*) FROM book").as_str(), server.schema()), ("0", schema.clone()));
    // The restore succeeds if the shelves are restored before the books.
    let _ = koan.restore("nightly").entity::<Shelf>().keep_constraints().await.expect("restored");
    let _ = koan.restore("nightly").entity::<Book>().keep_constraints().await.expect("restored");
    assert_eq!((server.sql("SELECT count(*) FROM book").as_str(), server.schema()), ("3", schema.clone()));
    // A shelf that books refer to cannot be deleted, even if the restore would insert it again.
    let replacing = || koan.restore("nightly").entity::<Shelf>().replace_existing().keep_constraints();
    let error = restore_as_reported(replacing).await.expect_err("books refer to the shelf").chain();
    assert!(error.contains("without `keep_constraints`"), "{error}");
    let _ = koan.restore("nightly").entity::<Shelf>().replace_existing().await.expect("restored");
    assert_eq!((server.sql("SELECT count(*) FROM book").as_str(), server.schema()), ("3", schema));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_that_must_keep_a_foreign_key_is_refused_if_its_action_would_change_rows() {
    for (action, is_replacement) in
        [("ON DELETE CASCADE", true), ("ON DELETE SET NULL", true), ("ON UPDATE CASCADE", false)]
    {
        let server = Server::start();
        server.sql(TABLES);
        let definition = format!("FOREIGN KEY (shelf) REFERENCES shelf {action}");
        server.sql(&format!(
            "ALTER TABLE book DROP CONSTRAINT on_shelf; ALTER TABLE book ADD CONSTRAINT on_shelf {definition}"
        ));
        let koan = context(&server).await;
        let _ = koan.backup("nightly").await.expect("a backup");
        let before = (server.sql("TABLE shelf; TABLE book"), server.schema());
        let restore = || {
            let restore = koan.restore("nightly").entity::<Shelf>().keep_constraints();
            if is_replacement { restore.replace_existing() } else { restore }
        };
        if is_replacement {
            let error = restore_as_reported(restore).await.expect_err(action).chain();
            assert!(error.contains("on_shelf") && error.contains("without `keep_constraints`"), "{error}");
        } else {
            // The key of a shelf cannot change, so the action of the foreign key never runs.
            let _ = restore().await.expect(action);
        }
        assert_eq!((server.sql("TABLE shelf; TABLE book"), server.schema()), before, "{action}");
    }
}

/// Returns the name of the file of the table `book`. TRUNCATE changes this name.
fn table_file(server: &Server) -> String {
    server.sql("SELECT pg_relation_filenode('book'::regclass)")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_is_truncated_only_in_bulk_mode() {
    let server = Server::start();
    server.sql(TABLES);
    let koan = context(&server).await;
    let _ = koan.backup("nightly").await.expect("a backup");
    for (is_bulk, name) in [(true, "bulk mode"), (false, "without bulk mode")] {
        server.sql(
            "ALTER TABLE book DISABLE TRIGGER refusal; DELETE FROM book WHERE id = 3;
            UPDATE book SET title = 'x' WHERE id = 2; ALTER TABLE book ENABLE TRIGGER refusal",
        );
        server.until_sessions_ended();
        let before = table_file(&server);
        let restore = koan.restore("nightly").entity::<Book>().replace_existing();
        let restore = if is_bulk { restore } else { restore.without_bulk_mode() };
        let counts = restore.await.expect(name).counts();
        assert_eq!((counts.inserted, counts.updated, counts.unchanged), (1, 1, 1), "{name}");
        assert_eq!(table_file(&server) != before, is_bulk, "{name}");
        assert_eq!(server.sql("SELECT string_agg(title, ',' ORDER BY id) FROM book"), "a,b,c", "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn indexes_that_are_not_unique_are_kept_if_few_records_replace_a_large_table() {
    let server = Server::start();
    server.sql(TABLES);
    server.sql("ALTER TABLE book DISABLE TRIGGER refusal");
    let koan = context(&server).await;
    let _ = koan.backup("few").await.expect("a backup");
    server.sql("INSERT INTO book SELECT g, 'title ' || g, 1 FROM generate_series(4, 1001) g");
    let _ = koan.backup("many").await.expect("a backup");
    for (name, is_dropped) in [("few", false), ("many", true)] {
        server.until_sessions_ended();
        let viability =
            koan.restore(name).entity::<Book>().replace_existing().viability().await.expect("assessed");
        let is_noted = viability.findings.iter().any(|finding| finding.message.contains("`by_shelf`"));
        assert_eq!(is_noted, is_dropped, "{name}: {:?}", viability.findings);
        let report = koan.restore(name).entity::<Book>().replace_existing().await.expect("restored");
        assert_eq!(names(&report.suspended).contains(&INDEX), is_dropped, "{name}: {:?}", report.suspended);
        // Unique constraints are suspended in both cases, so that an error can name both records that violate
        // such a constraint.
        assert!(names(&report.suspended).contains(&KEYS[1]), "{name}: {:?}", report.suspended);
    }
    // An index of an empty table can be rebuilt without reading existing rows, so it is dropped for few
    // records as well.
    server.sql("DELETE FROM book");
    server.until_sessions_ended();
    let report = koan.restore("few").entity::<Book>().await.expect("restored");
    assert!(names(&report.suspended).contains(&INDEX), "{:?}", report.suspended);
}

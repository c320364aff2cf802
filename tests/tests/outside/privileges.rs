//! Privileges that a restore needs in addition to those on its tables.

use koan_backup::prelude::*;
use koan_backup::provider::Severity;
use koan_backup_tests::postgres::Server;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
#[entity_backup]
struct Item {
    id: i64,
    name: String,
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_privilege_for_temporary_tables_is_reported_before_the_restore() {
    let server = Server::start();
    server.sql(
        "CREATE ROLE clerk LOGIN; REVOKE TEMPORARY ON DATABASE test FROM PUBLIC;
         CREATE TABLE item (id bigint PRIMARY KEY, name text NOT NULL); INSERT INTO item VALUES (1, 'a'), (2, 'b');
         GRANT SELECT, INSERT, UPDATE, DELETE ON item TO clerk",
    );
    let database = Postgres::connect(server.address_of("clerk", "test")).expect("an address");
    let builder = Koan::builder().only_registered().provider(database).register::<Item>();
    let koan = builder.storage(Storage::memory()).build().await.expect("a context");
    let _ = koan.backup("nightly").await.expect("a backup");
    server.sql("DELETE FROM item WHERE id = 2");
    for is_replacement in [false, true] {
        let restore = || match is_replacement {
            true => koan.restore("nightly").replace_existing(),
            false => koan.restore("nightly"),
        };
        let viability = restore().viability().await.expect("assessed");
        let contains_grant = |text: &str| text.contains("GRANT TEMPORARY ON DATABASE");
        assert!(
            !viability.is_viable()
                && viability.findings.iter().any(|finding| contains_grant(&finding.message)),
            "{viability:?}"
        );
        let error = restore().await.expect_err("the restore needs a temporary table to compare records");
        assert!(contains_grant(&error.chain()), "{}", error.chain());
    }
    // A restore into an empty table needs no temporary table.
    server.sql("DELETE FROM item");
    assert!(koan.restore("nightly").viability().await.expect("assessed").is_viable());
    let _ = koan.restore("nightly").await.expect("restored");
    assert_eq!(server.sql("SELECT * FROM item ORDER BY id"), "1|a\n2|b");
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Size {
    width: i32,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
#[entity_backup]
#[entity(table = "item")]
struct SizedItem {
    id: i64,
    size: Size,
}

/// Returns the severity of the finding about the missing privilege for temporary tables.
fn severity_of_the_missing_privilege(report: &koan_backup::report::ViabilityReport) -> Option<Severity> {
    let mut findings = report.findings.iter();
    findings
        .find(|finding| finding.message.contains("GRANT TEMPORARY ON DATABASE"))
        .map(|finding| finding.severity)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_into_an_empty_table_that_needs_a_temporary_table_is_not_viable_without_the_privilege() {
    let server = Server::start();
    server.sql(
        "CREATE ROLE clerk LOGIN; REVOKE TEMPORARY ON DATABASE test FROM PUBLIC; CREATE TYPE size AS (width int);
         CREATE FUNCTION act() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
    );
    let plain_table = "CREATE TABLE item (id bigint PRIMARY KEY, name text NOT NULL)";
    let row = "INSERT INTO item VALUES (1, 'a')";
    for (tables, row, is_error) in [
        (plain_table.to_owned(), row, false),
        (
            "CREATE TABLE item (id bigint PRIMARY KEY, name text NOT NULL, words tsvector);
             CREATE TRIGGER words BEFORE INSERT OR UPDATE ON item FOR EACH ROW
             EXECUTE FUNCTION tsvector_update_trigger(words, 'pg_catalog.english', name)"
                .to_owned(),
            row,
            true,
        ),
        (
            "CREATE TABLE item (id bigint PRIMARY KEY, size size NOT NULL)".to_owned(),
            "INSERT INTO item VALUES (1, ROW(7))",
            true,
        ),
        (
            format!(
                "{plain_table}; CREATE TRIGGER act BEFORE INSERT ON item FOR EACH ROW EXECUTE FUNCTION act()"
            ),
            row,
            true,
        ),
    ] {
        server.sql(&format!(
            "DROP TABLE IF EXISTS item; {tables}; GRANT SELECT, INSERT, UPDATE, DELETE ON item TO clerk; {row}"
        ));
        if !tables.contains("act") {
            server.sql("ALTER TABLE item OWNER TO clerk");
        }
        let database = Postgres::connect(server.address_of("clerk", "test")).expect("an address");
        let builder = Koan::builder().only_registered().provider(database);
        let builder = if tables.contains("size") {
            builder.register::<SizedItem>()
        } else {
            builder.register::<Item>()
        };
        let koan = builder.storage(Storage::memory()).build().await.expect("a context");
        let _ = koan.backup("nightly").await.expect("a backup");
        let before = server.sql("SELECT * FROM item");
        server.sql("DELETE FROM item");
        let viability = koan.restore("nightly").viability().await.expect("assessed");
        let expected = if is_error { Severity::Error } else { Severity::Warning };
        assert_eq!(
            (severity_of_the_missing_privilege(&viability), viability.is_viable()),
            (Some(expected), !is_error),
            "{tables}: {viability:?}"
        );
        let restored = koan.restore("nightly").await;
        assert_eq!(restored.is_err(), is_error, "{tables}");
        server.sql("GRANT TEMPORARY ON DATABASE test TO clerk; DELETE FROM item");
        assert_eq!(
            severity_of_the_missing_privilege(&koan.restore("nightly").viability().await.expect("assessed")),
            None
        );
        let _ = koan.restore("nightly").await.expect("restored");
        assert_eq!(server.sql("SELECT * FROM item"), before, "{tables}");
        server.sql("REVOKE TEMPORARY ON DATABASE test FROM clerk");
    }
}

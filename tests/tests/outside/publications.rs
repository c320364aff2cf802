//! Tables whose rows cannot be changed because of a PostgreSQL publication. Viability reports this with a
//! remedy before a restore.

use koan_backup::prelude::*;
use koan_backup::{provider::Severity, report::ViabilityReport};
use koan_backup_tests::postgres::Server;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
#[entity_backup]
struct Item {
    id: i64,
    name: String,
}

const ROWS: &str = "INSERT INTO item VALUES (1, 'a'), (2, 'b'), (3, 'c');";
const TABLE_WITH_KEY: &str = "CREATE TABLE item (id bigint PRIMARY KEY, name text NOT NULL);";

async fn koan_of(server: &Server, tables: &str) -> Koan {
    server.sql("DROP PUBLICATION IF EXISTS outbound; DROP TABLE IF EXISTS item CASCADE");
    server.sql(&format!("{tables} {ROWS}"));
    let database = Postgres::connect(server.address()).expect("an address");
    let builder = Koan::builder().only_registered().provider(database).register::<Item>();
    let koan = builder.storage(Storage::memory()).build().await.expect("a context");
    let _ = koan.backup("nightly").await.expect("a backup");
    server.sql("UPDATE item SET name = 'x' WHERE id = 1; DELETE FROM item WHERE id = 2");
    koan
}

/// Returns the severity of the finding about the publication.
fn severity_of_the_finding(report: &ViabilityReport) -> Option<Severity> {
    let is_publication_finding =
        |text: &str| text.contains("is published (`outbound`)") && text.contains("REPLICA IDENTITY FULL");
    report
        .findings
        .iter()
        .find(|finding| is_publication_finding(&finding.message))
        .map(|finding| finding.severity)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_published_table_whose_rows_cannot_be_identified_is_reported_with_the_remedy() {
    let server = Server::start();
    let publish = "CREATE PUBLICATION outbound FOR TABLE item";
    for (table, publish) in [
        ("CREATE TABLE item (id bigint NOT NULL UNIQUE, name text NOT NULL);", publish.to_owned()),
        ("CREATE TABLE item (id bigint PRIMARY KEY DEFERRABLE, name text NOT NULL);", publish.to_owned()),
        (TABLE_WITH_KEY, format!("ALTER TABLE item REPLICA IDENTITY NOTHING; {publish}")),
        (TABLE_WITH_KEY, "ALTER TABLE item REPLICA IDENTITY NOTHING; CREATE PUBLICATION outbound FOR ALL TABLES".to_owned()),
        (TABLE_WITH_KEY, "ALTER TABLE item REPLICA IDENTITY NOTHING; CREATE PUBLICATION outbound FOR TABLES IN SCHEMA public".to_owned()),
        (TABLE_WITH_KEY, format!("{publish} WHERE (name <> 'secret')")),
        (TABLE_WITH_KEY, format!("{publish} (name)")),
        (
            "CREATE TABLE item (id bigint NOT NULL, name text NOT NULL) PARTITION BY RANGE (id);
             CREATE TABLE item_low PARTITION OF item FOR VALUES FROM (0) TO (100);",
            publish.to_owned(),
        ),
    ] {
        let koan = koan_of(&server, table).await;
        server.sql(&publish);
        let before = server.sql("SELECT * FROM item ORDER BY id");
        let viability = koan.restore("nightly").viability().await.expect("assessed");
        assert_eq!(severity_of_the_finding(&viability), Some(Severity::Warning), "{publish}: {viability:?}");
        let error = koan.restore("nightly").await.expect_err("a row differs");
        assert!(error.chain().contains("REPLICA IDENTITY FULL"), "{publish}: {}", error.chain());
        let replacing_restore = || koan.restore("nightly").replace_existing().level(RestoreLevel::Safe);
        let viability = replacing_restore().viability().await.expect("assessed");
        assert_eq!(severity_of_the_finding(&viability), Some(Severity::Error), "{publish}: {viability:?}");
        replacing_restore().await.expect_err("rows cannot be deleted");
        assert_eq!(server.sql("SELECT * FROM item ORDER BY id"), before);
        // The publication does not prevent the insertion of missing records.
        let _ = koan.restore("nightly").on_conflict(ConflictMode::Keep).await.expect("restored");
        if publish.ends_with("(name)") {
            server.sql("ALTER PUBLICATION outbound DROP TABLE item");
        }
        // The suggested remedy works.
        let remedy = "ALTER TABLE item REPLICA IDENTITY FULL";
        server.sql(remedy);
        if table.contains("PARTITION") {
            server.sql(&remedy.replace("item", "item_low"));
        }
        assert_eq!(severity_of_the_finding(&replacing_restore().viability().await.expect("assessed")), None, "{publish}");
        let counts = koan.restore("nightly").await.expect("restored").counts();
        assert_eq!((counts.updated, counts.unchanged), (1, 2), "{publish}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_published_table_whose_rows_can_be_identified_gets_no_finding() {
    let server = Server::start();
    for publish in [
        "CREATE PUBLICATION outbound FOR TABLE item",
        "CREATE PUBLICATION outbound FOR ALL TABLES",
        "CREATE PUBLICATION outbound FOR TABLE item (id) WHERE (id > 0)",
        "ALTER TABLE item REPLICA IDENTITY NOTHING; CREATE PUBLICATION outbound FOR TABLE item WITH (publish = 'insert, truncate')",
        "ALTER TABLE item ADD UNIQUE (name); ALTER TABLE item REPLICA IDENTITY USING INDEX item_name_key; CREATE PUBLICATION outbound \
         FOR TABLE item WHERE (name <> 'secret')",
    ] {
        let koan = koan_of(&server, TABLE_WITH_KEY).await;
        server.sql(publish);
        for is_replacement in [false, true] {
            let restore = || match is_replacement {
                true => koan.restore("nightly").replace_existing().level(RestoreLevel::Safe),
                false => koan.restore("nightly"),
            };
            let viability = restore().viability().await.expect("assessed");
            assert!(
                viability.is_viable() && severity_of_the_finding(&viability).is_none(),
                "{publish}: {viability:?}"
            );
            let _ = restore().await.expect(publish);
            assert_eq!(server.sql("SELECT * FROM item ORDER BY id"), "1|a\n2|b\n3|c");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partition_on_a_read_only_foreign_server_is_reported() {
    let server = Server::start();
    server.sql("CREATE EXTENSION file_fdw; CREATE SERVER files FOREIGN DATA WRAPPER file_fdw");
    let koan = koan_of(
        &server,
        "CREATE TABLE item (id bigint NOT NULL, name text NOT NULL) PARTITION BY RANGE (id);
         CREATE TABLE item_low PARTITION OF item FOR VALUES FROM (0) TO (100);
         CREATE FOREIGN TABLE item_far PARTITION OF item FOR VALUES FROM (100) TO (200) SERVER files OPTIONS (filename '/dev/null');",
    )
    .await;
    let viability = koan.restore("nightly").viability().await.expect("assessed");
    assert!(viability.findings.iter().any(|finding| finding.message.contains("`item_far`")), "{viability:?}");
    let viability = koan.restore("nightly").replace_existing().viability().await.expect("assessed");
    assert!(!viability.is_viable(), "{viability:?}");
    server.sql("ALTER TABLE item DETACH PARTITION item_far");
    let _ = koan.restore("nightly").replace_existing().await.expect("restored");
    assert_eq!(server.sql("SELECT * FROM item ORDER BY id"), "1|a\n2|b\n3|c");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_with_another_cause_does_not_suggest_a_replica_identity() {
    let server = Server::start();
    server.sql(
        "CREATE TABLE other (id int); CREATE MATERIALIZED VIEW never AS SELECT id FROM other WITH NO DATA",
    );
    for publish in
        ["", "ALTER TABLE item REPLICA IDENTITY NOTHING; CREATE PUBLICATION outbound FOR TABLE item"]
    {
        server.sql("DROP TABLE IF EXISTS item CASCADE");
        server.sql(&format!("{TABLE_WITH_KEY} {ROWS}"));
        let database =
            Postgres::options(server.address()).refresh_materialized_views().connect().expect("an address");
        let builder = Koan::builder().only_registered().provider(database).register::<Item>();
        let koan = builder.storage(Storage::memory()).build().await.expect("a context");
        let _ = koan.backup("nightly").await.expect("a backup");
        server.sql("DELETE FROM item");
        // After the materialized view `counted` was populated, its function is replaced: the new function
        // reads the view `never`, which is not populated.
        server.sql(
            "CREATE OR REPLACE FUNCTION read() RETURNS bigint LANGUAGE plpgsql AS 'BEGIN RETURN (SELECT count(*) FROM public.other); END';
             CREATE MATERIALIZED VIEW counted AS SELECT name, public.read() FROM item;
             CREATE OR REPLACE FUNCTION read() RETURNS bigint LANGUAGE plpgsql AS 'BEGIN RETURN (SELECT count(*) FROM public.never); END'",
        );
        server.sql(publish);
        let error = koan.restore("nightly").await.expect_err("the view cannot be refreshed").chain();
        assert!(error.contains("SQLSTATE 55000"), "{error}");
        assert!(!error.contains("REPLICA IDENTITY"), "{error}");
    }
    // The publication of this table allows updates but no deletions. The update of one row fails because of
    // the expression of a generated column.
    let koan = koan_of(&server, TABLE_WITH_KEY).await;
    server.sql(
        "UPDATE item SET name = 'other'; ALTER TABLE item REPLICA IDENTITY NOTHING;
         ALTER TABLE item ADD part int GENERATED ALWAYS AS (100 / (length(name) - 1)) STORED;
         CREATE PUBLICATION outbound FOR TABLE item WITH (publish = 'delete')",
    );
    let error = koan.restore("nightly").await.expect_err("the generated column divides by zero").chain();
    assert!(error.contains("SQLSTATE 22012"), "{error}");
    assert!(!error.contains("REPLICA IDENTITY"), "{error}");
}

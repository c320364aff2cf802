//! Messages of the boot report and of errors, with their remedies.

use koan_backup::prelude::*;
use koan_backup::{KoanBuilder, Recipients};
use koan_backup_tests::log::Log;
use koan_backup_tests::postgres::Server;
use koan_backup_tests::reported_restore::restore_as_reported;
use serde::{Deserialize, Serialize};

use super::fixture::{all, koan, koan_of};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
#[entity_backup]
struct Order {
    id: i64,
    code: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
#[entity_backup]
struct Event {
    id: i64,
    year: i32,
}

fn orders(builder: KoanBuilder) -> KoanBuilder {
    builder.register::<Order>()
}

/// Returns the error of a backup.
async fn failure(koan: &Koan) -> String {
    koan.backup("nightly").await.expect_err("the backup fails").chain()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_search_path_of_the_role_is_used_after_the_configured_schema() {
    let server = Server::start();
    server.sql(
        "CREATE SCHEMA sales; CREATE TYPE public.tone AS ENUM ('a', 'b');
        CREATE FUNCTION public.is_code(text) RETURNS bool IMMUTABLE LANGUAGE plpgsql AS
            'BEGIN RETURN is_short($1); END';
        CREATE FUNCTION public.is_short(text) RETURNS bool IMMUTABLE LANGUAGE sql AS 'SELECT length($1) < 9';
        CREATE FUNCTION public.near(text, text) RETURNS bool IMMUTABLE LANGUAGE sql AS 'SELECT lower($1) = lower($2)';
        CREATE OPERATOR public.=~= (LEFTARG = text, RIGHTARG = text, FUNCTION = public.near);
        CREATE FUNCTION public.is_own(text) RETURNS bool IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN $1 =~= lower($1); END';
        CREATE TABLE sales.\"order\" (id bigint PRIMARY KEY, code text NOT NULL CHECK (public.is_code(code) AND public.is_own(code)));
        INSERT INTO sales.\"order\" VALUES (1, 'one'), (2, 'two');
        CREATE TABLE public.\"order\" (id bigint PRIMARY KEY, code text NOT NULL)",
    );
    let database = Postgres::options(server.address()).schema("sales").connect().expect("an address");
    let koan = koan_of(database, orders).await;
    let _ = koan.backup("nightly").await.expect("a backup");
    server.sql("DELETE FROM sales.\"order\"");
    let _ = koan.restore("nightly").await.expect("the functions of the check constraints are found");
    assert_eq!(all::<Order>(&koan).await.len(), 2);
    assert_eq!(
        server.sql("SELECT count(*) FROM public.\"order\""),
        "0",
        "the rows must be restored into the configured schema"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schema_that_may_not_be_used_is_reported_with_the_grant() {
    let server = Server::start();
    server.sql(
        "CREATE SCHEMA sales; CREATE TABLE sales.\"order\" (id bigint PRIMARY KEY, code text NOT NULL);
        CREATE TABLE event (id bigint PRIMARY KEY, year int NOT NULL);
        CREATE ROLE clerk LOGIN; GRANT SELECT ON ALL TABLES IN SCHEMA public, sales TO clerk;
        REVOKE ALL ON SCHEMA public FROM PUBLIC",
    );
    let address = server.address_of("clerk", "test");
    let search_path_database = Postgres::connect(&address).expect("an address");
    let schema_database = Postgres::options(&address).schema("sales").connect().expect("an address");
    for (database, schema) in [(search_path_database, "sales"), (schema_database, "sales")] {
        let koan = koan_of(database, orders).await;
        for text in [koan.inventory().warnings.join("; "), failure(&koan).await] {
            assert!(text.contains(&format!("GRANT USAGE ON SCHEMA \"{schema}\"")), "{text}");
            assert!(!text.contains("did you mean") && !text.contains("schemas ;"), "{text}");
        }
    }
    // The role has the privilege USAGE on no schema of its search path, and no schema contains the table.
    server.sql("DROP TABLE sales.\"order\"");
    let koan = koan_of(Postgres::connect(&address).expect("an address"), orders).await;
    let text = koan.inventory().warnings.join("; ");
    assert!(text.contains("may use no schema of its search_path") && text.contains("`public`"), "{text}");
    // The configured schema does not exist.
    let database = Postgres::options(server.address()).schema("salse").connect().expect("an address");
    let text = koan_of(database, orders).await.inventory().warnings.join("; ");
    assert!(text.contains("there is no schema `salse`") && text.contains("`sales`"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_may_not_be_read_is_reported_at_the_start() {
    let server = Server::start();
    server.sql("CREATE TABLE \"order\" (id bigint PRIMARY KEY, code text NOT NULL); CREATE ROLE clerk LOGIN");
    let database = Postgres::connect(server.address_of("clerk", "test")).expect("an address");
    let (log, _guard) = Log::capture();
    let koan = koan_of(database, orders).await;
    let text = koan.inventory().warnings.join("; ");
    assert!(text.contains("GRANT SELECT ON \"public\".\"order\""), "{text}");
    let lines = log.lines().join("\n");
    assert!(lines.contains("inventory: 0 included, 1 that cannot be backed up"), "{lines}");
    assert!(failure(&koan).await.contains("GRANT SELECT ON"));
    server.sql("GRANT SELECT ON \"order\" TO clerk; ALTER TABLE \"order\" ENABLE ROW LEVEL SECURITY");
    let database = Postgres::connect(server.address_of("clerk", "test")).expect("an address");
    let koan = koan_of(database, orders).await;
    for text in [koan.inventory().warnings.join("; "), failure(&koan).await] {
        assert!(text.contains("row-level security hides rows") && text.contains("BYPASSRLS"), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_boot_report_lists_the_tables_of_entities_and_ignore_rules_without_effect() {
    let server = Server::start();
    server.sql(
        "CREATE TABLE \"order\" (id bigint PRIMARY KEY, code text NOT NULL); CREATE TABLE spare (id int);
        CREATE TABLE event (id bigint, year int, PRIMARY KEY (id, year)) PARTITION BY LIST (year);
        CREATE TABLE event_2024 PARTITION OF event FOR VALUES IN (2024);
        CREATE TABLE old_order () INHERITS (\"order\"); CREATE SCHEMA audit; CREATE TABLE audit.log (id int)",
    );
    let options = Postgres::options(server.address())
        .ignore_table("nope", "a queue")
        .ignore_table("order", "a queue")
        .ignore_table("event_2024", "old")
        .ignore_table("audit.log", "a log")
        .ignore_table("spares", "a queue");
    let both_entities = |builder: KoanBuilder| builder.register::<Order>().register::<Event>();
    let koan = koan_of(options.connect().expect("an address"), both_entities).await;
    let inventory = koan.inventory();
    let line =
        |line: String| line.split_once(", in ").map(|(_, target)| target.to_owned()).unwrap_or_default();
    let targets: Vec<_> = inventory.included.iter().map(|entity| line(entity.to_string())).collect();
    assert_eq!(
        targets,
        [
            "table `event` of `main` (with its partitions `event_2024`)",
            "table `order` of `main` (without the rows of `old_order`, which inherit from it)"
        ]
    );
    assert_eq!(inventory.included[0].table.as_deref(), Some("event"));
    assert_eq!(inventory.included[0].relationship.as_deref(), Some("with its partitions `event_2024`"));
    let warnings = inventory.warnings.join("\n");
    for part in [
        "`ignore_table(\"nope\")` has no effect, because the database has no such table: the tables without an entity are",
        "`ignore_table(\"order\")` has no effect, because Order covers the table",
        "`ignore_table(\"event_2024\")` has no effect, because the table is a partition, whose rows are backed up or ignored with `event`",
        "`ignore_table(\"spares\")` has no effect, because the database has no such table: did you mean `spare`?",
        "table `spare` of `main` belongs to no entity",
        "table `old_order` of `main` belongs to no entity",
    ] {
        assert!(warnings.contains(part), "{part} is not in\n{warnings}");
    }
    assert!(!warnings.contains("audit"), "{warnings}");
    assert!(
        inventory.notes.join("\n").contains("table `old_order` inherits from `order`"),
        "{:?}",
        inventory.notes
    );
    let builder = Koan::builder().only_registered().register::<Event>().deny_uncovered();
    let database = Postgres::connect(server.address()).expect("an address");
    let builder = builder.provider(database).storage(Storage::memory());
    let error = builder.build().await.expect_err("tables are in no entity").to_string();
    assert!(
        error.contains("in `ignore_table` of its provider") && !error.contains("`#[entity_backup]`"),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_error_names_the_event_trigger_that_refused_a_restore() {
    let server = Server::start();
    server.sql(
        "CREATE TABLE \"order\" (id bigint PRIMARY KEY, code text NOT NULL); INSERT INTO \"order\" VALUES (1, 'one');
        CREATE FUNCTION no_ddl() RETURNS event_trigger LANGUAGE plpgsql AS
            'BEGIN RAISE EXCEPTION ''not now, said s3cret''; END'",
    );
    let koan = koan(&server, orders).await;
    let _ = koan.backup("nightly").await.expect("a backup");
    for code in ["P0001", "42501"] {
        server.sql(&format!(
            "CREATE OR REPLACE FUNCTION no_ddl() RETURNS event_trigger LANGUAGE plpgsql AS
                'BEGIN RAISE EXCEPTION ''not now'' USING ERRCODE = ''{code}''; END'"
        ));
        server.sql("CREATE EVENT TRIGGER \"the guard\" ON ddl_command_start EXECUTE FUNCTION no_ddl()");
        server.sql("DELETE FROM \"order\"");
        let error = restore_as_reported(|| koan.restore("nightly"))
            .await
            .expect_err("the event trigger refuses DDL")
            .chain();
        assert!(error.contains("event trigger `the guard` (function `no_ddl()`)"), "{error}");
        assert!(error.contains("ALTER EVENT TRIGGER \"the guard\" DISABLE"), "{error}");
        server.sql("DROP EVENT TRIGGER \"the guard\"");
    }
    let _ = koan.restore("nightly").await.expect("restored");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_triggers_of_all_tables_are_reported_in_one_finding() {
    let server = Server::start();
    server.sql(
        "CREATE TABLE \"order\" (id bigint PRIMARY KEY, code text NOT NULL); CREATE TABLE event (id bigint PRIMARY KEY, year int);
        CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
        CREATE TRIGGER first BEFORE INSERT ON \"order\" FOR EACH ROW EXECUTE FUNCTION nothing();
        CREATE TRIGGER second BEFORE INSERT ON event FOR EACH ROW EXECUTE FUNCTION nothing()",
    );
    let both_entities = |builder: KoanBuilder| builder.register::<Order>().register::<Event>();
    let koan = koan(&server, both_entities).await;
    let _ = koan.backup("nightly").await.expect("a backup");
    let findings = koan.restore("nightly").viability().await.expect("assessed").findings;
    let trigger_findings: Vec<_> =
        findings.iter().filter(|finding| finding.message.contains("do not fire")).collect();
    assert_eq!(trigger_findings.len(), 1, "{findings:?}");
    let text = &trigger_findings[0].message;
    assert!(text.contains("`order` (`first`)") && text.contains("`event` (`second`)"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn text_that_is_not_utf8_in_an_sql_ascii_database_is_reported_with_the_key() {
    let server = Server::start();
    server.psql("postgres", "CREATE DATABASE ascii ENCODING SQL_ASCII LOCALE 'C' TEMPLATE template0");
    server.psql(
        "ascii",
        "CREATE TABLE \"order\" (id bigint PRIMARY KEY, code text NOT NULL);
        INSERT INTO \"order\" VALUES (1, 'gr\u{fc}n'), (7, convert_from('\\x6772fc6e', 'SQL_ASCII'))",
    );
    let database = Postgres::connect(server.address_of("postgres", "ascii")).expect("an address");
    let koan = koan_of(database, orders).await;
    let text = failure(&koan).await;
    for part in ["Order `id=7`", "column `code`", "SQL_ASCII", "convert_from"] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    server.psql("ascii", "DELETE FROM \"order\" WHERE id = 7");
    let _ = koan.backup("nightly").await.expect("a backup");
    server.psql("ascii", "DELETE FROM \"order\"");
    let _ = koan.restore("nightly").await.expect("restored");
    assert_eq!(all::<Order>(&koan).await[0].code, "gr\u{fc}n");
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
#[entity_backup]
struct Note {
    id: i64,
    content: serde_json::Value,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
#[entity_backup]
struct Era {
    id: i64,
    day: Option<chrono::NaiveDate>,
    moment: Option<chrono::NaiveDateTime>,
    instant: Option<chrono::DateTime<chrono::Utc>>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
#[entity_backup]
#[entity(name = "JiffEra", table = "era")]
struct JiffEra {
    id: i64,
    day: Option<jiff::civil::Date>,
    moment: Option<jiff::civil::DateTime>,
    instant: Option<jiff::Timestamp>,
}

#[tokio::test(flavor = "multi_thread")]
async fn unreadable_json_is_reported_with_the_reason_and_the_record() {
    let server = Server::start();
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    for (column, value, reason) in [
        ("jsonb", "1e400".to_owned(), "beyond 64-bit floating point"),
        ("json", "{\"a\":[-1e999]}".to_owned(), "beyond 64-bit floating point"),
        ("jsonb", nested(128), "nested more than"),
        ("json", nested(500), "nested more than"),
    ] {
        server.sql(&format!(
            "DROP TABLE IF EXISTS note; CREATE TABLE note (id bigint PRIMARY KEY, content {column} NOT NULL);
            INSERT INTO note VALUES (1, '[1]'), (9, '{value}')"
        ));
        let koan = koan(&server, |builder| builder.register::<Note>()).await;
        let text = failure(&koan).await;
        for part in ["Note `id=9`", "field `content`", reason, "`String`"] {
            assert!(text.contains(part), "{part} is not in {text}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn deeply_nested_json_is_restored_or_refused_by_the_backup() {
    let server = Server::start();
    for depth in 120..=128 {
        let json = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        server.sql(&format!(
            "DROP TABLE IF EXISTS note; CREATE TABLE note (id bigint PRIMARY KEY, content jsonb NOT NULL);
            INSERT INTO note VALUES (9, '{json}')"
        ));
        let koan = koan(&server, |builder| builder.register::<Note>()).await;
        match koan.backup("nightly").await {
            Ok(backup) => {
                assert!(koan.verify(backup.id()).await.expect("verified").is_valid(), "{depth}");
                server.sql("DELETE FROM note");
                let _ = koan
                    .restore("nightly")
                    .await
                    .unwrap_or_else(|error| panic!("{depth}: {}", error.chain()));
                assert_eq!(server.sql("SELECT content FROM note"), json);
            }
            Err(error) => {
                let text = error.chain();
                assert!(
                    depth > 120 && text.contains("nested more than") && text.contains("`id=9`"),
                    "{depth}: {text}"
                );
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn unreadable_dates_are_reported_with_the_reason_and_the_record() {
    let server = Server::start();
    for (column, kind, value, reason) in [
        ("day", "date", "0044-03-15 BC", "before the year 1"),
        ("moment", "timestamp", "0044-03-15 12:00:00 BC", "before the year 1"),
        ("instant", "timestamptz", "0044-03-15 12:00:00+00 BC", "before the year 1"),
        ("day", "date", "infinity", "`infinity`"),
        ("moment", "timestamp", "-infinity", "`infinity`"),
        ("instant", "timestamptz", "infinity", "`infinity`"),
        ("day", "date", "12000-01-01", "outside the years"),
    ] {
        server.sql(&format!(
            "DROP TABLE IF EXISTS era; CREATE TABLE era (id bigint PRIMARY KEY, day date, moment timestamp, instant timestamptz);
            INSERT INTO era VALUES (1); INSERT INTO era (id, {column}) VALUES (5, '{value}'::{kind})"
        ));
        for koan in [
            koan(&server, |builder| builder.register::<Era>()).await,
            koan(&server, |builder| builder.register::<JiffEra>()).await,
        ] {
            match koan.backup("nightly").await {
                Err(error) => {
                    let text = error.chain();
                    assert!(text.contains("`id=5`") && text.contains(column), "{value}: {text}");
                    assert!(text.contains(reason), "{value}: {text}");
                }
                Ok(backup) => {
                    assert_eq!(reason, "before the year 1", "{value}");
                    assert!(koan.verify(backup.id()).await.expect("verified").is_valid());
                    server.sql("DELETE FROM era");
                    let _ =
                        koan.restore("nightly").await.expect("a type that can read the date can write it");
                    assert_eq!(
                        server.sql(&format!("SELECT {column} = '{value}'::{kind} FROM era WHERE id = 5")),
                        "t"
                    );
                }
            }
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
#[entity_backup(encrypt)]
#[entity(name = "Secret", table = "note")]
struct Secret {
    id: i64,
    content: serde_json::Value,
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_do_not_contain_keys_of_encrypted_entities() {
    let server = Server::start();
    server.sql(
        "CREATE TABLE note (id bigint PRIMARY KEY, content jsonb NOT NULL); INSERT INTO note VALUES (4711, '1e400')",
    );
    let database = Postgres::connect(server.address()).expect("an address");
    let koan = koan_of(database, |builder| builder.register::<Note>()).await;
    assert!(
        failure(&koan).await.contains("id=4711"),
        "the key of an entity without encryption must be in the error"
    );
    let database = Postgres::connect(server.address()).expect("an address");
    let key = age::x25519::Identity::generate().to_public().to_string();
    let recipients = Recipients::keys([key]).expect("a recipient");
    let koan = koan_of(database, |builder| builder.register::<Secret>().encrypt_to(recipients)).await;
    let text = failure(&koan).await;
    assert!(
        text.contains("id=(hidden)") && text.contains("field `content`") && !text.contains("4711"),
        "{text}"
    );
}

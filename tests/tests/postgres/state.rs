//! What triggers and queries derive from rows, and what is in no table: materialized views, columns that triggers fill, large
//! objects.

use koan_backup::Severity;
use koan_backup::prelude::*;
use koan_backup_tests::postgres::{Server, installed_versions};
use serde::{Deserialize, Serialize};

use super::rig::koan_of;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
#[entity_backup]
struct Film {
    id: i64,
    title: String,
}

async fn opened(options: koan_backup::PostgresOptions) -> Koan {
    koan_of(options.connect().expect("an address"), |builder| builder.register::<Film>()).await
}

/// Views over views, of which the later ones are called so that they come first by name; one that holds nothing yet.
const VIEWS: &str = "
    CREATE TABLE film (id bigint PRIMARY KEY, title text NOT NULL); INSERT INTO film VALUES (1, 'one'), (2, 'two');
    CREATE MATERIALIZED VIEW z_titles AS SELECT title, now() AS at FROM film;
    CREATE VIEW between_them AS SELECT title FROM z_titles;
    CREATE MATERIALIZED VIEW a_count AS SELECT count(*) AS films FROM between_them;
    CREATE MATERIALIZED VIEW not_yet AS SELECT * FROM film WITH NO DATA";

#[tokio::test(flavor = "multi_thread")]
async fn materialized_views_are_named_and_refreshed_on_request_in_the_order_of_their_dependence() {
    for version in installed_versions() {
        let server = Server::of_version(version);
        server.sql(VIEWS);
        let named = opened(Postgres::options(server.address())).await;
        let warnings = named.inventory().warnings.join("\n");
        for view in ["z_titles", "a_count", "not_yet"] {
            assert!(warnings.contains(&format!("materialized view `{view}`")), "{warnings}");
        }
        named.backup("films").await.expect("a backup");
        server.sql("DELETE FROM film; REFRESH MATERIALIZED VIEW z_titles; REFRESH MATERIALIZED VIEW a_count");
        let report = named.restore("films").await.expect("restored");
        let finding =
            report.findings.iter().find(|finding| finding.message.contains("`a_count`")).expect("named");
        assert_eq!(finding.severity, Severity::Warning);
        assert_eq!(server.sql("SELECT films FROM a_count"), "0");

        let options = Postgres::options(server.address()).refresh_materialized_views();
        let koan =
            koan_of(options.connect().expect("an address"), |builder| builder.register::<Film>()).await;
        let warnings = koan.inventory().warnings.join("\n");
        assert!(!warnings.contains("a_count") && warnings.contains("not_yet"), "{warnings}");
        koan.backup("again").await.expect("a backup");
        koan.restore("again").await.expect("restored");
        assert_eq!(server.sql("SELECT films FROM a_count; SELECT count(*) FROM z_titles"), "2\n2");
        assert_eq!(server.sql("SELECT relispopulated FROM pg_class WHERE relname = 'not_yet'"), "f");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_view_whose_refresh_fails_undoes_the_restore_and_one_that_is_ignored_is_not_named() {
    let server = Server::start();
    server.sql(
        "CREATE TABLE film (id bigserial PRIMARY KEY, title text NOT NULL); INSERT INTO film (title) VALUES ('7');
        CREATE MATERIALIZED VIEW numbers AS SELECT 1 / (title::int - 8) FROM film",
    );
    let koan = opened(Postgres::options(server.address()).refresh_materialized_views()).await;
    koan.backup("films").await.expect("a backup");
    server.sql("INSERT INTO film VALUES (2, 'x'); SELECT setval('film_id_seq', 1, false)");
    let error = koan.restore("films").await.expect_err("a row of the table does not fit the view");
    assert!(error.chain().contains("materialized view `numbers`"), "{error:?}");
    let options =
        Postgres::options(server.address()).ignore_materialized_view("numbers", "refreshed every hour");
    let ignored = opened(options).await;
    assert_eq!(ignored.inventory().warnings, [] as [String; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn views_see_the_time_zone_of_the_database() {
    let server = Server::start();
    server.sql(
        "CREATE TABLE film (id bigint PRIMARY KEY, title text NOT NULL); INSERT INTO film VALUES (1, '7');
        ALTER DATABASE test SET TimeZone = 'Asia/Tokyo';
        CREATE MATERIALIZED VIEW zone AS SELECT current_setting('TimeZone') AS zone FROM film",
    );
    let koan = opened(Postgres::options(server.address()).refresh_materialized_views()).await;
    koan.backup("films").await.expect("a backup");
    koan.restore("films").await.expect("restored");
    assert_eq!(server.sql("SELECT zone FROM zone"), "Asia/Tokyo");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_column_that_only_a_trigger_fills_is_an_error_that_names_it_unless_something_computes_it() {
    for (trigger, function) in [
        ("tsvector_update_trigger(search, 'pg_catalog.english', title)", ""),
        (
            "search()",
            "CREATE FUNCTION search() RETURNS trigger LANGUAGE plpgsql AS
             $$ BEGIN NEW.search := to_tsvector('english', NEW.title); RETURN NEW; END $$;",
        ),
    ] {
        let server = Server::start();
        server.sql(&format!(
            "CREATE TABLE film (id bigint PRIMARY KEY, title text NOT NULL, search tsvector); {function}
             CREATE TRIGGER fills BEFORE INSERT OR UPDATE ON film FOR EACH ROW EXECUTE FUNCTION {trigger};
             INSERT INTO film VALUES (1, 'cats')"
        ));
        let stale = opened(Postgres::options(server.address())).await;
        stale.backup("films").await.expect("a backup");
        let viable = stale.restore("films").viability().await.expect("assessed");
        let errors: Vec<_> = viable.findings.iter().filter(|f| f.severity == Severity::Error).collect();
        assert!(
            errors.len() == 1
                && errors[0].message.contains("column `search`")
                && errors[0].message.contains("`fills`"),
            "{viable:?}"
        );
        let error = stale.restore("films").await.expect_err("it would be stale");
        assert!(error.chain().contains("recomputed_after_restore"), "{error:?}");
        let options =
            Postgres::options(server.address()).recomputed_after_restore("film.search", "a nightly job");
        let known = opened(options).await;
        known.backup("films").await.expect("a backup");
        known.restore("films").await.expect("restored");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trigger_that_fires_on_updates_alone_is_a_warning() {
    let server = Server::start();
    server.sql(
        "CREATE TABLE film (id bigint PRIMARY KEY, title text NOT NULL, updated_at timestamptz NOT NULL DEFAULT now());
         CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.updated_at := now(); RETURN NEW; END $$;
         CREATE TRIGGER touch BEFORE UPDATE ON film FOR EACH ROW EXECUTE FUNCTION touch();
         INSERT INTO film VALUES (1, 'cats')",
    );
    let koan = opened(Postgres::options(server.address())).await;
    koan.backup("films").await.expect("a backup");
    let viable = koan.restore("films").viability().await.expect("assessed");
    let of_column =
        viable.findings.iter().find(|finding| finding.message.contains("trigger `touch` fills it"));
    assert!(of_column.is_some_and(|finding| finding.severity == Severity::Warning), "{viable:?}");
    server.sql("DELETE FROM film");
    koan.restore("films").await.expect("restored");
    assert_eq!(server.sql("SELECT title FROM film"), "cats");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_constraint_that_cannot_be_checked_on_older_rows_stops_no_restore() {
    let server = Server::start();
    server.sql(
        "CREATE TABLE film (id bigint PRIMARY KEY, title text NOT NULL); INSERT INTO film VALUES (1, '7')",
    );
    let koan = opened(Postgres::options(server.address())).await;
    koan.backup("films").await.expect("a backup");
    server.sql(
        "INSERT INTO film VALUES (2, 'seven'); ALTER TABLE film ADD CONSTRAINT number CHECK (title::int > 0) NOT VALID",
    );
    koan.restore("films").replace_existing().await.expect("restored");
    assert_eq!(server.sql("SELECT string_agg(title, ',') FROM film"), "7");
}

#[tokio::test(flavor = "multi_thread")]
async fn large_objects_are_named_at_boot_unless_they_are_ignored_with_a_reason() {
    let server = Server::start();
    server
        .sql("CREATE TABLE film (id bigint PRIMARY KEY, title text NOT NULL); SELECT lo_from_bytea(0, 'x')");
    let named = opened(Postgres::options(server.address())).await;
    assert!(
        named.inventory().warnings.join("\n").contains("1 large objects"),
        "{:?}",
        named.inventory().warnings
    );
    let ignored = opened(Postgres::options(server.address()).ignore_large_objects("thumbnails")).await;
    assert_eq!(ignored.inventory().warnings, [] as [String; 0]);
    assert!(Postgres::options(server.address()).ignore_large_objects("").connect().is_err());
}

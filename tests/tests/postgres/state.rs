//! Data that triggers and queries derive from rows, and data outside of tables: materialized views, columns
//! that triggers fill, large objects.

use koan_backup::prelude::*;
use koan_backup::provider::Severity;
use koan_backup_tests::postgres::{Server, installed_versions};
use koan_backup_tests::reported_restore::restore_as_reported;
use serde::{Deserialize, Serialize};

use super::fixture::koan_of;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
#[entity_backup]
struct Film {
    id: i64,
    title: String,
}

async fn koan_with(options: koan_backup::PostgresOptions) -> Koan {
    koan_of(options.connect().expect("an address"), |builder| builder.register::<Film>()).await
}

/// Views over views, with names whose alphabetical order is the reverse of their dependencies. One view is
/// not populated.
const VIEWS: &str = "
    CREATE TABLE film (id bigint PRIMARY KEY, title text NOT NULL); INSERT INTO film VALUES (1, 'one'), (2, 'two');
    CREATE MATERIALIZED VIEW z_titles AS SELECT title, now() AS at FROM film;
    CREATE VIEW between_them AS SELECT title FROM z_titles;
    CREATE MATERIALIZED VIEW a_count AS SELECT count(*) AS films FROM between_them;
    CREATE MATERIALIZED VIEW not_yet AS SELECT * FROM film WITH NO DATA";

#[tokio::test(flavor = "multi_thread")]
async fn materialized_views_are_reported_and_refreshed_on_request_in_dependency_order() {
    for version in installed_versions() {
        let server = Server::of_version(version);
        server.sql(VIEWS);
        let koan = koan_with(Postgres::options(server.address())).await;
        let warnings = koan.inventory().warnings.join("\n");
        for view in ["z_titles", "a_count", "not_yet"] {
            assert!(warnings.contains(&format!("materialized view `{view}`")), "{warnings}");
        }
        let _ = koan.backup("films").await.expect("a backup");
        server.sql("DELETE FROM film; REFRESH MATERIALIZED VIEW z_titles; REFRESH MATERIALIZED VIEW a_count");
        let report = koan.restore("films").await.expect("restored");
        let finding = report
            .findings
            .iter()
            .find(|finding| finding.message.contains("`a_count`"))
            .expect("a finding about the view");
        assert_eq!(finding.severity, Severity::Warning);
        assert_eq!(server.sql("SELECT films FROM a_count"), "0");

        let options = Postgres::options(server.address()).refresh_materialized_views();
        let koan =
            koan_of(options.connect().expect("an address"), |builder| builder.register::<Film>()).await;
        let warnings = koan.inventory().warnings.join("\n");
        assert!(!warnings.contains("a_count") && warnings.contains("not_yet"), "{warnings}");
        let _ = koan.backup("second").await.expect("a backup");
        let _ = koan.restore("second").await.expect("restored");
        assert_eq!(server.sql("SELECT films FROM a_count; SELECT count(*) FROM z_titles"), "2\n2");
        assert_eq!(server.sql("SELECT relispopulated FROM pg_class WHERE relname = 'not_yet'"), "f");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_refresh_rolls_back_the_restore_and_an_ignored_view_is_not_reported() {
    let server = Server::start();
    server.sql(
        "CREATE TABLE film (id bigserial PRIMARY KEY, title text NOT NULL); INSERT INTO film (title) VALUES ('7');
        CREATE MATERIALIZED VIEW numbers AS SELECT 1 / (title::int - 8) FROM film",
    );
    let koan = koan_with(Postgres::options(server.address()).refresh_materialized_views()).await;
    let _ = koan.backup("films").await.expect("a backup");
    server.sql("UPDATE film SET title = '9'; INSERT INTO film VALUES (2, 'x'); SELECT setval('film_id_seq', 1, false)");
    let films = || {
        server.sql("SELECT id, title FROM film ORDER BY id; SELECT last_value, is_called FROM film_id_seq")
    };
    let before = films();
    let error = koan.restore("films").await.expect_err("the view cannot be computed from a row of the table");
    assert!(error.chain().contains("materialized view `numbers`"), "{error:?}");
    assert_eq!(films(), before);
    let options =
        Postgres::options(server.address()).ignore_materialized_view("numbers", "refreshed every hour");
    let koan = koan_with(options).await;
    assert_eq!(koan.inventory().warnings, [] as [String; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn views_are_refreshed_with_the_time_zone_of_the_database() {
    let server = Server::start();
    server.sql(
        "CREATE TABLE film (id bigint PRIMARY KEY, title text NOT NULL); INSERT INTO film VALUES (1, '7');
        ALTER DATABASE test SET TimeZone = 'Asia/Tokyo';
        CREATE MATERIALIZED VIEW zone AS SELECT current_setting('TimeZone') AS zone FROM film",
    );
    let koan = koan_with(Postgres::options(server.address()).refresh_materialized_views()).await;
    let _ = koan.backup("films").await.expect("a backup");
    let _ = koan.restore("films").await.expect("restored");
    assert_eq!(server.sql("SELECT zone FROM zone"), "Asia/Tokyo");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_column_that_only_a_trigger_fills_fails_the_restore_unless_it_is_declared_as_recomputed() {
    let vector = "tsvector_update_trigger(search, 'pg_catalog.english', title)";
    let always = "BEFORE INSERT OR UPDATE";
    let function = |body: &str| {
        format!(
            "CREATE FUNCTION search() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body}; RETURN NEW; END $$;"
        )
    };
    let own_function = function("NEW.search := to_tsvector('english', NEW.title)");
    let other_function = function("NEW.title := lower(NEW.title)");
    let trigger_of_own_function =
        "CREATE TRIGGER zz BEFORE INSERT ON film FOR EACH ROW EXECUTE FUNCTION search();";
    // A restore does not recompute the column if the trigger calls a function of the application, does not
    // run for each row, or depends on a column that is not in the archive, or if another function changes the
    // input or the result.
    for (function, event, when, call, second_trigger) in [
        (own_function.as_str(), always, "", "search()", ""),
        ("", "BEFORE INSERT", "", vector, ""),
        ("", always, "WHEN (NEW.id > 0)", vector, ""),
        ("", "BEFORE INSERT OR UPDATE OF id", "", vector, ""),
        ("", always, "", "tsvector_update_trigger(search, 'pg_catalog.english', title, body)", ""),
        ("", always, "", "tsvector_update_trigger_column(search, config, title)", ""),
        (other_function.as_str(), always, "", vector, trigger_of_own_function),
        (own_function.as_str(), always, "", vector, trigger_of_own_function),
    ] {
        let server = Server::start();
        server.sql(&format!(
            "CREATE TABLE film (id bigint PRIMARY KEY, title text NOT NULL, search tsvector, body text, config regconfig DEFAULT 'simple');
             {function} CREATE TRIGGER fills {event} ON film FOR EACH ROW {when} EXECUTE FUNCTION {call}; {second_trigger}
             INSERT INTO film VALUES (1, 'cats')"
        ));
        let koan_without_declaration = koan_with(Postgres::options(server.address())).await;
        let _ = koan_without_declaration.backup("films").await.expect("a backup");
        let viability = koan_without_declaration.restore("films").viability().await.expect("assessed");
        let errors: Vec<_> = viability.findings.iter().filter(|f| f.severity == Severity::Error).collect();
        assert!(
            !errors.is_empty()
                && errors.iter().all(|error| error.message.contains("column `search`"))
                && errors[0].message.contains("`fills`"),
            "{call} {event} {second_trigger}: {viability:?}"
        );
        let error = restore_as_reported(|| koan_without_declaration.restore("films"))
            .await
            .expect_err("the column would be stale");
        assert!(error.chain().contains("recomputed_after_restore"), "{error:?}");
        let options =
            Postgres::options(server.address()).recomputed_after_restore("film.search", "a nightly job");
        let koan_with_declaration = koan_with(options).await;
        let _ = koan_with_declaration.backup("films").await.expect("a backup");
        let _ = koan_with_declaration.restore("films").await.expect("restored");
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
#[entity_backup]
struct Page {
    id: i64,
    title: Option<String>,
    body: Option<String>,
    config: Option<String>,
    place: i64,
}

/// Columns that built-in trigger functions of PostgreSQL fill. One of them is NOT NULL, and the other has
/// a name that must be quoted.
const PAGES: &str = r#"CREATE TABLE page (id bigint PRIMARY KEY, title varchar(90), body text, config regconfig NOT NULL DEFAULT 'simple',
        place bigint NOT NULL UNIQUE, search tsvector NOT NULL, "Own search" tsvector);
    CREATE TRIGGER fills BEFORE INSERT OR UPDATE ON page FOR EACH ROW EXECUTE FUNCTION
        tsvector_update_trigger(search, 'pg_catalog.english', title, body);
    CREATE TRIGGER more BEFORE INSERT OR UPDATE ON page FOR EACH ROW EXECUTE FUNCTION
        tsvector_update_trigger_column('Own search', config, body, title);"#;

/// Words whose vector depends on the order and numbering of columns: a tag over two columns, trailing stop
/// words, NULL.
const PAGE_ROWS: &str = "INSERT INTO page VALUES (1, 'The cats and the', 'dogs of it''s own', 'english', 1), (2, '<a href=1', 'b>bold</b> the', 'simple', 2),
    (3, NULL, 'only the body', 'english', 3), (4, 'only titles', NULL, 'german', 4), (5, NULL, NULL, 'simple', 5)";

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_computes_a_text_search_column_as_its_trigger_does() {
    for version in installed_versions() {
        let server = Server::of_version(version);
        server.sql(PAGES);
        server.sql(PAGE_ROWS);
        let koan = koan_of(Postgres::connect(server.address()).expect("an address"), |builder| {
            builder.register::<Page>()
        })
        .await;
        let dump = || server.sql("SELECT x::text FROM page x ORDER BY id");
        let schema = server.schema();
        let before = dump();
        let backup = koan.backup("pages").await.expect("a backup");
        assert!(
            !backup.warnings().iter().any(|warning| warning.contains("search")),
            "{:?}",
            backup.warnings()
        );
        let viability = koan.restore("pages").viability().await.expect("assessed");
        assert!(viability.is_viable(), "{viability:?}");
        assert!(
            viability.findings.iter().any(|finding| finding.severity == Severity::Note
                && finding
                    .message
                    .contains("a restore computes its values in the same way as trigger `fills`")),
            "{viability:?}"
        );
        for level in [RestoreLevel::Fast, RestoreLevel::Balanced, RestoreLevel::Safe] {
            // Some rows are missing, some have changed, and two have swapped a unique value.
            server.sql("DELETE FROM page WHERE id = 3; UPDATE page SET title = 'mice' WHERE id IN (1, 4); UPDATE page SET place = -place WHERE id < 3;
                UPDATE page SET place = 3 + place WHERE id < 3; INSERT INTO page VALUES (9, 'extra', 'row', 'simple', 9)");
            let counts = koan.restore("pages").level(level).await.expect("restored").counts();
            assert_eq!((counts.inserted, counts.updated, counts.unchanged), (1, 3, 1), "{level:?}");
            assert_eq!(
                dump(),
                format!("{before}\n(9,extra,row,simple,9,\"'extra':1 'row':2\",\"'extra':2 'row':1\")"),
                "{level:?}"
            );
            server.sql("UPDATE page SET title = 'mice' WHERE id = 1");
            let _ = koan.restore("pages").level(level).replace_existing().await.expect("restored");
            assert_eq!(dump(), before, "{level:?}");
            server.sql("TRUNCATE page");
            let _ =
                koan.restore("pages").level(level).on_conflict(ConflictMode::Fail).await.expect("restored");
            assert_eq!(dump(), before, "{level:?}");
        }
        // The conflict mode `Keep` does not recompute the columns of existing rows.
        server.sql("DELETE FROM page WHERE id = 2; UPDATE page SET title = 'mice' WHERE id = 1; ALTER TABLE page DISABLE TRIGGER fills;
            UPDATE page SET search = 'stale' WHERE id = 1; ALTER TABLE page ENABLE TRIGGER fills");
        let counts = koan.restore("pages").on_conflict(ConflictMode::Keep).await.expect("restored").counts();
        assert_eq!((counts.inserted, counts.kept), (1, 4));
        assert_eq!(server.sql("SELECT search FROM page WHERE id = 1"), "'stale'");
        assert_eq!(server.schema(), schema);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trigger_that_fires_only_on_updates_is_reported_as_a_warning() {
    let server = Server::start();
    server.sql(
        "CREATE TABLE film (id bigint PRIMARY KEY, title text NOT NULL, updated_at timestamptz NOT NULL DEFAULT now());
         CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.updated_at := now(); RETURN NEW; END $$;
         CREATE TRIGGER touch BEFORE UPDATE ON film FOR EACH ROW EXECUTE FUNCTION touch();
         INSERT INTO film VALUES (1, 'cats')",
    );
    let koan = koan_with(Postgres::options(server.address())).await;
    let _ = koan.backup("films").await.expect("a backup");
    let viability = koan.restore("films").viability().await.expect("assessed");
    let finding = viability
        .findings
        .iter()
        .find(|finding| finding.message.contains("trigger `touch`, which fills the column"));
    assert!(finding.is_some_and(|finding| finding.severity == Severity::Warning), "{viability:?}");
    server.sql("DELETE FROM film");
    let _ = koan.restore("films").await.expect("restored");
    assert_eq!(server.sql("SELECT title FROM film"), "cats");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_constraint_that_fails_for_older_rows_does_not_prevent_a_restore() {
    let server = Server::start();
    server.sql(
        "CREATE TABLE film (id bigint PRIMARY KEY, title text NOT NULL); INSERT INTO film VALUES (1, '7')",
    );
    let koan = koan_with(Postgres::options(server.address())).await;
    let _ = koan.backup("films").await.expect("a backup");
    server.sql(
        "INSERT INTO film VALUES (2, 'seven'); ALTER TABLE film ADD CONSTRAINT number CHECK (title::int > 0) NOT VALID",
    );
    let _ = koan.restore("films").replace_existing().await.expect("restored");
    assert_eq!(server.sql("SELECT string_agg(title, ',') FROM film"), "7");
}

#[tokio::test(flavor = "multi_thread")]
async fn large_objects_are_reported_at_boot_unless_they_are_ignored_with_a_reason() {
    let server = Server::start();
    server
        .sql("CREATE TABLE film (id bigint PRIMARY KEY, title text NOT NULL); SELECT lo_from_bytea(0, 'x')");
    let koan = koan_with(Postgres::options(server.address())).await;
    assert!(
        koan.inventory().warnings.join("\n").contains("1 large objects"),
        "{:?}",
        koan.inventory().warnings
    );
    let koan = koan_with(Postgres::options(server.address()).ignore_large_objects("thumbnails")).await;
    assert_eq!(koan.inventory().warnings, [] as [String; 0]);
    assert!(Postgres::options(server.address()).ignore_large_objects("").connect().is_err());
}

//! Overwrites that move unique values between rows and end in a valid state.

use koan_backup::prelude::*;
use koan_backup::{
    KoanBuilder,
    provider::{Severity, WriteCounts},
};
use koan_backup_tests::postgres::{Server, installed_versions};
use koan_backup_tests::reported_restore::restore_as_reported;
use serde::{Deserialize, Serialize};

use super::fixture::{koan, koan_of};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
#[entity_backup]
struct Seat {
    id: i64,
    place: i32,
    row: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
#[entity_backup]
struct Ticket {
    id: i64,
    seat_id: i64,
}

/// 500 seats; the place of each seat equals its id. The entity has no field for the column `extra`.
const SEATS: &str = "
    CREATE TABLE seat (id bigint PRIMARY KEY, place int NOT NULL, row text, extra text DEFAULT 'none',
        doubled int GENERATED ALWAYS AS (place * 2) STORED);
    CREATE TABLE ticket (id bigint PRIMARY KEY, seat_id bigint NOT NULL);
    INSERT INTO seat SELECT g, g, 'r' || g, 'extra ' || g FROM generate_series(1, 500) g;
    INSERT INTO ticket SELECT g, g FROM generate_series(1, 500) g;";

/// Constraints that allow each place or row name only once.
const CONSTRAINTS: [&str; 9] = [
    "ALTER TABLE seat ADD CONSTRAINT apart UNIQUE (place)",
    "ALTER TABLE seat ADD CONSTRAINT apart UNIQUE (place) DEFERRABLE",
    "ALTER TABLE seat ADD CONSTRAINT apart UNIQUE (place) DEFERRABLE INITIALLY DEFERRED",
    "CREATE UNIQUE INDEX apart ON seat (place) WHERE id > 0",
    "CREATE UNIQUE INDEX apart ON seat ((place * 2), lower(row))",
    "CREATE UNIQUE INDEX apart ON seat (doubled)",
    "ALTER TABLE seat ADD CONSTRAINT apart UNIQUE NULLS NOT DISTINCT (row)",
    "ALTER TABLE seat ADD CONSTRAINT apart EXCLUDE USING gist (int4range(place, place + 1) WITH &&)",
    "ALTER TABLE seat ADD CONSTRAINT apart EXCLUDE USING btree (place WITH =) DEFERRABLE",
];

/// Values that are swapped, moved along a chain in both directions, and moved in a circle.
const CHANGES: [&str; 4] = [
    "UPDATE seat SET place = 501 - id, row = 'r' || 501 - id",
    "UPDATE seat SET place = id + 1, row = 'r' || id + 1",
    "UPDATE seat SET place = id - 1, row = nullif('r' || id - 1, 'r0')",
    "UPDATE seat SET place = id % 500 + 1, row = 'r' || id % 500 + 1 WHERE id > 1; UPDATE seat SET place = 2, row = 'r2' WHERE id = 1",
];

const ROWS: &str = "SELECT count(*), md5(string_agg(seat::text, ',' ORDER BY id)) FROM seat; \
    SELECT count(*), md5(string_agg(ticket::text, ',' ORDER BY id)) FROM ticket";

fn counts(report: &koan_backup::report::RestoreReport) -> WriteCounts {
    report.entities[0].counts
}

#[tokio::test(flavor = "multi_thread")]
async fn swapped_and_moved_values_are_restored_under_every_constraint() {
    let versions = installed_versions()
        .into_iter()
        .map(|version| tokio::spawn(assert_moved_values_are_restored(version)));
    for result in futures::future::join_all(versions).await {
        result.expect("the values were restored under every constraint");
    }
}

/// Checks one version of PostgreSQL with every constraint and every change.
async fn assert_moved_values_are_restored(version: u32) {
    let server = Server::of_version(version);
    server.sql(SEATS);
    server
        .sql("ALTER TABLE ticket ADD CONSTRAINT of FOREIGN KEY (seat_id) REFERENCES seat ON DELETE CASCADE");
    let koan = koan(&server, KoanBuilder::register::<Seat>).await;
    let _ = koan.backup("nightly").batch_size(100).await.expect("a backup");
    let rows = server.sql(ROWS);
    for constraint in CONSTRAINTS {
        server.sql(constraint);
        let schema = server.schema();
        server.sql("ALTER TABLE seat DROP CONSTRAINT IF EXISTS apart; DROP INDEX IF EXISTS apart");
        for change in CHANGES {
            // In addition, a row is missing, and rows differ in other columns.
            server.sql(&format!(
                    "{change}; DELETE FROM seat WHERE id = 250; INSERT INTO ticket VALUES (250, 1) ON CONFLICT DO NOTHING; {constraint}"
                ));
            let dry_counts = counts(&koan.restore("nightly").dry_run().await.expect(constraint));
            let restore_counts = counts(&koan.restore("nightly").batch_size(50).await.expect(constraint));
            assert_eq!(restore_counts, dry_counts, "{constraint}: {change}");
            assert_eq!(restore_counts.records(), 500);
            if Some(&change) == CHANGES.last() {
                assert_eq!(counts(&koan.restore("nightly").await.expect(constraint)).unchanged, 500);
            }
            let final_state = server.sql(&format!(
                    "UPDATE seat SET extra = 'extra ' || id; UPDATE ticket SET seat_id = 250 WHERE id = 250; {ROWS};
                    SELECT count(*) FROM pg_constraint WHERE conname = 'apart' UNION SELECT count(*) FROM pg_class WHERE relname = 'apart'"
                ));
            assert!(
                final_state.starts_with(&rows) && final_state.ends_with('1'),
                "{constraint}: {change}: {final_state}"
            );
            if Some(&change) != CHANGES.last() {
                server.sql("ALTER TABLE seat DROP CONSTRAINT IF EXISTS apart; DROP INDEX IF EXISTS apart");
            }
        }
        assert_eq!(server.schema(), schema, "{constraint}");
        server.sql("ALTER TABLE seat DROP CONSTRAINT IF EXISTS apart; DROP INDEX IF EXISTS apart");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn uncovered_columns_and_referring_rows_are_preserved_when_values_are_swapped() {
    let server = Server::start();
    server.sql(SEATS);
    server.sql("ALTER TABLE seat ADD UNIQUE (place);
        ALTER TABLE ticket ADD CONSTRAINT cascading FOREIGN KEY (seat_id) REFERENCES seat ON DELETE CASCADE ON UPDATE CASCADE");
    let koan = koan(&server, |builder| builder.register::<Seat>().register::<Ticket>()).await;
    let _ = koan.backup("nightly").await.expect("a backup");
    let rows = server.sql(ROWS);
    server.sql("BEGIN; UPDATE seat SET place = -place; UPDATE seat SET place = 501 + place; COMMIT");
    let schema = server.schema();
    let report = koan.restore("nightly").await.expect("restored");
    assert_eq!((report.counts().updated, report.counts().unchanged), (500, 500));
    assert_eq!(server.sql(ROWS), rows, "the column without a field and all tickets must be preserved");
    assert_eq!(server.schema(), schema);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_errors_of_dry_run_and_restore_name_the_conflicting_rows() {
    let server = Server::start();
    server.sql(SEATS);
    let koan = koan(&server, KoanBuilder::register::<Seat>).await;
    let _ = koan.backup("nightly").await.expect("a backup");
    for constraint in CONSTRAINTS {
        // A row that is not in the archive contains the archived values of the row 7, whose current values
        // differ.
        server.sql("DELETE FROM seat WHERE id > 500; UPDATE seat SET place = id, row = 'r' || id");
        server.sql(
            "UPDATE seat SET place = 900, row = 'r900' WHERE id = 7; INSERT INTO seat VALUES (777, 7, 'r7')",
        );
        server.sql(constraint);
        let before = server.sql(ROWS);
        let mut errors = vec![
            restore_as_reported(|| koan.restore("nightly")).await.expect_err(constraint),
            restore_as_reported(|| koan.restore("nightly").level(RestoreLevel::Safe))
                .await
                .expect_err(constraint),
        ];
        errors.push(koan.restore("nightly").dry_run().await.expect_err(constraint));
        server.sql("DELETE FROM seat WHERE id = 7");
        let insertion_error = restore_as_reported(|| koan.restore("nightly").on_conflict(ConflictMode::Keep))
            .await
            .expect_err(constraint);
        errors.push(insertion_error);
        for error in errors {
            let text = error.chain();
            assert_eq!(error.kind(), ErrorKind::Constraint, "{text}");
            assert!(text.contains("apart"), "{constraint}: {text}");
            assert!(text.contains("`id=7`, `id=777`"), "{constraint}: {text}");
            assert!(text.contains("replace_existing"), "{constraint}: {text}");
        }
        server.sql("INSERT INTO seat VALUES (7, 900, 'r900', 'extra 7')");
        assert_eq!(server.sql(ROWS), before, "{constraint}");
        server.sql("ALTER TABLE seat DROP CONSTRAINT IF EXISTS apart; DROP INDEX IF EXISTS apart");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_swap_that_the_role_may_not_perform_is_refused_with_the_reason() {
    let server = Server::start();
    server.sql(SEATS);
    server.sql(
        "ALTER TABLE seat ADD CONSTRAINT apart UNIQUE (place); CREATE ROLE clerk LOGIN;
        GRANT SELECT, INSERT, UPDATE ON seat TO clerk",
    );
    let database = Postgres::connect(server.address_of("clerk", "test")).expect("an address");
    let koan = koan_of(database, KoanBuilder::register::<Seat>).await;
    let _ = koan.backup("nightly").await.expect("a backup");
    let swap = "BEGIN; UPDATE seat SET place = -place; UPDATE seat SET place = 501 + place; COMMIT";
    server.sql(swap);
    let swapped = server.sql(ROWS);
    for (setup, undo, expected_text) in [
        ("SELECT 1", "GRANT DELETE ON seat TO clerk", "the role has no DELETE privilege"),
        (
            "ALTER TABLE ticket ADD CONSTRAINT of FOREIGN KEY (seat_id) REFERENCES seat ON DELETE CASCADE",
            "ALTER TABLE ticket DROP CONSTRAINT of",
            "foreign key `of` of `ticket` refuses the deletion of rows or has an ON DELETE action",
        ),
        (
            "CREATE FUNCTION noted() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
             CREATE TRIGGER noted AFTER DELETE ON seat FOR EACH ROW EXECUTE FUNCTION noted()",
            "DROP TRIGGER noted ON seat",
            "its triggers would fire",
        ),
    ] {
        server.sql(setup);
        for is_dry_run in [false, true] {
            let restore = koan.restore("nightly");
            let restore = if is_dry_run { restore.dry_run() } else { restore };
            let text = restore.await.expect_err(expected_text).chain();
            assert!(
                text.contains(expected_text) && text.contains("Seat") && text.contains("as the owner"),
                "{text}"
            );
        }
        assert_eq!(server.sql(ROWS), swapped);
        server.sql(undo);
    }
    let _ = koan.restore("nightly").await.expect("restored");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_that_would_trigger_a_cascade_is_refused_and_reported_by_viability() {
    let server = Server::start();
    server.sql(SEATS);
    server.sql("CREATE ROLE clerk LOGIN; GRANT SELECT, INSERT, UPDATE, DELETE ON seat, ticket TO clerk; ALTER TABLE seat ADD UNIQUE (place)");
    let database = Postgres::connect(server.address_of("clerk", "test")).expect("an address");
    let koan = koan_of(database, |builder| builder.register::<Seat>().register::<Ticket>()).await;
    let _ = koan.backup("nightly").await.expect("a backup");
    let rows = server.sql(ROWS);
    let error_findings = |viability: koan_backup::report::ViabilityReport| -> Vec<String> {
        let errors = viability.findings.into_iter().filter(|finding| finding.severity == Severity::Error);
        errors.map(|finding| finding.message).collect()
    };
    // The key of a seat has only one spelling and never changes, so deferred actions on key changes do not
    // run.
    server.sql("ALTER TABLE ticket ADD CONSTRAINT of FOREIGN KEY (seat_id) REFERENCES seat ON UPDATE CASCADE DEFERRABLE");
    assert_eq!(error_findings(koan.restore("nightly").viability().await.expect("assessed")), [""; 0]);
    server.sql("UPDATE seat SET row = 'x' WHERE id = 3");
    let _ = koan.restore("nightly").await.expect("restored");
    assert_eq!(server.sql(ROWS), rows);
    // This foreign key refers to a column whose value may change.
    server.sql("ALTER TABLE ticket DROP CONSTRAINT of; ALTER TABLE ticket ADD COLUMN place int REFERENCES seat (place) ON UPDATE CASCADE");
    let errors = error_findings(koan.restore("nightly").viability().await.expect("assessed"));
    assert!(
        errors.len() == 1 && errors[0].contains("ticket_place_fkey") && errors[0].contains("as the owner"),
        "{errors:?}"
    );
    let text = restore_as_reported(|| koan.restore("nightly"))
        .await
        .expect_err("the foreign key would cascade")
        .chain();
    assert!(text.contains("ticket_place_fkey"), "{text}");
    assert_eq!(
        error_findings(
            koan.restore("nightly").on_conflict(ConflictMode::Keep).viability().await.expect("assessed")
        ),
        [""; 0]
    );
    let _ = koan.restore("nightly").on_conflict(ConflictMode::Keep).await.expect("nothing is updated");
    // Tickets are written before the seats whose deletion would cascade to them.
    server.sql("ALTER TABLE ticket DROP COLUMN place; ALTER TABLE ticket ADD CONSTRAINT of FOREIGN KEY (seat_id) REFERENCES seat ON DELETE CASCADE DEFERRABLE");
    for entity in ["both", "seat"] {
        let restore = || match entity {
            "both" => koan.restore("nightly").replace_existing(),
            _ => koan.restore("nightly").replace_existing().entity::<Seat>(),
        };
        let errors = error_findings(restore().viability().await.expect("assessed"));
        assert!(errors.len() == 1 && errors[0].contains("as the owner of"), "{errors:?}");
        restore_as_reported(restore).await.expect_err("the foreign key would cascade");
        assert_eq!(server.sql(ROWS), rows);
    }
    // Nothing is checked before `clear`, so the operation itself detects the problem.
    let text = koan.data::<Seat>().clear().await.expect_err("the foreign key would cascade").chain();
    assert!(text.contains("has an ON DELETE or ON UPDATE action that would change rows"), "{text}");
    assert_eq!(server.sql(ROWS), rows);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_key_with_disabled_triggers_is_reported_if_it_refuses_rows() {
    let server = Server::start();
    server.sql(SEATS);
    server.sql("ALTER TABLE ticket ADD CONSTRAINT of FOREIGN KEY (seat_id) REFERENCES seat ON DELETE CASCADE; ALTER TABLE ticket DISABLE TRIGGER ALL");
    let koan = koan(&server, |builder| builder.register::<Seat>().register::<Ticket>()).await;
    let _ = koan.backup("nightly").await.expect("a backup");
    let rows = server.sql(ROWS);
    let viability = koan.restore("nightly").replace_existing().viability().await.expect("assessed");
    let refusal = viability
        .findings
        .iter()
        .find(|finding| finding.severity == Severity::Error)
        .expect("an error finding");
    assert!(refusal.message.contains("ENABLE TRIGGER ALL"), "{refusal}");
    restore_as_reported(|| koan.restore("nightly").replace_existing())
        .await
        .expect_err("the foreign key would cascade");
    assert!(koan.restore("nightly").viability().await.expect("assessed").is_viable());
    let _ = koan.restore("nightly").await.expect("nothing is removed");
    // The triggers that carry out the cascade are now disabled as well, so the foreign key has no effect.
    server.sql("ALTER TABLE seat DISABLE TRIGGER ALL");
    assert!(koan.restore("nightly").replace_existing().viability().await.expect("assessed").is_viable());
    let _ = koan.restore("nightly").replace_existing().await.expect("the foreign key does not cascade");
    server.sql("UPDATE seat SET extra = 'extra ' || id");
    assert_eq!(server.sql(ROWS), rows);
    assert_eq!(server.sql("SELECT count(*) FROM pg_trigger WHERE tgenabled = 'D'"), "4");
}

#[tokio::test(flavor = "multi_thread")]
async fn values_are_moved_between_partitions() {
    let server = Server::start();
    server.sql(
        "CREATE TABLE seat (id bigint, place int NOT NULL UNIQUE, row text) PARTITION BY HASH (place);
        CREATE TABLE seat0 PARTITION OF seat FOR VALUES WITH (MODULUS 2, REMAINDER 0);
        CREATE TABLE seat1 PARTITION OF seat FOR VALUES WITH (MODULUS 2, REMAINDER 1);
        INSERT INTO seat SELECT g, g, 'r' || g FROM generate_series(1, 100) g",
    );
    let rows = server.sql("SELECT * FROM seat ORDER BY id");
    let koan = koan(&server, KoanBuilder::register::<Seat>).await;
    let _ = koan.backup("nightly").await.expect("a backup");
    server.sql(
        "BEGIN; UPDATE seat SET place = place + 1000; UPDATE seat SET place = 1101 - place WHERE id <= 50;
        UPDATE seat SET place = 1101 - place WHERE id > 50; COMMIT",
    );
    let schema = server.schema();
    let restore_counts = counts(&koan.restore("nightly").await.expect("restored"));
    assert_eq!(restore_counts.updated, 100);
    assert_eq!((server.sql("SELECT * FROM seat ORDER BY id"), server.schema()), (rows, schema));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_errors_of_dry_run_and_restore_name_the_records_that_violate_a_check_or_not_null_constraint() {
    let server = Server::start();
    server.sql(SEATS);
    server.sql("UPDATE seat SET row = NULL WHERE id = 3");
    let koan = koan(&server, KoanBuilder::register::<Seat>).await;
    let _ = koan.backup("nightly").await.expect("a backup");
    for (setup, undo, expected_text) in [
        (
            "ALTER TABLE seat ADD CONSTRAINT low CHECK (place < 499) NOT VALID",
            "ALTER TABLE seat DROP CONSTRAINT low",
            "`id=499`, `id=500`",
        ),
        (
            "UPDATE seat SET row = 'r3' WHERE id = 3; ALTER TABLE seat ALTER row SET NOT NULL",
            "ALTER TABLE seat ALTER row DROP NOT NULL",
            "`id=3`",
        ),
    ] {
        server.sql("DELETE FROM seat WHERE id > 490; UPDATE seat SET place = 0 WHERE id = 3");
        server.sql(setup);
        let before = server.sql(ROWS);
        for level in [RestoreLevel::Fast, RestoreLevel::Safe] {
            for error in [
                restore_as_reported(|| koan.restore("nightly").level(level)).await.expect_err(setup),
                koan.restore("nightly").level(level).dry_run().await.expect_err(setup),
            ] {
                let text = error.chain();
                assert_eq!(error.kind(), ErrorKind::Constraint, "{text}");
                assert!(text.contains(expected_text), "{setup}: {text}");
            }
        }
        assert_eq!(server.sql(ROWS), before);
        server.sql(undo);
    }
    // A restore does not write unchanged rows, so a constraint that these rows violate does not refuse them.
    let _ = koan.restore("nightly").replace_existing().await.expect("restored");
    server.sql("ALTER TABLE seat ADD CONSTRAINT low CHECK (place < 499) NOT VALID; UPDATE seat SET row = 'x' WHERE id = 1");
    let dry_counts = counts(&koan.restore("nightly").dry_run().await.expect("compared"));
    assert_eq!(counts(&koan.restore("nightly").await.expect("restored")), dry_counts);
    assert_eq!((dry_counts.updated, dry_counts.unchanged), (1, 499));
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
#[entity_backup]
struct Booking {
    id: i64,
    first: i32,
    last: i32,
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exclusion_constraint_of_many_rows_is_checked_by_the_dry_run() {
    let server = Server::start();
    server.sql(
        "CREATE TABLE booking (id bigint PRIMARY KEY, first int NOT NULL, last int NOT NULL);
        INSERT INTO booking SELECT i, i * 10, i * 10 + 5 FROM generate_series(1, 40000) i",
    );
    let koan = koan(&server, KoanBuilder::register::<Booking>).await;
    let _ = koan.backup("nightly").await.expect("a backup");
    // Only the last two records overlap, so a search in the order of the rows finds them late.
    server.sql("UPDATE booking SET first = 399992 WHERE id = 40000");
    let _ = koan.backup("overlapping").await.expect("a backup");
    server.sql(
        "UPDATE booking SET first = 400000 WHERE id = 40000;
        ALTER TABLE booking ADD CONSTRAINT apart EXCLUDE USING gist (int4range(first, last) WITH &&) WHERE (id > 0)",
    );
    assert_eq!(koan.restore("nightly").dry_run().await.expect("compared").counts().unchanged, 40000);
    let error =
        restore_as_reported(|| koan.restore("overlapping")).await.expect_err("two bookings overlap").chain();
    assert!(error.contains("apart"), "{error}");
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
#[entity_backup]
struct Badge {
    id: i64,
    person_id: Option<i64>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
#[entity_backup]
#[entity(key = "code")]
struct Person {
    id: i64,
    code: String,
    badge_id: Option<i64>,
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_key_that_prevents_a_swap_is_reported_before_an_earlier_table_is_restored() {
    let server = Server::start();
    server.sql(
        "CREATE TABLE person (id bigint PRIMARY KEY, code text NOT NULL, badge_id bigint);
        CREATE TABLE badge (id bigint PRIMARY KEY, person_id bigint CONSTRAINT worn_by REFERENCES person ON DELETE CASCADE);
        ALTER TABLE person ADD FOREIGN KEY (badge_id) REFERENCES badge;
        INSERT INTO person VALUES (1, 'a'), (2, 'b'); INSERT INTO badge VALUES (1, 1), (2, 2); UPDATE person SET badge_id = id",
    );
    let koan = koan(&server, |builder| builder.register::<Badge>().register::<Person>()).await;
    let _ = koan.backup("nightly").await.expect("a backup");
    let rows = || server.sql("SELECT * FROM person ORDER BY id; SELECT * FROM badge ORDER BY id");
    let before = rows();
    let swap = "ALTER TABLE badge ALTER CONSTRAINT worn_by DEFERRABLE; BEGIN; SET CONSTRAINTS ALL DEFERRED; UPDATE person SET id = -id;
        UPDATE person SET id = 3 + id; COMMIT; ALTER TABLE badge ALTER CONSTRAINT worn_by NOT DEFERRABLE; UPDATE badge SET id = id";
    server.sql(swap);
    assert_ne!(rows(), before);
    let text = restore_as_reported(|| koan.restore("nightly"))
        .await
        .expect_err("the foreign key of a table that was already restored cannot be suspended")
        .chain();
    assert!(text.contains("`worn_by`") && text.contains("replace_existing"), "{text}");
    let _ = koan.restore("nightly").replace_existing().await.expect("restored");
    assert_eq!(rows(), before);
    // The unique index shows in advance that values may move, so the restore suspends the foreign key in
    // time.
    server.sql(swap);
    server.sql("ALTER TABLE person ADD UNIQUE (code)");
    let _ = koan.restore("nightly").await.expect("restored");
    assert_eq!(rows(), before);
}

//! Sequences: after a restore, no number is issued a second time, and none is skipped.

use koan_backup::prelude::*;
use koan_backup::provider::Severity;
use koan_backup_tests::postgres::{Server, installed_versions};
use koan_backup_tests::reported_restore::restore_as_reported;
use serde::{Deserialize, Serialize};

use super::fixture::{all, koan, koan_of};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
#[entity_backup]
struct Ticket {
    id: i64,
    code: Option<String>,
    tens: Option<i64>,
    down: Option<i64>,
    ring: Option<i64>,
    late: Option<i64>,
    called: Option<i64>,
    domain: Option<i64>,
    fired: Option<i64>,
    shared: Option<i64>,
    also: Option<i64>,
    always: Option<i64>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
#[entity_backup]
struct Note {
    id: i64,
    text: String,
}

const TICKET: &str = "
    CREATE SEQUENCE codes; CREATE SEQUENCE tens; CREATE SEQUENCE down INCREMENT -3; CREATE SEQUENCE ring MAXVALUE 5 CYCLE;
    CREATE SEQUENCE late; CREATE SEQUENCE called; CREATE SEQUENCE in_domain; CREATE SEQUENCE fired;
    CREATE SEQUENCE shared INCREMENT 10;
    CREATE FUNCTION inner_number() RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN RETURN nextval('public.called'); END $$;
    CREATE FUNCTION number() RETURNS bigint LANGUAGE sql BEGIN ATOMIC SELECT inner_number(); END;
    CREATE DOMAIN numbered AS bigint DEFAULT nextval('in_domain');
    CREATE TABLE ticket (id bigserial PRIMARY KEY, code text DEFAULT 'X' || nextval('codes'), tens bigint DEFAULT nextval('tens') * 10,
        down int DEFAULT nextval('down'), ring bigint DEFAULT nextval('ring'), late bigint DEFAULT nextval('late'::text::regclass),
        called bigint DEFAULT number(), domain numbered, fired bigint, shared bigint DEFAULT nextval('shared'),
        also bigint DEFAULT nextval('shared'), always int GENERATED ALWAYS AS IDENTITY (START 7 INCREMENT 7));
    CREATE FUNCTION fire() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.fired := nextval('fired'); RETURN NEW; END $$;
    CREATE TRIGGER fire BEFORE INSERT ON ticket FOR EACH ROW EXECUTE FUNCTION fire();";

const NAMES: [&str; 11] = [
    "ticket_id_seq",
    "codes",
    "tens",
    "down",
    "ring",
    "late",
    "called",
    "in_domain",
    "fired",
    "shared",
    "ticket_always_seq",
];

/// Returns the next number of each sequence.
fn next_numbers(server: &Server) -> Vec<String> {
    let next_number = |name: &&str| {
        server.sql(&format!(
            "SELECT '{name}', CASE WHEN NOT is_called THEN last_value WHEN NOT seqcycle OR last_value + seqincrement <= seqmax
             THEN last_value + seqincrement ELSE seqmin END FROM {name}, pg_sequence WHERE seqrelid = '{name}'::regclass"
        ))
    };
    NAMES.iter().map(next_number).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_number_is_issued_again_even_if_its_row_was_deleted_before_the_backup() {
    for version in installed_versions() {
        let server = Server::of_version(version);
        server.sql(TICKET);
        let koan = koan(&server, |builder| builder.register::<Ticket>()).await;
        assert_eq!(koan.inventory().warnings, [] as [String; 0]);
        server.sql("INSERT INTO ticket (id) SELECT nextval('ticket_id_seq') FROM generate_series(1, 8); DELETE FROM ticket WHERE id > 3");
        let before = next_numbers(&server);
        let backup = koan.backup("tickets").await.expect("a backup");
        assert_eq!(backup.warnings(), [] as [String; 0]);
        for is_recreated in [false, true] {
            if is_recreated {
                server.sql(
                    "DROP TABLE ticket; DROP FUNCTION number, inner_number, fire; DROP DOMAIN numbered;
                    DROP SEQUENCE codes, tens, down, ring, late, called, in_domain, fired, shared",
                );
                server.sql(TICKET);
            }
            let viability = koan.restore("tickets").viability().await.expect("assessed");
            assert!(
                !viability.findings.iter().any(|finding| finding.message.contains("sequence")),
                "{viability:?}"
            );
            let _ = koan.restore("tickets").await.expect("restored");
            assert_eq!(next_numbers(&server), before, "PostgreSQL {version}, recreated: {is_recreated}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sequence_never_moves_backwards_and_a_failed_restore_does_not_change_it() {
    let server = Server::start();
    server.sql(TICKET);
    let options = Postgres::options(server.address()).refresh_materialized_views();
    let database = options.connect().expect("an address");
    let koan = koan_of(database, |builder| builder.register::<Ticket>()).await;
    server.sql("INSERT INTO ticket (id) SELECT nextval('ticket_id_seq') FROM generate_series(1, 2)");
    let _ = koan.backup("tickets").await.expect("a backup");
    server.sql("INSERT INTO ticket (id) SELECT nextval('ticket_id_seq') FROM generate_series(1, 2)");
    let after_insertion = next_numbers(&server);
    let _ = koan.restore("tickets").replace_existing().await.expect("restored");
    assert_eq!(next_numbers(&server), after_insertion);
    server.sql("SELECT setval('codes', 1), setval('ticket_id_seq', 1); ALTER TABLE ticket ADD CHECK (id < 2) NOT VALID");
    let before = next_numbers(&server);
    restore_as_reported(|| koan.restore("tickets").replace_existing())
        .await
        .expect_err("the check constraint refuses a row");
    assert_eq!(next_numbers(&server), before);
    // The materialized view makes the restore fail after the sequences were moved.
    server.sql(
        "ALTER TABLE ticket DROP CONSTRAINT ticket_id_check; INSERT INTO ticket (id) VALUES (9);
        SELECT setval('codes', 1), setval('ticket_id_seq', 1);
        CREATE MATERIALIZED VIEW odds AS SELECT 1 / (count(*) - 2) AS odds FROM ticket",
    );
    let before = next_numbers(&server);
    let error = koan
        .restore("tickets")
        .replace_existing()
        .await
        .expect_err("the materialized view cannot be refreshed");
    assert!(error.chain().contains("materialized view `odds`"), "{error:?}");
    assert_eq!(next_numbers(&server), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sequence_of_a_computed_default_is_not_set_from_the_rows() {
    let server = Server::start();
    server.sql(TICKET);
    let koan = koan(&server, |builder| builder.register::<Ticket>()).await;
    server.sql("INSERT INTO ticket (id) VALUES (5)");
    let records = all::<Ticket>(&koan).await;
    // Without an archive, only the rows determine the position of a sequence, and only if a column contains
    // the values that `nextval` returns unchanged.
    server.sql("DELETE FROM ticket; SELECT setval('tens', 1, false), setval('codes', 1, false), setval('shared', 1, false)");
    koan.data::<Ticket>().upsert_many(records).await.expect("written");
    assert_eq!(
        server.sql("SELECT last_value, is_called FROM tens; SELECT last_value, is_called FROM codes"),
        "1|f\n1|f"
    );
    assert_eq!(server.sql("SELECT last_value FROM ticket_id_seq; SELECT last_value FROM shared"), "5\n11");
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_beyond_the_limits_of_a_sequence_are_ignored_when_its_position_is_set() {
    let server = Server::start();
    server.sql("CREATE SEQUENCE small_numbers MAXVALUE 10; CREATE TABLE small (id bigint PRIMARY KEY DEFAULT nextval('small_numbers'));
        INSERT INTO small VALUES (3), (9), (1000)");
    let koan = koan(&server, |builder| builder.register::<Small>()).await;
    let _ = koan.backup("small").await.expect("a backup");
    server.sql("DELETE FROM small");
    let _ = koan.restore("small").await.expect("restored");
    assert_eq!(server.sql("SELECT last_value, is_called FROM small_numbers"), "9|t");
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
#[entity_backup]
struct Small {
    id: i64,
}

#[tokio::test(flavor = "multi_thread")]
async fn uncovered_sequences_are_reported() {
    let server = Server::start();
    server.sql("CREATE SEQUENCE alone; CREATE SEQUENCE owned; CREATE TABLE small (id bigint PRIMARY KEY DEFAULT 1 + nextval('owned'));
        INSERT INTO small DEFAULT VALUES; CREATE ROLE reader LOGIN; GRANT SELECT ON small TO reader");
    let koan_with = |database: koan_backup::PostgresOptions| {
        koan_of(database.connect().expect("an address"), |b| b.register::<Small>())
    };
    // The role is not permitted to read the sequence.
    let reader_koan = koan_with(Postgres::options(server.address_of("reader", "test"))).await;
    let warnings = reader_koan.inventory().warnings.join("\n");
    assert!(
        warnings.contains("is not permitted to read sequence `owned`") && warnings.contains("GRANT SELECT"),
        "{warnings}"
    );
    let backup = reader_koan.backup("blind").await.expect("a backup");
    assert!(
        backup.warnings().iter().any(|warning| warning.contains("sequence `owned`")),
        "{:?}",
        backup.warnings()
    );
    // Nothing uses the sequence `alone`.
    let koan = koan_with(Postgres::options(server.address())).await;
    let warnings = koan.inventory().warnings.join("\n");
    assert!(
        warnings.contains("sequence `alone`")
            && warnings.contains("ignore_sequence")
            && !warnings.contains("`owned`"),
        "{warnings}"
    );
    let ignored = Postgres::options(server.address()).ignore_sequence("alone", "ids of a cache");
    let koan = koan_with(ignored).await;
    assert_eq!(koan.inventory().warnings, [] as [String; 0]);
    let koan_with_unknown_name = koan_with(
        Postgres::options(server.address()).ignore_sequence("alone", "x").ignore_sequence("nope", "x"),
    )
    .await;
    assert!(koan_with_unknown_name.inventory().warnings.join("\n").contains("contains `nope`"));
    let error = Postgres::options(server.address())
        .ignore_sequence("alone", " ")
        .connect()
        .expect_err("the reason is empty");
    assert_eq!(error.kind(), ErrorKind::Configuration);
    // The archive contains the position of a sequence that no longer exists in the database.
    let _ = koan.backup("small").await.expect("a backup");
    server.sql("ALTER TABLE small ALTER id DROP DEFAULT; DROP SEQUENCE owned");
    let viability = koan.restore("small").viability().await.expect("assessed");
    let finding = viability
        .findings
        .iter()
        .find(|finding| finding.message.contains("public.owned"))
        .expect("a finding");
    assert_eq!(finding.severity, Severity::Warning);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_with_a_computed_sequence_name_causes_all_sequences_of_the_schema_to_be_recorded() {
    let server = Server::start();
    server.sql("CREATE SEQUENCE small_numbers; CREATE FUNCTION number(of text) RETURNS bigint LANGUAGE sql AS
        $$ SELECT nextval((of || '_numbers')::regclass) $$;
        CREATE TABLE small (id bigint PRIMARY KEY DEFAULT number('small')); INSERT INTO small DEFAULT VALUES; INSERT INTO small DEFAULT VALUES");
    let koan = koan(&server, |builder| builder.register::<Small>()).await;
    let backup = koan.backup("small").await.expect("a backup");
    assert!(
        backup.warnings().iter().any(|warning| warning.contains("table `small`")),
        "{:?}",
        backup.warnings()
    );
    server.sql("SELECT setval('small_numbers', 1, false)");
    let _ = koan.restore("small").await.expect("restored");
    assert_eq!(server.sql("SELECT nextval('small_numbers')"), "3");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trigger_with_a_sequence_in_an_inaccessible_schema_does_not_fail_a_backup() {
    let server = Server::start();
    server.sql(
        "CREATE SCHEMA audit; CREATE SEQUENCE audit.entry; CREATE TABLE note (id bigint PRIMARY KEY, text text NOT NULL);
         CREATE FUNCTION log_note() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS
         $$ BEGIN PERFORM nextval('audit.entry'); RETURN NEW; END $$;
         CREATE TRIGGER log_note BEFORE INSERT ON note FOR EACH ROW EXECUTE FUNCTION log_note();
         CREATE ROLE clerk LOGIN; GRANT ALL ON note TO clerk; INSERT INTO note VALUES (1, 'a')",
    );
    let database = || Postgres::connect(server.address_of("clerk", "test")).expect("an address");
    let koan = koan_of(database(), |builder| builder.register::<Note>()).await;
    let backup = koan.backup("notes").await.expect("a backup");
    assert!(backup.warnings().iter().any(|warning| warning.contains("`entry`")), "{:?}", backup.warnings());
    server.sql("UPDATE note SET text = 'b'");
    let viability = koan.restore("notes").viability().await.expect("assessed");
    assert!(viability.is_viable(), "{viability:?}");
    let _ = koan.restore("notes").await.expect("restored");
    assert_eq!(server.sql("SELECT text FROM note"), "a");
}

const SCALED: &str = "CREATE TABLE scaled (id bigint PRIMARY KEY, no bigint);
    CREATE SEQUENCE scaled_no OWNED BY scaled.no;
    CREATE FUNCTION number_it() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.no := nextval('scaled_no') * 10; RETURN NEW; END $$;
    CREATE TRIGGER number_it BEFORE INSERT ON scaled FOR EACH ROW EXECUTE FUNCTION number_it();";

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
#[entity_backup]
struct Scaled {
    id: i64,
    no: i64,
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owned_sequence_without_a_default_is_restored_from_the_archive_and_not_from_the_column() {
    for version in installed_versions() {
        let server = Server::of_version(version);
        server.sql(SCALED);
        server.sql("INSERT INTO scaled SELECT i, 0 FROM generate_series(1, 3) i");
        let koan = koan(&server, |builder| builder.register::<Scaled>()).await;
        let _ = koan.backup("scaled").await.expect("a backup");
        server.sql("DELETE FROM scaled; ALTER SEQUENCE scaled_no RESTART");
        let _ = koan.restore("scaled").await.expect("restored");
        assert_eq!(
            server.sql("SELECT last_value, is_called FROM scaled_no; SELECT max(no) FROM scaled"),
            "3|t\n30"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owned_sequence_without_a_default_is_reported_if_the_archive_lacks_its_position() {
    let server = Server::start();
    server.sql(SCALED);
    server.sql("INSERT INTO scaled SELECT i, 0 FROM generate_series(1, 3) i; DROP SEQUENCE scaled_no");
    let koan = koan(&server, |builder| builder.register::<Scaled>()).await;
    let _ = koan.backup("scaled").await.expect("a backup");
    server.sql("DELETE FROM scaled; CREATE SEQUENCE scaled_no OWNED BY scaled.no");
    let report = koan.restore("scaled").await.expect("restored");
    let is_reported = report.findings.iter().any(|finding| {
        finding.severity == Severity::Warning
            && finding.message.contains("does not contain the position of sequence `scaled_no`")
    });
    assert!(is_reported, "{:?}", report.findings);
    assert_eq!(server.sql("SELECT last_value, is_called FROM scaled_no"), "1|f");
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
#[entity_backup]
struct InDomain {
    id: i64,
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owned_sequence_in_the_default_of_a_domain_is_set_from_the_rows() {
    let server = Server::start();
    server.sql(
        "CREATE SEQUENCE numbers; CREATE DOMAIN number AS bigint DEFAULT nextval('numbers');
        CREATE TABLE in_domain (id number PRIMARY KEY); ALTER SEQUENCE numbers OWNED BY in_domain.id",
    );
    let koan = koan(&server, |builder| builder.register::<InDomain>()).await;
    koan.data::<InDomain>().upsert_many([InDomain { id: 5 }]).await.expect("written");
    assert_eq!(server.sql("SELECT last_value, is_called FROM numbers"), "5|t");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sequence_that_another_session_uses_during_the_restore_never_moves_backwards() {
    for step in [1, -1] {
        let server = Server::start();
        server.sql(&format!("CREATE SEQUENCE numbers INCREMENT {step}; CREATE TABLE small (id bigint PRIMARY KEY DEFAULT nextval('numbers'));
            INSERT INTO small SELECT nextval('numbers') FROM generate_series(1, 50)"));
        let koan = koan(&server, |builder| builder.register::<Small>()).await;
        let _ = koan.backup("small").await.expect("a backup");
        server.sql("DELETE FROM small; ALTER SEQUENCE numbers RESTART");
        // The other session requests one number now, and more numbers while the restore waits for the
        // sequence.
        let mut other = server.spawn_sql(
            "BEGIN; SELECT nextval('numbers');
            DO $$ BEGIN
                WHILE NOT EXISTS (SELECT FROM pg_locks WHERE relation = 'numbers'::regclass AND NOT granted) LOOP PERFORM pg_sleep(0.02); END LOOP;
                PERFORM nextval('numbers') FROM generate_series(1, 99);
            END $$; COMMIT",
        );
        koan_backup_tests::wait::until_blocking("the other session has a number of the sequence", || {
            server.sql("SELECT is_called FROM numbers") == "t"
        });
        let _ = koan.restore("small").await.expect("restored");
        assert!(other.wait().expect("psql").success());
        assert_eq!(server.sql("SELECT last_value, is_called FROM numbers"), format!("{}|t", step * 100));
    }
}

//! If a reason to refuse a restore exists before the restore starts, viability or a dry run reports it.

use std::collections::BTreeSet;

use koan_backup::prelude::*;
use koan_backup_tests::postgres::{Server, installed_versions};
use koan_backup_tests::reported_restore::restore_as_reported;
use serde::{Deserialize, Serialize};

use super::fixture::koan;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
#[entity_backup]
struct Part {
    id: i64,
    kind: Option<String>,
    size: i64,
}

const ROWS: &str = "INSERT INTO part (id, kind, size) SELECT i, CASE WHEN i <> 3 THEN 'k' || i % 2 END, i FROM generate_series(1, 9) i";

/// Definitions of a table that refuses some of the archived records, with the expected text of the error.
const TABLES: &[(&str, &str)] = &[
    ("CREATE TABLE part (id bigint PRIMARY KEY, kind text, size bigint, CONSTRAINT small CHECK (size < 8))", "small"),
    ("CREATE TABLE part (id bigint PRIMARY KEY, kind text NOT NULL, size bigint)", "`kind` is NOT NULL"),
    ("CREATE TABLE part (id bigint PRIMARY KEY, kind text, size bigint, twice bigint GENERATED ALWAYS AS (size * 2) STORED,
        CONSTRAINT small CHECK (twice < 16))", "small"),
    ("CREATE TABLE part (id bigint PRIMARY KEY, kind text, size bigint, half bigint GENERATED ALWAYS AS (size / 2) STORED,
        CONSTRAINT halves UNIQUE (half))", "halves"),
    ("CREATE TABLE part (id bigint PRIMARY KEY, kind text, size bigint, half bigint GENERATED ALWAYS AS (size / 2) STORED, note text,
        CONSTRAINT halves EXCLUDE USING btree (half WITH =))", "halves"),
    ("CREATE DOMAIN small AS bigint CHECK (VALUE < 8); CREATE TABLE part (id bigint PRIMARY KEY, kind text, size small)", "small"),
    ("CREATE DOMAIN small AS bigint CONSTRAINT below CHECK (VALUE < 8); CREATE DOMAIN smaller AS small NOT NULL;
        CREATE TABLE part (id bigint PRIMARY KEY, kind text, size smaller)", "below"),
    ("CREATE DOMAIN word AS text NOT NULL; CREATE TABLE part (id bigint PRIMARY KEY, kind word, size bigint)", "word"),
    ("CREATE DOMAIN word AS text NOT NULL; CREATE TABLE part (id bigint PRIMARY KEY, kind text, size bigint, note word)", "`note`"),
    ("CREATE DOMAIN small AS bigint NOT NULL; CREATE DOMAIN smaller AS small;
        CREATE TABLE part (id bigint PRIMARY KEY, kind text, size bigint, note smaller)", "`note`"),
    ("CREATE TABLE part (id bigint PRIMARY KEY, kind text, size bigint) PARTITION BY RANGE (id);
        CREATE TABLE part_1 PARTITION OF part FOR VALUES FROM (0) TO (8)", "no partition"),
    ("CREATE TABLE part (id bigint, kind text, size bigint, PRIMARY KEY (id, size)) PARTITION BY RANGE (id);
        CREATE TABLE part_1 PARTITION OF part FOR VALUES FROM (0) TO (90) PARTITION BY LIST (size);
        CREATE TABLE part_2 PARTITION OF part_1 FOR VALUES IN (1, 2, 3)", "no partition"),
    ("CREATE TABLE part (id bigint PRIMARY KEY, kind text, size bigint) PARTITION BY HASH (id);
        CREATE TABLE part_1 PARTITION OF part FOR VALUES WITH (MODULUS 2, REMAINDER 0)", "no partition"),
    ("CREATE TABLE part (id bigint PRIMARY KEY, kind text, size bigint) PARTITION BY RANGE (id)", "no partition"),
    ("CREATE TABLE whole (id bigint PRIMARY KEY, kind text, size bigint) PARTITION BY RANGE (id);
        CREATE TABLE part PARTITION OF whole FOR VALUES FROM (0) TO (8)", "bounds"),
    ("CREATE TABLE part (id bigint PRIMARY KEY, kind varchar(1), size bigint)", "characters, and the text is longer"),
];

/// Additional columns without a field, with the expected text of the error. Their values make the table
/// refuse each new row.
const DEFAULTS: &[(&str, &str)] = &[
    (
        "note int DEFAULT 0, plus int GENERATED ALWAYS AS (note + 1) STORED, CONSTRAINT large CHECK (plus > 5)",
        "large",
    ),
    (
        "note int, plus int GENERATED ALWAYS AS (COALESCE(note, 0) + 1) STORED, CONSTRAINT large CHECK (plus > 5)",
        "large",
    ),
    ("note int DEFAULT 0, CONSTRAINT large CHECK (note > 5)", "large"),
    (
        "note int DEFAULT 4, plus bigint GENERATED ALWAYS AS (note + size) STORED, CONSTRAINT large CHECK (plus > note + 1)",
        "large",
    ),
    ("note int DEFAULT 4, CONSTRAINT large CHECK (note > size)", "large"),
    (
        "a text DEFAULT 'x', b text DEFAULT 'y', c text GENERATED ALWAYS AS (a || b) STORED, CONSTRAINT known CHECK (c IN ('x', a))",
        "known",
    ),
    ("note int DEFAULT (1 / 0)", "divided by zero"),
    ("note int DEFAULT boom()", "`note`"),
    ("note int DEFAULT boom() + nextval('numbers')", "`note`"),
    ("note date DEFAULT ('x' || random())::date", "`note`"),
    ("note small", "`note`"),
    ("note small DEFAULT 30", "`note`"),
    ("note int NOT NULL DEFAULT NULLIF(1, 1)", "is NULL"),
    ("note varchar(2) DEFAULT 'abc'", "too long"),
    ("note varchar(8) DEFAULT gen_random_uuid()::text", "too long"),
    ("note int DEFAULT 7, CONSTRAINT one UNIQUE (note)", "one"),
    (
        "note int DEFAULT 7, plus int GENERATED ALWAYS AS (note + 1) STORED, CONSTRAINT one UNIQUE (plus)",
        "one",
    ),
    ("note int DEFAULT 7 REFERENCES other", "note"),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_refuses_records_is_reported_by_the_dry_run() {
    let versions = installed_versions();
    for version in versions.first().into_iter().chain(versions.last()).copied().collect::<BTreeSet<_>>() {
        let server = Server::of_version(version);
        server.sql(&format!("CREATE TABLE part (id bigint PRIMARY KEY, kind text, size bigint); {ROWS}"));
        let koan = koan(&server, |builder| builder.register::<Part>()).await;
        let _ = koan.backup("parts").await.expect("a backup");
        for (index, (table, expected_text)) in TABLES.iter().enumerate() {
            server.sql(&format!(
                "DROP TABLE IF EXISTS whole; DROP TABLE IF EXISTS part; DROP DOMAIN IF EXISTS smaller; DROP DOMAIN IF EXISTS small;
                DROP DOMAIN IF EXISTS word; {table}"
            ));
            let restore = || match index % 4 {
                0 => koan.restore("parts"),
                1 => koan.restore("parts").on_conflict(ConflictMode::Keep),
                2 => koan.restore("parts").on_conflict(ConflictMode::Fail),
                _ => koan.restore("parts").replace_existing(),
            };
            restore_as_reported(restore).await.expect_err(table);
            let dry_run_error = restore().dry_run().await.expect_err(table).chain();
            assert!(dry_run_error.contains(expected_text), "{table}: {dry_run_error}");
        }
    }
}

const OBJECTS_USED_BY_DEFAULTS: &str =
    "CREATE SEQUENCE numbers; CREATE DOMAIN small AS int DEFAULT 9 CHECK (VALUE < 8);
    CREATE TABLE other (id int PRIMARY KEY);
    CREATE FUNCTION boom() RETURNS int LANGUAGE plpgsql AS $$BEGIN RAISE 'no number'; END$$;";

#[tokio::test(flavor = "multi_thread")]
async fn a_column_without_a_field_that_prevents_inserts_is_reported_before_the_restore() {
    let server = Server::start();
    let plain_table = "CREATE TABLE part (id bigint PRIMARY KEY, kind text, size bigint)";
    server.sql(&format!("{OBJECTS_USED_BY_DEFAULTS} {plain_table}; {ROWS}"));
    let koan = koan(&server, |builder| builder.register::<Part>()).await;
    let _ = koan.backup("parts").await.expect("a backup");
    for (columns, expected_text) in DEFAULTS {
        server.sql(&format!(
            "DROP TABLE part; CREATE TABLE part (id bigint PRIMARY KEY, kind text, size bigint, {columns})"
        ));
        for conflict in [ConflictMode::Overwrite, ConflictMode::Keep, ConflictMode::Fail] {
            let restore = || koan.restore("parts").on_conflict(conflict);
            restore_as_reported(restore).await.expect_err(columns);
            let dry_run_error = restore().dry_run().await.expect_err(columns).chain();
            assert!(dry_run_error.contains(expected_text), "{columns}: {dry_run_error}");
        }
        let replacing = || koan.restore("parts").replace_existing();
        restore_as_reported(replacing).await.expect_err(columns);
    }
    // Existing rows already have a value in the column, so its default does not affect them. A missing row is
    // refused because of the default.
    for (column, default) in
        [("int", "(1 / 0)"), ("int", "boom()"), ("varchar(2)", "'abc'"), ("int CHECK (note IS NULL)", "3")]
    {
        server.sql(&format!(
            "DROP TABLE part; {plain_table}; {ROWS}; UPDATE part SET size = size + 1; ALTER TABLE part ADD note {column};
            ALTER TABLE part ALTER note SET DEFAULT {default}"
        ));
        let viability = koan.restore("parts").viability().await.expect("findings");
        assert!(viability.is_viable(), "{column} {default}: {:?}", viability.findings);
        let report = restore_as_reported(|| koan.restore("parts")).await.expect(default);
        assert_eq!(report.counts().updated, 9, "{default}");
        server.sql("DELETE FROM part WHERE id = 4");
        restore_as_reported(|| koan.restore("parts")).await.expect_err(default);
        let dry_run_error = koan.restore("parts").dry_run().await.expect_err(default).chain();
        assert!(dry_run_error.contains("note"), "{default}: {dry_run_error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn defaults_that_accept_every_row_do_not_prevent_a_restore_and_no_sequence_moves() {
    let server = Server::start();
    let plain_table = "CREATE TABLE part (id bigint PRIMARY KEY, kind text, size bigint)";
    server.sql(&format!("{OBJECTS_USED_BY_DEFAULTS} {plain_table}; {ROWS}"));
    let koan = koan(&server, |builder| builder.register::<Part>()).await;
    let _ = koan.backup("parts").await.expect("a backup");
    server.sql(
        "DROP TABLE part; CREATE TABLE part (id bigint PRIMARY KEY, kind text, size bigint, number bigserial CHECK (number IS NOT NULL),
            other bigint NOT NULL DEFAULT nextval('numbers') UNIQUE, made timestamptz DEFAULT now() CHECK (made IS NOT NULL),
            token uuid NOT NULL DEFAULT gen_random_uuid() UNIQUE, code varchar(3) DEFAULT 'ab  ', kinds text[] DEFAULT '{a,b}',
            name varchar(36) NOT NULL DEFAULT gen_random_uuid()::text UNIQUE, bits bit(4) DEFAULT B'1010', empty jsonb DEFAULT NULL, whole other, smalls small[],
            more json DEFAULT '{}', twice bigint GENERATED ALWAYS AS (number * 2) STORED CHECK (twice > 0),
            year int GENERATED ALWAYS AS (size + length(code)) STORED CHECK (year > 0), own bigint GENERATED BY DEFAULT AS IDENTITY)",
    );
    let sequence_state = || server.sql("SELECT concat(last_value, is_called) FROM numbers");
    let before = sequence_state();
    let restore = || koan.restore("parts");
    let viability = restore().viability().await.expect("findings");
    assert!(viability.is_viable(), "{:?}", viability.findings);
    let counts = restore().dry_run().await.expect("compared").counts();
    assert_eq!((counts.inserted, sequence_state()), (9, before));
    let _ = restore_as_reported(restore).await.expect("restored");
    let counts =
        restore_as_reported(|| koan.restore("parts").replace_existing()).await.expect("restored").counts();
    assert_eq!(counts.unchanged, 9);
}

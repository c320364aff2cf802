//! Reasons for refusing a restore that exist before it starts are reported by viability or by a dry run.

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

/// Tables with the same rows that refuse some of them, with the expected text of the error.
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

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_refuses_records_is_reported_before_the_restore() {
    let versions = installed_versions();
    for version in versions.first().into_iter().chain(versions.last()).copied().collect::<BTreeSet<_>>() {
        let server = Server::of_version(version);
        server.sql(&format!("CREATE TABLE part (id bigint PRIMARY KEY, kind text, size bigint); {ROWS}"));
        let koan = koan(&server, |builder| builder.register::<Part>()).await;
        koan.backup("parts").await.expect("a backup");
        for (index, (table, named)) in TABLES.iter().enumerate() {
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
            let dry = restore().dry_run().await.expect_err(table).chain();
            assert!(dry.contains(named), "{table}: {dry}");
        }
    }
}

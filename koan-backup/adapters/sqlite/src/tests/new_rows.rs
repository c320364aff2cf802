//! Tests that tables which refuse new rows because of columns without a field are reported before a restore.

use koan_backup_core::{
    ConflictMode, SetName,
    provider::{Finding, Provider as _, SessionOptions, Severity},
};
use serde::{Deserialize, Serialize};

use super::fixture::{
    Database, EntityBackup, conflict, dry_run, overwrite, replace, target, without_physical_form,
};
use koan_backup::Entity;

#[derive(Serialize, Deserialize, Entity)]
#[entity(name = "SqliteTestNew", table = "item")]
struct Item {
    id: i64,
    size: Option<i64>,
}

/// The columns of tables that refuse every new row, each with a text that the finding contains.
const REFUSING_COLUMNS: &[(&str, &str)] = &[
    ("note INT DEFAULT 0, plus INT AS (note + 1) STORED, CONSTRAINT large CHECK (plus > 5)", "`large`"),
    ("note INT, plus INT AS (coalesce(note, 0) + 1), CHECK (plus > 5)", "`CHECK (plus > 5)`"),
    ("note INT DEFAULT 0 CONSTRAINT large CHECK (note > 5)", "`large`"),
    (
        "note INT DEFAULT 0, plus INT AS (note + 1) CONSTRAINT large CHECK (more > 5), more AS (plus + 1)",
        "`large`",
    ),
    ("note TEXT COLLATE NOCASE DEFAULT 'A', CHECK (note <> 'a')", "note <> 'a'"),
    ("\"so, (\" INT DEFAULT 0, [g)] AS (\"so, (\" * 2) CHECK (\"g)\" > 1)", "CHECK"),
    ("note INT DEFAULT (abs(-9223372036854775808))", "`note`"),
    ("note INT DEFAULT (json_extract('{', '$'))", "`note`"),
    ("note INT NOT NULL DEFAULT NULL", "`note`"),
    ("note INT NOT NULL DEFAULT (nullif(1, 1))", "`note`"),
    ("note INT DEFAULT -9223372036854775808, other INT AS (abs(note))", "`other`"),
    ("note INT DEFAULT 'abc') STRICT --", "`note`"),
];

/// The columns of tables that accept new rows.
const ACCEPTING_COLUMNS: &[&str] = &[
    "note INT DEFAULT 0 CHECK (note IS NOT NULL), plus INT AS (note + 1) STORED CHECK (plus < 5)",
    "note INT DEFAULT 0 CHECK (note < 5 OR size IS NULL), plus INT AS (note + size) CHECK (plus IS NULL OR plus >= 0)",
    "note DEFAULT CURRENT_TIMESTAMP CHECK (length(note) = 19), token DEFAULT (hex(randomblob(8))) UNIQUE CHECK (token <> '')",
    "note TEXT DEFAULT word CHECK (note = 'word'), sign INT DEFAULT -1, other INT DEFAULT +1.5",
    "note TEXT DEFAULT 'a' CHECK (rowid <> 1)",
    "note TEXT DEFAULT 'a' CHECK (note = \"a\")",
    "other INT REFERENCES missing (id) ON DELETE SET DEFAULT CHECK (other IN (5, 6))",
];

fn lines() -> EntityBackup {
    without_physical_form(&[r#"{"id":11,"size":1}"#, r#"{"id":12,"size":2}"#])
}

async fn findings(database: &Database, options: &SessionOptions) -> Vec<Finding> {
    let target = target::<Item>(&lines(), SetName::root());
    let mut findings = database.provider.assess(&[target], options).await.expect("an assessment");
    findings.retain(|finding| finding.severity != Severity::Note);
    findings
}

fn table(columns: &str) -> String {
    format!("CREATE TABLE item (id INTEGER PRIMARY KEY, size INT, {columns})")
}

#[tokio::test]
async fn a_column_without_a_field_that_prevents_inserts_is_reported_before_the_restore() {
    for (columns, expected) in REFUSING_COLUMNS {
        let database = Database::new(&table(columns));
        for options in [overwrite(), replace(), conflict(ConflictMode::Keep), conflict(ConflictMode::Fail)] {
            let found = findings(&database, &options).await;
            let is_expected = |finding: &Finding| {
                finding.severity == Severity::Error && finding.to_string().contains(expected)
            };
            assert!(found.iter().any(is_expected), "{columns}: {found:?}");
            for options in [dry_run(options.clone()), options] {
                let error = database.restore::<Item>(&lines(), &options).await.expect_err(columns).chain();
                assert!(error.contains("id=11"), "{columns}: {error}");
            }
        }
    }
}

#[tokio::test]
async fn existing_rows_need_no_default() {
    for (column, default) in [("note INT", "(abs(-9223372036854775808))"), ("note INT CHECK (note < 5)", "7")]
    {
        let database = Database::new(&table(column));
        database.run("INSERT INTO item VALUES (11, 5, 1), (12, 5, 1)");
        database.run(&format!(
            "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = replace(sql, 'note INT', 'note INT DEFAULT {default}'); \
             PRAGMA writable_schema = OFF"
        ));
        let database = database.reopened();
        let found = findings(&database, &overwrite()).await;
        assert!(found.iter().all(|finding| finding.severity == Severity::Warning), "{found:?}");
        assert!(!found.is_empty(), "{default}");
        let counts = database.restore::<Item>(&lines(), &overwrite()).await.expect(default);
        assert_eq!(counts.updated, 2);
        database.run("DELETE FROM item WHERE id = 12");
        for options in [dry_run(overwrite()), overwrite()] {
            let error = database.restore::<Item>(&lines(), &options).await.expect_err(default).chain();
            assert!(error.contains("id=12") && error.contains("note"), "{error}");
        }
    }
}

#[tokio::test]
async fn a_record_is_accepted_if_its_existing_row_satisfies_the_constraint() {
    for rows in ["(11, 5, 50), (12, 5, 60)", "(11, 5, 50), (12, 5, NULL)"] {
        let database = Database::new(&table("most INT DEFAULT 1, CHECK (size <= most)"));
        database.run(&format!("INSERT INTO item VALUES {rows}"));
        let lines = without_physical_form(&[r#"{"id":11,"size":40}"#, r#"{"id":12,"size":50}"#]);
        for options in [conflict(ConflictMode::Keep), overwrite()] {
            let counts = database.restore::<Item>(&lines, &options).await.expect(rows);
            assert_eq!(
                (counts.kept, counts.updated),
                if options.conflict == ConflictMode::Keep { (2, 0) } else { (0, 2) }
            );
        }
        for lines in [[r#"{"id":11,"size":70}"#], [r#"{"id":13,"size":2}"#]] {
            let key = if lines[0].contains("70") { "id=11" } else { "id=13" };
            let error = database
                .restore::<Item>(&without_physical_form(&lines), &overwrite())
                .await
                .expect_err(rows)
                .chain();
            assert!(error.contains(key) && error.contains("size <= most"), "{error}");
        }
    }
}

#[tokio::test]
async fn defaults_and_constraints_that_refuse_no_row_are_not_reported_as_errors() {
    for columns in ACCEPTING_COLUMNS {
        let database = Database::new("SELECT 1");
        database
            .sql
            .set_db_config(rusqlite::config::DbConfig::SQLITE_DBCONFIG_DQS_DDL, true)
            .expect("a setting");
        database.run(&table(columns));
        let errors = findings(&database, &replace()).await;
        let errors: Vec<_> =
            errors.into_iter().filter(|finding| finding.severity == Severity::Error).collect();
        assert!(errors.is_empty(), "{columns}: {errors:?}");
        let counts = database.restore::<Item>(&lines(), &overwrite()).await.expect(columns);
        assert_eq!(counts.inserted, 2);
    }
}

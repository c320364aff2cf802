//! Tests with tables that need functions which only the application registers.

use koan_backup_core::{
    RestoreLevel, SetName,
    provider::{Provider as _, Severity},
};
use rusqlite::functions::FunctionFlags;
use serde::{Deserialize, Serialize};

use super::fixture::{Database, dry_run, overwrite, replace, target, without_physical_form};
use koan_backup::Entity;

#[derive(Serialize, Deserialize, Entity)]
#[entity(name = "SqliteTestOwn", table = "item")]
struct Item {
    id: i64,
    code: Option<String>,
}

/// Creates a database whose schema uses functions of the application.
fn database(sql: &str) -> Database {
    let database = Database::new("SELECT 1");
    let functions = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    database.sql.create_scalar_function("own", 1, functions, |_| Ok(true)).expect("a function");
    database.sql.create_scalar_function("regexp", 2, functions, |_| Ok(true)).expect("a function");
    database.run(sql);
    database
}

#[tokio::test]
async fn a_table_that_needs_a_function_of_the_application_is_reported_with_the_clause_that_needs_it() {
    let table = |rest: &str| format!("CREATE TABLE item (id INTEGER PRIMARY KEY, code TEXT{rest}");
    for (sql, clause) in [
        (table(", CONSTRAINT checked CHECK (own(code)))"), "constraint `checked`"),
        (table(" CHECK (length(code) > 0 AND own(code) = 1))"), "own(code) = 1"),
        (table(" CHECK (code REGEXP '.*'))"), "REGEXP"),
        (table(", made INT AS (own(code)) STORED)"), "generated column `made`"),
        (table(", made INT AS (own(code)) VIRTUAL CHECK (made))"), "`made`"),
        (table(", note INT DEFAULT (own(7)))"), "the default of column `note`"),
        (table("); CREATE INDEX item_own ON item (id, own(code) DESC)"), "index `item_own`"),
        (table("); CREATE UNIQUE INDEX item_own ON item (code) WHERE own(code)"), "index `item_own`"),
    ] {
        for rows in ["", "; INSERT INTO item (id, code) VALUES (1, 'a')"] {
            let database = database(&format!("{sql}{rows}"));
            let lines = without_physical_form(&[r#"{"id":1,"code":"b"}"#, r#"{"id":2,"code":"c"}"#]);
            for mut options in [overwrite(), replace()] {
                options.level = RestoreLevel::Fast;
                let item = target::<Item>(&lines, SetName::root());
                let findings = database.provider.assess(&[item], &options).await.expect(&sql);
                let errors: Vec<String> = findings
                    .iter()
                    .filter(|finding| finding.severity == Severity::Error)
                    .map(ToString::to_string)
                    .collect();
                let [finding] = errors.as_slice() else { panic!("{sql}: {errors:?}") };
                for options in [dry_run(options.clone()), options] {
                    let error = database.restore::<Item>(&lines, &options).await.expect_err(&sql).chain();
                    for text in [&error, finding] {
                        assert!(text.contains(clause) && text.contains("`item`"), "{sql}: {text}");
                        assert!(text.contains("function") && text.contains("`Repositories`"), "{text}");
                    }
                }
            }
        }
    }
}

#[derive(Serialize, Deserialize, Entity)]
#[entity(name = "SqliteTestMade", table = "item")]
struct ItemWithComputedField {
    id: i64,
    made: Option<i64>,
}

#[tokio::test]
async fn a_table_that_needs_a_function_of_the_application_is_backed_up_unless_a_read_column_needs_it() {
    for rest in [
        ", made INT AS (own(code)) STORED, CHECK (own(code)))",
        ", made INT AS (own(code)) VIRTUAL)",
        ", made INT DEFAULT (own(1))); CREATE INDEX item_own ON item (own(code), code) WHERE own(id)",
        ", made INT AS (own(code)) VIRTUAL); CREATE INDEX item_made ON item (made, code)",
    ] {
        let database = database(&format!("CREATE TABLE item (id INTEGER PRIMARY KEY, code TEXT{rest}"));
        database.run("INSERT INTO item (id, code) VALUES (1, 'a'), (2, 'b')");
        let backup = database.backup::<Item>().await.expect(rest);
        assert_eq!(backup.lines.len(), 2, "{rest}");
        let result = database.backup::<ItemWithComputedField>().await;
        if rest.contains("VIRTUAL") {
            let error = result.expect_err(rest).chain();
            let expected = ["generated column `made`", "`item`", "own", "`Repositories`"];
            assert!(expected.iter().all(|text| error.contains(text)), "{error}");
        } else {
            assert_eq!(result.expect(rest).lines.len(), 2, "{rest}");
        }
    }
}

#[tokio::test]
async fn a_table_is_written_if_only_triggers_views_or_other_tables_need_a_function_of_the_application() {
    for rest in [
        "); CREATE TRIGGER follow AFTER INSERT ON item BEGIN SELECT own(new.code); END",
        "); CREATE TRIGGER follow BEFORE UPDATE ON item WHEN own(new.code) BEGIN SELECT 1; END",
        "); CREATE VIEW owned AS SELECT own(code) FROM item",
        " DEFAULT (own(1)))",
        "); CREATE TABLE other (id INTEGER PRIMARY KEY, code TEXT CHECK (own(code)))",
    ] {
        let database = database(&format!("CREATE TABLE item (id INTEGER PRIMARY KEY, code TEXT{rest}"));
        let lines = without_physical_form(&[r#"{"id":1,"code":"b"}"#, r#"{"id":2,"code":"c"}"#]);
        for options in [overwrite(), overwrite(), replace()] {
            let findings =
                database.provider.assess(&[target::<Item>(&lines, SetName::root())], &options).await;
            let findings = findings.expect(rest);
            assert!(
                findings.iter().all(|finding| finding.severity != Severity::Error),
                "{rest}: {findings:?}"
            );
            let counts = database.restore::<Item>(&lines, &options).await.expect(rest);
            assert_eq!(counts.records(), 2, "{rest}");
        }
    }
}

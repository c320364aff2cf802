//! Tests with data that triggers compute from the rows that a restore writes.

use koan_backup_core::provider::{Provider as _, Severity};
use serde::{Deserialize, Serialize};

use super::fixture::{Database, overwrite, replace, target, without_physical_form};
use crate::Sqlite;
use koan_backup::Entity;

#[derive(Serialize, Deserialize, Entity)]
#[entity(name = "SqliteTestDocument", table = "docs")]
struct Document {
    id: i64,
    title: String,
}

const DOCS: &str = "CREATE TABLE docs (id INTEGER PRIMARY KEY, title TEXT)";
/// Triggers that keep the full-text index `f` up to date, and two rows.
const TRIGGERS_AND_ROWS: &str = "CREATE TRIGGER ai AFTER INSERT ON docs BEGIN INSERT INTO f(rowid, title) VALUES \
                      (new.id, new.title); END; CREATE TRIGGER ad AFTER DELETE ON docs BEGIN INSERT INTO \
                      f(f, rowid, title) VALUES ('delete', old.id, old.title); END; CREATE TRIGGER au AFTER \
                      UPDATE ON docs BEGIN INSERT INTO f(f, rowid, title) VALUES ('delete', old.id, \
                      old.title); INSERT INTO f(rowid, title) VALUES (new.id, new.title); END; INSERT INTO \
                      docs VALUES (1, 'old words'), (2, 'goes away')";

#[tokio::test]
async fn a_full_text_index_with_external_content_matches_the_restored_rows() {
    let lines = [r#"{"id":1,"title":"fresh words"}"#, r#"{"id":3,"title":"another"}"#];
    for index in [
        "CREATE VIRTUAL TABLE f USING fts5(title, content='docs', content_rowid='id')",
        "CREATE VIRTUAL TABLE f USING fts5(title, content = \"docs\", content_rowid = id, tokenize = \
         'porter')",
        "CREATE VIEW v AS SELECT id, title FROM docs; CREATE VIRTUAL TABLE f USING fts5(title, content='v', \
         content_rowid='id')",
    ] {
        for options in [overwrite(), replace()] {
            let database = Database::new(&format!("{DOCS}; {index}; {TRIGGERS_AND_ROWS}"));
            assert!(
                database
                    .assess::<Document>(&without_physical_form(&lines), &options)
                    .await
                    .iter()
                    .all(|f| f.severity != Severity::Error)
            );
            database.restore::<Document>(&without_physical_form(&lines), &options).await.expect("restored");
            database.run("INSERT INTO f(f, rank) VALUES ('integrity-check', 1)");
            assert_eq!(database.value::<i64>("SELECT rowid FROM f WHERE f MATCH 'fresh'"), 1, "{index}");
            assert_eq!(database.value::<i64>("SELECT count(*) FROM f WHERE f MATCH 'old'"), 0, "{index}");
        }
    }
}

#[tokio::test]
async fn an_fts4_index_is_rebuilt() {
    let database = Database::new(&format!(
        "{DOCS}; CREATE VIRTUAL TABLE f USING fts4(content=\"docs\", title); CREATE TRIGGER ai AFTER INSERT \
         ON docs BEGIN INSERT INTO f(docid, title) VALUES (new.id, new.title); END; INSERT INTO docs VALUES \
         (1, 'old words')"
    ));
    database
        .restore::<Document>(&without_physical_form(&[r#"{"id":1,"title":"fresh"}"#]), &overwrite())
        .await
        .expect("restored");
    database.run("INSERT INTO f(f) VALUES ('integrity-check')");
    assert_eq!(database.value::<i64>("SELECT docid FROM f WHERE f MATCH 'fresh'"), 1);
    assert_eq!(database.value::<i64>("SELECT count(*) FROM f WHERE f MATCH 'old'"), 0);
}

/// Returns the findings about data that triggers fill. `recomputed` is the name of data that is declared as
/// recomputed, or empty.
async fn trigger_findings(sql: &str, recomputed: &str) -> Vec<(Severity, String)> {
    let database = Database::new(&format!("{DOCS}; {sql}"));
    let options = Sqlite::options(database.provider.path());
    let provider = if recomputed.is_empty() {
        options
    } else {
        options.recomputed_after_restore(recomputed, "the command `index`")
    };
    let backup = without_physical_form(&[r#"{"id":1,"title":"x"}"#]);
    let targets = [target::<Document>(&backup, koan_backup_core::SetName::root())];
    let found = provider.open().expect("opened").assess(&targets, &overwrite()).await.expect("assessed");
    found
        .into_iter()
        .map(|finding| (finding.severity, finding.message))
        .filter(|(_, text)| text.contains("fills"))
        .collect()
}

#[tokio::test]
async fn data_that_only_triggers_fill_is_an_error_until_it_is_declared_as_recomputed() {
    for (sql, name) in [
        (
            "CREATE VIRTUAL TABLE places USING rtree(id, x0, x1); CREATE TRIGGER moved AFTER UPDATE ON docs \
             BEGIN UPDATE places SET x0 = new.id WHERE id = new.id; END",
            "places",
        ),
        (
            "CREATE VIRTUAL TABLE words USING fts5(title); CREATE TRIGGER added AFTER INSERT ON docs BEGIN \
             INSERT INTO words(rowid, title) VALUES (new.id, new.title); END",
            "words",
        ),
        (
            "CREATE VIRTUAL TABLE bare USING fts5(title, content=''); CREATE TRIGGER gone AFTER DELETE ON \
             docs BEGIN INSERT INTO bare(bare, rowid, title) VALUES ('delete', old.id, old.title); END",
            "bare",
        ),
        (
            "ALTER TABLE docs ADD COLUMN search TEXT; CREATE TRIGGER fill AFTER UPDATE OF title ON docs \
             BEGIN UPDATE docs SET search = lower(title) WHERE id = new.id; END",
            "docs.search",
        ),
    ] {
        let findings = trigger_findings(sql, "").await;
        assert!(
            matches!(findings.as_slice(), [(Severity::Error, text)] if text.contains(&format!("`{name}`"))),
            "{name}: {findings:?}"
        );
        let findings = trigger_findings(sql, &name.to_uppercase()).await;
        assert!(
            matches!(findings.as_slice(), [(Severity::Warning, text)] if text.contains("the command `index`")),
            "{name}: {findings:?}"
        );
    }
}

#[tokio::test]
async fn a_table_that_triggers_write_is_a_warning_unless_it_is_restored() {
    let log = "CREATE TABLE log (what); CREATE TRIGGER logged AFTER INSERT ON docs BEGIN INSERT INTO log \
               VALUES (new.id); END";
    let findings = trigger_findings(log, "").await;
    assert!(
        matches!(findings.as_slice(), [(Severity::Warning, text)] if text.contains("`log`")),
        "{findings:?}"
    );
    // The column is part of the archive.
    let trigger_on_mapped_column = "CREATE TRIGGER trimmed AFTER INSERT ON docs BEGIN UPDATE docs SET title = trim(title) WHERE \
               id = new.id; END";
    assert!(trigger_findings(trigger_on_mapped_column, "").await.is_empty());
}

#[tokio::test]
async fn a_function_that_only_the_application_defines_does_not_prevent_the_assessment() {
    let sql = "CREATE TRIGGER odd AFTER INSERT ON docs BEGIN SELECT of_the_application(new.id); END";
    let database = Database::new(&format!("{DOCS}; {sql}"));
    let lines = without_physical_form(&[r#"{"id":1,"title":"x"}"#]);
    let found = database.assess::<Document>(&lines, &overwrite()).await;
    assert!(found.iter().any(|finding| finding.message.contains("of_the_application")), "{found:?}");
    database.restore::<Document>(&lines, &overwrite()).await.expect("triggers do not fire");
}

#[derive(Serialize, Deserialize, Entity)]
#[entity(name = "SqliteTestNote", table = "notes")]
struct Note {
    id: i64,
    title: String,
    deleted: i64,
}

const NOTES: &str = "CREATE TABLE notes (id INTEGER PRIMARY KEY, title TEXT, deleted INT)";
const INDEX: &str = "CREATE VIRTUAL TABLE f USING fts5(title, content='notes', content_rowid='id')";
const WRITES: &str = "INSERT INTO notes VALUES (1, 'word one', 0), (2, 'word two', 1), (3, 'word three', 0), \
                      (4, 'word four', 0); UPDATE notes SET deleted = 1 WHERE id = 3; UPDATE notes SET title \
                      = 'word 4' WHERE id = 4; UPDATE notes SET title = 'word 2' WHERE id = 2";
const ADD: &str = "INSERT INTO f(rowid, title) VALUES (new.id, new.title);";
const REMOVE: &str = "INSERT INTO f(f, rowid, title) VALUES ('delete', old.id, old.title);";

/// Returns the rows that a full-text search finds.
fn matches(database: &Database) -> Vec<i64> {
    let mut statement = database
        .sql
        .prepare("SELECT rowid FROM f WHERE f MATCH 'word' ORDER BY 1")
        .expect("the query is valid");
    let ids = statement.query_map([], |row| row.get(0)).expect("the query runs");
    ids.collect::<Result<_, _>>().expect("each rowid is an integer")
}

/// Creates a database whose triggers fill the index. Also returns the rows that a search finds.
fn indexed_notes(index: &str, triggers: &[String]) -> (Database, Vec<i64>) {
    let with_names =
        triggers.iter().enumerate().map(|(number, sql)| sql.replace("NAME", &format!("t{number}")));
    let triggers = with_names.collect::<Vec<_>>().join("; ");
    let database = Database::new(&format!("{NOTES}; {index}; {triggers}; {WRITES}"));
    let found = matches(&database);
    (database, found)
}

/// Returns the SQL of a trigger whose name is the placeholder `NAME`.
fn trigger_on(event: &str, when: &str, body: &[&str]) -> String {
    format!("CREATE TRIGGER NAME AFTER {event} ON notes {when} BEGIN {} END", body.join(" "))
}

#[tokio::test]
async fn rows_that_triggers_exclude_from_an_index_are_not_found_after_a_restore() {
    let insert_selected = "INSERT INTO f(rowid, title) SELECT new.id, new.title WHERE new.deleted = 0;";
    let remove_selected = "INSERT INTO f(f, rowid, title) SELECT 'delete', old.id, old.title WHERE \
                           old.deleted = 0;";
    let removed = trigger_on("DELETE", "WHEN old.deleted = 0", &[REMOVE]);
    for (triggers, found) in [
        (
            vec![
                trigger_on("INSERT", "WHEN NEW.deleted = 0", &[ADD]),
                // SQLite runs the trigger that was created last before the others.
                trigger_on("UPDATE", "FOR EACH ROW WHEN (new.deleted=0)", &[ADD]),
                trigger_on("UPDATE", "WHEN OLD.deleted = 0", &[REMOVE]),
                removed.clone(),
            ],
            vec![1, 4],
        ),
        (
            vec![
                trigger_on("INSERT", "", &[insert_selected]),
                trigger_on("UPDATE", "", &[remove_selected, insert_selected]),
                removed.clone(),
            ],
            vec![1, 4],
        ),
        (
            vec![
                trigger_on(
                    "INSERT",
                    "WHEN new.deleted = 0 AND new.title NOT LIKE '%; END'",
                    &[ADD, "INSERT INTO log VALUES (new.id);"],
                ),
                "CREATE TABLE log (id)".to_owned(),
            ]
            .into_iter()
            .rev()
            .collect(),
            vec![1, 3, 4],
        ),
        // All rows are indexed, although only changes of the title update the index.
        (
            vec![
                trigger_on("INSERT", "", &[ADD]),
                trigger_on("UPDATE OF title", "WHEN old.title <> new.title", &[REMOVE, ADD]),
            ],
            vec![1, 2, 3, 4],
        ),
        // The indexed text differs from the column.
        (
            vec![trigger_on(
                "INSERT",
                "",
                &["INSERT INTO f(rowid, title) VALUES (new.id, replace(new.title, 'word o', 'o'));"],
            )],
            vec![2, 3, 4],
        ),
    ] {
        for options in [overwrite(), replace()] {
            let (database, before) = indexed_notes(INDEX, &triggers);
            assert_eq!(before, found, "{triggers:?}");
            let backup = database.backup::<Note>().await.expect("the entity is backed up");
            database.run("DROP TABLE IF EXISTS log; CREATE TABLE log (id); DELETE FROM notes WHERE id < 3");
            let findings = database.assess::<Note>(&backup, &options).await;
            assert!(findings.iter().all(|found| found.severity != Severity::Error), "{findings:?}");
            database.restore::<Note>(&backup, &options).await.expect("restored");
            // Without a trigger on updates, the index depends only on the rows of the archive.
            let expected = if found == [1, 3, 4] { vec![1, 4] } else { found.clone() };
            assert_eq!(matches(&database), expected, "{triggers:?}");
        }
    }
}

#[tokio::test]
async fn an_index_with_unsupported_triggers_is_an_error_until_it_is_declared_as_recomputed() {
    let plain = trigger_on("INSERT", "", &[ADD]);
    let some = trigger_on("INSERT", "WHEN new.deleted = 0", &[ADD]);
    for triggers in [
        // Only an update removes rows from the index.
        vec![plain.clone(), trigger_on("UPDATE", "WHEN new.deleted = 1", &[REMOVE])],
        vec![
            plain.clone(),
            trigger_on(
                "UPDATE",
                "",
                &[REMOVE, "INSERT INTO f(rowid, title) SELECT new.id, new.title WHERE new.deleted = 0;"],
            ),
        ],
        vec![
            plain,
            trigger_on(
                "UPDATE",
                "WHEN new.deleted = 0",
                &["INSERT INTO f(rowid, title) VALUES (new.id, upper(new.title));", REMOVE],
            ),
        ],
        // Updates use another condition than insertions.
        vec![some.clone(), trigger_on("UPDATE", "", &[REMOVE, ADD])],
        vec![
            some.clone(),
            trigger_on("UPDATE OF title", "WHEN new.deleted = 0", &[ADD]),
            trigger_on("UPDATE", "WHEN old.deleted = 0", &[REMOVE]),
        ],
        vec![some.clone(), trigger_on("UPDATE", "WHEN new.deleted = 0", &[REMOVE, ADD])],
        // Two triggers each insert some of the rows.
        vec![
            some,
            trigger_on(
                "INSERT",
                "WHEN new.deleted = 1",
                &["INSERT INTO f(rowid, title) VALUES (new.id, 'deleted');"],
            ),
        ],
        vec![trigger_on(
            "INSERT",
            "",
            &["INSERT INTO f(rowid, title) SELECT id, title FROM notes WHERE id = new.id AND deleted = 0;"],
        )],
        vec![
            trigger_on(
                "INSERT",
                "",
                &["WITH one AS (SELECT new.id) INSERT INTO f(rowid) SELECT * FROM one;"],
            )
            .replace("WITH one AS (SELECT new.id) ", "")
            .replace("SELECT * FROM one", "SELECT id FROM notes ORDER BY id LIMIT 1"),
        ],
    ] {
        let (database, _) = indexed_notes(INDEX, &triggers);
        let backup = database.backup::<Note>().await.expect("the entity is backed up");
        let findings = database.assess::<Note>(&backup, &overwrite()).await;
        let is_named = findings.iter().any(|finding| {
            finding.severity == Severity::Error
                && finding.message.contains("full-text index `f`")
                && finding.message.contains("recomputed_after_restore(\"f\"")
        });
        assert!(is_named, "{triggers:?}: {findings:?}");
        let before = matches(&database);
        let result = database.restore::<Note>(&backup, &replace()).await;
        let error = result.expect_err("the fill method is unknown").to_string();
        assert!(error.contains("`f`"), "{error}");
        assert_eq!(matches(&database), before);
        let options =
            Sqlite::options(database.provider.path()).recomputed_after_restore("f", "the command `index`");
        let declared = Database::at(database.provider.path(), options.open().expect("opened"));
        let findings = declared.assess::<Note>(&backup, &overwrite()).await;
        assert!(findings.iter().all(|finding| finding.severity != Severity::Error), "{findings:?}");
        assert!(
            findings.iter().any(|finding| finding.message.contains("the command `index`")),
            "{findings:?}"
        );
        declared.restore::<Note>(&backup, &replace()).await.expect("restored");
        assert_eq!(matches(&declared), before, "the restore changed the index");
    }
}

#[tokio::test]
async fn an_fts4_index_that_excludes_rows_is_an_error() {
    let index = "CREATE VIRTUAL TABLE f USING fts4(content='notes', title)";
    let add = "INSERT INTO f(docid, title) VALUES (new.id, new.title);";
    let (database, found) = indexed_notes(index, &[trigger_on("INSERT", "WHEN new.deleted = 0", &[add])]);
    assert_eq!(found, [1, 3, 4]);
    let backup = database.backup::<Note>().await.expect("the entity is backed up");
    let findings = database.assess::<Note>(&backup, &overwrite()).await;
    assert!(findings.iter().any(|finding| finding.severity == Severity::Error), "{findings:?}");
}

#[tokio::test]
async fn a_trigger_that_does_not_change_the_content_of_an_index_is_accepted() {
    let index = "CREATE VIRTUAL TABLE search USING fts5(title, content='notes', content_rowid='id')";
    let add = "INSERT INTO search(rowid, title) VALUES (new.id, new.title);";
    let remove = "INSERT INTO search(search, rowid, title) VALUES ('delete', old.id, old.title);";
    let index_triggers = [
        trigger_on("INSERT", "", &[add]),
        trigger_on("UPDATE", "", &[remove, add]),
        trigger_on("DELETE", "", &[remove]),
    ];
    let tables =
        "CREATE TABLE hits (id INT); CREATE TABLE products (id INTEGER PRIMARY KEY, name TEXT, search TEXT)";
    for trigger in [
        // Another table has a column with the name of the index.
        "CREATE TRIGGER other AFTER UPDATE OF name ON products BEGIN UPDATE products SET search = \
         lower(new.name) WHERE id = new.id; END",
        "CREATE TRIGGER other AFTER INSERT ON notes BEGIN UPDATE products SET search = lower(new.title) \
         WHERE id = new.id; END",
        // The trigger only reads the index.
        "CREATE TRIGGER other AFTER INSERT ON notes BEGIN INSERT INTO hits SELECT rowid FROM search WHERE \
         search MATCH 'word'; END",
        "CREATE TRIGGER other AFTER UPDATE ON notes BEGIN DELETE FROM hits WHERE id IN (SELECT rowid FROM \
         search WHERE search MATCH 'word'); END",
        "CREATE TRIGGER other AFTER INSERT ON notes WHEN EXISTS (SELECT 1 FROM search) BEGIN SELECT count(*) \
         FROM search; END",
        // The trigger maintains the index.
        "CREATE TRIGGER other AFTER INSERT ON notes BEGIN INSERT INTO search(search) VALUES ('optimize'); \
         END",
        "CREATE TRIGGER other AFTER UPDATE ON notes BEGIN INSERT INTO search(search, rank) VALUES ('merge', \
         500); END",
        "CREATE TRIGGER other AFTER INSERT ON hits BEGIN INSERT OR REPLACE INTO search(search) VALUES \
         ('OPTIMIZE'); END",
    ] {
        let with_names =
            index_triggers.iter().enumerate().map(|(number, sql)| sql.replace("NAME", &format!("t{number}")));
        let index_triggers = with_names.collect::<Vec<_>>().join("; ");
        let rows = "INSERT INTO notes VALUES (1, 'word one', 0), (2, 'other', 0)";
        let database =
            Database::new(&format!("{NOTES}; {tables}; {index}; {index_triggers}; {trigger}; {rows}"));
        let lines = without_physical_form(&[
            r#"{"id":1,"title":"fresh","deleted":0}"#,
            r#"{"id":3,"title":"word","deleted":0}"#,
        ]);
        let findings = database.assess::<Note>(&lines, &replace()).await;
        assert!(
            findings.iter().all(|finding| finding.severity != Severity::Error),
            "{trigger}: {findings:?}"
        );
        database.restore::<Note>(&lines, &replace()).await.expect(trigger);
        database.run("INSERT INTO search(search, rank) VALUES ('integrity-check', 1)");
        assert_eq!(
            database.value::<i64>("SELECT rowid FROM search WHERE search MATCH 'word'"),
            3,
            "{trigger}"
        );
    }
}

#[tokio::test]
async fn a_trigger_that_rebuilds_or_empties_an_index_is_an_error() {
    for command in ["delete-all", "rebuild"] {
        let statement = format!("INSERT INTO f(f) VALUES ('{command}');");
        let (database, _) = indexed_notes(INDEX, &[trigger_on("INSERT", "", &[ADD, &statement])]);
        let backup = database.backup::<Note>().await.expect("the entity is backed up");
        let findings = database.assess::<Note>(&backup, &overwrite()).await;
        assert!(
            findings.iter().any(|finding| finding.severity == Severity::Error),
            "{command}: {findings:?}"
        );
    }
}

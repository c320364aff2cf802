//! What triggers compute from rows that a restore writes.

use koan_backup_core::{Provider as _, Severity};
use serde::{Deserialize, Serialize};

use super::fixture::{Database, foreign, overwrite, replace, target};
use crate::{Entity, Sqlite};

#[derive(Serialize, Deserialize, Entity)]
#[entity(name = "SqliteTestDocument", table = "docs", crate = "crate")]
struct Document {
    id: i64,
    title: String,
}

const DOCS: &str = "CREATE TABLE docs (id INTEGER PRIMARY KEY, title TEXT)";
const FOLLOW: &str = "CREATE TRIGGER ai AFTER INSERT ON docs BEGIN INSERT INTO f(rowid, title) VALUES (new.id, new.title); END; \
    CREATE TRIGGER ad AFTER DELETE ON docs BEGIN INSERT INTO f(f, rowid, title) VALUES ('delete', old.id, old.title); END; \
    CREATE TRIGGER au AFTER UPDATE ON docs BEGIN INSERT INTO f(f, rowid, title) VALUES ('delete', old.id, old.title); \
    INSERT INTO f(rowid, title) VALUES (new.id, new.title); END; \
    INSERT INTO docs VALUES (1, 'old words'), (2, 'goes away')";

#[tokio::test]
async fn a_full_text_index_with_external_content_fits_the_restored_rows() {
    let lines = [r#"{"id":1,"title":"fresh words"}"#, r#"{"id":3,"title":"another"}"#];
    for index in [
        "CREATE VIRTUAL TABLE f USING fts5(title, content='docs', content_rowid='id')",
        "CREATE VIRTUAL TABLE f USING fts5(title, content = \"docs\", content_rowid = id, tokenize = 'porter')",
        "CREATE VIEW v AS SELECT id, title FROM docs; CREATE VIRTUAL TABLE f USING fts5(title, content='v', content_rowid='id')",
    ] {
        for options in [overwrite(), replace()] {
            let database = Database::new(&format!("{DOCS}; {index}; {FOLLOW}"));
            assert!(
                database
                    .assess::<Document>(&foreign(&lines), &options)
                    .await
                    .iter()
                    .all(|f| f.severity != Severity::Error)
            );
            database.restore::<Document>(&foreign(&lines), &options).await.expect("restored");
            database.run("INSERT INTO f(f, rank) VALUES ('integrity-check', 1)");
            assert_eq!(database.value::<i64>("SELECT rowid FROM f WHERE f MATCH 'fresh'"), 1, "{index}");
            assert_eq!(database.value::<i64>("SELECT count(*) FROM f WHERE f MATCH 'old'"), 0, "{index}");
        }
    }
}

#[tokio::test]
async fn an_index_of_the_fourth_version_is_rebuilt_too() {
    let database = Database::new(&format!(
        "{DOCS}; CREATE VIRTUAL TABLE f USING fts4(content=\"docs\", title); \
         CREATE TRIGGER ai AFTER INSERT ON docs BEGIN INSERT INTO f(docid, title) VALUES (new.id, new.title); END; \
         INSERT INTO docs VALUES (1, 'old words')"
    ));
    database
        .restore::<Document>(&foreign(&[r#"{"id":1,"title":"fresh"}"#]), &overwrite())
        .await
        .expect("restored");
    database.run("INSERT INTO f(f) VALUES ('integrity-check')");
    assert_eq!(database.value::<i64>("SELECT docid FROM f WHERE f MATCH 'fresh'"), 1);
    assert_eq!(database.value::<i64>("SELECT count(*) FROM f WHERE f MATCH 'old'"), 0);
}

async fn found(sql: &str, recomputed: &str) -> Vec<(Severity, String)> {
    let database = Database::new(&format!("{DOCS}; {sql}"));
    let options = Sqlite::options(database.provider.path());
    let provider =
        if recomputed.is_empty() { options } else { options.recomputed(recomputed, "the command `index`") };
    let copy = foreign(&[r#"{"id":1,"title":"x"}"#]);
    let targets = [target::<Document>(&copy, koan_backup_core::SetName::root())];
    let found = provider.open().expect("opened").assess(&targets, &overwrite()).await.expect("assessed");
    found
        .into_iter()
        .map(|finding| (finding.severity, finding.message))
        .filter(|(_, text)| text.contains("fills"))
        .collect()
}

#[tokio::test]
async fn what_no_archive_holds_and_nothing_rebuilds_is_an_error_until_it_is_named() {
    for (sql, name) in [
        (
            "CREATE VIRTUAL TABLE places USING rtree(id, x0, x1); \
             CREATE TRIGGER moved AFTER UPDATE ON docs BEGIN UPDATE places SET x0 = new.id WHERE id = new.id; END",
            "places",
        ),
        (
            "CREATE VIRTUAL TABLE words USING fts5(title); \
             CREATE TRIGGER added AFTER INSERT ON docs BEGIN INSERT INTO words(rowid, title) VALUES (new.id, new.title); END",
            "words",
        ),
        (
            "CREATE VIRTUAL TABLE bare USING fts5(title, content=''); \
             CREATE TRIGGER gone AFTER DELETE ON docs BEGIN INSERT INTO bare(bare, rowid, title) VALUES ('delete', old.id, old.title); END",
            "bare",
        ),
        (
            "ALTER TABLE docs ADD COLUMN search TEXT; \
             CREATE TRIGGER fill AFTER UPDATE OF title ON docs BEGIN UPDATE docs SET search = lower(title) WHERE id = new.id; END",
            "docs.search",
        ),
    ] {
        let told = found(sql, "").await;
        assert!(
            matches!(told.as_slice(), [(Severity::Error, text)] if text.contains(&format!("`{name}`"))),
            "{name}: {told:?}"
        );
        let told = found(sql, &name.to_uppercase()).await;
        assert!(
            matches!(told.as_slice(), [(Severity::Warning, text)] if text.contains("the command `index`")),
            "{name}: {told:?}"
        );
    }
}

#[tokio::test]
async fn a_table_that_triggers_write_is_a_warning_unless_it_is_restored() {
    let log = "CREATE TABLE log (what); CREATE TRIGGER logged AFTER INSERT ON docs BEGIN INSERT INTO log VALUES (new.id); END";
    let told = found(log, "").await;
    assert!(matches!(told.as_slice(), [(Severity::Warning, text)] if text.contains("`log`")), "{told:?}");
    // The column is in the archive.
    let own = "CREATE TRIGGER trimmed AFTER INSERT ON docs BEGIN UPDATE docs SET title = trim(title) WHERE id = new.id; END";
    assert!(found(own, "").await.is_empty());
}

#[tokio::test]
async fn a_function_that_only_the_application_has_does_not_stop_the_assessment() {
    let sql = "CREATE TRIGGER odd AFTER INSERT ON docs BEGIN SELECT of_the_application(new.id); END";
    let database = Database::new(&format!("{DOCS}; {sql}"));
    let lines = foreign(&[r#"{"id":1,"title":"x"}"#]);
    let found = database.assess::<Document>(&lines, &overwrite()).await;
    assert!(found.iter().any(|finding| finding.message.contains("of_the_application")), "{found:?}");
    database.restore::<Document>(&lines, &overwrite()).await.expect("triggers do not fire");
}

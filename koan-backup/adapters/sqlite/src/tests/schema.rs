//! Tests that indexes, triggers, foreign keys and sequences are unchanged after a restore.

use koan_backup_core::{ErrorKind, RestoreLevel, SetName, provider::Provider as _};
use serde::{Deserialize, Serialize};

use super::fixture::{
    Database, create_missing_tables, overwrite, records, replace, target, without_physical_form,
};
use koan_backup::Entity;

#[derive(Serialize, Deserialize, Entity)]
#[entity(name = "SqliteTestNode", table = "nodes")]
struct Node {
    id: i64,
    parent: Option<i64>,
}

#[derive(Serialize, Deserialize, Entity)]
#[entity(name = "SqliteTestLeaf", table = "leaves")]
struct Leaf {
    #[entity(key)]
    node: i64,
    #[entity(key)]
    name: String,
    size: Option<i64>,
}

const FOREST: &str = "CREATE TABLE nodes (id INTEGER PRIMARY KEY AUTOINCREMENT, parent REFERENCES nodes(id) ON DELETE CASCADE);
    CREATE TABLE leaves (node INTEGER REFERENCES nodes(id) ON DELETE CASCADE, name TEXT, size INT, PRIMARY KEY (node, name))
      WITHOUT ROWID;
    CREATE INDEX leaves_by_size ON leaves (size DESC) WHERE size > 0; CREATE UNIQUE INDEX \"leaves; by name\" ON leaves(name);
    CREATE TABLE log (what);
    CREATE TRIGGER leaf_added AFTER INSERT ON leaves BEGIN INSERT INTO log VALUES (new.name); END;
    CREATE TRIGGER leaf_gone AFTER DELETE ON leaves BEGIN INSERT INTO log VALUES (old.name); END;
    INSERT INTO nodes VALUES (1, 2), (2, 1), (3, 3);
    INSERT INTO leaves VALUES (1, 'a', 5), (2, 'b', NULL), (3, 'c', 7); DELETE FROM log;";

#[tokio::test]
async fn cyclic_references_are_restored_without_firing_triggers_or_cascading() {
    let database = Database::new(FOREST);
    let (nodes, leaves) = (database.dump("nodes"), database.dump("leaves"));
    let backup = database.backup::<Node>().await.expect("the entity is backed up");
    let counts = database.restore::<Node>(&backup, &replace()).await.expect("restored");
    assert_eq!((counts.inserted, counts.unchanged, counts.deleted), (0, 3, 0));
    let backup = database.backup::<Leaf>().await.expect("the entity is backed up");
    database.restore::<Leaf>(&backup, &replace()).await.expect("restored");
    assert_eq!((database.dump("nodes"), database.dump("leaves")), (nodes, leaves));
    assert_eq!(database.value::<i64>("SELECT count(*) FROM log"), 0);
    database.run("INSERT INTO leaves VALUES (1, 'new', 1)");
    assert_eq!(database.value::<i64>("SELECT count(*) FROM log"), 1);
}

#[tokio::test]
async fn a_reference_to_a_missing_row_names_tables_and_keys_and_rolls_back() {
    let database = Database::new(FOREST);
    let before = database.dump("nodes");
    let backup = without_physical_form(&[r#"{"id":1,"parent":null}"#, r#"{"id":8,"parent":77}"#]);
    let error = database.restore::<Node>(&backup, &replace()).await.expect_err("a violation");
    assert_eq!(error.kind(), ErrorKind::Constraint);
    let text = error.to_string();
    assert!(text.contains("`leaves`") || text.contains("`id=8`"), "{text}");
    assert!(text.contains("`nodes`"), "{text}");
    assert_eq!(database.dump("nodes"), before);
}

#[tokio::test]
async fn references_that_were_dangling_when_backed_up_are_restored() {
    let broken = Database::new(&format!("{FOREST} INSERT INTO nodes VALUES (50, 49)"));
    let backup = broken.backup::<Node>().await.expect("the entity is backed up");
    assert!(
        backup.warnings.iter().any(|warning| warning.contains("1 rows of table `nodes`")),
        "{:?}",
        backup.warnings
    );
    let empty = Database::new(&format!("{FOREST} DELETE FROM leaves; DELETE FROM nodes"));
    empty.restore::<Node>(&backup, &overwrite()).await.expect("restored");
    assert_eq!(empty.dump("nodes"), broken.dump("nodes"));
    let mut without_record = backup;
    without_record.physical = None;
    let empty = Database::new(&format!("{FOREST} DELETE FROM leaves; DELETE FROM nodes"));
    empty
        .restore::<Node>(&without_record, &overwrite())
        .await
        .expect_err("no dangling reference is recorded");
}

#[tokio::test]
async fn indexes_are_unchanged_after_a_restore_on_every_level() {
    for level in [RestoreLevel::Fast, RestoreLevel::Balanced, RestoreLevel::Safe] {
        let database = Database::new(FOREST);
        let (schema, backup) =
            (database.schema(), database.backup::<Leaf>().await.expect("the entity is backed up"));
        let mut options = replace();
        options.level = level;
        database.restore::<Leaf>(&backup, &options).await.expect("restored");
        assert_eq!(database.schema(), schema);
        assert_eq!(database.value::<String>("PRAGMA integrity_check"), "ok");
    }
}

#[tokio::test]
async fn a_unique_index_that_is_dropped_during_a_restore_is_still_enforced() {
    let database = Database::new(FOREST);
    let (before, schema) = (database.dump("leaves"), database.schema());
    let backup =
        without_physical_form(&[r#"{"node":1,"name":"x","size":1}"#, r#"{"node":2,"name":"x","size":1}"#]);
    let error = database.restore::<Leaf>(&backup, &replace()).await.expect_err("a violation");
    assert_eq!(error.kind(), ErrorKind::Constraint);
    assert!(error.to_string().contains("leaves.name"), "{error}");
    assert_eq!((database.dump("leaves"), database.schema()), (before, schema));
}

#[tokio::test]
async fn a_dropped_session_changes_nothing() {
    let database = Database::new(FOREST);
    let backup = database.backup::<Leaf>().await.expect("the entity is backed up");
    let (before, schema) = (database.dump("leaves"), database.schema());
    let mut session = database.provider.begin_restore(&replace()).await.expect("a session");
    let mut writer = session.begin(target::<Leaf>(&backup, SetName::root())).await.expect("a writer");
    writer.write(records::<Leaf>(&backup)[..1].to_vec().into()).await.expect("written");
    drop(writer);
    drop(session);
    // A second session waits for the end of the first session.
    let session = database.provider.begin_restore(&replace()).await.expect("a session");
    session.rollback().await.expect("rolled back");
    assert_eq!((database.dump("leaves"), database.schema()), (before, schema));
}

#[tokio::test]
async fn a_session_that_failed_can_only_be_rolled_back() {
    let database = Database::new(FOREST);
    let before = database.dump("nodes");
    let mut session = database.provider.begin_restore(&overwrite()).await.expect("a session");
    let good = without_physical_form(&[r#"{"id":90,"parent":null}"#]);
    let mut writer = session.begin(target::<Node>(&good, SetName::root())).await.expect("a writer");
    writer.write(records::<Node>(&good).into()).await.expect("written");
    writer.write(records::<Node>(&good).into()).await.expect_err("duplicate keys");
    writer.write(records::<Node>(&good).into()).await.expect_err("the writer failed before");
    drop(writer);
    session.begin(target::<Node>(&good, SetName::root())).await.expect_err("the target is not finished");
    session.commit().await.expect_err("the target is not finished");
    assert_eq!(database.dump("nodes"), before);
}

#[tokio::test]
async fn numbers_that_autoincrement_assigned_before_are_not_assigned_again() {
    let database = Database::new(&format!(
        "{FOREST} INSERT INTO nodes VALUES (100, NULL); DELETE FROM nodes WHERE id = 100"
    ));
    let backup = database.backup::<Node>().await.expect("the entity is backed up");
    let empty = Database::new(&format!(
        "{FOREST} DELETE FROM leaves; DELETE FROM nodes; DELETE FROM sqlite_sequence"
    ));
    empty.restore::<Node>(&backup, &replace()).await.expect("restored");
    empty.run("INSERT INTO nodes (parent) VALUES (NULL)");
    assert_eq!(empty.value::<i64>("SELECT max(id) FROM nodes"), 101);
    empty.run("INSERT INTO nodes VALUES (500, NULL); DELETE FROM nodes WHERE id > 100");
    empty.restore::<Node>(&backup, &replace()).await.expect("restored");
    assert_eq!(empty.value::<i64>("SELECT seq FROM sqlite_sequence"), 500);
}

#[tokio::test]
async fn computed_columns_are_read_and_never_written() {
    #[derive(Serialize, Deserialize, Entity)]
    #[entity(name = "SqliteTestComputed", table = "t")]
    struct Computed {
        id: i64,
        price: i64,
        double: i64,
        triple: i64,
    }
    let database = Database::new(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, price INT, double INT AS (price * 2), triple INT AS (price * 3) STORED);
         INSERT INTO t (id, price) VALUES (1, 5)",
    );
    let before = database.dump("t");
    let backup = database.backup::<Computed>().await.expect("the entity is backed up");
    assert_eq!(backup.lines, [r#"{"id":1,"price":5,"double":10,"triple":15}"#]);
    database.run("UPDATE t SET price = 0");
    database.restore::<Computed>(&backup, &overwrite()).await.expect("restored");
    assert_eq!(database.dump("t"), before);
}

#[tokio::test]
async fn rows_are_found_by_keys_without_a_unique_index() {
    /// The macro refuses an `Option` as a key. A context refuses it as well, but the adapter is tested without one.
    type NullableInteger = Option<i64>;

    #[derive(Serialize, Deserialize, Entity)]
    #[entity(name = "SqliteTestLoose", table = "t")]
    struct Loose {
        #[entity(key)]
        a: NullableInteger,
        #[entity(key)]
        b: String,
        n: i64,
    }
    for (sql, level) in
        [("", RestoreLevel::Fast), ("", RestoreLevel::Safe), (", UNIQUE (a, b)", RestoreLevel::Fast)]
    {
        let database = Database::new(&format!(
            "CREATE TABLE t (a, b, n{sql}); INSERT INTO t VALUES (NULL, 'x', 1), (1, 'y', 2)"
        ));
        let (before, schema) = (database.dump("t"), database.schema());
        let backup = database.backup::<Loose>().await.expect("the entity is backed up");
        let mut options = overwrite();
        options.level = level;
        let counts = database.restore::<Loose>(&backup, &options).await.expect("restored");
        assert_eq!((counts.inserted, counts.unchanged), (0, 2));
        options.replace_existing = true;
        let counts = database.restore::<Loose>(&backup, &options).await.expect("restored");
        assert_eq!((counts.inserted, counts.unchanged, counts.deleted), (0, 2, 0));
        assert_eq!((database.dump("t"), database.schema()), (before, schema));
    }
    let database = Database::new("CREATE TABLE t (a, b, n); INSERT INTO t VALUES (1, 'x', 1), (1, 'x', 2)");
    let error = database
        .restore::<Loose>(&without_physical_form(&[r#"{"a":1,"b":"x","n":3}"#]), &overwrite())
        .await
        .expect_err("two rows");
    assert!(error.to_string().contains("several rows"), "{error}");
}

#[tokio::test]
async fn a_missing_table_is_created_from_the_entity() {
    let database = Database::new(FOREST);
    let backup = database.backup::<Leaf>().await.expect("the entity is backed up");
    let empty = Database::new("");
    empty.restore::<Leaf>(&backup, &overwrite()).await.expect_err("no table");
    assert!(empty.schema().is_empty());
    empty.restore::<Leaf>(&backup, &create_missing_tables()).await.expect("restored");
    assert_eq!(empty.dump("leaves"), database.dump("leaves"));
    let sql: String = empty.value("SELECT sql FROM sqlite_schema WHERE name = 'leaves'");
    assert!(
        sql.contains("\"node\" INTEGER NOT NULL") && sql.contains("PRIMARY KEY (\"node\", \"name\")"),
        "{sql}"
    );
    assert_eq!(empty.backup::<Leaf>().await.expect("the entity is backed up").lines, backup.lines);
}

#[tokio::test]
async fn an_existing_dangling_reference_does_not_permit_a_new_one() {
    let dangling = "CREATE TABLE nodes (id INTEGER PRIMARY KEY, parent REFERENCES nodes(id)); INSERT INTO nodes \
               VALUES (1, NULL), (50, 49)";
    // The restore fixes the existing dangling reference and adds a new one.
    let database = Database::new(dangling);
    let before = database.dump("nodes");
    let other_backup = without_physical_form(&[r#"{"id":50,"parent":1}"#, r#"{"id":60,"parent":59}"#]);
    for options in [overwrite(), replace()] {
        let error =
            database.restore::<Node>(&other_backup, &options).await.expect_err("a new dangling reference");
        assert_eq!(error.kind(), ErrorKind::Constraint);
        assert!(error.to_string().contains("`id=60"), "{error}");
        assert_eq!(database.dump("nodes"), before);
    }
    // The dangling reference of the archive is the existing reference, so it counts only once.
    let mut backup = database.backup::<Node>().await.expect("the entity is backed up");
    for options in [overwrite(), replace()] {
        database.restore::<Node>(&backup, &options).await.expect("no new dangling reference");
    }
    backup.lines.push(r#"{"id":60,"parent":59}"#.to_owned());
    for options in [overwrite(), replace()] {
        database
            .restore::<Node>(&backup, &options)
            .await
            .expect_err("more dangling references than recorded");
    }
    assert_eq!(database.dump("nodes"), before);
    database.run("DELETE FROM nodes");
    backup.lines.pop();
    database.restore::<Node>(&backup, &overwrite()).await.expect("the dangling reference is recorded");
    assert_eq!(database.dump("nodes"), before);
}

#[tokio::test]
async fn references_are_checked_beside_a_reference_to_a_column_without_a_unique_index() {
    let database = Database::new(
        "CREATE TABLE other (x); CREATE TABLE nodes (id INTEGER PRIMARY KEY, parent REFERENCES nodes(id) \
         REFERENCES other(x)); CREATE TABLE leaves (node INTEGER REFERENCES nodes(id), name TEXT, size \
         REFERENCES other(x), PRIMARY KEY (node, name)) WITHOUT ROWID; INSERT INTO nodes VALUES (1, NULL)",
    );
    let backup = without_physical_form(&[r#"{"id":8,"parent":77}"#]);
    let error = database.restore::<Node>(&backup, &overwrite()).await.expect_err("a violation");
    assert!(error.to_string().contains("`id=8"), "{error}");
    let backup = without_physical_form(&[r#"{"node":9,"name":"x","size":5}"#]);
    let error = database.restore::<Leaf>(&backup, &overwrite()).await.expect_err("a violation");
    assert!(error.to_string().contains("node=9, name=\"x\""), "{error}");
}

#[tokio::test]
async fn statistics_of_analyze_are_unchanged_after_indexes_were_rebuilt() {
    let database = Database::new(&format!("{FOREST} ANALYZE"));
    let before = database.dump("sqlite_stat1");
    let backup = database.backup::<Leaf>().await.expect("the entity is backed up");
    let mut options = replace();
    options.level = RestoreLevel::Fast;
    database.restore::<Leaf>(&backup, &options).await.expect("restored");
    assert_eq!(database.dump("sqlite_stat1"), before);
}

#[tokio::test]
async fn a_created_table_stores_the_largest_numbers() {
    #[derive(Serialize, Deserialize, Entity)]
    #[entity(name = "SqliteTestLarge", table = "large")]
    struct Large {
        id: u64,
        signed: i64,
    }
    let database = Database::new("");
    let backup =
        without_physical_form(&[r#"{"id":7,"signed":-5}"#, r#"{"id":18446744073709551615,"signed":5}"#]);
    database.restore::<Large>(&backup, &create_missing_tables()).await.expect("restored");
    let mut lines = database.backup::<Large>().await.expect("the entity is backed up").lines;
    lines.sort();
    assert_eq!(lines, [backup.lines[1].clone(), backup.lines[0].clone()]);
    assert_eq!(database.value::<String>("SELECT typeof(signed) FROM large"), "integer");
}

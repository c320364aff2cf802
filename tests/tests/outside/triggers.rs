//! Triggers that the role of a restore cannot disable. A restore never reports a row as restored if a trigger
//! changed it.

use std::sync::Arc;

use koan_backup::prelude::*;
use koan_backup_tests::postgres::Server;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
#[entity_backup]
struct Item {
    id: i64,
    name: String,
}

const TABLE: &str = "CREATE ROLE clerk LOGIN;
    CREATE TABLE item (id bigint PRIMARY KEY, name text NOT NULL, touched int NOT NULL DEFAULT 0);
    INSERT INTO item VALUES (1, 'a'), (2, 'b'), (3, 'c');
    GRANT SELECT, INSERT, UPDATE, DELETE ON item TO clerk;
    CREATE FUNCTION act() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';";

/// The body of a trigger's function, when the trigger fires, and whether it makes a restore fail in each
/// mode: overwrite, replace, keep.
const SPOILING: [(&str, &str, [bool; 3]); 9] = [
    ("NEW.name := upper(NEW.name); RETURN NEW;", "BEFORE INSERT OR UPDATE ON item FOR EACH ROW", [true; 3]),
    ("NEW.id := NEW.id + 1000; RETURN NEW;", "BEFORE INSERT ON item FOR EACH ROW", [true; 3]),
    ("NEW.id := NEW.id + 1000; RETURN NEW;", "BEFORE UPDATE ON item FOR EACH ROW", [true, false, false]),
    (
        "UPDATE item SET name = name || '!' WHERE id = NEW.id AND name NOT LIKE '%!'; RETURN NULL;",
        "AFTER INSERT OR UPDATE ON item FOR EACH ROW",
        [true; 3],
    ),
    (
        "UPDATE item SET name = 'spoilt' WHERE id = 3 AND name <> 'spoilt'; RETURN NULL;",
        "AFTER INSERT ON item FOR EACH ROW WHEN (NEW.id = 2)",
        [true, true, false],
    ),
    (
        "UPDATE item SET name = 'spoilt' WHERE id IN (SELECT id FROM fresh); RETURN NULL;",
        "AFTER INSERT ON item REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT",
        [true; 3],
    ),
    ("DELETE FROM item WHERE id = 2; RETURN NULL;", "AFTER INSERT ON item FOR EACH STATEMENT", [true; 3]),
    (
        "UPDATE item SET id = -id WHERE id = 2; RETURN NULL;",
        "AFTER INSERT ON item FOR EACH STATEMENT",
        [true; 3],
    ),
    ("NEW.touched := OLD.touched + 1; RETURN NEW;", "BEFORE UPDATE ON item FOR EACH ROW", [false; 3]),
];

fn replace(koan: &Koan, mode: usize) -> koan_backup::builders::RestoreBuilder {
    match mode {
        0 => koan.restore("nightly"),
        1 => koan.restore("nightly").replace_existing(),
        _ => koan.restore("nightly").on_conflict(ConflictMode::Keep),
    }
}

async fn koan_of(server: &Server) -> Koan {
    let database = Postgres::connect(server.address_of("clerk", "test")).expect("an address");
    let builder = Koan::builder().only_registered().provider("main", database).register::<Item>();
    builder.storage("local", Storage::memory()).build().await.expect("a context")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trigger_that_alters_what_is_written_undoes_the_restore_and_names_a_record() {
    let server = Server::start();
    server.sql(TABLE);
    let koan = koan_of(&server).await;
    koan.backup("nightly").await.expect("a backup");
    let rows = "SELECT id, name FROM item ORDER BY id";
    let whole = server.sql(rows);
    let deferred = "UPDATE item SET name = 'late' WHERE id = 2 AND name <> 'late'; RETURN NULL;";
    let constraint = "AFTER INSERT ON item DEFERRABLE INITIALLY DEFERRED FOR EACH ROW";
    let cases = SPOILING.into_iter().map(|(body, fires, spoils)| (body, fires, spoils, "TRIGGER"));
    for (body, fires, spoils, kind) in cases.chain([(deferred, constraint, [true; 3], "CONSTRAINT TRIGGER")])
    {
        for (level, damage) in [
            (RestoreLevel::Fast, "UPDATE item SET name = 'x' WHERE id = 1; DELETE FROM item WHERE id = 2"),
            (RestoreLevel::Safe, "DELETE FROM item"),
        ] {
            for (mode, spoils) in spoils.into_iter().enumerate() {
                // An empty table has no rows to update, so all modes insert.
                let is_empty = damage == "DELETE FROM item";
                server.sql("DROP TRIGGER IF EXISTS act ON item; DELETE FROM item; INSERT INTO item VALUES (1, 'a'), (2, 'b'), (3, 'c')");
                server.sql(damage);
                server.sql(&format!(
                        "CREATE OR REPLACE FUNCTION act() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} END $$;
                         CREATE {kind} act {fires} EXECUTE FUNCTION act()"
                    ));
                let before = server.sql(rows);
                let place = format!("{fires}: {body} {level:?} {damage} {mode}");
                let found = replace(&koan, mode).level(level).viability().await.expect("assessed");
                assert!(found.findings.iter().any(|found| found.message.contains("`act`")), "{place}");
                let done = replace(&koan, mode).level(level).await;
                let is_spoilt = if is_empty { fires.contains("INSERT") } else { spoils };
                match (is_spoilt, done) {
                    (true, Err(error)) => {
                        let text = error.chain();
                        assert_eq!(error.kind(), ErrorKind::Constraint, "{place}: {text}");
                        assert!(text.contains("trigger"), "{place}: {text}");
                        assert_eq!(server.sql(rows), before, "{place}");
                    }
                    (_, Ok(_)) if mode == 2 && !is_empty => {
                        assert_eq!(server.sql("SELECT name FROM item WHERE id = 2"), "b", "{place}");
                    }
                    (_, Ok(_)) => assert_eq!(server.sql(rows), whole, "{place}"),
                    (false, Err(error)) => panic!("{place}: {}", error.chain()),
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn triggers_that_the_role_cannot_fire_change_nothing_of_a_restore() {
    let server = Server::start();
    server.sql(TABLE);
    server.sql(
        "CREATE TABLE foreign_item (id int); CREATE TRIGGER act BEFORE INSERT ON foreign_item FOR EACH ROW EXECUTE FUNCTION act();
         ALTER TABLE item OWNER TO clerk; CREATE TRIGGER own BEFORE INSERT ON item FOR EACH ROW EXECUTE FUNCTION act()",
    );
    let koan = koan_of(&server).await;
    koan.backup("nightly").await.expect("a backup");
    server.sql("DELETE FROM item");
    let done = koan.restore("nightly").await.expect("restored").counts();
    assert_eq!((done.inserted, server.sql("SELECT count(*) FROM item")), (3, "3".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trigger_of_a_partition_that_belongs_to_another_role_is_found_out() {
    let server = Server::start();
    server.sql(
        "CREATE ROLE clerk LOGIN; CREATE TABLE item (id bigint NOT NULL, name text NOT NULL) PARTITION BY LIST (name);
         CREATE TABLE first PARTITION OF item FOR VALUES IN ('a'); CREATE TABLE others PARTITION OF item DEFAULT;
         INSERT INTO item VALUES (1, 'a'), (2, 'b'), (3, 'c'); ALTER TABLE item OWNER TO clerk; GRANT ALL ON item TO clerk;
         CREATE FUNCTION act() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.name := NEW.name || '!'; RETURN NEW; END $$;",
    );
    let koan = koan_of(&server).await;
    koan.backup("nightly").await.expect("a backup");
    server.sql(
        "DELETE FROM item; CREATE TRIGGER act BEFORE INSERT ON others FOR EACH ROW EXECUTE FUNCTION act()",
    );
    let error = koan.restore("nightly").await.expect_err("the trigger changes the names").chain();
    assert!(error.contains("`id=2`") || error.contains("`id=3`"), "{error}");
    assert_eq!(server.sql("SELECT count(*) FROM item"), "0");
}

const OTHER_SESSION: &str = "LOCK TABLE item IN SHARE ROW EXCLUSIVE MODE;
    DO $$ BEGIN
        WHILE NOT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND relation = 'item'::regclass) LOOP
            PERFORM pg_sleep(0.01);
        END LOOP;
    END $$;
    INSERT INTO item VALUES (3, 'theirs')";

#[tokio::test(flavor = "multi_thread")]
async fn another_session_that_writes_to_a_table_which_the_role_cannot_lock_is_named_as_a_cause() {
    let server = Arc::new(Server::start());
    server.sql(TABLE);
    server.sql("CREATE TRIGGER act BEFORE INSERT ON item FOR EACH ROW EXECUTE FUNCTION act()");
    let koan = koan_of(&server).await;
    koan.backup("nightly").await.expect("a backup");
    server.sql("REVOKE UPDATE, DELETE ON item FROM clerk");
    for (mode, left) in [(ConflictMode::Keep, "id < 3"), (ConflictMode::Fail, "false")] {
        server.sql(&format!("DELETE FROM item WHERE NOT ({left})"));
        // The lock of the other session allows the restore to read but not to insert. The other session
        // writes and ends as soon as the restore waits for the lock.
        let other = {
            let server = Arc::clone(&server);
            tokio::task::spawn_blocking(move || server.sql(OTHER_SESSION))
        };
        let held = "SELECT count(*) FROM pg_locks WHERE granted AND relation = 'item'::regclass AND mode = 'ShareRowExclusiveLock'";
        while server.sql(held) == "0" {
            assert!(!other.is_finished(), "{mode:?}: the lock is not there");
        }
        let restored = koan.restore("nightly").on_conflict(mode).await;
        let error = restored.expect_err("a row is of another session").chain();
        other.await.expect("written");
        assert!(error.contains("another session changed rows"), "{mode:?}: {error}");
        assert!(error.contains("try again while no other session writes"), "{mode:?}: {error}");
        assert_eq!(server.sql("SELECT name FROM item WHERE id = 3"), "theirs", "{mode:?}");
    }
}

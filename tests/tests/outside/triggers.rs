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

/// The body of a trigger function, the clause that determines when the trigger fires, and whether the trigger
/// makes a restore fail in each mode: overwrite, replace, keep.
const TRIGGERS: [(&str, &str, [bool; 3]); 9] = [
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

/// Creates a restore in the mode with this index: overwrite, replace, keep.
fn restore_in_mode(koan: &Koan, mode: usize) -> koan_backup::builders::RestoreBuilder {
    match mode {
        0 => koan.restore("nightly"),
        1 => koan.restore("nightly").replace_existing(),
        _ => koan.restore("nightly").on_conflict(ConflictMode::Keep),
    }
}

async fn koan_of(server: &Server) -> Koan {
    let database = Postgres::connect(server.address_of("clerk", "test")).expect("an address");
    let builder = Koan::builder().only_registered().provider(database).register::<Item>();
    builder.storage(Storage::memory()).build().await.expect("a context")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trigger_that_changes_written_rows_rolls_the_restore_back_with_an_error() {
    let server = Server::start();
    server.sql(TABLE);
    let koan = koan_of(&server).await;
    let _ = koan.backup("nightly").await.expect("a backup");
    let rows = "SELECT id, name FROM item ORDER BY id";
    let rows_before_damage = server.sql(rows);
    let deferred = "UPDATE item SET name = 'late' WHERE id = 2 AND name <> 'late'; RETURN NULL;";
    let constraint = "AFTER INSERT ON item DEFERRABLE INITIALLY DEFERRED FOR EACH ROW";
    let cases =
        TRIGGERS.into_iter().map(|(body, timing, failing_modes)| (body, timing, failing_modes, "TRIGGER"));
    for (body, timing, failing_modes, kind) in
        cases.chain([(deferred, constraint, [true; 3], "CONSTRAINT TRIGGER")])
    {
        for (level, damage) in [
            (RestoreLevel::Fast, "UPDATE item SET name = 'x' WHERE id = 1; DELETE FROM item WHERE id = 2"),
            (RestoreLevel::Safe, "DELETE FROM item"),
        ] {
            for (mode, is_failing) in failing_modes.into_iter().enumerate() {
                // An empty table has no rows to update, so all modes insert.
                let is_empty = damage == "DELETE FROM item";
                server.sql("DROP TRIGGER IF EXISTS act ON item; DELETE FROM item; INSERT INTO item VALUES (1, 'a'), (2, 'b'), (3, 'c')");
                server.sql(damage);
                server.sql(&format!(
                        "CREATE OR REPLACE FUNCTION act() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} END $$;
                         CREATE {kind} act {timing} EXECUTE FUNCTION act()"
                    ));
                let rows_before_restore = server.sql(rows);
                let case = format!("{timing}: {body} {level:?} {damage} {mode}");
                let viability =
                    restore_in_mode(&koan, mode).level(level).viability().await.expect("assessed");
                assert!(viability.findings.iter().any(|finding| finding.message.contains("`act`")), "{case}");
                let restored = restore_in_mode(&koan, mode).level(level).await;
                let must_fail = if is_empty { timing.contains("INSERT") } else { is_failing };
                match (must_fail, restored) {
                    (true, Err(error)) => {
                        let text = error.chain();
                        assert_eq!(error.kind(), ErrorKind::Constraint, "{case}: {text}");
                        assert!(text.contains("trigger"), "{case}: {text}");
                        assert_eq!(server.sql(rows), rows_before_restore, "{case}");
                    }
                    (_, Ok(_)) if mode == 2 && !is_empty => {
                        assert_eq!(server.sql("SELECT name FROM item WHERE id = 2"), "b", "{case}");
                    }
                    (_, Ok(_)) => assert_eq!(server.sql(rows), rows_before_damage, "{case}"),
                    (false, Err(error)) => panic!("{case}: {}", error.chain()),
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn disabled_and_unrelated_triggers_do_not_affect_a_restore() {
    let server = Server::start();
    server.sql(TABLE);
    server.sql(
        "CREATE TABLE foreign_item (id int); CREATE TRIGGER act BEFORE INSERT ON foreign_item FOR EACH ROW EXECUTE FUNCTION act();
         ALTER TABLE item OWNER TO clerk; CREATE TRIGGER own BEFORE INSERT ON item FOR EACH ROW EXECUTE FUNCTION act()",
    );
    let koan = koan_of(&server).await;
    let _ = koan.backup("nightly").await.expect("a backup");
    server.sql("DELETE FROM item");
    let counts = koan.restore("nightly").await.expect("restored").counts();
    assert_eq!((counts.inserted, server.sql("SELECT count(*) FROM item")), (3, "3".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_fails_if_a_trigger_on_a_partition_of_another_role_changes_a_row() {
    let server = Server::start();
    server.sql(
        "CREATE ROLE clerk LOGIN; CREATE TABLE item (id bigint NOT NULL, name text NOT NULL) PARTITION BY LIST (name);
         CREATE TABLE first PARTITION OF item FOR VALUES IN ('a'); CREATE TABLE others PARTITION OF item DEFAULT;
         INSERT INTO item VALUES (1, 'a'), (2, 'b'), (3, 'c'); ALTER TABLE item OWNER TO clerk; GRANT ALL ON item TO clerk;
         CREATE FUNCTION act() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.name := NEW.name || '!'; RETURN NEW; END $$;",
    );
    let koan = koan_of(&server).await;
    let _ = koan.backup("nightly").await.expect("a backup");
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
async fn the_error_names_another_session_as_cause_if_it_writes_to_a_table_that_the_role_cannot_lock() {
    let server = Arc::new(Server::start());
    server.sql(TABLE);
    server.sql("CREATE TRIGGER act BEFORE INSERT ON item FOR EACH ROW EXECUTE FUNCTION act()");
    let koan = koan_of(&server).await;
    let _ = koan.backup("nightly").await.expect("a backup");
    server.sql("REVOKE UPDATE, DELETE ON item FROM clerk");
    for (mode, kept_rows) in [(ConflictMode::Keep, "id < 3"), (ConflictMode::Fail, "false")] {
        server.sql(&format!("DELETE FROM item WHERE NOT ({kept_rows})"));
        // The lock of the other session allows the restore to read but not to insert. The other session
        // writes and ends as soon as the restore waits for the lock.
        let other = {
            let server = Arc::clone(&server);
            tokio::task::spawn_blocking(move || server.sql(OTHER_SESSION))
        };
        let held_locks = "SELECT count(*) FROM pg_locks WHERE granted AND relation = 'item'::regclass AND mode = 'ShareRowExclusiveLock'";
        while server.sql(held_locks) == "0" {
            assert!(!other.is_finished(), "{mode:?}: the other session ended before the test saw its lock");
        }
        let result = koan.restore("nightly").on_conflict(mode).await;
        let error = result.expect_err("another session inserted a row of the archive").chain();
        other.await.expect("written");
        assert!(error.contains("another session changed rows"), "{mode:?}: {error}");
        assert!(error.contains("try again while no other session writes"), "{mode:?}: {error}");
        assert_eq!(server.sql("SELECT name FROM item WHERE id = 3"), "theirs", "{mode:?}");
    }
}

//! Rewrite rules and triggers do not affect a restore, and a restore leaves them unchanged.

use koan_backup::prelude::*;
use koan_backup::provider::{Severity, WriteCounts};
use koan_backup_tests::postgres::{Server, installed_versions};
use koan_backup_tests::reported_restore::restore_as_reported;
use serde::{Deserialize, Serialize};

use super::fixture::{koan, koan_of};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
#[entity_backup]
struct Item {
    id: i64,
    name: String,
}

/// A table with a rule for each statement, in each state that a rule can have.
const ITEMS: &str = "
    CREATE TABLE item (id bigint PRIMARY KEY, name text NOT NULL);
    CREATE TABLE other (id bigint, name text);
    INSERT INTO item SELECT g, 'item ' || g FROM generate_series(1, 40) g;
    CREATE RULE also AS ON INSERT TO item DO ALSO INSERT INTO other VALUES (NEW.id, NEW.name);
    CREATE RULE redirect AS ON INSERT TO item WHERE NEW.id % 2 = 0 DO INSTEAD INSERT INTO other VALUES (NEW.id, NEW.name);
    CREATE RULE keep_name AS ON UPDATE TO item DO INSTEAD NOTHING;
    CREATE RULE keep_row AS ON DELETE TO item DO INSTEAD INSERT INTO other VALUES (OLD.id, 'deleted');
    CREATE RULE off AS ON INSERT TO item DO ALSO INSERT INTO other VALUES (-1, 'off');
    ALTER TABLE item ENABLE ALWAYS RULE redirect; ALTER TABLE item ENABLE REPLICA RULE keep_row;
    ALTER TABLE item DISABLE RULE off;";

const STATES: &str =
    "SELECT rulename, ev_enabled FROM pg_rewrite WHERE ev_class = 'item'::regclass ORDER BY 1";

/// Changes the rows with all rules disabled, and then enables the rules again.
fn change(server: &Server) {
    server.sql(
        "SET session_replication_role = replica; ALTER TABLE item DISABLE RULE redirect; ALTER TABLE item DISABLE RULE keep_row;
        DELETE FROM item WHERE id > 30; UPDATE item SET name = 'changed' WHERE id <= 10;
        INSERT INTO item VALUES (99, 'new'); TRUNCATE other;
        ALTER TABLE item ENABLE ALWAYS RULE redirect; ALTER TABLE item ENABLE REPLICA RULE keep_row;",
    );
}

const ROWS: &str = "SELECT count(*), md5(string_agg(id || name, ',' ORDER BY id)) FROM item WHERE id < 99; \
    SELECT count(*) FROM other";

fn counts(report: &koan_backup::report::RestoreReport) -> WriteCounts {
    report.entities[0].counts
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_do_not_fire_in_any_mode_and_keep_their_states() {
    for version in installed_versions() {
        let server = Server::of_version(version);
        server.sql(ITEMS);
        let koan = koan(&server, |builder| builder.register::<Item>()).await;
        let _ = koan.backup("nightly").await.expect("a backup");
        let (rows, states, schema) = (server.sql(ROWS), server.sql(STATES), server.schema());
        assert_eq!(states, "also|O\nkeep_name|O\nkeep_row|R\noff|D\nredirect|A");
        for level in [RestoreLevel::Fast, RestoreLevel::Balanced, RestoreLevel::Safe] {
            change(&server);
            let dry_counts = counts(&koan.restore("nightly").dry_run().await.expect("compared"));
            let written = counts(&koan.restore("nightly").level(level).await.expect("restored"));
            assert_eq!((written.inserted, written.updated, written.unchanged), (10, 10, 20), "{level:?}");
            assert_eq!(written, dry_counts, "{level:?}");
            assert_eq!(server.sql(ROWS), rows, "{level:?}");

            change(&server);
            let dry_counts =
                counts(&koan.restore("nightly").replace_existing().dry_run().await.expect("compared"));
            let restore = koan.restore("nightly").replace_existing().level(level);
            let written = counts(&restore.await.expect("restored"));
            assert_eq!(
                (written.inserted, written.updated, written.unchanged, written.deleted),
                (10, 10, 20, 1),
                "{level:?}"
            );
            assert_eq!(written, dry_counts, "{level:?}");
            assert_eq!(server.sql(ROWS), rows, "{level:?}");

            change(&server);
            let restore = koan.restore("nightly").on_conflict(ConflictMode::Keep).level(level);
            let written = counts(&restore.await.expect("restored"));
            assert_eq!((written.inserted, written.kept), (10, 30), "{level:?}");
            assert_eq!(
                server.sql("SELECT count(*), count(*) FILTER (WHERE name = 'changed') FROM item WHERE id < 99; SELECT count(*) FROM other"),
                "40|10\n0",
                "{level:?}"
            );
            server.sql("TRUNCATE item");
            let restore = koan.restore("nightly").on_conflict(ConflictMode::Fail).level(level);
            assert_eq!(counts(&restore.await.expect("restored")).inserted, 40, "{level:?}");
            assert_eq!(server.sql(ROWS), rows, "{level:?}");
            assert_eq!((server.sql(STATES), server.schema()), (states.clone(), schema.clone()), "{level:?}");
        }
        let viability = koan.restore("nightly").viability().await.expect("assessed");
        let notes: Vec<&str> = viability
            .findings
            .iter()
            .map(|finding| finding.message.as_str())
            .filter(|text| text.contains("rewrite rules"))
            .collect();
        assert!(
            notes.len() == 1 && notes[0].contains("`redirect`") && !notes[0].contains("`off`"),
            "{notes:?}"
        );
        assert!(viability.is_viable());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_that_the_role_cannot_disable_are_reported_before_the_restore() {
    let server = Server::start();
    server.sql(ITEMS);
    server.sql("CREATE ROLE clerk LOGIN; GRANT SELECT, INSERT, UPDATE, DELETE ON item, other TO clerk");
    let database = Postgres::connect(server.address_of("clerk", "test")).expect("an address");
    let koan = koan_of(database, |builder| builder.register::<Item>()).await;
    let _ = koan.backup("nightly").await.expect("a backup");
    let before = (server.sql("TABLE item; TABLE other"), server.schema());
    for conflict in [ConflictMode::Overwrite, ConflictMode::Keep] {
        let viability = koan.restore("nightly").on_conflict(conflict).viability().await.expect("assessed");
        let refusal = viability
            .findings
            .iter()
            .find(|finding| finding.severity == Severity::Error)
            .expect("an error finding");
        // The error does not name `keep_row`, because a rule for replicas does not apply in this session.
        assert!(
            refusal.message.contains("rules `also`, `keep_name`, `redirect` of table `item`"),
            "{refusal}"
        );
        assert!(refusal.message.contains("DISABLE RULE"), "{refusal}");
        let error = restore_as_reported(|| koan.restore("nightly").on_conflict(conflict))
            .await
            .expect_err("rules of the table cannot be disabled");
        assert!(error.chain().contains("`redirect`"), "{error:?}");
    }
    let result = koan.data::<Item>().upsert_many([Item { id: 500, name: "new".to_owned() }]).await;
    assert!(
        result.expect_err("rules of the table cannot be disabled").chain().contains("`redirect`"),
        "a direct write must fail with the name of the rule although no viability check precedes it"
    );
    assert_eq!((server.sql("TABLE item; TABLE other"), server.schema()), before);
    server.sql("ALTER TABLE item DISABLE RULE also; ALTER TABLE item DISABLE RULE redirect; ALTER TABLE item DISABLE RULE keep_name");
    server.sql("SET session_replication_role = origin; DELETE FROM item WHERE id = 3");
    let written = counts(&koan.restore("nightly").await.expect("restored"));
    assert_eq!((written.inserted, written.unchanged), (1, 39));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_restore_leaves_rules_and_triggers_unchanged() {
    let server = Server::start();
    server.sql(ITEMS);
    let koan = koan(&server, |builder| builder.register::<Item>()).await;
    let _ = koan.backup("nightly").await.expect("a backup");
    server.sql("ALTER TABLE item ADD CHECK (name <> 'item 7') NOT VALID");
    change(&server);
    let before = (server.sql("TABLE item; TABLE other"), server.sql(STATES), server.schema());
    for is_replacement in [false, true] {
        let restore = koan.restore("nightly");
        let restore = if is_replacement { restore.replace_existing() } else { restore };
        restore.await.expect_err("a record violates the check constraint");
        assert_eq!((server.sql("TABLE item; TABLE other"), server.sql(STATES), server.schema()), before);
    }
}

/// Triggers that drop, redirect and duplicate rows.
const TRIGGERS: &str = "
    CREATE TABLE item (id bigint PRIMARY KEY, name text NOT NULL);
    CREATE TABLE other (id bigint, name text);
    INSERT INTO item SELECT g, 'item ' || g FROM generate_series(1, 40) g;
    CREATE FUNCTION dropping() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN IF NEW.id % 4 = 0 THEN INSERT INTO other VALUES (NEW.id, NEW.name); RETURN NULL; END IF; RETURN NEW; END $$;
    CREATE FUNCTION doubling() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
        BEGIN IF NEW.id < 1000 THEN INSERT INTO item VALUES (NEW.id + 1000, 'double'); END IF; RETURN NULL; END $$;";

#[tokio::test(flavor = "multi_thread")]
async fn triggers_in_any_state_drop_no_row_if_the_role_owns_the_table() {
    let server = Server::start();
    server.sql(TRIGGERS);
    server.sql(
        "CREATE TRIGGER dropping BEFORE INSERT OR UPDATE ON item FOR EACH ROW EXECUTE FUNCTION dropping()",
    );
    let koan = koan(&server, |builder| builder.register::<Item>()).await;
    let _ = koan.backup("nightly").await.expect("a backup");
    for state in ["ENABLE", "ENABLE ALWAYS", "ENABLE REPLICA", "DISABLE"] {
        server.sql(&format!("ALTER TABLE item {state} TRIGGER dropping"));
        for role in ["origin", "replica"] {
            server.sql(&format!("ALTER ROLE postgres SET session_replication_role = {role}"));
            let schema = server.schema();
            server.sql("SET session_replication_role = origin; ALTER TABLE item DISABLE TRIGGER dropping; TRUNCATE item, other");
            server.sql("INSERT INTO item VALUES (4, 'x'), (5, 'y')");
            server.sql(&format!("ALTER TABLE item {state} TRIGGER dropping"));
            let written = counts(&koan.restore("nightly").await.expect("restored"));
            assert_eq!((written.inserted, written.updated), (38, 2), "{state} {role}");
            server.sql("TRUNCATE item");
            let written = counts(&koan.restore("nightly").await.expect("restored"));
            assert_eq!(written.inserted, 40, "{state} {role}");
            assert_eq!(server.sql("SELECT count(*) FROM item; SELECT count(*) FROM other"), "40\n0");
            assert_eq!(server.schema(), schema, "{state} {role}");
        }
        server.sql("ALTER ROLE postgres RESET session_replication_role");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn triggers_that_cannot_be_disabled_and_change_the_rows_roll_back_the_restore() {
    for (trigger, expected_text) in [
        (
            "BEFORE INSERT OR UPDATE ON item FOR EACH ROW EXECUTE FUNCTION dropping()",
            "discards or redirects rows",
        ),
        ("AFTER INSERT OR UPDATE ON item FOR EACH ROW EXECUTE FUNCTION doubling()", "adds"),
    ] {
        for rows in ["TRUNCATE item", "DELETE FROM item WHERE id > 10; UPDATE item SET name = 'changed'"] {
            let server = Server::start();
            server.sql(TRIGGERS);
            server
                .sql("CREATE ROLE clerk LOGIN; GRANT SELECT, INSERT, UPDATE, DELETE ON item, other TO clerk");
            let database = Postgres::connect(server.address_of("clerk", "test")).expect("an address");
            let koan = koan_of(database, |builder| builder.register::<Item>()).await;
            let _ = koan.backup("nightly").await.expect("a backup");
            server.sql(rows);
            server.sql(&format!("CREATE TRIGGER acting {trigger}"));
            let before = server.sql("SELECT * FROM item ORDER BY id; TABLE other");
            let mut errors = vec![koan.restore("nightly").await.expect_err("a trigger changes the rows")];
            errors.push(
                koan.restore("nightly")
                    .on_conflict(ConflictMode::Keep)
                    .await
                    .expect_err("a trigger changes the rows"),
            );
            errors.push(
                koan.restore("nightly").replace_existing().await.expect_err("a trigger changes the rows"),
            );
            for error in errors {
                assert_eq!(error.kind(), ErrorKind::Constraint, "{error:?}");
                let text = error.chain();
                assert!(text.contains(expected_text) && text.contains("as the owner"), "{rows}: {text}");
            }
            assert_eq!(server.sql("SELECT * FROM item ORDER BY id; TABLE other"), before);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn row_level_security_is_reported_before_a_restore_that_it_refuses() {
    let server = Server::start();
    server.sql("CREATE TABLE item (id bigint PRIMARY KEY, name text NOT NULL); INSERT INTO item VALUES (1, 'a'), (2, 'b')");
    server.sql("CREATE ROLE clerk LOGIN; GRANT SELECT, INSERT, UPDATE, DELETE ON item TO clerk");
    let database = Postgres::connect(server.address_of("clerk", "test")).expect("an address");
    let koan = koan_of(database, |builder| builder.register::<Item>()).await;
    let _ = koan.backup("nightly").await.expect("a backup");
    server.sql("ALTER TABLE item ENABLE ROW LEVEL SECURITY; CREATE POLICY visible ON item USING (id > 1)");
    let viability = koan.restore("nightly").viability().await.expect("assessed");
    assert!(viability.findings.iter().any(|finding| {
        finding.severity == Severity::Error && finding.message.contains("row-level security")
    }));
    let error = restore_as_reported(|| koan.restore("nightly")).await.expect_err("policies apply");
    assert!(error.chain().contains("BYPASSRLS"), "{error:?}");
    server.sql("ALTER TABLE item OWNER TO clerk");
    let _ = koan.restore("nightly").await.expect("policies do not apply to the owner");
    server.sql("ALTER TABLE item FORCE ROW LEVEL SECURITY");
    let viability = koan.restore("nightly").viability().await.expect("assessed");
    assert!(!viability.is_viable());
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_of_partitions_and_inheriting_tables_do_not_fire() {
    let server = Server::start();
    let rules = |table: &str| {
        format!(
            "CREATE RULE r AS ON INSERT TO {table} DO INSTEAD NOTHING; CREATE RULE u AS ON UPDATE TO {table} DO INSTEAD NOTHING;
             CREATE RULE d AS ON DELETE TO {table} DO INSTEAD NOTHING;"
        )
    };
    let rows = "SELECT id, name FROM item ORDER BY id";
    for (tables, tables_with_rules) in [
        (
            "CREATE TABLE item (id bigint PRIMARY KEY, name text NOT NULL) PARTITION BY RANGE (id);
             CREATE TABLE low PARTITION OF item FOR VALUES FROM (0) TO (20);
             CREATE TABLE high PARTITION OF item FOR VALUES FROM (20) TO (200)",
            ["item", "low", "high"].as_slice(),
        ),
        (
            "CREATE TABLE base (id bigint PRIMARY KEY, name text NOT NULL);
             CREATE TABLE item (PRIMARY KEY (id)) INHERITS (base); CREATE TABLE below (PRIMARY KEY (id)) INHERITS (item)",
            &["base", "item", "below"],
        ),
    ] {
        server.sql(&format!("DROP TABLE IF EXISTS item, base CASCADE; {tables}"));
        server.sql("INSERT INTO item SELECT g, 'item ' || g FROM generate_series(1, 40) g");
        let koan = koan(&server, |builder| builder.register::<Item>()).await;
        let _ = koan.backup("nightly").await.expect("a backup");
        let before = server.sql(rows);
        for is_replacement in [false, true] {
            server.sql("DELETE FROM item WHERE id > 35; UPDATE item SET name = 'changed' WHERE id < 5");
            for table in tables_with_rules {
                server.sql(&rules(table));
            }
            let schema = server.schema();
            let restore = koan.restore("nightly");
            let restore = if is_replacement { restore.replace_existing() } else { restore };
            let written = counts(&restore.await.expect("restored"));
            assert_eq!((written.inserted, written.updated, written.unchanged), (5, 4, 31));
            assert_eq!((server.sql(rows), server.schema()), (before.clone(), schema));
            for table in tables_with_rules {
                server.sql(&format!("DROP RULE r ON {table}; DROP RULE u ON {table}; DROP RULE d ON {table}"));
            }
        }
    }
}

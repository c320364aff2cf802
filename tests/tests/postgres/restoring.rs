//! Restores change the rows as requested and preserve all dependent objects.

use koan_backup::prelude::*;
use koan_backup::provider::{Severity, WriteCounts};
use koan_backup_tests::postgres::{Server, installed_versions};
use koan_backup_tests::reported_restore::restore_as_reported;
use serde::{Deserialize, Serialize};

use super::fixture::{all, hashes, koan, koan_of};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
#[entity_backup]
#[entity(table = "users")]
struct User {
    id: i64,
    email: String,
    boss: Option<i64>,
    favourite: Option<i64>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
#[entity_backup]
struct Purchase {
    id: i64,
    user_id: i64,
    note: Option<String>,
    #[serde(default)]
    length: Option<i32>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
#[entity_backup]
#[entity(key = "purchase_id, line")]
struct Line {
    purchase_id: i64,
    line: i32,
    amount: f64,
}

/// Foreign keys that are cyclic, refer to their own table, cascade or are not validated; triggers in three
/// states, indexes of all kinds with comments, a generated column, and sequences of all kinds.
const SHOP: &str = r#"
    CREATE TABLE users (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, email text NOT NULL CONSTRAINT "E-mail" UNIQUE,
        boss bigint REFERENCES users (id), favourite bigint);
    CREATE TABLE purchase (id bigserial PRIMARY KEY, user_id bigint NOT NULL REFERENCES users (id) ON DELETE CASCADE,
        note text, length int GENERATED ALWAYS AS (pg_catalog.length(note)) STORED);
    ALTER TABLE users ADD CONSTRAINT favourite_exists FOREIGN KEY (favourite) REFERENCES purchase (id) ON DELETE SET NULL;
    COMMENT ON CONSTRAINT favourite_exists ON users IS 'it''s a circle';
    CREATE SEQUENCE lines; CREATE TABLE line (purchase_id bigint, line int DEFAULT nextval('lines'), amount float8 NOT NULL,
        PRIMARY KEY (purchase_id, line), CHECK (amount < 1000));
    ALTER TABLE line ADD CONSTRAINT old FOREIGN KEY (purchase_id) REFERENCES purchase (id) ON UPDATE CASCADE NOT VALID;
    CREATE INDEX purchase_user ON purchase (user_id DESC NULLS LAST) INCLUDE (note) WITH (fillfactor = 70) WHERE user_id > 0;
    COMMENT ON INDEX purchase_user IS 'of ''its'' user';
    CREATE INDEX purchase_note ON purchase (lower(note) COLLATE "C" text_pattern_ops); CREATE INDEX ON purchase USING hash (note);
    CREATE UNIQUE INDEX purchase_once ON purchase (id, user_id); CREATE INDEX purchase_cluster ON purchase (note);
    ALTER TABLE purchase CLUSTER ON purchase_cluster; ALTER TABLE purchase REPLICA IDENTITY USING INDEX purchase_once;
    CREATE TABLE audit (entry text);
    CREATE FUNCTION audit() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO audit VALUES (TG_NAME); RETURN NEW; END $$;
    CREATE TRIGGER a AFTER INSERT OR UPDATE OR DELETE ON users FOR EACH ROW EXECUTE FUNCTION audit();
    CREATE TRIGGER b AFTER INSERT OR UPDATE OR DELETE ON users FOR EACH ROW EXECUTE FUNCTION audit();
    CREATE TRIGGER c AFTER INSERT OR UPDATE OR DELETE ON purchase FOR EACH ROW EXECUTE FUNCTION audit();
    ALTER TABLE users DISABLE TRIGGER b; ALTER TABLE purchase ENABLE ALWAYS TRIGGER c;
    INSERT INTO users OVERRIDING SYSTEM VALUE VALUES (1, 'a@example.org', NULL), (2, 'b@example.org', 7), (7, 'c@example.org', 1);
    INSERT INTO purchase VALUES (1, 1, NULL), (2, 7, 'gift'); UPDATE users SET favourite = 2 WHERE id = 1;
    INSERT INTO line VALUES (1, 1, 0.1), (1, 2, 1e-300), (2, 1, -5.0);
    ALTER TABLE line DISABLE TRIGGER ALL; INSERT INTO line VALUES (99, 1, 0); ALTER TABLE line ENABLE TRIGGER ALL;
    SELECT setval('users_id_seq', 7), setval('purchase_id_seq', 2); TRUNCATE audit;"#;

const CHANGES: &str = "DELETE FROM line WHERE purchase_id = 1; UPDATE users SET boss = NULL; DELETE FROM users WHERE id = 1;
    UPDATE users SET email = 'x@example.org' WHERE id = 2; INSERT INTO users (email) VALUES ('new1@example.org');
    SELECT setval('users_id_seq', 1), setval('purchase_id_seq', 1); TRUNCATE audit;";

fn dump(server: &Server) -> String {
    server.sql("SELECT * FROM users ORDER BY id; SELECT * FROM purchase ORDER BY id; SELECT * FROM line ORDER BY 1, 2; SELECT * FROM audit")
}

async fn shop(server: &Server) -> Koan {
    koan(server, |builder| builder.register::<User>().register::<Purchase>().register::<Line>()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_and_dependent_objects_are_restored_at_every_level() {
    for version in installed_versions() {
        for level in [RestoreLevel::Fast, RestoreLevel::Balanced, RestoreLevel::Safe] {
            let server = Server::of_version(version);
            server.sql(SHOP);
            let (rows, schema) = (dump(&server), server.schema());
            let koan = shop(&server).await;
            let backup = koan.backup("nightly").await.expect("a backup");
            server.sql(CHANGES);
            let report = koan.restore("nightly").replace_existing().level(level).await.expect("restored");
            assert_eq!(report.record_count(), 9);
            assert_eq!(dump(&server), rows, "{level:?}");
            assert_eq!(server.schema(), schema, "{level:?}");
            let second = koan.backup("second").await.expect("a backup");
            assert_eq!(hashes(backup.manifest()), hashes(second.manifest()));
            server.sql("INSERT INTO users (email) VALUES ('next@example.org'); INSERT INTO purchase (user_id) VALUES (7);
                        INSERT INTO line (purchase_id, amount) VALUES (1, 1)");
            assert_eq!(server.sql("SELECT max(id) > 7 FROM users"), "t");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn conflicts_are_resolved_by_the_conflict_mode_and_counted() {
    let server = Server::start();
    server.sql(SHOP);
    let (rows, schema) = (dump(&server), server.schema());
    let koan = shop(&server).await;
    let _ = koan.backup("nightly").await.expect("a backup");
    let user_counts = |report: &koan_backup::report::RestoreReport| -> WriteCounts {
        report.entities.iter().find(|entity| entity.entity == "User").expect("users").counts
    };
    server.sql("DELETE FROM line; DELETE FROM purchase WHERE id = 1; UPDATE users SET email = 'x@example.org' WHERE id = 2;
                INSERT INTO users (email) VALUES ('new@example.org'); TRUNCATE audit");
    let changed = dump(&server);

    let error = restore_as_reported(|| koan.restore("nightly").on_conflict(ConflictMode::Fail))
        .await
        .expect_err("records with these keys exist");
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(error.chain().contains("Purchase `id=2` exists already"), "{error:?}");
    assert_eq!(dump(&server), changed);

    let dry_run = koan.restore("nightly").dry_run().await.expect("compared");
    assert_eq!(
        (user_counts(&dry_run).unchanged, user_counts(&dry_run).updated),
        (2, 1),
        "{:?}",
        user_counts(&dry_run)
    );
    let dry_run = koan.restore("nightly").replace_existing().dry_run().await.expect("compared");
    assert_eq!(user_counts(&dry_run).deleted, 1);
    assert_eq!((dump(&server), server.schema()), (changed, schema.clone()));

    let keep_report = koan.restore("nightly").on_conflict(ConflictMode::Keep).await.expect("restored");
    assert_eq!((user_counts(&keep_report).kept, user_counts(&keep_report).inserted), (3, 0));
    assert_eq!(
        server.sql("SELECT email FROM users WHERE id = 2; SELECT count(*) FROM purchase"),
        "x@example.org\n2"
    );

    // A purchase is restored before its user, and the tables contain rows, so the foreign key must be checked
    // at the end.
    server.sql("DELETE FROM line WHERE purchase_id = 1; UPDATE users SET boss = NULL; DELETE FROM users WHERE id = 1; TRUNCATE audit");
    let report = koan.restore("nightly").await.expect("restored");
    assert_eq!((user_counts(&report).updated, user_counts(&report).inserted), (2, 1));
    assert_eq!(server.sql("DELETE FROM users WHERE id > 7; TRUNCATE audit; SELECT 1"), "1");
    assert_eq!((dump(&server), server.schema()), (rows, schema));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_violated_constraint_rolls_the_restore_back_and_is_in_the_error() {
    let server = Server::start();
    server.sql(SHOP);
    let koan = shop(&server).await;
    let _ = koan.backup("nightly").await.expect("a backup");
    for level in [RestoreLevel::Fast, RestoreLevel::Balanced] {
        // The restore would delete a user to whom a purchase refers, so it is refused at its end.
        server.sql("INSERT INTO users (email) VALUES ('s3cret@example.org') ON CONFLICT DO NOTHING");
        server.sql("INSERT INTO purchase (user_id, note) SELECT max(id), 's3cret' FROM users");
        let before = (dump(&server), server.schema());
        let only_users = koan.restore("nightly").entity::<User>().replace_existing().level(level);
        let error = only_users.await.expect_err("a purchase refers to a user that the restore deleted");
        assert_eq!(error.kind(), ErrorKind::Constraint);
        let text = error.chain();
        assert!(text.contains("purchase_user_id_fkey") && !text.contains("s3cret"), "{text}");
        assert!(text.contains("rows of table `purchase` would refer to rows of table `users`"), "{text}");
        assert_eq!((dump(&server), server.schema()), before);
    }
    server.sql("UPDATE users SET email = 'q@example.org' WHERE id = 7; INSERT INTO users (email) VALUES ('c@example.org')");
    let before = (dump(&server), server.schema());
    let error =
        restore_as_reported(|| koan.restore("nightly")).await.expect_err("another row has the e-mail");
    assert_eq!(error.kind(), ErrorKind::Constraint);
    let text = error.chain();
    assert!(text.contains("E-mail") && !text.contains("c@example.org"), "{text}");
    assert_eq!((dump(&server), server.schema()), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_owns_no_table_restores_with_its_privileges_and_missing_privileges_are_reported() {
    let server = Server::start();
    server.sql("CREATE TABLE users (id bigint PRIMARY KEY, email text, boss bigint, favourite bigint);
        CREATE TABLE purchase (id bigserial PRIMARY KEY, user_id bigint REFERENCES users DEFERRABLE, note text, length int);
        INSERT INTO users VALUES (1, 'a', NULL, NULL); INSERT INTO purchase VALUES (5, 1, NULL, NULL);
        CREATE ROLE clerk LOGIN; GRANT SELECT, INSERT, UPDATE, DELETE ON users TO clerk; GRANT SELECT, INSERT, UPDATE, DELETE ON purchase TO clerk");
    let database = || Postgres::connect(server.address_of("clerk", "test")).expect("an address");
    let koan = koan_of(database(), |builder| builder.register::<User>().register::<Purchase>()).await;
    let _ = koan.backup("nightly").await.expect("a backup");
    let error = restore_as_reported(|| koan.restore("nightly").replace_existing())
        .await
        .expect_err("the role is not permitted to set the sequence");
    assert!(error.chain().contains("GRANT SELECT, UPDATE ON SEQUENCE"), "{error:?}");
    server.sql("GRANT SELECT, UPDATE ON SEQUENCE purchase_id_seq TO clerk; DELETE FROM purchase; INSERT INTO users VALUES (2, 'b', NULL, NULL)");
    let _ = koan.restore("nightly").replace_existing().await.expect("restored");
    assert_eq!(
        server.sql(
            "SELECT count(*) FROM users; SELECT count(*) FROM purchase; SELECT nextval('purchase_id_seq')"
        ),
        "1\n1\n6"
    );
    server.sql("REVOKE DELETE ON users FROM clerk");
    let viability = koan.restore("nightly").replace_existing().viability().await.expect("assessed");
    assert!(
        viability
            .findings
            .iter()
            .any(|finding| finding.severity == Severity::Error && finding.message.contains("DELETE"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_tables_are_created_and_tables_of_sets_are_created_like_the_default_table() {
    let server = Server::start();
    server.sql("CREATE TABLE users (id bigint PRIMARY KEY, email text, boss bigint, favourite bigint); INSERT INTO users VALUES (1, 'a', NULL, 3)");
    let koan = koan(&server, |builder| builder.register::<User>()).await;
    let _ = koan.backup("nightly").await.expect("a backup");
    let _ = koan.restore("nightly").to_set("old").create_missing().await.expect("restored");
    assert_eq!(server.sql("SELECT * FROM \"users#old\""), "1|a||3");
    server.sql("DROP TABLE users; DROP TABLE \"users#old\"");
    let dry_run = koan.restore("nightly").create_missing().dry_run().await.expect("compared");
    assert_eq!(
        (
            dry_run.entities[0].counts.inserted,
            server.sql("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").as_str()
        ),
        (1, "0")
    );
    let _ = koan.restore("nightly").create_missing().await.expect("restored");
    assert_eq!(
        all::<User>(&koan).await,
        [User { id: 1, email: "a".to_owned(), boss: None, favourite: Some(3) }]
    );
    let error = restore_as_reported(|| koan.restore("nightly").to_set("x".repeat(60)).create_missing())
        .await
        .expect_err("the name of the table is too long");
    assert!(error.chain().contains("63 bytes"), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn partitioned_tables_and_tables_without_a_unique_key_are_restored() {
    let server = Server::start();
    server.sql("CREATE TABLE purchase (id bigint, user_id bigint NOT NULL, note text, length int) PARTITION BY RANGE (id);
        CREATE TABLE purchase_low PARTITION OF purchase FOR VALUES FROM (0) TO (10);
        CREATE TABLE purchase_rest PARTITION OF purchase DEFAULT; CREATE INDEX ON purchase (user_id);
        CREATE TABLE audit (entry text);
        CREATE FUNCTION audit() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO audit VALUES (TG_NAME); RETURN NEW; END $$;
        CREATE TRIGGER t AFTER INSERT ON purchase FOR EACH ROW EXECUTE FUNCTION audit();
        INSERT INTO purchase SELECT g, 1, 'n', 1 FROM generate_series(1, 20) g; TRUNCATE audit");
    let schema = server.schema();
    let koan = koan(&server, |builder| builder.register::<Purchase>()).await;
    let _ = koan.backup("nightly").await.expect("a backup");
    server.sql("DELETE FROM purchase WHERE id < 5; UPDATE purchase SET note = 'other'");
    let counts = koan.restore("nightly").await.expect("restored").entities[0].counts;
    assert_eq!((counts.inserted, counts.updated), (4, 16));
    let counts = koan.restore("nightly").replace_existing().await.expect("restored").entities[0].counts;
    assert_eq!((counts.inserted, counts.updated, counts.unchanged, counts.deleted), (0, 0, 20, 0));
    assert_eq!(server.sql("SELECT count(*), min(note) FROM purchase; SELECT count(*) FROM audit"), "20|n\n0");
    assert_eq!(server.schema(), schema);
    server.sql("INSERT INTO purchase SELECT * FROM purchase WHERE id = 3");
    let error =
        restore_as_reported(|| koan.restore("nightly")).await.expect_err("two rows have the same key");
    assert!(error.chain().contains("`id=3`: several rows of table `purchase` have this key"), "{error:?}");
}
